"""The values that cross every seam: frozen, compared by content, safe to deep-copy and to write as JSON.

Imports numpy and the standard library only. Nothing here knows a model or a screen.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import SettingsError

SAMPLING_RATE_HZ = 16_000
"""Every model family here hears 16 kHz mono; `core.audio` brings all files to it."""

Method = Literal["off", "mata", "pai", "bias", "target"]
METHODS: tuple[Method, ...] = ("off", "mata", "pai", "bias", "target")

Role = Literal["user", "assistant"]


@dataclass(frozen=True, eq=False)
class Clip:
    """One sound: mono float32 samples at 16 kHz, with the name a person knows it by.

    Two clips are equal when their samples are, whatever their labels; caches are keyed by `digest`.

    Attributes:
        samples: float32 of shape (n,), read-only, within -1..1.
        label: The file's name without its folder. Hostile text: escape it wherever it is shown.
        source_hz: Sampling rate of the file before conversion, in hertz.
    """

    samples: NDArray[np.float32]
    label: str
    source_hz: int = SAMPLING_RATE_HZ
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        assert self.samples.ndim == 1 and self.samples.dtype == np.float32, "a clip is mono float32"
        samples = np.ascontiguousarray(self.samples)
        samples.setflags(write=False)
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "digest", hashlib.sha256(samples.tobytes()).hexdigest())

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLING_RATE_HZ

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clip) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __deepcopy__(self, memo: object) -> "Clip":
        return self  # frozen, read-only samples: a copy would only cost memory

    def __reduce__(self) -> tuple[type["Clip"], tuple[NDArray[np.float32], str, int]]:
        return Clip, (self.samples, self.label, self.source_hz)  # what comes out of another process is read-only too


Part = str | Clip


@dataclass(frozen=True)
class Turn:
    """One message: its parts in the order given, texts and clips in any mixture."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text parts, joined by newlines."""
        return "\n".join(part for part in self.parts if isinstance(part, str))

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips of this turn, in order."""
        return tuple(part for part in self.parts if isinstance(part, Clip))


def letter(index: int) -> str:
    """Name of the clip at `index`: A ... Z, AA, AB ... as the columns of a spreadsheet."""
    assert index >= 0
    name = ""
    while index >= 0:
        index, digit = divmod(index, 26)
        name, index = chr(ord("A") + digit) + name, index - 1
    return name


@dataclass(frozen=True)
class Conversation:
    """Turns in order. Its clips are lettered A, B, C ... as they were dropped, across turns.

    The same recording dropped twice gets two letters: "are A and B the same file?" is a fair question.
    """

    turns: tuple[Turn, ...] = ()

    def with_turn(self, turn: Turn) -> "Conversation":
        """A new conversation with `turn` at the end."""
        return Conversation((*self.turns, turn))

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Every clip of every turn; the i-th is called `letter(i)`."""
        return tuple(clip for turn in self.turns for clip in turn.clips)

    @property
    def question(self) -> str:
        """The words of the last user turn; empty where there is none."""
        asked = [turn for turn in self.turns if turn.role == "user"][-1:]
        return " ".join(part for turn in asked for part in turn.parts if isinstance(part, str))

    def lettered(self) -> Iterator[tuple[str, Clip]]:
        """The clips with their letters."""
        for index, clip in enumerate(self.clips):
            yield letter(index), clip


@dataclass(frozen=True)
class Boost:
    """Attention boost on audio tokens: which formula, how strong, in which layers (docs/attention.md).

    Attributes:
        method: `mata` (arXiv 2509.18816), `pai` (arXiv 2407.21771), `bias`, `target`, or `off`.
        alpha: Strength. `mata`, `pai`: relative; `bias`: added to the score; `target`: the audio share wanted.
        band: First and last layer as fractions of the depth, half open. MATA's 10-20 of 28 layers by default.
        clip_weights: Multiplies alpha for clip A, B, ...; clips beyond the end count as 1.
    """

    method: Method = "off"
    alpha: float = 0.1
    band: tuple[float, float] = (0.36, 0.71)
    clip_weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SettingsError(f"Unknown boost {self.method!r}: choose one of {', '.join(METHODS)}.")
        low, high = (0.0, 1.0) if self.method == "target" else (-10.0, 10.0)
        if not low <= self.alpha <= high or (self.method == "target" and self.alpha in (0.0, 1.0)):
            raise SettingsError(f"Boost strength {self.alpha} is out of range: {self.method} takes {low} to {high}.")
        if not 0.0 <= self.band[0] < self.band[1] <= 1.0:
            raise SettingsError(f"Layer band {self.band} is out of range: give two fractions with 0 <= from < to <= 1.")
        if any(not 0.0 <= weight <= 10.0 for weight in self.clip_weights):
            raise SettingsError("A clip's weight is out of range: give a number from 0 to 10.")

    @property
    def on(self) -> bool:
        """False where the formula would leave every score as it is."""
        return self.method != "off" and (self.method == "target" or self.alpha != 0.0)

    def layers(self, depth: int) -> range:
        """The layers of the band in a decoder of `depth` layers; never empty."""
        start = min(round(self.band[0] * depth), depth - 1)
        return range(start, max(round(self.band[1] * depth), start + 1))

    def weight(self, index: int) -> float:
        """The weight of the clip at `index`."""
        return self.clip_weights[index] if index < len(self.clip_weights) else 1.0


@dataclass(frozen=True)
class Settings:
    """All that changes an answer.

    Attributes:
        boost: Attention boost.
        adapter: Name of the adapter that is on, or None for the bare model.
        system: System prompt; empty leaves the model's own default.
        temperature: 0 takes the likeliest token; above, samples are drawn.
        top_p: Nucleus size when sampling (arXiv 1904.09751).
        max_tokens: An answer ends there at the latest.
        seed: Of the sampler: the same seed gives the same answer.
        facts: Whether the model is told each clip's measured length, level, pitch and silence (`core.measure`).
    """

    boost: Boost = Boost()
    adapter: str | None = None
    system: str = ""
    temperature: float = 0.0
    top_p: float = 0.9
    max_tokens: int = 160
    seed: int = 0
    facts: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature <= 5.0:
            raise SettingsError(f"Temperature {self.temperature} is out of range: give a number from 0 to 5.")
        if not 0.0 < self.top_p <= 1.0:
            raise SettingsError(f"top_p {self.top_p} is out of range: give a number above 0, up to 1.")
        if not 1 <= self.max_tokens <= 4096:
            raise SettingsError(f"{self.max_tokens} tokens is out of range: give a number from 1 to 4096.")


@dataclass(frozen=True)
class Span:
    """Half-open interval of token positions with the source they come from.

    Sources: "template", "system", "history" (earlier turns' words), "question" (the last user turn's words),
    "pairs" (rows of the adapter about every two clips), "hint" (its row about the question), "clip A", "clip B", ...
    and "answer".
    """

    start: int
    stop: int
    source: str


@dataclass(frozen=True)
class AttentionReading:
    """Where the last query row looked while one token was chosen: means over heads, rows sum to 1.

    Attributes:
        sources: Names of the columns: "template", "system", "history", "question", "pairs", "hint", "clip A", ...,
            "answer".
        tokens: Keys of each source at this step, shape (sources,).
        layers: Decoder layers that were read, shape (layers,).
        weights: Attention weight as applied, shape (layers, sources).
        natural: The same row before the boost, shape (layers, sources); equal to `weights` with the boost off.
        head_spread: Standard deviation over heads of the weight on all clips, shape (layers,).
        profiles: For each clip the mean weight over layers and heads by time bin, equal bins over the clip's
            length; sums to the clip's mean weight.
        boosted: Layers in which the boost acted.
    """

    sources: tuple[str, ...]
    tokens: tuple[int, ...]
    layers: tuple[int, ...]
    weights: tuple[tuple[float, ...], ...]
    natural: tuple[tuple[float, ...], ...]
    head_spread: tuple[float, ...]
    profiles: tuple[tuple[float, ...], ...]
    boosted: tuple[int, ...] = ()


@dataclass(frozen=True)
class Effect:
    """Did the clips matter to an answer: how much likelier they made each of its tokens, in nats (natural logarithm).

    Log-probability with the clips as they were, less that with them silenced. Positive: they helped to say this.

    Attributes:
        tokens: The answer, token by token; a text may be empty while a character is incomplete.
        whole_nats: With all clips silenced together, shape (tokens,).
        clips_nats: With clip A alone silenced, clip B ..., shape (clips, tokens); while it is being found out, of the
            first clips only. They do not add up to the whole: two clips may say the same, or matter together only.
    """

    tokens: tuple[str, ...]
    whole_nats: tuple[float, ...]
    clips_nats: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        assert self.tokens and all(len(nats) == len(self.tokens) for nats in (self.whole_nats, *self.clips_nats))

    @property
    def whole_nats_per_token(self) -> float:
        """All clips together: the mean over the answer's tokens."""
        return sum(self.whole_nats) / len(self.tokens)

    @property
    def clips_nats_per_token(self) -> tuple[float, ...]:
        """Each clip alone: the mean over the answer's tokens, shape (clips,)."""
        return tuple(sum(nats) / len(self.tokens) for nats in self.clips_nats)


@dataclass(frozen=True)
class Stats:
    """What one answer cost. Seconds are wall time; `first_token_seconds` counts from the call of `stream`."""

    prompt_tokens: int
    answer_tokens: int
    encode_seconds: float
    first_token_seconds: float
    total_seconds: float


@dataclass(frozen=True)
class Token:
    """A piece of the answer. `text` may be empty while a character is incomplete.

    `reading` is None where an engine has no attention to read.
    """

    text: str
    reading: AttentionReading | None = None


@dataclass(frozen=True)
class Done:
    """The end of an answer: by the model ("stop") or by the token limit ("length")."""

    stats: Stats
    reason: Literal["stop", "length"]


Event = Token | Done


@dataclass(frozen=True)
class Waiting:
    """Nothing came for a moment: who waits may close the answer here, and loses nothing by going on."""

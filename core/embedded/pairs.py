"""Pair tokens: what the ears say of every two clips, as rows beside the clips (docs/embedded.md).

They belong to the discriminative adapter and are there only while it is on. For clips A and B there are eight: what
only A has, what only B has, and one for each of `FACTS`. All of them mean something before the language model is
trained: they are made of the class rows, of words, and of the two words between which a fact lies ("louder",
"quieter"). ADIFF's cross-projection of two clips (arXiv 2502.04476) is the precedent.
"""

import difflib
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, gelu, normalize

from core.embedded.ears import EVENT_WIDTH, Heard
from core.embedded.joiner import ROW_NORM, Joiner, WordRows
from core.embedded.speech import SPEECH_WIDTH

FACTS = ("kind", "voice", "words", "level", "length", "pitch")
"""What two clips are compared by; the name is also the word that marks the token."""
POLES = (
    ("same", "different"),
    ("same", "different"),
    ("same", "different"),
    ("louder", "quieter"),
    ("longer", "shorter"),
    ("higher", "lower"),
)
SPOKEN = ("voice", "words")
"""Facts that are said only where both clips have a voice."""

EVENT_SIDE, VOICE_SIDE, WIDTH = 128, 64, 256
MEASURED = 12
DB = 6.0
"""Differences of level come in this unit, those of length and pitch in octaves ..."""
STEEPNESS = 4.0
"""... and all of them once more cut off at a quarter of their unit: which is more, whatever by how much."""


class PairJoiner(nn.Module):
    """What is learnt of the pair tokens; `names` and `poles` are computed from the vocabulary and stay frozen."""

    names: Tensor
    poles: Tensor

    def __init__(self, hidden: int):
        """Args: hidden: width of the language model."""
        super().__init__()
        self.register_buffer("names", torch.zeros(len(FACTS), hidden))
        self.register_buffer("poles", torch.zeros(len(FACTS), hidden))
        self.event_norm = nn.LayerNorm(EVENT_WIDTH, elementwise_affine=False)
        self.voice_norm = nn.LayerNorm(2 * SPEECH_WIDTH, elementwise_affine=False)
        self.event = nn.Linear(EVENT_WIDTH, EVENT_SIDE)
        self.voice = nn.Linear(2 * SPEECH_WIDTH, VOICE_SIDE)
        self.compare_in = nn.Linear(3 * (EVENT_SIDE + VOICE_SIDE) + 2 + MEASURED, WIDTH)
        self.compare_out = nn.Linear(WIDTH, len(FACTS))

    def name(self, center: Tensor, row_of: Callable[[str], Tensor]) -> None:
        """Takes names and poles from the vocabulary.

        Args:
            center: Mean token embedding, shape (hidden,).
            row_of: A word -> its embedding, shape (hidden,).
        """
        self.names.copy_(torch.stack([row_of(name) for name in FACTS]) - center)
        ends = torch.stack([row_of(more) - row_of(less) for more, less in POLES])
        self.poles.copy_(normalize(ends, dim=1) * ROW_NORM)

    def forward(self, joiner: Joiner, first: Heard, second: Heard, word_rows: WordRows) -> Tensor:
        """Only the first, only the second, then the facts; shape (2 + facts, hidden)."""
        sides = [beyond(joiner, first, second, word_rows), beyond(joiner, second, first, word_rows)]
        facts = self.names + self.facts(first, second).tanh()[:, None] * self.poles
        return joiner.center + torch.cat([torch.stack(sides), facts.to(joiner.center.dtype)])

    def facts(self, first: Heard, second: Heard) -> Tensor:
        """Logits of `FACTS`, shape (facts,): positive for the first pole, 0 where nothing can be said."""
        pair = (first, second)
        pooled = torch.stack([heard.pooled.mean(0) for heard in pair])
        silent = torch.zeros(2 * SPEECH_WIDTH)
        timbre = torch.stack([silent if heard.speech is None else heard.speech.timbre for heard in pair])
        dtype = self.names.dtype
        events = self.event(self.event_norm(pooled.to(dtype)))
        voices = self.voice(self.voice_norm(timbre.to(dtype)))
        measured = torch.tensor(measured_facts(first, second), dtype=dtype)
        features = torch.cat([_compared(*events), _compared(*voices), measured])
        spoken = first.speech is not None and second.speech is not None
        sayable = torch.tensor([spoken or fact not in SPOKEN for fact in FACTS])
        logits: Tensor = self.compare_out(gelu(self.compare_in(features))) * sayable
        return logits


def beyond(joiner: Joiner, one: Heard, other: Heard, word_rows: WordRows) -> Tensor:
    """What one clip has over the other, around the mean embedding, shape (hidden,); zeros for nothing."""
    more = (joiner.shares(one.logits.amax(0)) - joiner.shares(other.logits.amax(0))).clamp(min=0.0)
    row = more @ joiner.classes
    if words := more_words(texts(one), texts(other)):
        row = row + torch.cat([word_rows(word) for word in words]).mean(0).to(row) - joiner.center
    return row


def measured_facts(first: Heard, second: Heard) -> Sequence[float]:
    """Words, level, length and pitch of two clips as `MEASURED` numbers about 1 in size."""
    ours, theirs = texts(first), texts(second)
    both = bool(ours and theirs)
    a, b = first.measures, second.measures
    measured = (
        (a.level_lufs - b.level_lufs) / DB,
        math.log2(a.seconds / b.seconds),
        math.log2(a.pitch_hz / b.pitch_hz) if a.pitch_hz and b.pitch_hz else 0.0,
    )
    return [
        float(first.speech is not None),
        float(second.speech is not None),
        float(both),
        float(both and ours == theirs),
        _ratio(ours, theirs) if both else 0.0,
        _ratio(" ".join(ours), " ".join(theirs)) if both else 0.0,
        *measured,
        *(max(-1.0, min(1.0, STEEPNESS * value)) for value in measured),
    ]


def texts(heard: Heard) -> list[str]:
    """The words of a clip, lower case."""
    return [] if heard.speech is None else [word.text.lower() for word in heard.speech.words]


def more_words(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """Our words that difflib does not find among theirs in the same order."""
    changes = difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    return [word for kind, start, stop, _, _ in changes if kind in ("replace", "delete") for word in ours[start:stop]]


def _ratio(ours: Sequence[str], theirs: Sequence[str]) -> float:
    return difflib.SequenceMatcher(None, ours, theirs, autojunk=False).ratio()


def _compared(ours: Tensor, theirs: Tensor) -> Tensor:
    """Difference, its size, product and cosine of two vectors (width,), shape (3 * width + 1,)."""
    cosine = cosine_similarity(ours, theirs, dim=0)[None]
    return torch.cat([ours - theirs, (ours - theirs).abs(), ours * theirs / len(ours) ** 0.5, cosine])

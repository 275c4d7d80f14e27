"""An engine without a model, for trying the interface: deterministic, instant to load, and it says what it is.

Its readings have the shape and the laws of real ones (rows sum to 1, a boost raises the clips' weight inside the
band) but they say nothing about the clips.
"""

import math
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from core.engine import EngineInfo, check_matter
from core.errors import ConversationError, EngineError
from core.types import AttentionReading, Boost, Clip, Conversation, Done, Effect, Event, Settings, Stats, Token

LAYERS = 8
PROFILE_BINS = 32
TOKENS_PER_SECOND = 25
TEMPLATE_TOKENS = 14
SINK_LOGIT = 2.5  # real decoders look mostly at the first tokens
AUDIO_LOGIT = -1.0  # and less at one audio token than at one word


class FakeEngine:
    """Follows the `Engine` protocol and answers with a description of what it was given.

    Attributes:
        info: As a real engine's, under the name "fake".
        asked: Every conversation and its settings, in the order asked.
    """

    def __init__(self, delay_seconds: float = 0.03, fail_after_tokens: int | None = None):
        """Args: delay_seconds: pause before each token; fail_after_tokens: raise `EngineError` after so many."""
        self.delay_seconds = delay_seconds
        self.fail_after_tokens = fail_after_tokens
        self.asked: list[tuple[Conversation, Settings]] = []
        self.info = EngineInfo(
            name="fake",
            family="fake",
            precision="fp32",
            reason="no model is loaded",
            adapters=("example-adapter",),
            layers=LAYERS,
            window_seconds=30.0,
            longest_seconds=120.0,
            context_tokens=8192,
        )

    def stream(self, conversation: Conversation, settings: Settings) -> Iterator[Event]:
        """Yields one `Token` a word, then `Done`.

        Raises:
            ConversationError: More clips than `info.max_clips`.
            EngineError: After `fail_after_tokens` tokens, where that was asked for.
        """
        start = time.monotonic()
        if len(conversation.clips) > self.info.max_clips:
            raise ConversationError(
                f"{len(conversation.clips)} clips are too many: start a new chat with at most {self.info.max_clips}."
            )
        self.asked.append((conversation, settings))
        words = _answer(conversation, settings)
        spoken = words[: settings.max_tokens]
        first_token_seconds = 0.0
        for step, word in enumerate(spoken):
            time.sleep(self.delay_seconds)
            if step == self.fail_after_tokens:
                raise EngineError("The fake model failed, as it was told to: ask again.")
            first_token_seconds = first_token_seconds or time.monotonic() - start
            yield Token(word, _reading(conversation, settings, step))
        stats = Stats(
            prompt_tokens=sum(_prompt_tokens(conversation, settings).values()),
            answer_tokens=len(spoken),
            encode_seconds=0.0,
            first_token_seconds=first_token_seconds,
            total_seconds=time.monotonic() - start,
        )
        yield Done(stats, "stop" if len(spoken) == len(words) else "length")

    def matter(self, conversation: Conversation, answer: str, settings: Settings) -> Iterator[Effect]:
        """Yields numbers that depend on the clips, the words and the boost, 0 for a silent clip; see `Engine.matter`.

        Raises:
            ConversationError: There is no clip or no answer.
        """
        check_matter(conversation, answer, self.info)
        tokens = tuple(f"{word} " for word in answer.split())
        clips = tuple(_effect(clip, tokens, settings) for clip in conversation.clips)
        whole = tuple(sum(nats) for nats in zip(*clips, strict=True))
        for known in range(len(clips) + 1):
            time.sleep(self.delay_seconds)
            yield Effect(tokens, whole, clips[:known])


def _effect(clip: Clip, tokens: tuple[str, ...], settings: Settings) -> tuple[float, ...]:
    """Nats by token: mostly positive, larger for a louder clip, a boost and longer words."""
    loudness = math.sqrt(float(np.square(clip.samples).mean()))
    strength = 1.0 + (settings.boost.alpha if settings.boost.on else 0.0)
    rng = np.random.default_rng(int(clip.digest[:8], 16))
    return tuple(
        float(strength * loudness * len(token) * draw)
        for token, draw in zip(tokens, rng.uniform(-0.1, 0.5, len(tokens)), strict=True)
    )


def _answer(conversation: Conversation, settings: Settings) -> tuple[str, ...]:
    """The words of the answer, each with its following space."""
    clips = ", ".join(f"clip {name} of {clip.seconds:.1f} s" for name, clip in conversation.lettered())
    text = (
        "This is a fake answer, because no model is loaded and nothing was listened to. "
        f"You asked: {conversation.turns[-1].text} "
        f"The conversation holds {clips or 'no clip'}. "
        f"The boost is {settings.boost.method} and the adapter is {settings.adapter or 'off'}. "
        "A real model would now compare what it heard."
    )
    return tuple(f"{word} " for word in text.split())


def _prompt_tokens(conversation: Conversation, settings: Settings) -> dict[str, int]:
    """Tokens of each source of the prompt, in a fixed order."""
    history = sum(len(turn.text.split()) for turn in conversation.turns[:-1])
    tokens = {"template": TEMPLATE_TOKENS}
    if settings.system:
        tokens["system"] = len(settings.system.split())
    tokens |= {"history": history} if history else {}
    tokens["question"] = len(conversation.turns[-1].text.split())
    for name, clip in conversation.lettered():
        tokens[f"clip {name}"] = max(1, round(clip.seconds * TOKENS_PER_SECOND))
    return tokens


def _reading(conversation: Conversation, settings: Settings, step: int) -> AttentionReading:
    clips = conversation.clips
    tokens = _prompt_tokens(conversation, settings) | {"answer": step}
    sources = tuple(tokens)
    counts = np.array(tuple(tokens.values()), dtype=np.float64)
    audio = np.array([source.startswith("clip ") for source in sources])
    rng = np.random.default_rng([step, *(int(clip.digest[:8], 16) for clip in clips)])

    # One logit a source: ln(tokens) is what equal scores for all keys would give, the rest is noise.
    with np.errstate(divide="ignore"):
        logits = np.log(counts) + rng.normal(0.0, 0.4, (LAYERS, len(sources)))
    logits[:, 0] += SINK_LOGIT
    logits[:, audio] += AUDIO_LOGIT + np.array([int(clip.digest[:2], 16) / 255 - 0.5 for clip in clips])
    natural = _softmax(logits)
    weights = natural.copy()
    boosted = tuple(settings.boost.layers(LAYERS)) if settings.boost.on and clips else ()
    if boosted:
        band = list(boosted)
        weights[band] = _boosted(logits[band], audio, settings.boost)
    of_clip = weights[:, audio].mean(axis=0)
    return AttentionReading(
        sources=sources,
        tokens=tuple(tokens.values()),
        layers=tuple(range(LAYERS)),
        weights=_rows(weights),
        natural=_rows(natural),
        head_spread=tuple((0.3 * weights[:, audio].sum(axis=1)).tolist()),
        profiles=tuple(_profile(clip, weight, rng) for clip, weight in zip(clips, of_clip, strict=True)),
        boosted=boosted,
    )


def _boosted(logits: NDArray[np.float64], audio: NDArray[np.bool_], boost: Boost) -> NDArray[np.float64]:
    """Weights with the clips' logits raised; `target` is exact, the other methods all act as an additive bias here."""
    if boost.method == "target":
        share = _softmax(logits)[:, audio].sum(axis=1, keepdims=True)
        bias = np.log(boost.alpha * (1 - share) / (share * (1 - boost.alpha)))
        return _softmax(logits + bias * audio)
    weights = np.array([boost.weight(index) for index in range(audio.sum())])
    raised = logits.copy()
    raised[:, audio] += boost.alpha * weights
    return _softmax(raised)


def _profile(clip: Clip, weight: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Weight by time bin, summing to `weight`: loudness with noise, so that it looks like something."""
    energy = np.array(
        [float(np.square(part).mean()) if len(part) else 0.0 for part in np.array_split(clip.samples, PROFILE_BINS)]
    )
    raw = (np.sqrt(energy) + 1e-3) * rng.uniform(0.5, 1.5, PROFILE_BINS)
    return tuple((weight * raw / raw.sum()).tolist())


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _rows(matrix: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())

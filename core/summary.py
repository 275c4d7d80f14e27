"""Readings of one answer reduced to the numbers that the meter and the evaluation show. Pure: no screen, no model."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.types import AttentionReading

SINK = "template"
"""Source whose weight is taken out: position 0 and the template's tokens draw weight whatever is asked."""


def is_clip(source: str) -> bool:
    """True for the sources "clip A", "clip B" ..."""
    return source.startswith("clip ")


@dataclass(frozen=True)
class Shares:
    """Weight by source, summing to 1, and what follows from it once the sink is taken out.

    Attributes:
        sources: Names of the columns.
        tokens: Mean number of keys of each source, shape (sources,).
        weights: Mean weight of each source, shape (sources,).
    """

    sources: tuple[str, ...]
    tokens: tuple[float, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, readings: Iterable[AttentionReading]) -> "Shares":
        """The means over an answer's tokens and over all layers read, as applied; there is at least one reading."""
        read = list(readings)
        tokens = np.mean([reading.tokens for reading in read], axis=0)
        weights = np.mean([np.mean(reading.weights, axis=0) for reading in read], axis=0)
        return cls(read[0].sources, tuple(tokens.tolist()), tuple(weights.tolist()))

    @property
    def outside_sink(self) -> float:
        """Weight on everything but the sink, 0 to 1."""
        return sum(weight for source, weight in zip(self.sources, self.weights, strict=True) if source != SINK)

    def share(self, source: str) -> float:
        """Share of the weight outside the sink that is on `source`, 0 to 1."""
        outside = self.outside_sink
        return self.weights[self.sources.index(source)] / outside if outside > 0 and source != SINK else 0.0

    def token_share(self, source: str) -> float:
        """Share of the tokens outside the sink that are of `source`: what equal weight for every token would give."""
        outside = sum(count for name, count in zip(self.sources, self.tokens, strict=True) if name != SINK)
        return self.tokens[self.sources.index(source)] / outside if outside > 0 and source != SINK else 0.0

    def lift(self, source: str) -> float:
        """Share over token share; 1 is no preference per token, and clip length plays no part."""
        expected = self.token_share(source)
        return self.share(source) / expected if expected > 0 else 0.0

    @property
    def audio(self) -> float:
        """Share of attention on audio, 0 to 1: all clips together, the sink taken out."""
        return sum(self.share(source) for source in self.sources if is_clip(source))

    @property
    def audio_tokens(self) -> float:
        """Share of the tokens outside the sink that are audio."""
        return sum(self.token_share(source) for source in self.sources if is_clip(source))

    @property
    def audio_lift(self) -> float:
        """Lift of all clips together."""
        return self.audio / self.audio_tokens if self.audio_tokens > 0 else 0.0


@dataclass(frozen=True)
class Summary:
    """Means over the tokens of one answer.

    Attributes:
        steps: Answer tokens it rests on.
        sources: Names of the sources.
        tokens: Mean keys of each source, shape (sources,).
        layers: Decoder layers that were read.
        boosted: Those in which a boost acted.
        weights: Mean weight as applied by layer and source, shape (layers, sources); rows sum to 1.
        natural: The same before the boost.
        head_spread: Mean over steps and layers of the standard deviation over heads of the weight on audio.
        profiles: For each clip its mean weight by time bin.
    """

    steps: int
    sources: tuple[str, ...]
    tokens: tuple[float, ...]
    layers: tuple[int, ...]
    boosted: tuple[int, ...]
    weights: tuple[tuple[float, ...], ...]
    natural: tuple[tuple[float, ...], ...]
    head_spread: float
    profiles: tuple[tuple[float, ...], ...]

    @cached_property
    def applied(self) -> Shares:
        """Shares as they acted on the answer: the mean over all layers read."""
        return Shares(self.sources, self.tokens, _mean_rows(self.weights))

    @cached_property
    def before_boost(self) -> Shares:
        """Shares of the same rows before the boost."""
        return Shares(self.sources, self.tokens, _mean_rows(self.natural))

    @property
    def clips(self) -> tuple[str, ...]:
        """The sources that are clips, in the order of their letters."""
        return tuple(source for source in self.sources if is_clip(source))

    def audio_by_layer(self) -> tuple[float, ...]:
        """Share of attention on audio in each layer read, as applied, shape (layers,)."""
        return tuple(Shares(self.sources, self.tokens, row).audio for row in self.weights)


def _mean_rows(rows: tuple[tuple[float, ...], ...]) -> tuple[float, ...]:
    return tuple(np.mean(rows, axis=0).tolist())

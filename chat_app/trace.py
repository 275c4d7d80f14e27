"""The readings of one answer, token by token, as arrays: a tenth of the memory of the values they came in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.summary import Summary
from core.types import AttentionReading, Token

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Trace:
    """Where the model looked while it chose each token of an answer (`core.types.AttentionReading`).

    Attributes:
        texts: The tokens' texts, shape (steps,); one may be empty while a character is incomplete.
        sources: Names of the columns.
        layers: Decoder layers that were read.
        boosted: Those in which a boost acted.
        tokens: Keys of each source at each step, shape (steps, sources).
        weights: As applied, shape (steps, layers, sources).
        natural: Before the boost, shape (steps, layers, sources).
        head_spread: Standard deviation over heads of the weight on audio, shape (steps, layers).
        profiles: For each clip its weight by time bin, shape (steps, bins).
    """

    texts: tuple[str, ...]
    sources: tuple[str, ...]
    layers: tuple[int, ...]
    boosted: tuple[int, ...]
    tokens: Array
    weights: Array
    natural: Array
    head_spread: Array
    profiles: tuple[Array, ...]

    @staticmethod
    def of(tokens: Sequence[Token]) -> "Trace | None":
        """The trace of one answer; None where there is no token, or an engine that reads no attention."""
        readings = [token.reading for token in tokens if token.reading is not None]
        if not readings:
            return None
        assert len(readings) == len(tokens), "an engine reads each token or none"
        first = readings[0]
        assert all(reading.sources == first.sources and reading.layers == first.layers for reading in readings)
        return Trace(
            texts=tuple(token.text for token in tokens),
            sources=first.sources,
            layers=first.layers,
            boosted=tuple(sorted({layer for reading in readings for layer in reading.boosted})),
            tokens=_array(reading.tokens for reading in readings),
            weights=_array(reading.weights for reading in readings),
            natural=_array(reading.natural for reading in readings),
            head_spread=_array(reading.head_spread for reading in readings),
            profiles=tuple(
                _array(reading.profiles[clip] for reading in readings) for clip in range(len(first.profiles))
            ),
        )

    @property
    def steps(self) -> int:
        """Tokens of the answer."""
        return len(self.texts)

    @cached_property
    def summary(self) -> Summary:
        """Means over the whole answer."""
        return Summary(
            steps=self.steps,
            sources=self.sources,
            tokens=_means(self.tokens),
            layers=self.layers,
            boosted=self.boosted,
            weights=_rows(self.weights.mean(axis=0, dtype=np.float64)),
            natural=_rows(self.natural.mean(axis=0, dtype=np.float64)),
            head_spread=float(self.head_spread.mean(dtype=np.float64)),
            profiles=tuple(map(_means, self.profiles)),
        )

    @property
    def readings(self) -> tuple[AttentionReading, ...]:
        """The readings it was made of, each number rounded to float32."""
        return tuple(
            AttentionReading(
                sources=self.sources,
                tokens=tuple(map(int, self.tokens[step])),
                layers=self.layers,
                weights=_rows(self.weights[step]),
                natural=_rows(self.natural[step]),
                head_spread=tuple(self.head_spread[step].tolist()),
                profiles=tuple(tuple(profile[step].tolist()) for profile in self.profiles),
                boosted=self.boosted,
            )
            for step in range(self.steps)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trace) and all(
            _same(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)
        )

    def __hash__(self) -> int:
        return hash((self.texts, self.sources, self.weights.tobytes()))

    def __deepcopy__(self, memo: object) -> "Trace":
        return self  # frozen, read-only arrays: a copy would only cost memory


def _array(rows: Iterator[Any]) -> Array:
    array = np.array(list(rows), dtype=np.float32)
    array.setflags(write=False)
    return array


def _means(rows: Array) -> tuple[float, ...]:
    return tuple(rows.mean(axis=0, dtype=np.float64).tolist())


def _rows(matrix: NDArray[Any]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(np.array_equal(one, other))

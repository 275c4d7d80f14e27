"""Where the last query row looked: rows of weights reduced to a reading, on the device until somebody asks."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.observation import BINS, Observation
from core.types import AttentionReading


@dataclass(frozen=True, eq=False)
class Look:
    """A reading that is still on the device, in one row of numbers.

    Attributes:
        numbers: float32: the table by layer and source, the spread by layer, the profiles by clip and bin.
        layers: The layers that were read.
        boosted: Those of them in which the boost acted.
        keys: Keys at this step.
        seen: What was observed.
    """

    numbers: Tensor
    layers: tuple[int, ...]
    boosted: tuple[int, ...]
    keys: int
    seen: Observation

    def reading(self, numbers: Sequence[float] | None = None) -> AttentionReading:
        """The reading; its numbers are copied to the host unless they are given, who may have copied more with them."""
        depth, width = len(self.layers), len(self.seen.sources)
        end = (depth + len(self.boosted)) * width
        packed = self.numbers.tolist() if numbers is None else numbers
        table = [tuple(packed[at : at + width]) for at in range(0, end, width)]
        natural = dict(zip(self.boosted, table[depth:], strict=True))
        tail = packed[end:]
        return AttentionReading(
            sources=self.seen.sources,
            tokens=self.seen.tokens(self.keys),
            layers=self.layers,
            weights=tuple(table[:depth]),
            natural=tuple(natural.get(layer, row) for layer, row in zip(self.layers, table[:depth], strict=True)),
            head_spread=tuple(tail[:depth]),
            profiles=tuple(tuple(tail[at : at + BINS]) for at in range(depth, len(tail), BINS)),
            boosted=self.boosted,
        )


def look_of(rows: Tensor, layers: tuple[int, ...], boosted: tuple[int, ...], seen: Observation) -> Look:
    """Reduces the last rows of all layers, where they are.

    Args:
        rows: Weights of shape (layers + boosted layers, heads, keys): those applied in each layer, then those before
            the boost in each boosted one.
        layers: The layers that were read.
        boosted: Those of them in which the boost acted.
        seen: What was observed.
    """
    depth, keys = len(layers), rows.shape[-1]
    assert len(rows) == depth + len(boosted), "a row for each layer, and one more for each boosted one"
    # few operations, for all layers at once: right after a forward each runs cold, and that is most of its cost
    spread = (rows[:depth] @ seen.on_clip[:keys]).std(1, correction=0)
    by_key = rows.mean(1)
    by_source = by_key @ seen.one_hot[:keys]
    profile = by_key[:depth].mean(0)[: seen.prompt_tokens] @ seen.profile
    return Look(torch.cat([by_source.flatten(), spread, profile]), layers, boosted, keys, seen)


def reading_of(rows: Tensor, layers: tuple[int, ...], boosted: tuple[int, ...], seen: Observation) -> AttentionReading:
    """The reading of last rows, with one copy to the host; see `look_of`."""
    return look_of(rows, layers, boosted, seen).reading()

"""Keys and values of prompts that were read, kept for the next question (docs/speed.md)."""

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from core.decoder import Memory

Names = Sequence[Hashable]
"""One for each row; equal names mean equal rows."""

WORTH_TAKING = 32
"""Rows in common for which the memory of what may be another conversation is taken."""
MOST_KEPT = 8
"""Memories on the shelf: of the tabs and settings used last. Each has free room, so their number counts too."""


@dataclass(frozen=True, eq=False)
class Kept:
    """What one run left, under one adapter."""

    names: tuple[Hashable, ...]
    adapter: str | None
    memory: Memory


class Shelf:
    """Memories nobody is using, oldest first. Who takes one has it alone."""

    def __init__(self, most_tokens: int):
        """Args: most_tokens: Rows kept in all; a longer memory is not kept."""
        self.most_tokens = most_tokens
        self._kept: list[Kept] = []
        self._lock = threading.Lock()

    def take(self, names: Names, adapter: str | None) -> Memory | None:
        """The memory with the longest beginning in common, cropped to it; the last row is never in it.

        Args:
            names: Of the rows of a prompt.
            adapter: Under which it is to be read.

        Returns:
            None where nothing on the shelf begins alike for long enough.
        """
        with self._lock:
            alike = [(common(kept.names, names), kept) for kept in self._kept if kept.adapter == adapter]
            rows, best = max(alike, key=lambda found: found[0], default=(0, None))
            if best is None or rows < WORTH_TAKING:
                return None
            self._kept.remove(best)
        best.memory.crop(min(rows, len(names) - 1))
        return best.memory

    def put(self, names: Names, adapter: str | None, memory: Memory) -> None:
        """Keeps a memory whose rows are as a fresh run would have them; the oldest ones go where it gets too much."""
        assert memory.tokens == len(names), "every row has a name"
        with self._lock:
            self._kept.append(Kept(tuple(names), adapter, memory))
            while self.tokens > self.most_tokens or len(self._kept) > MOST_KEPT:
                self._kept.pop(0)

    @property
    def tokens(self) -> int:
        """Rows on the shelf."""
        return sum(len(kept.names) for kept in self._kept)

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._kept.clear()


def common(one: Names, other: Names) -> int:
    """Length of the longest common beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))

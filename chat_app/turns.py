"""Who is answered now and who waits for it. One model answers one question at a time, first come, first served."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from chat_app import strings
from core.errors import LalmError

MOST_WAITING = 20
"""Questions that may wait at once, unless the command line says another number."""
LOOK_SECONDS = 1.0
"""Between two values of `Turn.places` at most: whoever is told of a visitor's leaving only then hears of it."""


class LineFullError(LalmError):
    """As many questions as may wait are waiting."""


class Turn:
    """One question's place in line, from when it is asked to when `close` gives it back.

    Attributes:
        tab: Who asked; None for a program.
        stopped: Whether it is to end, as soon as it can: at the next token, or without an answer if it still waits.
    """

    def __init__(self, turns: "Turns", tab: str | None):
        self.tab, self.stopped, self._turns = tab, False, turns

    def places(self) -> Iterator[int]:
        """How many are before it: at once, at every change, and every second. Ends at its turn, and when stopped."""
        changed = self._turns.changed
        while not self.stopped and (before := self._turns.before(self)):
            yield before
            with changed:
                if not self.stopped and self._turns.before(self) == before:
                    changed.wait(LOOK_SECONDS)

    def close(self) -> None:
        """Leaves the line: the next one comes up."""
        self._turns.leave(self)


class Turns:
    """The line, and the tabs whose panes somebody writes. Every method may be called from any thread.

    Attributes:
        most_waiting: Questions that may wait behind the one that is answered.
        changed: Told of every change.
    """

    def __init__(self, most_waiting: int = MOST_WAITING):
        self.most_waiting = most_waiting
        self.changed = Condition()
        self._line: list[Turn] = []
        self._writing: set[str] = set()

    def join(self, tab: str | None) -> Turn:
        """A place at the end of the line.

        Raises:
            LineFullError: There is none left.
        """
        with self.changed:
            if len(self._line) > self.most_waiting:
                raise LineFullError(strings.LINE_FULL.format(questions=strings.questions(len(self._line) - 1)))
            self._line.append(Turn(self, tab))
            return self._line[-1]

    def before(self, turn: Turn) -> int:
        """How many are before it, the one that is answered among them."""
        with self.changed:
            return self._line.index(turn)

    def leave(self, turn: Turn) -> None:
        """Takes it out of the line, wherever it stands."""
        with self.changed:
            self._line.remove(turn)
            self.changed.notify_all()

    def stop(self, tab: str) -> None:
        """Ends what was asked in `tab`, if anything was."""
        with self.changed:
            for turn in self._line:
                turn.stopped = turn.stopped or turn.tab == tab
            self.changed.notify_all()

    @contextmanager
    def writing(self, tab: str) -> Iterator[bool]:
        """Until the context is left, whoever has it writes the panes of `tab`; False where somebody else does."""
        with self.changed:
            alone = tab not in self._writing
            self._writing.add(tab)
        try:
            yield alone
        finally:
            if alone:
                with self.changed:
                    self._writing.remove(tab)

    def written(self, tab: str) -> bool:
        """Whether somebody writes the panes of `tab` now."""
        return tab in self._writing

"""A server's stream that is read by a thread, so that whoever waits for it can look up in between, and hang up."""

import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

from core.errors import LalmError
from core.types import Waiting

BEAT_SECONDS = 0.05
"""Longest wait for what comes next, before whoever waits may do something else: go on with another pane, or stop."""


class Line:
    """A connection that another thread can hang up.

    Attributes:
        over: Whether it was.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self.over = False
        self._lock = threading.Lock()

    def trace(self, _event: str, info: dict[str, Any]) -> None:
        """To be given to the client as its extension `trace`, which is told of each step: it sees the socket here."""
        told = getattr(info.get("return_value"), "get_extra_info", None)
        if told is not None:  # of a stream: at first plain, then with TLS around it
            with self._lock:
                self._socket = told("socket")
                if self.over:
                    self._shut()

    def hang_up(self) -> None:
        """Ends whatever is read or sent there."""
        with self._lock:
            self.over = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # it has gone by itself
                self._socket.shutdown(socket.SHUT_RDWR)


@contextmanager
def listening(read: Callable[[Line], Generator[str, None, None]]) -> Iterator[Iterator[str | Waiting]]:
    """What `read` yields, and a `Waiting` wherever nothing came for a moment. Leaving it hangs up.

    Args:
        read: A generator, run in a thread of its own, over a connection that is traced by the line it is given.

    Raises:
        LalmError: As `read` does.
    """
    line, came = Line(), SimpleQueue[str | LalmError | None]()

    def run() -> None:
        try:
            with closing(read(line)) as pieces:
                for piece in pieces:
                    if line.over:
                        return
                    came.put(piece)
        except LalmError as error:
            came.put(error)
        finally:
            came.put(None)

    def heard() -> Iterator[str | Waiting]:
        while True:
            try:
                piece = came.get(timeout=BEAT_SECONDS)
            except Empty:
                yield Waiting()
                continue
            if piece is None:
                return
            if isinstance(piece, LalmError):
                raise piece
            yield piece

    threading.Thread(target=run, name="remote", daemon=True).start()
    try:
        yield heard()
    finally:
        line.hang_up()

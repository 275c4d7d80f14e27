"""A server on this machine that answers any request with bytes as they are given, and can stall, drip and reset."""

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
"""A stream of events follows, up to the end of the connection."""
WAIT, RESET, DRIP, AGAIN = "wait", "reset", "drip", "again"
"""Until the client hangs up: nothing; an end without order; a space now and then; the piece before again and again."""
Script = Sequence[bytes | str]


def said(words: str) -> bytes:
    """An event with a piece of an answer."""
    return b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % words.encode()


@dataclass
class Raw:
    """The server.

    Attributes:
        address: To be given to `connect`, with its path.
        script: What is sent, piece by piece.
        hung_up: Set when a client has gone in the middle of it.
        asked: Set when a request has come.
    """

    address: str
    script: Script = ()
    hung_up: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)


@contextmanager
def raw(script: Script = ()) -> Iterator[Raw]:
    """The server while it runs."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        served = Raw(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", script)
        thread = threading.Thread(target=_serve, args=(listening, served), daemon=True)
        thread.start()
        try:
            yield served
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(60)
            assert not thread.is_alive()


def _serve(listening: socket.socket, served: Raw) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # it was shut
            return
        with connection:
            connection.settimeout(30)
            try:
                _request(connection)
                served.asked.set()
                _answer(connection, served.script)
            except (ConnectionError, TimeoutError):
                served.hung_up.set()


def _request(connection: socket.socket) -> None:
    """Reads one request with its body."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(1) or b"\r\n\r\n"
    length = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    left = length[0] if length else 0
    while left > 0:
        left -= len(connection.recv(min(left, 65_536))) or left


def _answer(connection: socket.socket, script: Script) -> None:
    before = b""
    for piece in script:
        if isinstance(piece, bytes):
            before = piece
            connection.sendall(piece)
        elif piece == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif piece == WAIT:
            if not connection.recv(1):
                raise ConnectionError("the client hung up")
        else:
            while True:
                connection.sendall(before if piece == AGAIN else b" ")
                if piece == DRIP:
                    connection.settimeout(0.02)
                    with suppress(TimeoutError):
                        if not connection.recv(1):
                            raise ConnectionError("the client hung up")
                    connection.settimeout(30)

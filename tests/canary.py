"""What nobody may come by: files outside the uploads and a server elsewhere, and whether somebody did."""

import ctypes
import os
import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

MARK = "EARSHOT-CANARY-7f3a"
HOST = "canary.invalid"
"""A name that never resolves (RFC 6761); that it is looked up is enough."""
IN_OPEN = 0x20


@dataclass
class Canary:
    """Everything that happened to what nobody may come by.

    Attributes:
        sound: A sound outside the uploads, with the mark behind it.
        text: A text of the mark.
        server: Address of a server on this machine that nobody may ask.
        opened: Whether a file of these was opened, by Python or by a library, as the kernel tells it.
        asked: Names that were looked up, and addresses that were connected to, of what is elsewhere.
    """

    sound: Path
    text: Path
    server: str
    opened: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def untouched(self) -> bool:
        """Whether nothing happened."""
        return not self.opened and not self.asked


_watching = list[Canary]()


def _hook(event: str, given: tuple[Any, ...]) -> None:
    for canary in _watching:
        port = canary.server.rsplit(":", 1)[1]
        if event == "open" and str(canary.sound.parent) in str(given[0]):
            canary.opened.append(str(given[0]))
        if event in {"socket.getaddrinfo", "socket.gethostbyname"} and HOST in str(given[0]):
            canary.asked.append(HOST)
        if event == "socket.connect" and port in str(given[1]):
            canary.asked.append(str(given[1]))


sys.addaudithook(_hook)  # there is no way to take one away again


@contextmanager
def canary(folder: Path) -> Iterator[Canary]:
    """Lays it out in a folder, and watches."""
    secret = folder / "secret"
    secret.mkdir()
    sound, text = secret / "canary.wav", secret / "canary.txt"
    soundfile.write(sound, np.full(8_000, 0.25, np.float32), 16_000)
    sound.write_bytes(sound.read_bytes() + MARK.encode())
    text.write_text(MARK)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        made = Canary(sound, text, f"http://127.0.0.1:{port}")
        _watching.append(made)
        try:
            with _opens(secret, made.opened):
                yield made
        finally:
            _watching.remove(made)
        # One that came by a way of its own waits to be accepted.
        if select.select([listening], [], [], 0)[0]:
            made.asked.append("a connection")


@contextmanager
def _opens(folder: Path, opened: list[str]) -> Iterator[None]:
    """Notes what is opened in a folder by whoever it is, C libraries too. Only Linux tells."""
    if sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    watch, (reading, ending) = libc.inotify_init(), os.pipe()
    assert watch >= 0 and libc.inotify_add_watch(watch, os.fsencode(folder), IN_OPEN) >= 0

    def note() -> None:
        while watch in select.select([watch, reading], [], [])[0]:
            opened.append(os.read(watch, 4_096)[16:].rstrip(b"\0").decode(errors="replace") or "the folder")

    thread = threading.Thread(target=note)
    thread.start()
    try:
        yield
    finally:
        os.write(ending, b".")
        thread.join()
        for handle in (watch, reading, ending):
            os.close(handle)

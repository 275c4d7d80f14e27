"""Faults of a machine, made for real: a process of its own that is killed at a chosen point, or may write no more."""

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from core.errors import LalmError

# One server imports the libraries once; each child is a fresh process forked off it.
SERVER = get_context("forkserver")
SERVER.set_forkserver_preload(["tests.tiny", "tests.evaluation_tiny", "tests.serving"])
SECONDS = 240.0
"""After which a child hangs."""
TOUCHING = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.utime", "shutil.rmtree", "fcntl.flock")
"""Audit events (PEP 578) of Python's own dealings with files."""
NOBODY = 65_534

Work = Callable[..., Any]


@dataclass(frozen=True)
class Failed:
    """An error of a child: its type's name, and what it says."""

    kind: str
    sentence: str


def killed_at(point: int, folder: Path, work: Work, *given: Any) -> bool:
    """Runs `work` in a child that kills itself with SIGKILL right before it touches a file for the `point`-th time.

    Args:
        point: From 1.
        folder: Only what is touched in there counts.
        work: A function of a module.
        given: To it.

    Returns:
        Whether it came to that; else `work` ended before.
    """
    process = SERVER.Process(target=_dies, args=(point, str(folder), work, given), daemon=True)
    process.start()
    process.join(SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL), f"the child ended with {process.exitcode}"
    return process.exitcode != 0


def told_by(work: Work, *given: Any, most_bytes: int | None = None, nobody: bool = False) -> Any:
    """What `work` gives in a child, or the error it raises there, as a `Failed`.

    Args:
        work: A function of a module.
        given: To it.
        most_bytes: A file cannot grow larger: the system refuses whatever library writes it, as if the disk was full.
        nobody: Whether it runs as a user who owns nothing, where the tests run as root, who may write everywhere.
    """
    mine, theirs = SERVER.Pipe(duplex=False)
    process = SERVER.Process(target=_tells, args=(theirs, work, given, most_bytes, nobody), daemon=True)
    process.start()
    theirs.close()
    assert mine.poll(SECONDS), "the child hangs"
    told = mine.recv()
    process.join(SECONDS)
    return told


@contextmanager
def small_files(most_bytes: int) -> Iterator[None]:
    """A disk that is full as soon as a file has so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _quiet() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)


def _dies(point: int, folder: str, work: Work, given: tuple[Any, ...]) -> None:
    _quiet()
    touched = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal touched
        if event in TOUCHING and str(arguments[0]).startswith(folder):
            touched += 1
            if touched == point:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    work(*given)


def _tells(to: Connection, work: Work, given: tuple[Any, ...], most_bytes: int | None, nobody: bool) -> None:
    _quiet()
    if nobody and os.geteuid() == 0:
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        if most_bytes is None:
            told = work(*given)
        else:
            with small_files(most_bytes):
                told = work(*given)
    except (LalmError, OSError, RuntimeError, ValueError) as error:
        told = Failed(type(error).__name__, str(error))
    to.send(told)

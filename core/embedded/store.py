"""Folders of the cache, each whole or not there: made beside, sealed, renamed, and checked against the seal before use.

The seal is a list of the files with their sizes and checksums. It finds what a full disk, a cut copy or a bad sector
left; it is no signature: who may write to the cache may also write the seal.
"""

import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from core.errors import LoadError
from core.files import what_stopped

Progress = Callable[[str], None]

SEAL = "seal.json"
LOCK = "filling.lock"
UNFINISHED = "unfinished-"
"""How the folder of what is being made begins."""
PIECE_BYTES = 2**22


def cache_folder() -> Path:
    """Where parts and the assembled model are kept: `EARSHOT_CACHE`, else the user's cache folder."""
    if folder := os.environ.get("EARSHOT_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "earshot"


def stored(folder: Path, make: Callable[[Path], None], progress: Progress = print) -> Path:
    """A folder, made where it is missing and made anew where it is damaged.

    Of several processes one makes it, and the others wait. A lock goes with its process, however that ends.

    Args:
        folder: Where it stays. A folder beside it holds what is unfinished.
        make: Fills the folder it is given; what it puts beside that folder is thrown away.
        progress: Is told of damage, and of waiting.

    Raises:
        LoadError: It cannot be written, or `make` says why not.
    """
    if whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.parent, progress):
            if not whole(folder):
                if folder.exists():
                    progress(f"{folder.name} in the cache is not whole: it is made anew.")
                _make(folder, make)
    except (OSError, SafetensorError) as error:
        raise LoadError(
            f"{folder.parent} cannot be written ({what_stopped(error)}): make room on the disk, or name another folder "
            f"in EARSHOT_CACHE; nothing half-written stays."
        ) from error
    return folder


def whole(folder: Path) -> bool:
    """Whether the files of a folder are those it was sealed with; folders within have seals of their own."""
    try:
        return (folder / SEAL).read_bytes() == _listed(folder)
    except OSError:
        return False


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    """Makes a folder; to be called under the lock."""
    for left in folder.parent.glob(f"{UNFINISHED}*"):  # by a process that was killed: who makes one holds the lock
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder.parent) as beside:
        ready = Path(beside) / "ready"
        ready.mkdir()
        make(ready)
        (ready / SEAL).write_bytes(_listed(ready))
        if folder.exists():
            folder.rename(Path(beside) / "damaged")
        ready.rename(folder)


@contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Holds the folder's lock."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress(f"Another process fills {folder}: waiting for it ...")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _listed(folder: Path) -> bytes:
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name != SEAL)
    return json.dumps({file.name: (file.stat().st_size, _checksum(file)) for file in files}).encode()


def _checksum(file: Path) -> int:
    """CRC-32: half a gigabyte takes a tenth of a second."""
    found = 0
    with file.open("rb") as content:
        while piece := content.read(PIECE_BYTES):
            found = zlib.crc32(piece, found)
    return found

"""Files that are whole or not there: written beside, then renamed. A process killed in between leaves the old one."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from secrets import token_hex

from safetensors import SafetensorError

from core.errors import WriteError, first_line

UNFINISHED = ".new"
"""How a file ends that is being written."""
LEFT_SECONDS = 3600.0
"""After which nobody writes it any more."""


def write_whole(path: Path, content: bytes | str) -> None:
    """Puts a file in place at once; its folder is made where it is missing. Text is UTF-8.

    Raises:
        OSError: There is no room, or no permission; what was there is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{escape(path.name)}.*{UNFINISHED}"):  # by a process that was killed
        if time.time() - left.stat().st_mtime > LEFT_SECONDS:
            left.unlink(missing_ok=True)
    beside = path.with_name(f".{path.name}.{token_hex(8)}{UNFINISHED}")
    try:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def save_whole(path: Path, content: bytes | str) -> None:
    """As `write_whole`, with a sentence for whoever started the program.

    Raises:
        WriteError: There is no room, or no permission; what was there is as it was.
    """
    with told_in_words(path):
        write_whole(path, content)


@contextmanager
def told_in_words(path: Path) -> Iterator[None]:
    """What stops whoever writes to a path, as a `WriteError`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise WriteError(
            f"{path} cannot be written ({what_stopped(error)}): make room on the disk, or take another folder, then "
            f"start again."
        ) from error


def what_stopped(error: BaseException) -> str:
    """Why something could not be written, as the system puts it, without a path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    number = re.search(r"\(os error (\d+)\)", str(error))  # as libraries in Rust put it
    return os.strerror(int(number[1])) if number else first_line(error)

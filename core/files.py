"""Files that are whole or not there: written beside, then renamed. A process killed in between leaves the old one."""

import os
import re
from pathlib import Path
from secrets import token_hex

from core.errors import first_line


def write_whole(path: Path, content: bytes | str) -> None:
    """Puts a file in place at once; its folder is made where it is missing. Text is UTF-8.

    Raises:
        OSError: There is no room, or no permission; what was there is as it was.
    """
    beside = path.with_name(f".{token_hex(8)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def what_stopped(error: BaseException) -> str:
    """Why something could not be written, as the system puts it, without a path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    number = re.search(r"\(os error (\d+)\)", str(error))  # as libraries in Rust put it
    return os.strerror(int(number[1])) if number else first_line(error)

"""A zip from anywhere, read member by member within bounds. Nothing is extracted: its names are never paths."""

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from core.errors import ConversationError
from core.serial import refuse

MOST_FILE_BYTES = 200_000_000
"""Of the zip; the page takes no larger upload."""
MOST_BYTES = 512_000_000
"""Of all members together, unpacked."""
MOST_RATIO, FREE_BYTES = 100, 64_000_000
"""The members are at most so many times as large as the zip, not counting the first bytes: silence packs very well."""
MOST_MEMBERS = 5_000
MOST_DIRECTORY_BYTES = 1_000_000
"""Of the list of members, which is read as a whole."""

_END = struct.Struct("<4s4H2LH")
_END_MARK, _ZIP64_MARK, _ZIP64_BYTES = b"PK\x05\x06", b"PK\x06\x07", 20
# What zipfile raises on zips that were cut or changed, found by changing bits at random.
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError),
)

Read = Callable[[str], bytes]
"""The content of a member; an empty one and a missing one are refused."""


@contextmanager
def opened(path: Path) -> Iterator[Read]:
    """Reads members by name, each once or more often, while the zip is open.

    Raises:
        ConversationError: It is damaged or beyond the bounds; `Read` too.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        refuse(f"it cannot be read, {error.strerror}")
    with file:
        _check_end(file)
        try:
            archive = zipfile.ZipFile(file)
        except _BROKEN:
            refuse("it is no zip, or a damaged one")
        with archive:
            members = _members(archive)
            yield lambda name: _read(archive, members, name)


def fits(unpacked: int, packed: int) -> bool:
    """Whether a zip may have these sizes, in bytes."""
    return packed <= MOST_FILE_BYTES and unpacked <= min(MOST_BYTES, FREE_BYTES + MOST_RATIO * packed)


def _check_end(file: BinaryIO) -> None:
    """Looks at the end of the zip before zipfile does, which would read a list of members of any length."""
    size = file.seek(0, 2)
    file.seek(max(size - _END.size - _ZIP64_BYTES, 0))
    tail = file.read()
    file.seek(0)
    if size > MOST_FILE_BYTES:
        refuse(f"it has more than {MOST_FILE_BYTES // 1_000_000} MB")
    if len(tail) < _END.size:
        refuse("it is no zip, or a damaged one")
    mark, *_, directory_bytes, _, comment_bytes = _END.unpack(tail[-_END.size :])
    if mark != _END_MARK or comment_bytes or tail.startswith(_ZIP64_MARK):
        refuse("it is no zip, or a damaged one")
    if directory_bytes > MOST_DIRECTORY_BYTES:
        refuse("it has too many members")


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """By name."""
    infos = archive.infolist()
    members = {info.filename: info for info in infos}
    if len(infos) > MOST_MEMBERS:
        refuse("it has too many members")
    if len(members) < len(infos):
        refuse("a member is there twice")
    assert archive.fp is not None
    if not fits(sum(info.file_size for info in infos), archive.fp.seek(0, 2)):
        refuse("unpacked it would be too large")
    return members


def _read(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str) -> bytes:
    info = members.get(name)
    if info is None:
        refuse("a member is missing")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        refuse("a member is packed in another way than Earshot does")
    try:
        with archive.open(info) as member:
            content = member.read(info.file_size + 1)  # to the end, where the checksum is compared
    except ConversationError:
        raise
    except _BROKEN:
        refuse("a member is damaged")
    if len(content) != info.file_size or not content:
        refuse("a member is cut off or empty")
    return content

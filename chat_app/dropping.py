"""Dropped files become attachments: read once, named, and kept in the order a person gave them."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from chat_app import strings
from chat_app.session import Attachment
from core.audio import Limits, clean_label, read_clip
from core.errors import AudioError

MICROPHONE_FILE = "audio.wav"
"""Gradio's name for every recording."""


@dataclass(frozen=True)
class Dropping:
    """Reads what is dropped.

    Attributes:
        uploads: The only folder files are read from.
        limits: A clip the model would not hear is refused when it is dropped, not when it is asked about.
    """

    uploads: Path
    limits: Limits

    def attach(
        self, taken: Collection[str], attachments: Sequence[Attachment], files: Sequence[str]
    ) -> tuple[Attachment, ...]:
        """The attachments for the files in the input box; those there were keep their order, and are not read again.

        A file that is no usable sound stays with its sentence, behind the others: a clip's place is its letter's.

        Args:
            taken: Names that recordings of this conversation have.
            attachments: Those there were. The order is a person's, which the box does not know.
            files: Paths, one twice where it was dropped twice.
        """
        left, kept = Counter(files), list[Attachment]()
        for attachment in attachments:
            if left[attachment.path]:
                left[attachment.path] -= 1
                kept.append(attachment)
        for file in files:
            if left[file]:
                left[file] -= 1
                label = _label(file, {*taken, *(attachment.label for attachment in kept)})
                kept.append(self._read(Path(file), label))
        return tuple(sorted(kept, key=lambda attachment: attachment.clip is None))

    def _read(self, path: Path, label: str) -> Attachment:
        # Gradio refuses such paths itself; this holds whatever way a path came in.
        try:
            uploaded = path.resolve().is_relative_to(self.uploads.resolve())
        except (OSError, RuntimeError, ValueError):  # a name too long, a link to itself, a NUL
            uploaded = False
        if not uploaded:
            return Attachment(str(path), label, problem=str(AudioError(label, strings.FOREIGN_FILE)))
        try:
            return Attachment(str(path), label, clip=read_clip(path, label, self.limits))
        except AudioError as error:
            return Attachment(str(path), label, problem=str(error))


def _label(file: str, taken: Collection[str]) -> str:
    """The file's name in one line; recordings, which all come under one name, are numbered."""
    name = Path(file).name
    if name != MICROPHONE_FILE:
        return clean_label(name)
    number = 1
    while f"{strings.RECORDING} {number}" in taken:
        number += 1
    return f"{strings.RECORDING} {number}"

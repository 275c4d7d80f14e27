"""The rows of a training corpus: from `manifest.jsonl`, or from anybody's own `clips.csv`."""

import csv
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import soundfile

from core.errors import LoadError


@dataclass(frozen=True)
class Recording:
    """One row of the manifest.

    Attributes:
        id: Unique in the manifest.
        path: Of the audio file, within the folder.
        kind: `sound`, `ambience` (a place, weather, a crowd), `instrument` or `speech`.
        label: A noun phrase that completes "I hear ...".
        split: `train` or `dev`.
        seconds: Length.
        recording: Rows with the same value are pieces or copies of one recording.
        package: Where it comes from.
        source_rate: Sampling rate in hertz before conversion to 16 kHz.
        licence: As the author states it.
        licence_tier: `permissive`, `share-alike`, `gpl` or `other`.
        author: To be named in the attribution of what is trained on it.
        transcript: The words said, or None where they are not known.
        language: Code of the language spoken, or None.
        voice: Name of the voice, or None.
        gender: `m`, `f` or None.
        utterance: `word`, `letter`, `phrase`, `sentence` or `command`.
        pitch_hz: Fundamental of a note, or None.
        pair_id: Two rows with the same value differ by one word and share voice and speed.
        pair_side: `a` or `b`.
    """

    id: str
    path: str
    kind: str
    label: str
    split: str
    seconds: float
    recording: str
    package: str
    source_rate: int
    licence: str
    licence_tier: str
    author: str = ""
    transcript: str | None = None
    language: str | None = None
    voice: str | None = None
    gender: str | None = None
    utterance: str | None = None
    pitch_hz: float | None = None
    pair_id: str | None = None
    pair_side: str | None = None


_KNOWN = frozenset(spec.name for spec in fields(Recording))
_TIERS = (
    ("share-alike", ("-sa", "sharealike", "share-alike")),
    ("gpl", ("gpl", "gfdl")),
    ("permissive", ("cc0", "cc-by", "cc by", "mit", "bsd", "apache", "public domain", "unlicense", "isc")),
)
_DEV_PERCENT = 15


def read_manifest(place: Path) -> Iterator[Recording]:
    """All rows of a corpus, in order: of a folder with one of the two files below, or of a CSV file of any name.

    `manifest.jsonl` has one object a line with the fields of `Recording` (others are passed over). `clips.csv` needs
    the columns path, label and licence; any other field of `Recording` may be a column. A row with a transcript is
    speech, every other one a sound; rows without a split go to `dev` for 15 of 100 recordings, by a checksum.

    Raises:
        LoadError: Neither file is there, or a row lacks a field.
    """
    table = place if place.suffix == ".csv" else place / "clips.csv"
    folder, rows = table.parent, place / "manifest.jsonl"
    if rows.is_file():
        lines = rows.read_text(encoding="utf-8").splitlines()
        entries = ({k: v for k, v in json.loads(line).items() if k in _KNOWN} for line in lines if line.strip())
    elif table.is_file():
        entries = (_own_row(folder, row) for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    else:
        raise LoadError(f"{place} is no corpus: put a manifest.jsonl there, or a clips.csv with path,label,licence.")
    for number, entry in enumerate(entries, start=1):
        try:
            yield Recording(**entry)
        except TypeError as error:
            raise LoadError(f"Row {number} of the manifest in {folder} is not complete: {error}.") from error


def licence_tier(licence: str) -> str:
    """The tier a licence belongs to, by its name: `permissive`, `share-alike`, `gpl` or, if unknown, `other`."""
    name = licence.lower()
    return next((tier for tier, marks in _TIERS if any(mark in name for mark in marks)), "other")


def _own_row(folder: Path, row: dict[str, str]) -> dict[str, object]:
    given: dict[str, object] = {key: text for key, text in row.items() if key in _KNOWN and text}
    if missing := {"path", "label", "licence"} - given.keys():
        raise LoadError(f"clips.csv in {folder} lacks {sorted(missing)}: each row needs path, label and licence.")
    try:
        info = soundfile.info(folder / row["path"])
    except (OSError, soundfile.LibsndfileError) as error:
        raise LoadError(f"{row['path']} cannot be read ({error}): mend or remove its row in clips.csv.") from error
    recording = str(given.get("recording", row["path"]))
    words = row.get("transcript") or ""
    defaults: dict[str, object] = {
        "id": row["path"],
        "kind": "speech" if words else "sound",
        "split": "dev" if zlib.crc32(recording.encode()) % 100 < _DEV_PERCENT else "train",
        "recording": recording,
        "package": folder.name,
        "licence_tier": licence_tier(row["licence"]),
        "utterance": ("sentence" if " " in words else "word") if words else None,
        "language": "en" if words else None,
    }
    measured: dict[str, object] = {"seconds": info.duration, "source_rate": info.samplerate}
    if "pitch_hz" in given:
        measured["pitch_hz"] = float(row["pitch_hz"])
    return {**defaults, **given, **measured}

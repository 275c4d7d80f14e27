"""Each answer on disk as it comes, so that a run that was stopped at any point goes on where it was."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from core.errors import LoadError

Key = tuple[str, str, str, str, str, str]


@dataclass(frozen=True)
class Record:
    """One question, asked once.

    Attributes:
        item: Key of the question.
        task: As it is counted.
        arm: What was done to the clips.
        order: Of the clips, by their letters.
        adapter: `on` or `off`.
        boost: As `str(BoostAt)`; empty without one.
        reading: `likelihood` or `free`.
        right: Whether the answer was right; None where it could not be judged.
        choice: What was chosen, in the letters of the item; None where nothing was, or several.
        choices: Number of admissible answers; 0 where there are none.
        words: The answer in free words.
        scores: Mean log-probability of each choice, in nats.
        audio: Share of attention on audio, the sink left out; None where it was not read.
        effect: How much likelier the clips made the answer, in nats a token; None where it was not asked.
        seen: Whether training had all that the question is about; None where that is not known.
        error: Why there is no answer, or empty.
    """

    item: str
    task: str
    arm: str
    order: str
    adapter: str
    boost: str
    reading: str
    right: bool | None
    choice: str | None
    choices: int
    words: str = ""
    scores: tuple[float, ...] = ()
    audio: float | None = None
    effect: float | None = None
    seen: bool | None = None
    error: str = ""

    @property
    def key(self) -> Key:
        """What tells records of one run apart. The arm is not in it: an order is asked once, whatever it was for."""
        silence = "silence" if self.arm == "silence" else ""
        return self.item, silence, self.order, self.adapter, self.boost, self.reading


@dataclass
class Log:
    """Records of one run: one JSON object a line in files whose first line is the header.

    Attributes:
        file: Appended to; None keeps nothing on disk.
        known: What was read, and added since.
    """

    file: Path | None = None
    known: dict[Key, Record] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, name: str, header: Mapping[str, Any], process: int = 0) -> "Log":
        """Goes on with the files of the same header; another header is another file, and none is written over.

        Args:
            folder: Of the runs; made where it is missing.
            name: Of the benchmark.
            header: All that the answers depend on, as JSON holds it.
            process: Each process of a run writes a file of its own, and reads those of all.

        Raises:
            LoadError: The folder cannot be written to.
        """
        first = json.dumps(header, sort_keys=True)
        stem = f"{name}-{hashlib.sha256(first.encode()).hexdigest()[:12]}"
        file = folder / f"{stem}-{process}.jsonl"
        log = cls(file)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for other in sorted(folder.glob(f"{stem}-*.jsonl")):
                log.known |= {record.key: record for record in _records(other, first)}
            _mend(file, first)
        except OSError as error:
            raise LoadError(f"{folder} cannot be used ({error.strerror}): name another folder with --out.") from None
        return log

    def add(self, record: Record) -> None:
        """Keeps one more; it is on disk when this returns, whatever becomes of the process."""
        self.known[record.key] = record
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(record)) + "\n")
                lines.flush()
                os.fsync(lines.fileno())


def _records(file: Path, header: str) -> Iterator[Record]:
    """The records of a file that begins with this header. What is cut or was changed by hand is no record."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        if next(lines, "").rstrip("\n") != header:
            return
        for line in lines:
            record = _record(line)
            if record is not None:
                yield record


def _record(line: str) -> Record | None:
    try:
        values = json.loads(line)
    except ValueError:
        return None
    if not line.endswith("\n") or not isinstance(values, dict) or values.keys() != {f.name for f in fields(Record)}:
        return None
    return Record(**{**values, "scores": tuple(values["scores"])})


def _mend(file: Path, header: str) -> None:
    """Makes a file that can be appended to: with its header, and without a line that was cut off."""
    content = file.read_bytes() if file.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if not whole.startswith(header.encode() + b"\n"):
        whole = header.encode() + b"\n"
    if whole != content:
        beside = file.with_suffix(".tmp")
        beside.write_bytes(whole)
        os.replace(beside, file)

"""Each answer on disk as it comes, so that a run that was stopped at any point goes on where it was."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.errors import LoadError
from core.files import told_in_words

Key = tuple[str, bool, str, str, str, str]


@dataclass(frozen=True)
class Record:
    """One question, asked once.

    Attributes:
        item: Key of the question.
        task: As it is counted.
        sounds: Digest of its clips; empty where they could not be read.
        silenced: Whether they were put as silence.
        order: Of the movable clips, by their letters; empty where none may move.
        adapter: `on` or `off`.
        boost: As `str(BoostAt)`; empty without one.
        reading: `likelihood` or `free`.
        right: Whether the answer was right; None where it could not be judged, or there is none.
        choice: What was chosen, in the letters of the item; None where nothing was, or several.
        chance: Share of its choices that are right; None where it has no choices.
        words: The answer in free words.
        scores: Mean log-probability of each choice as it was put, in nats.
        audio: Share of attention on audio, the sink left out; None where it was not read.
        effect: How much likelier the clips made the answer, in nats a token; None where it was not asked.
        seen: Whether training had all that the question is about; None where that is not known.
        error: Why there is no answer, or empty.
    """

    item: str
    task: str
    sounds: str = ""
    silenced: bool = False
    order: str = ""
    adapter: str = ""
    boost: str = ""
    reading: str = ""
    right: bool | None = None
    choice: str | None = None
    chance: float | None = None
    words: str = ""
    scores: tuple[float, ...] = ()
    audio: float | None = None
    effect: float | None = None
    seen: bool | None = None
    error: str = ""

    @property
    def key(self) -> Key:
        """What tells records of one run apart."""
        return self.item, self.silenced, self.order, self.adapter, self.boost, self.reading

    @property
    def arm(self) -> str:
        """`silence`, `audio`, `reversed`, or `orders` for any other order."""
        if self.silenced:
            return "silence"
        as_it_comes = "".join(sorted(self.order))
        if self.order == as_it_comes:
            return "audio"
        return "reversed" if self.order == as_it_comes[::-1] else "orders"


@dataclass
class Log:
    """Records of one run: one JSON object a line in files whose first line is the header.

    Attributes:
        file: Appended to; None keeps nothing on disk.
        known: What was read, and added since.
        lock: Held while the file may be written to.
    """

    file: Path | None = None
    known: dict[Key, Record] = field(default_factory=dict)
    lock: FileLock | None = None

    @classmethod
    def open(cls, folder: Path, name: str, header: Mapping[str, Any], process: int = 0, retry: bool = False) -> "Log":
        """Goes on with the files of the same header; another header is another file, and none is written over.

        Args:
            folder: Of the runs; made where it is missing.
            name: Of the benchmark.
            header: All that the answers depend on, as JSON holds it.
            process: Each process of a run writes a file of its own, and reads those of all.
            retry: Whether what failed is forgotten, and so asked again.

        Raises:
            LoadError: The folder cannot be used, or another run writes to it.
        """
        first = json.dumps(header, sort_keys=True)
        stem = f"{name}-{hashlib.sha256(first.encode()).hexdigest()[:12]}"
        file = folder / f"{stem}-{process}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{file}.lock")
            lock.acquire(blocking=False)
            _mend(file, first)
            known = merged(record for other in files(folder, stem) for record in records(other, first))
        except Timeout:
            raise LoadError(f"Another run writes to {file}: wait for it, or name another folder with --out.") from None
        except OSError as error:
            raise LoadError(f"{folder} cannot be used ({error.strerror}): name another folder with --out.") from None
        return cls(file, {key: record for key, record in known.items() if not (retry and record.error)}, lock)

    def read_again(self) -> None:
        """Takes in what other processes wrote since."""
        assert self.file is not None
        with self.file.open(encoding="utf-8") as lines:
            first = next(lines).rstrip("\n")
        others = files(self.file.parent, self.file.stem.rpartition("-")[0])
        self.known = merged([*self.known.values(), *(record for other in others for record in records(other, first))])

    def close(self) -> None:
        """Lets another run write to the file."""
        if self.lock is not None:
            self.lock.release()

    def add(self, added: Sequence[Record]) -> None:
        """Keeps some more; they are on disk when this returns, whatever becomes of the process.

        Raises:
            WriteError: There is no room. A line that was cut so is none to who reads it.
        """
        self.known |= {record.key: record for record in added}
        if self.file is not None:
            with told_in_words(self.file), self.file.open("a", encoding="utf-8") as lines:
                lines.write("".join(json.dumps(asdict(record)) + "\n" for record in added))
                lines.flush()
                os.fsync(lines.fileno())


def files(folder: Path, stem: str) -> list[Path]:
    """The files of one run, by process."""
    return sorted(folder.glob(f"{stem}-*.jsonl"), key=lambda file: (len(file.name), file.name))


def records(file: Path, header: str) -> Iterator[Record]:
    """The records of a file that begins with this header. What is cut is no record."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        if next(lines, "").rstrip("\n") != header:
            return
        names = {known.name for known in fields(Record)}
        for number, line in enumerate(lines, start=2):
            if not line.endswith("\n"):
                return  # cut by the end of its process
            try:
                values = json.loads(line)
                if values.keys() != names:
                    raise ValueError(line)
            except (ValueError, AttributeError) as error:
                raise LoadError(f"Line {number} of {file} is no record: move the file away, or mend it.") from error
            yield Record(**{**values, "scores": tuple(values["scores"])})


def merged(found: Iterable[Record]) -> dict[Key, Record]:
    """Each record once: the first of its key, or the first without an error; none for sounds that were read later."""
    known: dict[Key, Record] = {}
    for record in found:
        if record.key not in known or known[record.key].error:
            known[record.key] = record
    asked = {record.item for record in known.values() if record.reading}
    return {key: record for key, record in known.items() if record.reading or record.item not in asked}


def _mend(file: Path, header: str) -> None:
    """Makes a file that can be appended to: with its header, and without a line that was cut off."""
    with file.open("ab+") as content:
        content.seek(0)
        whole = content.read().rpartition(b"\n")[0]
        if whole and whole.split(b"\n", 1)[0] != header.encode():
            raise LoadError(f"{file} does not begin as it should: move it away.")
        content.truncate(len(whole) + 1 if whole else 0)
        if not whole:
            content.write(header.encode() + b"\n")

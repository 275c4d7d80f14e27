"""Published tables: JSON, JSONL and parquet of a folder, or the data hub, as rows that say where they are wrong."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import httpx2

from core.audio import read_clip
from core.errors import LoadError, first_line
from core.evaluation.item import Sound
from core.texts import one_line
from core.types import Clip

BATCH_ROWS = 16
"""Rows of a parquet file in memory at a time: each may hold several sounds."""

WRONG_LENGTH = 200
"""Of what an error quotes from a row, in characters."""


@dataclass(frozen=True, eq=False)
class Row:
    """One row of a published table.

    Attributes:
        fields: Column -> value, as a library read it.
        source: File or address, for errors.
        number: From 1.
        folder: Where its paths begin; None where there are none.
    """

    fields: Mapping[str, Any]
    source: str
    number: int
    folder: Path | None = None

    def wrong(self, what: str) -> LoadError:
        """The error for a row that cannot be used."""
        what = one_line(what, WRONG_LENGTH)
        return LoadError(f"Row {self.number} of {self.source} {what}: fetch the data again, or take the row out.")

    def text(self, column: str) -> str:
        """A text that is not empty, without blanks around it.

        Raises:
            LoadError: There is none.
        """
        value = self.fields.get(column)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(f"has no text in the column {column!r}")
        return value.strip()

    def key(self, column: str) -> str:
        """A text or whole number that names the row.

        Raises:
            LoadError: There is none.
        """
        value = self.fields.get(column)
        return str(value) if isinstance(value, int) else self.text(column)

    def texts(self, column: str) -> tuple[str, ...]:
        """A list of texts, at least one, without blanks around each.

        Raises:
            LoadError: There is none.
        """
        value = self.fields.get(column)
        if not isinstance(value, list | tuple) or not value or not all(isinstance(text, str) for text in value):
            raise self.wrong(f"has no list of texts in the column {column!r}")
        return tuple(text.strip() for text in value)

    def chosen(self, answer: str, choices: Sequence[str]) -> str:
        """The answer, if it is one of at least two choices.

        Raises:
            LoadError: It is not.
        """
        if len(choices) < 2:
            raise self.wrong("leaves no choice")
        if answer not in choices:
            raise self.wrong(f"has an answer that is not among its choices ({answer!r})")
        return answer

    def file(self, path: str) -> Sound:
        """The sound at a path within the folder; that it is a sound is seen when it is read.

        Raises:
            LoadError: The path leads out of the folder, or no file is there.
        """
        assert self.folder is not None, "this table has no paths"
        try:
            target = (self.folder / path).resolve()
            inside, there = target.is_relative_to(self.folder.resolve()), target.is_file()
        except (OSError, ValueError):  # a null character, a name that is too long
            inside, there = True, False
        if not inside:
            raise self.wrong(f"names a file outside the folder ({path!r})")
        if not there:
            raise self.wrong(f"names a sound that is not there ({path!r})")
        return Sound(PurePath(path).name, partial(read_clip, target))

    def sound(self, column: str) -> Sound:
        """The sound in a column: bytes within the table, or the path of a file beside it.

        Raises:
            LoadError: There is neither.
        """
        value = self.fields.get(column)
        packed = value if isinstance(value, Mapping) else {"path": value}
        content, path = packed.get("bytes"), packed.get("path")
        if isinstance(content, bytes) and content:
            name = PurePath(path).name if isinstance(path, str) and path else f"{column}, row {self.number}"
            return Sound(name, partial(_decoded, content, name))
        if isinstance(path, str) and path and self.folder is not None:
            return self.file(path)
        raise self.wrong(f"has no sound in the column {column!r}")


def of_json(file: Path, folder: Path | None = None) -> Iterator[Row]:
    """The rows of a JSON list, or of a `.jsonl` file with one object a line.

    Args:
        file: To be read.
        folder: Where its paths begin; its own folder where None.

    Raises:
        LoadError: The file is not readable or holds something else.
    """
    try:
        text = file.read_text(encoding="utf-8")
        lines = file.suffix == ".jsonl"
        entries = [json.loads(line) for line in text.splitlines() if line.strip()] if lines else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise LoadError(f"{file} cannot be read ({first_line(error)}): fetch it again.") from error
    if not isinstance(entries, list):
        raise LoadError(f"{file} holds no list of rows: fetch it again.")
    for number, entry in enumerate(entries, start=1):
        row = Row(entry if isinstance(entry, dict) else {}, str(file), number, folder or file.parent)
        if not isinstance(entry, dict):
            raise row.wrong("is no object with columns")
        yield row


def of_parquet(file: Path, folder: Path | None = None) -> Iterator[Row]:
    """The rows of a parquet file, a few at a time.

    Args:
        file: To be read.
        folder: Where its paths begin; its own folder where None.

    Raises:
        LoadError: The reader is not installed, or the file is damaged.
    """
    pyarrow, parquet = _library("pyarrow"), _library("pyarrow.parquet")
    number = 0
    try:
        with parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=BATCH_ROWS):
                for entry in batch.to_pylist():
                    number += 1
                    yield Row(entry, str(file), number, folder or file.parent)
    except (OSError, pyarrow.ArrowException) as error:
        raise LoadError(f"{file} cannot be read ({first_line(error)}): fetch it again.") from error


def of_split(folder: Path, split: str) -> Iterator[Row]:
    """The rows of a split as hubs lay it out: `SPLIT.ext` or `SPLIT-00000-of-00001.ext`, in the folder or below.

    Parquet, JSONL and JSON files; paths in them begin where the file lies. No file gives no rows.
    """
    files = {
        file
        for suffix in ("parquet", "jsonl", "json")
        for pattern in (f"{split}.{suffix}", f"{split}-*.{suffix}")
        for file in folder.rglob(pattern)
    }
    for file in sorted(files):
        yield from of_parquet(file) if file.suffix == ".parquet" else of_json(file)


def of_hub(repository: str, subset: str | None = None, split: str = "test") -> Iterator[Row]:
    """The rows of a data set on the hub as they stream in, sounds as the bytes they are stored as.

    Raises:
        LoadError: The reader is not installed, or the hub cannot be reached or has no such data.
    """
    datasets = _library("datasets")
    source = f"{repository} ({subset})" if subset else repository
    try:
        stream = datasets.load_dataset(repository, subset, split=split, streaming=True)
        if stream.features is not None:  # else values come as they are stored anyway
            stream = stream.decode(False)
        for number, entry in enumerate(stream, start=1):
            yield Row(entry, source, number)
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError, datasets.exceptions.DatasetsError) as error:
        # RuntimeError: the repository has a script, which the library does not run
        raise LoadError(
            f"{source} could not be had from the hub ({first_line(error)}): fetch it on a machine that reaches the "
            f"hub, with `hf download {repository} --repo-type dataset --local-dir FOLDER`, and give that folder."
        ) from error


def archived(title: str, repository: str, archive: str) -> LoadError:
    """The error for data whose sounds lie on the hub in one archive, so that they cannot be streamed."""
    return LoadError(
        f"The sounds of {title} come as {archive}, which cannot be streamed: run `hf download {repository} "
        "--repo-type dataset --local-dir FOLDER`, unpack the archive there, and give that folder."
    )


def _decoded(content: bytes, name: str) -> Clip:
    with TemporaryDirectory() as folder:  # libsndfile wants a file
        file = Path(folder) / "sound"
        file.write_bytes(content)
        return read_clip(file, name)


def _library(name: str) -> ModuleType:
    """A package that only benchmarks need."""
    try:
        return import_module(name)
    except ImportError as error:
        raise LoadError(
            f"Benchmarks need {name.partition('.')[0]}, which is not installed: run `pip install -r "
            "requirements-evaluation.txt`."
        ) from error

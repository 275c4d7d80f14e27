"""A table of answers as a CSV file that grows row by row."""

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

from core.files import told_in_words

Cell = str | float


class Table:
    """The table on disk; a row is there, whole, before the next question. What a full disk cuts is taken back."""

    def __init__(self, file: Path):
        """Makes it, empty, with the mark by which spreadsheets know UTF-8."""
        self.path, self.file = file, file.open("xb", buffering=0)
        self.file.write(codecs.BOM_UTF8)

    def row(self, cells: Sequence[Cell]) -> None:
        """Adds a row.

        Raises:
            WriteError: There is no room for it.
        """
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_NONNUMERIC).writerow(cells)
        content, whole = text.getvalue().encode(), self.file.tell()
        with told_in_words(self.path):
            try:
                while content:
                    content = content[self.file.write(content) :]
            except OSError:
                self.file.truncate(whole)
                raise

    def __enter__(self) -> "Table":
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file."""
        self.file.close()

"""Texts: those that are data, read from `prompts/*.toml`, and a stranger's brought to one line."""

import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.types import letter

PROMPTS = Path(__file__).parent.parent / "prompts"

DROPPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Unicode categories kept out of one line: control, format (bidi marks among them), surrogate, private, unassigned."""

_ANNOUNCED: dict[str, Any] = tomllib.loads((PROMPTS / "clips.toml").read_text(encoding="utf-8"))


def announcement(index: int, facts: Sequence[str] = ()) -> str:
    """What stands before the clip at `index`: its letter, and its line of `facts` where there are any."""
    if not facts:
        return str(_ANNOUNCED["announcement"].format(letter=letter(index)))
    return str(_ANNOUNCED["announcement_with_facts"].format(letter=letter(index), facts=facts[index]))


def one_line(text: str, length: int) -> str:
    """A stranger's text in one line: no control, bidi or zero-width characters, at most `length` characters.

    Idempotent. Still hostile to HTML and Markdown: escape it there. Whoever shortens keeps both ends, the suffix tells.
    """
    spaced = (" " if char.isspace() else char for char in text)
    kept = "".join(char for char in spaced if unicodedata.category(char) not in DROPPED)
    line = " ".join(unicodedata.normalize("NFC", kept).split())
    if len(line) > length:
        head, tail = line[: length - 12].rstrip(), line[-11:].lstrip()
        line = f"{head}…{tail}"
    return line


@dataclass(frozen=True)
class Preset:
    """A system prompt under a name; an empty text leaves the model's own."""

    name: str
    text: str


@dataclass(frozen=True)
class Example:
    """A question with the names of the shipped clips it is asked about."""

    title: str
    question: str
    files: tuple[str, ...]


def _entries(file: str, table: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads((PROMPTS / file).read_text(encoding="utf-8"))[table]
    return entries


def system_presets() -> tuple[Preset, ...]:
    """The system prompts on offer; the first is the model's own."""
    return tuple(Preset(entry["name"], entry["text"]) for entry in _entries("system.toml", "preset"))


def example_conversations() -> tuple[Example, ...]:
    """The conversations on offer in an empty chat."""
    return tuple(
        Example(entry["title"], entry["question"], tuple(entry["files"]))
        for entry in _entries("examples.toml", "example")
    )

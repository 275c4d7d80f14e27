"""Texts that are data: system prompts and example conversations, read from `prompts/*.toml`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROMPTS = Path(__file__).parent.parent / "prompts"


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

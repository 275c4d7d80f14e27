"""A sheet: clips, questions and settings to compare, read from a TOML file (docs/compare.md)."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.engine import EngineInfo
from core.errors import SettingsError, SheetError
from core.texts import one_line
from core.types import Settings

NO_ADAPTER = "off"
NAME_LENGTH = 60


@dataclass(frozen=True)
class Group:
    """Clips that are asked about together, in the order of their letters."""

    name: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Variant:
    """One way to ask: what differs from the engine's default settings, by the keys of the sheet."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    def over(self, default: Settings) -> Settings:
        """The settings that `default` becomes.

        Raises:
            SettingsError: A value is out of range.
        """
        changes = dict(self.changes)
        boost = {key: changes.pop(key) for key in ("method", "alpha", "band") if key in changes}
        if changes.get("adapter") == NO_ADAPTER:
            changes["adapter"] = None
        return replace(default, boost=replace(default.boost, **boost), **changes)

    def taken_by(self, info: EngineInfo) -> Settings:
        """The settings for one engine.

        Raises:
            SettingsError: A value is out of range, or this engine has no such thing.
        """
        settings = self.over(info.default)
        if settings.adapter is not None and settings.adapter not in info.adapters:
            known = ", ".join((NO_ADAPTER, *info.adapters))
            raise SettingsError(f"adapter {settings.adapter!r} is not loaded: choose one of {known}.")
        if settings.boost.on and not info.attention:
            raise SettingsError(f"method {settings.boost.method} cannot act there: leave it out.")
        return settings


@dataclass(frozen=True)
class Sheet:
    """What is asked of which model.

    Attributes:
        groups: Each question is asked about each.
        questions: In the order asked.
        variants: Each question is asked with each.
        model: As `--model` of app.py; empty where the sheet names none.
        precision: As `--precision`; empty where the sheet names none.
        adapters: As `--adapter`; empty where the sheet names none.
    """

    groups: tuple[Group, ...]
    questions: tuple[str, ...]
    variants: tuple[Variant, ...]
    model: str = ""
    precision: str = ""
    adapters: tuple[str, ...] = ()


def read_sheet(path: Path) -> Sheet:
    """Reads a sheet.

    Raises:
        SheetError: It cannot be read, or is no sheet; the sentence names the key.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SheetError(f"{path.name} cannot be read ({error.strerror}): give the path of a sheet.") from None
    except (ValueError, RecursionError) as error:
        # ValueError: no TOML, no UTF-8, or a number of thousands of digits. RecursionError: thousands of brackets.
        raise SheetError(f"{path.name} is not TOML ({one_line(str(error), 120)}): correct it there.") from None
    try:
        return _sheet(data, path.parent)
    except SheetError as error:
        raise SheetError(f"{path.name}: {error}") from None


Kind = tuple[str, Callable[[Any], bool]]
"""What a value has to be, in words and as a test."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9  # NaN compares false


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_list(value: Any, of: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and bool(value) and all(map(of, value))


TEXT: Kind = ("a text in quotes that is not empty", _is_text)
TEXTS: Kind = ("a list of at least one text in quotes", lambda value: _is_list(value, _is_text))
NUMBER: Kind = ("a number", _is_number)
WHOLE: Kind = ("a whole number of 0 or more, below 2^63", _is_whole)

TOP: dict[str, Kind] = {
    "model": TEXT,
    "precision": TEXT,
    "adapter": ("a text in quotes or a list of them", lambda value: _is_text(value) or _is_list(value, _is_text)),
    "clips": ("at least one table, headed [[clips]]", lambda value: _is_list(value, lambda one: isinstance(one, dict))),
    "questions": TEXTS,
    "settings": ("tables, each headed [[settings]]", lambda value: _is_list(value, lambda one: isinstance(one, dict))),
}
GROUP: dict[str, Kind] = {"name": TEXT, "files": TEXTS}
VARIANT: dict[str, Kind] = {
    "name": TEXT,
    "method": TEXT,
    "alpha": NUMBER,
    "band": ("a list of two numbers", lambda value: _is_list(value, _is_number) and len(value) == 2),
    "adapter": TEXT,
    "system": ("a text in quotes", lambda value: isinstance(value, str)),
    "temperature": NUMBER,
    "max_tokens": WHOLE,
    "seed": WHOLE,
    "facts": ("true or false", lambda value: isinstance(value, bool)),
}


def _sheet(data: dict[str, Any], folder: Path) -> Sheet:
    _check(data, TOP, needed=("clips", "questions"))
    groups = tuple(_group(table, f"clips {number}", folder) for number, table in enumerate(data["clips"], start=1))
    tables = data.get("settings", [{"name": "default"}])
    variants = tuple(variant(table, f"settings {number}") for number, table in enumerate(tables, start=1))
    _distinct("clips", [group.name for group in groups])
    _distinct("settings", [variant.name for variant in variants])
    adapters = data.get("adapter", [])
    return Sheet(
        groups,
        tuple(question.strip() for question in data["questions"]),
        variants,
        model=data.get("model", ""),
        precision=data.get("precision", ""),
        adapters=(adapters,) if isinstance(adapters, str) else tuple(adapters),
    )


def _check(table: dict[str, Any], kinds: dict[str, Kind], needed: tuple[str, ...] = (), where: str = "") -> None:
    place = f"{where}: " if where else ""
    for key in needed:
        if key not in table:
            raise SheetError(f"{place}{key} is missing: give {kinds[key][0]}.")
    for key, value in table.items():
        if key not in kinds:
            raise SheetError(f"{place}there is no key {one_line(key, NAME_LENGTH)!r}: known are {', '.join(kinds)}.")
        words, fits = kinds[key]
        if not fits(value):
            raise SheetError(f"{place}{key} should be {words}.")


def _group(table: dict[str, Any], where: str, folder: Path) -> Group:
    _check(table, GROUP, ("name", "files"), where)
    return Group(_name(table["name"]), tuple(_inside(folder, file, where) for file in table["files"]))


def _inside(folder: Path, file: str, where: str) -> Path:
    """The file, links followed. A sheet from somebody else is not to read files from all over the machine."""
    try:
        path, home = (folder / file).resolve(), folder.resolve()
    except (OSError, ValueError, RuntimeError):  # links in a circle, a zero character
        path, home = Path(), Path("nowhere")
    if not path.is_relative_to(home):
        raise SheetError(
            f"{where}: files names {one_line(file, NAME_LENGTH)!r}, which is not in the sheet's folder: "
            f"copy the file there, or move the sheet."
        )
    return path


def variant(table: dict[str, Any], where: str = "settings") -> Variant:
    """A variant of a table of the keys in `VARIANT`.

    Args:
        table: From anybody.
        where: What the sentence calls the table.

    Raises:
        SheetError: A key or value is wrong; the sentence names the key.
    """
    _check(table, VARIANT, where=where)
    changes = {key: value for key, value in table.items() if key != "name"}
    changes |= {key: float(changes[key]) for key in ("alpha", "temperature") if key in changes}
    if "band" in changes:
        changes["band"] = tuple(map(float, changes["band"]))
    for key in sorted(changes, key="method".__ne__):  # the method first: what strength may be depends on it
        try:
            Variant("", {part: changes[part] for part in ("method", key) if part in changes}).over(Settings())
        except SettingsError as error:
            raise SheetError(f"{where}: {key}: {error}") from None
    return Variant(_name(table.get("name", where)), changes)


def as_table(settings: Settings) -> dict[str, Any]:
    """The keys of `VARIANT` that give these settings, but for the name."""
    boost = settings.boost
    return {
        "method": boost.method,
        "alpha": boost.alpha,
        "band": list(boost.band),
        "adapter": settings.adapter or NO_ADAPTER,
        **{key: getattr(settings, key) for key in ("system", "temperature", "max_tokens", "seed", "facts")},
    }


def _name(text: str) -> str:
    return one_line(text, NAME_LENGTH) or "nameless"


def _distinct(key: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SheetError(f"{key}: the name {name!r} is there twice: give each its own.")

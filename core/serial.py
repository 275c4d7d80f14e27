"""Values to JSON and back: conversations with their sound, settings, boosts, readings, events.

One envelope for all: `{"earshot": 1, "kind": "Settings", "value": {...}}`. A dataclass is an object of its fields, a
tuple a list. A conversation stores each recording once, under its digest; turns point to it with their own label.

Samples are raw little-endian float32 in base64, 85 kB per second of sound. A compressed format would be smaller, but
flac holds integers only: what a model heard would come back rounded, under another digest, and miss every cache.

Text that was saved elsewhere is hostile. Whatever is wrong in it is a `ConversationError`, never another exception.
"""

import base64
import binascii
import json
import math
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from core.audio import Limits, clean_label
from core.errors import ConversationError, SettingsError
from core.types import (
    SAMPLING_RATE_HZ,
    AttentionReading,
    Boost,
    Clip,
    Conversation,
    Done,
    Event,
    Part,
    Role,
    Settings,
    Stats,
    Token,
    Turn,
)

VERSION = 1

LATER: dict[type, frozenset[str]] = {Settings: frozenset({"facts"})}
"""Entries that the first files of this version lack; where one is missing its default holds."""

Value = Conversation | Settings | Boost | AttentionReading | Stats | Token | Done
V = TypeVar("V", Conversation, Settings, Boost, AttentionReading, Stats, Token, Done)

FLOAT32 = np.dtype("<f4")


def dumps(value: Value) -> str:
    """The value as JSON text; `loads` gives back an equal one, samples bit by bit."""
    body = _conversation_json(value) if isinstance(value, Conversation) else _plain(value)
    return json.dumps({"earshot": VERSION, "kind": type(value).__name__, "value": body}, allow_nan=False)


def loads(text: str, kind: type[V]) -> V:
    """Reads what `dumps` wrote of a value of `kind`.

    Raises:
        ConversationError: The text is not such a value, was cut, or was changed by hand.
    """
    found, body = _envelope(text)
    if found != kind.__name__:
        _refuse(f"it holds {found!r} where {kind.__name__!r} is needed")
    value = _conversation(body) if kind is Conversation else _typed(kind, body, kind.__name__)
    assert isinstance(value, kind)
    return value


def loads_event(text: str) -> Event:
    """Reads a `Token` or a `Done`, whichever it is. Raises as `loads` does."""
    return loads(text, Done) if _envelope(text)[0] == "Done" else loads(text, Token)


def _refuse(reason: str) -> NoReturn:
    raise ConversationError(f"This saved chat cannot be opened ({reason}): open an unchanged copy or start a new one.")


def _envelope(text: str) -> tuple[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        # RecursionError: thousands of open brackets. ValueError: no JSON, or a number of thousands of digits.
        _refuse("it is not complete JSON")
    _keys(data, {"earshot", "kind", "value"}, "the file")
    if data["earshot"] != VERSION:
        _refuse(f"it was written by another version of Earshot, {VERSION} is read here")
    return _typed(str, data["kind"], "kind"), data["value"]


def _plain(value: Any) -> Any:
    """Dataclasses to objects; tuples become lists in `json.dumps`."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _keys(data: Any, wanted: set[str], where: str) -> None:
    if not isinstance(data, dict) or data.keys() != wanted:
        _refuse(f"{where} should have exactly the entries {', '.join(sorted(wanted))}")


def _typed(hint: Any, data: Any, where: str) -> Any:
    """Checks JSON data against a type hint of `core.types` and builds the value: the hints are the schema."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        (other,) = (argument for argument in arguments if argument is not NoneType)  # `X | None` is all there is
        return None if data is None else _typed(other, data, where)
    if origin is tuple:
        hints = _item_hints(arguments, data, where)
        return tuple(_typed(item_hint, item, where) for item_hint, item in zip(hints, data, strict=True))
    if is_dataclass(hint) and isinstance(hint, type):
        return _dataclass(hint, data, where)
    if origin is Literal:
        valid = isinstance(data, str) and data in arguments
    elif hint is bool:
        valid = isinstance(data, bool)
    elif hint is float:
        valid = _is_number(data)
    elif hint is int:
        valid = isinstance(data, int) and not isinstance(data, bool) and abs(data) < 2**63
    else:
        assert hint is str, f"no reader for {hint}"
        valid = isinstance(data, str) and not any("\ud800" <= char <= "\udfff" for char in data)  # lone surrogates
    if not valid:
        _refuse(f"{where} has a value of the wrong kind")
    return float(data) if hint is float else data


def _is_number(data: Any) -> bool:
    if isinstance(data, bool) or not isinstance(data, int | float):
        return False
    return math.isfinite(data) if isinstance(data, float) else abs(data) < 2**63


def _item_hints(arguments: tuple[Any, ...], data: Any, where: str) -> tuple[Any, ...]:
    """One hint per item of a list: `tuple[X, ...]` repeats its X, `tuple[X, Y]` fixes the length."""
    if not isinstance(data, list):
        _refuse(f"{where} should be a list")
    hints = arguments[:1] * len(data) if arguments[-1] is Ellipsis else arguments
    if len(hints) != len(data):
        _refuse(f"{where} should have {len(hints)} items")
    return hints


def _dataclass(kind: type, data: Any, where: str) -> Any:
    hints = get_type_hints(kind)
    if isinstance(data, dict):
        hints = {name: hint for name, hint in hints.items() if name in data or name not in LATER.get(kind, ())}
    _keys(data, set(hints), where)
    try:
        value = kind(**{name: _typed(hint, data[name], name) for name, hint in hints.items()})
    except SettingsError as error:
        _refuse(str(error).rstrip("."))
    if isinstance(value, AttentionReading):
        _check_shapes(value)
    return value


def _check_shapes(reading: AttentionReading) -> None:
    """A reading whose rows do not match its columns would fail much later, in a drawing."""
    rows = (*reading.weights, *reading.natural, reading.tokens)
    depth = len(reading.layers)
    if any(len(row) != len(reading.sources) for row in rows) or any(
        len(column) != depth for column in (reading.weights, reading.natural, reading.head_spread)
    ):
        _refuse("an attention reading has rows of the wrong length")


def _conversation_json(conversation: Conversation) -> dict[str, Any]:
    clips = {clip.digest: _samples_text(clip.samples) for clip in conversation.clips}
    turns = [{"role": turn.role, "parts": [_part_json(part) for part in turn.parts]} for turn in conversation.turns]
    return {"clips": clips, "turns": turns}


def _part_json(part: Part) -> Any:
    if isinstance(part, str):
        return part
    return {"clip": part.digest, "label": part.label, "source_hz": part.source_hz}


def _samples_text(samples: NDArray[np.float32]) -> str:
    return base64.b64encode(samples.astype(FLOAT32).tobytes()).decode("ascii")


def _conversation(data: Any) -> Conversation:
    _keys(data, {"clips", "turns"}, "the conversation")
    if not isinstance(data["clips"], dict) or not isinstance(data["turns"], list):
        _refuse("its clips or turns are of the wrong kind")
    recordings = {digest: _recording(digest, text) for digest, text in data["clips"].items()}
    return Conversation(tuple(_turn(turn, recordings) for turn in data["turns"]))


def _turn(data: Any, recordings: dict[str, Clip]) -> Turn:
    _keys(data, {"role", "parts"}, "a turn")
    if not isinstance(data["parts"], list):
        _refuse("the parts of a turn should be a list")
    parts = tuple(_part(part, recordings) for part in data["parts"])
    return Turn(_typed(Role, data["role"], "role"), parts)


def _part(data: Any, recordings: dict[str, Clip]) -> Part:
    if isinstance(data, str):
        text: str = _typed(str, data, "a text")
        return text
    _keys(data, {"clip", "label", "source_hz"}, "a clip of a turn")
    digest = _typed(str, data["clip"], "clip")
    if digest not in recordings:
        _refuse("a turn names a recording that is not there")
    source_hz = _typed(int, data["source_hz"], "source_hz")
    return Clip(recordings[digest].samples, clean_label(_typed(str, data["label"], "label")), source_hz)


def _recording(digest: str, text: Any) -> Clip:
    """Samples under the digest they must have."""
    try:
        raw = base64.b64decode(_typed(str, text, "a recording"), validate=True)
    except (binascii.Error, ValueError):
        _refuse("a recording is not base64")
    if len(raw) % FLOAT32.itemsize or not 0 < len(raw) <= Limits().max_seconds * SAMPLING_RATE_HZ * FLOAT32.itemsize:
        _refuse("a recording is cut off, empty or too long")
    samples = np.frombuffer(raw, FLOAT32).astype(np.float32)
    if not np.all(np.abs(samples) <= 1.0):  # NaN compares false
        _refuse("a recording holds samples beyond full scale")
    clip = Clip(samples, digest)
    if clip.digest != digest:
        _refuse("a recording was changed, it does not match its digest")
    return clip

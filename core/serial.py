"""Values to JSON and back: conversations with their sound, settings, boosts, readings, effects, events.

One envelope for all: `{"earshot": 1, "kind": "Settings", "value": {...}}`. A dataclass is an object of its fields, a
tuple a list. A conversation stores each recording once, under its digest; turns point to it with their own label.
Dataclasses of other modules go the same way; what of them is kept elsewhere has a writer and a reader of its own.

Samples are raw little-endian float32 in base64, 85 kB per second of sound. A compressed format would be smaller, but
flac holds integers only: what a model heard would come back rounded, under another digest, and miss every cache.

Text that was saved elsewhere is hostile. Whatever is wrong in it is a `ConversationError`, never another exception.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
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
    Clip,
    Conversation,
    Done,
    Effect,
    Event,
    Part,
    Role,
    Settings,
    Token,
    Turn,
)

VERSION = 1

LATER: dict[type, frozenset[str]] = {Settings: frozenset({"facts"})}
"""Entries that the first files of this version lack; where one is missing its default holds."""

V = TypeVar("V")

Own = Mapping[type, Callable[[Any], Any]]
"""Classes that are not written as the object of their fields, and what is done with a value of each instead."""
PLAIN: Own = {}

FLOAT32 = np.dtype("<f4")
Row = tuple[Any, ...]


def dumps(value: Any, own: Own = PLAIN) -> str:
    """A frozen dataclass as JSON text; `loads` gives back an equal one, samples bit by bit.

    Args:
        value: Its fields are texts, numbers, tuples and such dataclasses.
        own: Writers: what stands in the JSON for a value of these classes.
    """
    body = _conversation_json(value) if isinstance(value, Conversation) else plain(value, own)
    return json.dumps({"earshot": VERSION, "kind": type(value).__name__, "value": body}, allow_nan=False)


def loads(text: str, kind: type[V], own: Own = PLAIN) -> V:
    """Reads what `dumps` wrote of a value of `kind`.

    Args:
        text: Hostile.
        kind: The class.
        own: Readers: what makes a value of these classes of the JSON that stands for it.

    Raises:
        ConversationError: The text is not such a value, was cut, or was changed by hand.
    """
    found, body = _envelope(text)
    if found != kind.__name__:
        refuse(f"it holds {found!r} where {kind.__name__!r} is needed")
    value = _conversation(body) if kind is Conversation else typed(kind, body, kind.__name__, own)
    assert isinstance(value, kind)
    return value


def loads_event(text: str) -> Event:
    """Reads a `Token` or a `Done`, whichever it is. Raises as `loads` does."""
    return loads(text, Done) if _envelope(text)[0] == "Done" else loads(text, Token)


def refuse(reason: str) -> NoReturn:
    """Raises the `ConversationError` for something saved that cannot be opened, with the reason."""
    raise ConversationError(f"This saved chat cannot be opened ({reason}): open an unchanged copy or start a new one.")


def parsed(text: str) -> Any:
    """Any JSON. Raises as `loads` does."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # RecursionError: thousands of open brackets. ValueError: no JSON, or a number of thousands of digits.
        refuse("it is not complete JSON")


def _envelope(text: str) -> tuple[str, Any]:
    data = parsed(text)
    _keys(data, {"earshot", "kind", "value"}, "the file")
    if data["earshot"] != VERSION:
        refuse(f"it was written by another version of Earshot, {VERSION} is read here")
    return typed(str, data["kind"], "kind"), data["value"]


def plain(value: Any, own: Own = PLAIN) -> Any:
    """What `json` can write: dataclasses become objects, tuples lists."""
    if type(value) in own:
        return own[type(value)](value)
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name), own) for field in fields(value)}
    return [plain(item, own) for item in value] if isinstance(value, tuple) else value


def _keys(data: Any, wanted: set[str], where: str) -> None:
    if not isinstance(data, dict) or data.keys() != wanted:
        refuse(f"{where} should have exactly the entries {', '.join(sorted(wanted))}")


def typed(hint: Any, data: Any, where: str, own: Own = PLAIN) -> Any:
    """Checks JSON data against a type hint and builds the value: the hints are the schema. Raises as `loads` does."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in own:
        return own[hint](data)
    if origin in (Union, UnionType):
        (other,) = (argument for argument in arguments if argument is not NoneType)  # `X | None` is all there is
        return None if data is None else typed(other, data, where, own)
    if origin is tuple:
        hints = _item_hints(arguments, data, where)
        return tuple(typed(item_hint, item, where, own) for item_hint, item in zip(hints, data, strict=True))
    if is_dataclass(hint) and isinstance(hint, type):
        return _dataclass(hint, data, where, own)
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
        refuse(f"{where} has a value of the wrong kind")
    return float(data) if hint is float else data


def _is_number(data: Any) -> bool:
    if isinstance(data, bool) or not isinstance(data, int | float):
        return False
    return math.isfinite(data) if isinstance(data, float) else abs(data) < 2**63


def _item_hints(arguments: tuple[Any, ...], data: Any, where: str) -> tuple[Any, ...]:
    """One hint per item of a list: `tuple[X, ...]` repeats its X, `tuple[X, Y]` fixes the length."""
    if not isinstance(data, list):
        refuse(f"{where} should be a list")
    hints = arguments[:1] * len(data) if arguments[-1] is Ellipsis else arguments
    if len(hints) != len(data):
        refuse(f"{where} should have {len(hints)} items")
    return hints


def _dataclass(kind: type, data: Any, where: str, own: Own) -> Any:
    hints = get_type_hints(kind)
    if isinstance(data, dict):
        hints = {name: hint for name, hint in hints.items() if name in data or name not in LATER.get(kind, ())}
    _keys(data, set(hints), where)
    values = {name: typed(hint, data[name], name, own) for name, hint in hints.items()}
    if kind is Effect:
        _check_effect(**values)
    try:
        value = kind(**values)
    except SettingsError as error:
        refuse(str(error).rstrip("."))
    if isinstance(value, AttentionReading):
        _check_shapes(value)
    return value


def _check_effect(tokens: Row, whole_nats: Row, clips_nats: tuple[Row, ...]) -> None:
    """What an `Effect` asserts of itself."""
    if not tokens or any(len(nats) != len(tokens) for nats in (whole_nats, *clips_nats)):
        refuse("the effect of the clips has rows of the wrong length")


def _check_shapes(reading: AttentionReading) -> None:
    """A reading whose rows do not match its columns would fail much later, in a drawing."""
    rows = (*reading.weights, *reading.natural, reading.tokens)
    depth = len(reading.layers)
    if any(len(row) != len(reading.sources) for row in rows) or any(
        len(column) != depth for column in (reading.weights, reading.natural, reading.head_spread)
    ):
        refuse("an attention reading has rows of the wrong length")


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
        refuse("its clips or turns are of the wrong kind")
    recordings = {digest: _recording(digest, text) for digest, text in data["clips"].items()}
    return Conversation(tuple(_turn(turn, recordings) for turn in data["turns"]))


def _turn(data: Any, recordings: dict[str, Clip]) -> Turn:
    _keys(data, {"role", "parts"}, "a turn")
    if not isinstance(data["parts"], list):
        refuse("the parts of a turn should be a list")
    parts = tuple(_part(part, recordings) for part in data["parts"])
    return Turn(typed(Role, data["role"], "role"), parts)


def _part(data: Any, recordings: dict[str, Clip]) -> Part:
    if isinstance(data, str):
        text: str = typed(str, data, "a text")
        return text
    _keys(data, {"clip", "label", "source_hz"}, "a clip of a turn")
    digest = typed(str, data["clip"], "clip")
    if digest not in recordings:
        refuse("a turn names a recording that is not there")
    source_hz = typed(int, data["source_hz"], "source_hz")
    return Clip(recordings[digest].samples, clean_label(typed(str, data["label"], "label")), source_hz)


def _recording(digest: str, text: Any) -> Clip:
    """Samples under the digest they must have."""
    try:
        raw = base64.b64decode(typed(str, text, "a recording"), validate=True)
    except (binascii.Error, ValueError):
        refuse("a recording is not base64")
    if len(raw) % FLOAT32.itemsize or not 0 < len(raw) <= Limits().max_seconds * SAMPLING_RATE_HZ * FLOAT32.itemsize:
        refuse("a recording is cut off, empty or too long")
    return checked(Clip(np.frombuffer(raw, FLOAT32).astype(np.float32), digest), digest)


def checked(clip: Clip, digest: str) -> Clip:
    """A clip of hostile samples, unchanged. Raises as `loads` does where they are no sound or have another digest."""
    if not np.all(np.abs(clip.samples) <= 1.0):  # NaN compares false
        refuse("a recording holds samples beyond full scale")
    if clip.digest != digest:
        refuse("a recording was changed, it does not match its digest")
    return clip

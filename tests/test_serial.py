"""JSON gives back what was put in, and nothing but a `ConversationError` where it was tampered with."""

import base64
import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.audio import clean_label
from core.errors import ConversationError
from core.serial import dumps, loads, loads_event
from core.types import (
    METHODS,
    AttentionReading,
    Boost,
    Clip,
    Conversation,
    Done,
    Effect,
    Settings,
    Stats,
    Token,
    Turn,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
clips = st.builds(
    Clip,
    samples=hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-1, 1, width=32)),
    label=st.text(max_size=20).map(clean_label),
    source_hz=st.integers(2_000, 384_000),
)
turns = st.builds(
    Turn,
    role=st.sampled_from(["user", "assistant"]),
    parts=st.lists(st.one_of(st.text(max_size=20), clips), max_size=4).map(tuple),
)
conversations = st.lists(turns, max_size=3).map(tuple).map(Conversation)
boosts = st.builds(
    Boost,
    method=st.sampled_from([method for method in METHODS if method != "target"]),
    alpha=st.floats(-10, 10),
    band=st.sampled_from([(0.0, 1.0), (0.36, 0.71), (0.25, 0.5)]),
    clip_weights=st.lists(st.floats(0, 10), max_size=3).map(tuple),
)
all_settings = st.builds(
    Settings,
    boost=boosts,
    adapter=st.none() | st.text(max_size=8),
    system=st.text(max_size=20),
    temperature=st.floats(0, 5),
    top_p=st.floats(0.01, 1),
    max_tokens=st.integers(1, 4096),
    seed=st.integers(0, 2**32),
    facts=st.booleans(),
)


@st.composite
def readings(draw: st.DrawFn) -> AttentionReading:
    sources, layers = draw(st.integers(1, 4)), draw(st.integers(1, 3))

    def row(length: int) -> tuple[float, ...]:
        return tuple(draw(st.lists(finite, min_size=length, max_size=length)))

    def table() -> tuple[tuple[float, ...], ...]:
        return tuple(row(sources) for _ in range(layers))

    return AttentionReading(
        sources=tuple(f"clip {index}" for index in range(sources)),
        tokens=tuple(range(sources)),
        layers=tuple(range(layers)),
        weights=table(),
        natural=table(),
        head_spread=row(layers),
        profiles=tuple(row(3) for _ in range(draw(st.integers(0, 2)))),
        boosted=tuple(range(draw(st.integers(0, layers)))),
    )


events = st.one_of(
    st.builds(Token, text=st.text(max_size=5), reading=st.none() | readings()),
    st.builds(
        Done,
        stats=st.builds(Stats, st.integers(0, 999), st.integers(0, 999), finite, finite, finite),
        reason=st.sampled_from(["stop", "length"]),
    ),
)


@given(conversations)
def test_conversations_come_back_with_their_sound_labels_and_rates(conversation: Conversation) -> None:
    back = loads(dumps(conversation), Conversation)
    assert back == conversation
    for ours, theirs in zip(conversation.clips, back.clips, strict=True):
        assert theirs.samples.tobytes() == ours.samples.tobytes()
        assert (theirs.label, theirs.source_hz) == (ours.label, ours.source_hz)


@given(all_settings)
def test_settings_and_boosts_come_back(value: Settings) -> None:
    assert loads(dumps(value), Settings) == value
    assert loads(dumps(value.boost), Boost) == value.boost


@given(events)
def test_events_and_readings_come_back(event: Token | Done) -> None:
    assert loads_event(dumps(event)) == event
    if isinstance(event, Token) and event.reading is not None:
        assert loads(dumps(event.reading), AttentionReading) == event.reading
    if isinstance(event, Done):
        assert loads(dumps(event.stats), Stats) == event.stats


def small_chat() -> Conversation:
    dog = Clip(np.array([0.5, -0.25], np.float32), "dog.wav", 44_100)
    again = Clip(dog.samples, "dog (1).wav", 44_100)
    return Conversation((Turn("user", (dog, "Same?", again)), Turn("assistant", ("Yes.",))))


def test_a_recording_dropped_twice_is_stored_once() -> None:
    chat = small_chat()
    data = json.loads(dumps(chat))["value"]
    assert list(data["clips"]) == [chat.clips[0].digest]
    assert [clip.label for clip in loads(dumps(chat), Conversation).clips] == ["dog.wav", "dog (1).wav"]


def saved(*path_and_value: Any) -> str:
    """The small chat as JSON text, with the entry at the path replaced by the last argument."""
    *path, value = path_and_value
    data = json.loads(dumps(small_chat()))
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(data)


def encoded(*samples: float) -> str:
    return base64.b64encode(np.array(samples, "<f4").tobytes()).decode()


DIGEST = small_chat().clips[0].digest
LOUD = Clip(np.array([1.5], np.float32), "loud")
NOT_A_NUMBER = Clip(np.array([np.nan], np.float32), "nan")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not complete JSON"),
        ("{", "not complete JSON"),
        ("[" * 100_000, "not complete JSON"),
        ("9" * 5_000, "not complete JSON"),
        ("null", "the file should have"),
        ("{}", "the file should have"),
        (saved("earshot", 2), "another version"),
        (saved("kind", "Settings"), "'Settings' where 'Conversation' is needed"),
        (saved("kind", ["x"]), "kind has a value of the wrong kind"),
        (saved("value", None), "the conversation should have"),
        (saved("value", "clips", []), "wrong kind"),
        (saved("value", "turns", {}), "wrong kind"),
        (saved("value", "clips", {}), "not there"),
        (saved("value", "clips", DIGEST, encoded(0.5, -0.26)), "does not match its digest"),
        (saved("value", "clips", DIGEST, "?"), "not base64"),
        (saved("value", "clips", DIGEST, "ä"), "not base64"),
        (saved("value", "clips", DIGEST, 5), "a recording has a value"),
        (saved("value", "clips", DIGEST, ""), "empty"),
        (saved("value", "clips", DIGEST, encoded(0.5)[:4]), "cut off"),
        (saved("value", "clips", {LOUD.digest: encoded(1.5)}), "beyond full scale"),
        (saved("value", "clips", {NOT_A_NUMBER.digest: encoded(float("nan"))}), "beyond full scale"),
        (saved("value", "turns", 0, 7), "a turn should have"),
        (saved("value", "turns", 0, "role", "system"), "role has"),
        (saved("value", "turns", 0, "parts", "x"), "should be a list"),
        (saved("value", "turns", 0, "parts", 0, 1.5), "a clip of a turn"),
        (saved("value", "turns", 0, "parts", 0, "label", None), "label has"),
        (saved("value", "turns", 0, "parts", 0, "source_hz", True), "source_hz has"),
        (saved("value", "turns", 0, "parts", 0, "clip", []), "clip has"),
        (saved("value", "turns", 0, "parts", 1, "\ud800"), "a text has"),
    ],
)
def test_tampered_conversations_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ConversationError, match=reason) as caught:
        loads(text, Conversation)
    assert str(caught.value).startswith("This saved chat cannot be opened") and str(caught.value).endswith(".")


def test_labels_from_outside_are_cleaned() -> None:
    back = loads(saved("value", "turns", 0, "parts", 0, "label", "dog\u202egpj\n.wav"), Conversation)
    assert back.clips[0].label == "doggpj .wav"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("temperature", 9, "out of range"),
        ("temperature", "1", "wrong kind"),
        ("temperature", float("inf"), "wrong kind"),
        ("temperature", float("nan"), "wrong kind"),
        ("temperature", 10**400, "wrong kind"),
        ("temperature", True, "wrong kind"),
        ("max_tokens", 1.5, "wrong kind"),
        ("seed", 2**63, "wrong kind"),
        ("facts", 1, "wrong kind"),
        ("adapter", 3, "wrong kind"),
        ("boost", {}, "should have exactly the entries"),
    ],
)
def test_tampered_settings_are_refused(field: str, value: object, reason: str) -> None:
    data = json.loads(dumps(Settings()))
    data["value"][field] = value
    with pytest.raises(ConversationError, match=reason):
        loads(json.dumps(data), Settings)


def test_settings_saved_before_facts_could_be_told_have_them_off() -> None:
    data = json.loads(dumps(Settings(seed=3, facts=True)))
    del data["value"]["facts"]
    assert loads(json.dumps(data), Settings) == Settings(seed=3)
    del data["value"]["seed"]
    with pytest.raises(ConversationError, match="should have exactly the entries"):
        loads(json.dumps(data), Settings)


def test_a_boost_out_of_range_is_refused_as_a_saved_chat() -> None:
    data = json.loads(dumps(Boost()))
    data["value"]["band"] = [0.5, 0.2]
    with pytest.raises(ConversationError, match="Layer band"):
        loads(json.dumps(data), Boost)
    data["value"]["band"] = [0.1, 0.2, 0.3]
    with pytest.raises(ConversationError, match="band should have 2 items"):
        loads(json.dumps(data), Boost)


def test_a_reading_with_ragged_rows_is_refused() -> None:
    reading = AttentionReading(("clip A", "answer"), (3, 1), (0,), ((0.5, 0.5),), ((0.5, 0.5),), (0.1,), ((0.5,),))
    for field, value in (("weights", [[0.5]]), ("weights", []), ("tokens", [3]), ("head_spread", []), ("natural", [])):
        data = json.loads(dumps(reading))
        data["value"][field] = value
        with pytest.raises(ConversationError, match="wrong length"):
            loads(json.dumps(data), AttentionReading)


@given(st.integers(1, 3), st.integers(0, 2), st.data())
def test_effects_come_back_and_ragged_ones_are_refused(tokens: int, clips: int, draw: st.DataObject) -> None:
    def nats() -> tuple[float, ...]:
        return tuple(draw.draw(st.lists(finite, min_size=tokens, max_size=tokens)))

    effect = Effect(("a",) * tokens, nats(), tuple(nats() for _ in range(clips)))
    assert loads(dumps(effect), Effect) == effect
    for field, value in (("tokens", []), ("whole_nats", [0.0] * (tokens + 1)), ("clips_nats", [[0.0] * (tokens + 1)])):
        data = json.loads(dumps(effect))
        data["value"][field] = value
        with pytest.raises(ConversationError, match="wrong length"):
            loads(json.dumps(data), Effect)


def test_a_class_of_its_own_kind_is_written_and_read_its_own_way() -> None:
    held = Token("x", AttentionReading(("a",), (1,), (0,), ((1.0,),), ((1.0,),), (0.0,), ()))
    text = dumps(held, {AttentionReading: lambda reading: reading.sources[0]})
    assert json.loads(text)["value"] == {"text": "x", "reading": "a"}
    assert loads(text, Token, {AttentionReading: lambda name: held.reading if name == "a" else None}) == held
    with pytest.raises(ConversationError, match="reading should have"):
        loads(text, Token)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path into nested JSON data, the root left out."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [found for key, item in items for found in ((*path, key), *places(item, (*path, key)))]


SAVED = [
    (Conversation, json.loads(dumps(small_chat()))),
    (Settings, json.loads(dumps(Settings(Boost("mata", clip_weights=(1.0, 2.0)), adapter="a")))),
    (
        Token,
        json.loads(dumps(Token("x", AttentionReading(("a",), (1,), (0,), ((1.0,),), ((1.0,),), (0.0,), ((1.0,),))))),
    ),
    (Done, json.loads(dumps(Done(Stats(1, 2, 0.1, 0.2, 0.3), "stop")))),
]


@settings(max_examples=400)
@given(case=st.sampled_from(SAVED), edit=st.data())
def test_any_edit_loads_or_is_refused_never_anything_else(case: tuple[Any, Any], edit: st.DataObject) -> None:
    kind, data = case[0], copy.deepcopy(case[1])
    *path, last = edit.draw(st.sampled_from(places(data)))
    place = data
    for key in path:
        place = place[key]
    if edit.draw(st.booleans()):
        place[last] = edit.draw(json_values)
    else:
        del place[last]
    try:
        value = loads(json.dumps(data), kind)
    except ConversationError:
        return
    assert loads(dumps(value), kind) == value, "what was accepted is a value like any other"


@given(st.text(max_size=50))
def test_any_text_is_refused(text: str) -> None:
    for kind in (Conversation, Settings, Token):
        with pytest.raises(ConversationError):
            loads(text, kind)
    with pytest.raises(ConversationError):
        loads_event(text)

"""Anything at all given to a sheet, to the API and to every listener of the page: a result, or one sentence.

EARSHOT_SLOW=1 tries twenty times as much.
"""

import json
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat_app.sheet import Sheet, read_sheet, variant
from core.errors import LalmError, SheetError
from core.fake import FakeEngine
from core.types import Settings
from tests import wire
from tests.serving import served
from tests.slow import SLOW
from tests.tabs import Tab

# The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
LONG = settings(
    max_examples=2000 if SLOW else 100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

KEYS = ("model", "precision", "adapter", "clips", "questions", "settings", "name", "files", "method", "alpha", "band")
WORDS = ("mata", "off", "target", "a.wav", "../a.wav", "/etc/hostname", "\0", "${x}", "<b>", "nan", "embedded", "")
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers() | st.integers(-2, 2**64),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20) | st.sampled_from(WORDS),
)
anything = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), inner),
    max_leaves=12,
)
numbers = st.floats() | st.integers()
"""Those of TOML may be infinite, or none."""
groups = st.lists(st.fixed_dictionaries({}, optional={"name": anything, "files": anything}) | anything, max_size=3)
sheets = st.fixed_dictionaries(
    {},
    optional={
        "clips": st.just([{"name": "a", "files": ["a.wav"]}]) | groups | anything,
        "questions": st.just(["Which?"]) | anything,
        "settings": st.lists(
            st.dictionaries(st.sampled_from((*KEYS, "seed", "max_tokens", "facts")), anything | numbers)
        ),
        "model": anything,
        "adapter": anything,
        "other": anything,
    },
)


def one_sentence(error: LalmError | SheetError) -> None:
    said = str(error)
    assert said and "\n" not in said and "Traceback" not in said and len(said) < 1000


def read(path: Path) -> None:
    try:
        sheet = read_sheet(path)
    except SheetError as error:
        one_sentence(error)
        return
    assert isinstance(sheet, Sheet)
    assert all(file.is_relative_to(path.parent.resolve()) for group in sheet.groups for file in group.files)
    for one in sheet.variants:
        try:
            assert isinstance(one.taken_by(FakeEngine().info), Settings)
        except LalmError as error:
            one_sentence(error)


@LONG
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_sheet_or_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sheet.toml"
    path.write_bytes(content)
    read(path)


@LONG
@given(data=sheets)
def test_any_tables_are_a_sheet_or_a_sentence(data: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "sheet.toml"
    path.write_text("")
    with mock.patch("chat_app.sheet.tomllib.loads", lambda text: data):
        read(path)


@LONG
@given(
    table=st.dictionaries(st.sampled_from((*KEYS, "seed", "max_tokens", "temperature", "facts")), anything | numbers)
)
def test_any_table_of_settings_is_taken_or_a_sentence(table: dict[str, object]) -> None:
    try:
        taken = variant(table).taken_by(FakeEngine().info)
    except LalmError as error:
        one_sentence(error)
    else:
        assert isinstance(taken, Settings)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(FakeEngine(0)) as url:
        yield url


some_file = anything.map(str).map(wire.file)
right = st.tuples(
    anything | st.just("Which?"), *[st.none() | some_file] * 8, anything, st.none() | anything, plain, plain
).map(list)


@settings(LONG, max_examples=600 if SLOW else 40)
@given(data=right | st.lists(anything, max_size=15))
def test_the_api_answers_anything_with_words_or_a_sentence(data: list[object], address: str) -> None:
    event, last = outcome(wire.call(address, "ask", data))
    if event == "complete":
        words, readings = last
        assert words and readings
    else:
        assert last["error"] and "\n" not in last["error"]


def outcome(told: str) -> tuple[str, Any]:
    """Kind and content of the last event."""
    *_, event, content = (line for line in told.splitlines() if line)
    return event.removeprefix("event: "), json.loads(content.removeprefix("data: "))


def test_no_listener_hurts_anybody_by_what_it_is_given(address: str, example: Path) -> None:
    """Whatever the listeners of the page are sent: they answer, and the conversation of somebody else goes on."""
    visitor, other = Tab(address), Tab(address)
    before = visitor.ask("Which?", example / "dog_bark.flac")
    answered = 0

    @settings(LONG, max_examples=20 if SLOW else 2, derandomize=True)
    @given(values=st.lists(anything, min_size=1, max_size=5))
    def all_of_them(values: list[object]) -> None:
        nonlocal answered
        for listener in visitor.listeners:
            if listener["backend_fn"]:
                data = list(islice(cycle(values), listener["id"], listener["id"] + len(listener["inputs"])))
                assert wire.join(address, listener["id"], data, other.session)[-1]["msg"] == "process_completed"
                answered += 1

    all_of_them()
    assert answered > 40
    after = visitor.press("retry")
    assert said(after) == said(before) != ""


def said(messages: list[dict[str, object]]) -> str:
    """The longest text of an answer in messages."""
    texts = [part for part in json.dumps(messages).split('"') if part.startswith("This is a fake answer")]
    return max(texts, key=len, default="")

"""What a person asks, drops and is told stands in no log, not even where something fails with it in its message."""

import logging
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import pytest

from chat_app import faults
from chat_app.launch import EXAMPLES
from core.errors import EngineError
from core.fake import FakeEngine
from core.types import Conversation, Effect, Event, Settings
from tests import trespass, wire
from tests.serving import served
from tests.slow import SLOW

# The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
WORD, NAME, ANSWER = "zyxquestion", "zyxfile", "zyxanswer"


class Failing(FakeEngine):
    """Fails with what it was asked in its message, in the way that the question names."""

    def stream(self, conversation: Conversation, settings: Settings) -> Iterator[Event]:
        asked = conversation.turns[-1].text
        yield from list(super().stream(conversation, settings))[:2]
        if "key" in asked:
            raise KeyError(f"{ANSWER} {asked} {[clip.label for clip in conversation.clips]}")
        if "chain" in asked:
            try:
                raise ValueError(asked)
            except ValueError as error:
                raise RuntimeError(ANSWER) from error
        if "told" in asked:
            raise EngineError(f"{asked}: ask again.")
        yield from list(super().stream(conversation, settings))[2:]

    def matter(self, conversation: Conversation, answer: str, settings: Settings) -> Iterator[Effect]:
        raise AssertionError(f"{ANSWER} {answer}")
        yield


def test_no_word_and_no_name_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, "chat_app")
    caplog.set_level(logging.DEBUG, "core")
    with served(Failing(delay_seconds=0)) as address:
        good, bad = tmp_path / f"{NAME}.flac", tmp_path / f"{NAME}.mp3"
        good.write_bytes((EXAMPLES / "dog_bark.flac").read_bytes())
        bad.write_bytes(b"ID3" + NAME.encode() * 500)
        files = [wire.upload(address, path) for path in (good, bad)]
        ended = 0
        for kind in ("plain", "key", "chain", "told"):
            for path in files:
                given = [f"{WORD} {kind}", wire.file(path), *[None] * 7, {"max_tokens": 9}, None, None, True]
                ended += wire.call(address, "ask", given).count("event: ")
        given = [f"{WORD}", *[None] * 8, {WORD: WORD}, WORD, None, None]
        ended += wire.call(address, "ask", given).count("event: ")
        assert ended >= 9
        send = next(one for one in wire.listeners(address) if [event for _, event in one["targets"]] == ["submit"])
        shapes = trespass.shapes(WORD, files[0])
        for number, listener in enumerate(wire.listeners(address)):  # what no page would send, in every place
            for shape in shapes if SLOW else (WORD, [WORD], *islice(cycle(shapes), number, number + 3)):
                body = {"data": [shape] * len(listener["inputs"]), "fn_index": listener["id"]}
                if listener is not send and shape not in (WORD, [WORD]) and len(listener["inputs"]) > 3:
                    continue
                wire.join_all(address, [body])
        own = f"custom_component/{WORD}/client/x/y"
        for path in (f"call/{WORD}", f"run/{WORD}", f"call/v2/{WORD}", "queue/join", own):
            kind = {"Content_Type": "application/json"}
            wire.raw(address, "POST", f"/gradio_api/{path}", b'{"data": ["zyxquestion"]}', **kind)
            wire.raw(address, "GET", f"/gradio_api/{path}?x={WORD}")
        wire.raw(address, "GET", f"/gradio_api/file={tmp_path}/{NAME}.flac")
    said = caplog.text + "".join(capfd.readouterr())
    assert "KeyError" in said and "RuntimeError" in said and "AssertionError" in said, "faults are told of"
    for mark in (WORD, NAME, ANSWER):
        assert mark not in said, said[max(0, said.index(mark) - 600) :][:900]


def test_kind_and_place_of_a_fault_and_of_what_led_to_it_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    try:
        try:
            int("zyx")
        except ValueError:
            raise KeyError("zyx")  # noqa: B904
    except KeyError as error:
        error.__cause__ = error.__context__
        assert error.__cause__ is not None
        error.__cause__.__cause__ = error  # a circle has an end
        faults.log("It broke", error)
    assert caplog.text.index("ValueError") < caplog.text.index("KeyError")
    assert f"{__file__}:" in caplog.text and "in test_kind_and_place" in caplog.text and "zyx" not in caplog.text

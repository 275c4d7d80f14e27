"""A server that hangs, drips, breaks off, never ends or sends nonsense: words, or one sentence, or both."""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_app.panes import Panes
from chat_app.session import Box
from core import remote
from core.engine import EngineInfo
from core.errors import LalmError, LoadError
from core.fake import FakeEngine
from core.remote import Remote, connect
from core.types import Conversation, Done, Event, Settings, Token, Turn, Waiting
from tests.pages import form, handling
from tests.raw_server import AGAIN, DRIP, EVENTS, RESET, WAIT, Raw, Script, raw, said
from tests.slow import SLOW

EXAMPLES = 2_000 if SLOW else 60
INFO = EngineInfo("listener", "remote", "remote", "a test", (), 0, 600.0, 600.0, 0, attention=False, effect=False)
ASKED = Conversation((Turn("user", ("Which?",)),))
END = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
LONG_SECONDS = 60.0
"""A test that takes so long waited for a time-out of the server's, not for what it is about."""


@pytest.fixture(scope="module")
def server() -> Iterator[Raw]:
    with raw() as served:
        yield served


def engine(server: Raw, script: Script, stall_seconds: float = 0.5) -> Remote:
    server.script = script
    server.asked.clear()
    server.hung_up.clear()
    return Remote(server.address, "listener", INFO, stall_seconds)


def outcome(asked: Remote) -> tuple[str, str]:
    """The words, and the sentence if the answer broke off. Anything else than these fails."""
    words, sentence, done = "", "", list[Event]()
    try:
        for event in asked.stream(ASKED, Settings(max_tokens=20)):
            assert not done, "nothing comes after the end"
            if isinstance(event, Token):
                words += event.text
            elif isinstance(event, Done):
                done.append(event)
            else:
                assert isinstance(event, Waiting)
    except LalmError as error:
        sentence = str(error)
        assert asked.where in sentence and sentence.endswith((".", "?")), sentence
        assert sentence.isprintable() and len(sentence) < 500, sentence
    assert bool(done) != bool(sentence)
    return words, sentence


@pytest.mark.parametrize(
    ("script", "words", "sentence"),
    [
        ([WAIT], "", "has sent nothing for 0.5 s"),
        ([b"HTTP/1.1 200 OK\r\nContent-", WAIT], "", "has sent nothing for 0.5 s"),
        ([EVENTS, WAIT], "", "has sent nothing for 0.5 s"),
        ([EVENTS, said("Clip A"), b"data: {", WAIT], "Clip A", "has sent nothing for 0.5 s"),
        ([RESET], "", "was lost"),
        ([], "", "was lost"),
        ([EVENTS], "", "broke off before the answer was whole"),
        ([EVENTS, b"data: [DONE]\n\n"], "", "broke off before the answer was whole"),
        ([EVENTS, said("Clip A")], "Clip A", "broke off before the answer was whole"),
        ([EVENTS, said("Clip A"), b'data: {"choi'], "Clip A", "broke off before the answer was whole"),
        ([EVENTS, said("Clip A"), b"data: <html>\n\n"], "Clip A", "sent what is no answer"),
        ([EVENTS, said("Clip A"), b"data: " + b"[" * 100_000 + b"\n\n"], "Clip A", "sent what is no answer"),
        ([EVENTS, b"data: " + b"x" * 100_000, AGAIN], "", "does not stream its answer"),
        ([b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, AGAIN], "", "was lost"),
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], "", "was lost"),
        ([b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", WAIT], "", "does not stream its answer"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], "", "failed (204, no reason given)"),
        ([b"HTTP/1.1 429 Too Many\r\n\r\n" + b'{"error": {"message": "slow down"}}'], "", "failed (429, slow down)"),
        ([b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n\xff\xfe"], "", "was lost"),
        ([b"HTTP/1.1 500 No\r\n\r\n" + b'{"detail": [[[["x"]]]]}'], "", "failed (500, [[[['x']]]])"),
        ([b"HTTP/1.1 401 No\r\n\r\n"], "", "wants a key"),
        ([EVENTS.replace(b"stream", b"stream; charset=idna"), said("\\u00e4 b"), END], "ä b", ""),
        ([EVENTS.replace(b"stream", b"stream; charset=utf-16"), said("ä"), END], "ä", ""),
        ([EVENTS.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"), said("A"), END], "", "was lost"),
        ([EVENTS.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"), gzip.compress(said("A") + END)], "A", ""),
    ],
)
def test_each_fault_is_a_sentence_after_the_words_so_far(
    server: Raw, script: Script, words: str, sentence: str
) -> None:
    found = outcome(engine(server, script))
    assert found[0] == words and sentence in found[1] and bool(sentence) == bool(found[1])


@pytest.mark.parametrize(
    "chunk",
    [
        *([], {}, None, 1, "x", {"choices": None}, {"choices": {}}, {"choices": [None]}, {"choices": [[]]}),
        *({"choices": [{"delta": "x"}]}, {"choices": [{"delta": {"content": ["x"]}}]}, {"choices": [{"delta": []}]}),
        *({"choices": [{"finish_reason": 7}]}, {"usage": []}, {"usage": {"prompt_tokens": -1}}, {"error": 7}),
        *({"usage": {"completion_tokens": 10**30}}, {"choices": [{"message": {"content": "x"}}]}, {"error": {}}),
        *({"error": ""}, {"error": {"message": "\x1b[31m\n" * 400}}, {"choices": [{"finish_reason": "\u202e"}]}),
    ],
)
def test_wrong_fields_are_passed_over_or_a_sentence(server: Raw, chunk: object) -> None:
    event = b"data: %s\n\n" % json.dumps(chunk).encode()
    words, sentence = outcome(engine(server, [EVENTS, said("Clip A"), event, END]))
    assert words == "Clip A" and (not sentence or "no answer" in sentence or "broke off" in sentence)


@pytest.mark.parametrize(
    "script",
    [
        ([EVENTS, said("word "), AGAIN]),
        ([EVENTS, said("word "), b'data: {"choices": []}\n\n', AGAIN]),
    ],
)
def test_an_answer_without_an_end_is_given_up(server: Raw, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MOST_BYTES", 10_000)
    monkeypatch.setattr(remote, "TOKEN_BYTES", 100)
    words, sentence = outcome(engine(server, script))
    assert words.startswith("word ") and "goes on and on beyond the 20 tokens" in sentence
    assert server.hung_up.wait(30)


@pytest.mark.parametrize(
    "script",
    [
        ([b"HTTP/1.1 200 OK\r\nx: ", DRIP]),
        ([EVENTS, said("Clip A"), b"data: ", DRIP]),
        ([EVENTS, said("Clip A"), b": still here\n\n", AGAIN]),
        ([b"HTTP/1.1 500 No\r\n\r\n", DRIP]),
    ],
)
def test_a_drip_is_given_up(server: Raw, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 0.6)
    words, sentence = outcome(engine(server, script, stall_seconds=30.0))
    assert words == ("Clip A" if EVENTS in script else "") and "has not ended its answer within 0.01 min" in sentence
    assert server.hung_up.wait(30)


@pytest.mark.parametrize("script", [[WAIT], [EVENTS, said("Clip A"), WAIT], [EVENTS, said("Clip A"), b"data:", DRIP]])
def test_stop_acts_while_the_server_hangs_and_hangs_up(server: Raw, script: Script, tmp_path: Path) -> None:
    asked = engine(server, script, stall_seconds=120.0)
    handlers, began = handling(tmp_path, asked), time.monotonic()

    def stop() -> None:
        while not (words.is_set() or (EVENTS not in script and server.asked.is_set())):
            time.sleep(0.01)
        handlers.stop("tab")

    words = threading.Event()
    stopping = threading.Thread(target=stop)
    stopping.start()
    for view in handlers.send("tab", Panes(), Box("Which?"), [form(asked)]):
        if view.panes.first.exchanges[-1].words:
            words.set()
    stopping.join()
    (exchange,) = view.panes.first.exchanges
    assert (exchange.ending, exchange.words) == ("stopped", "Clip A" if EVENTS in script else "")
    assert server.hung_up.wait(30) and time.monotonic() - began < LONG_SECONDS


def test_a_pane_that_hangs_does_not_hold_up_the_other(server: Raw, tmp_path: Path) -> None:
    asked, fake = engine(server, [EVENTS, WAIT], stall_seconds=120.0), FakeEngine()
    handlers = handling(tmp_path, fake, asked)
    panes = Panes().beside(0)
    for view in handlers.send("tab", panes, Box("Which?"), [form(fake), form(fake, engine=1)], together=True):
        if view.panes.sessions[0].exchanges[-1].ending == "stop":
            handlers.stop("tab")
    first, second = (session.exchanges[-1] for session in view.panes.sessions)
    assert (first.ending, second.ending) == ("stop", "stopped") and first.words


def test_a_list_of_models_that_drips_is_given_up(server: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "CONNECT_SECONDS", 0.3)
    for script in ([b"HTTP/1.1 200 OK\r\n\r\n[", DRIP], [b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 1000, AGAIN]):
        server.script = script
        with pytest.raises(LoadError, match="lists no models as an OpenAI-compatible server does"):
            connect(server.address)


pieces = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"data: ", b"data:", b"\n", b"\n\n", b"\r", b"\r\n", b": x\n", b"event: x\n", b"retry: 1\n", END]),
    st.sampled_from([said("word "), said("\\ud83d\\ude00"), said("\\ud83d"), b"data: [DONE]\n\n", b"\xef\xbb\xbf"]),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["choices", "delta", "content", "usage", "error", "message", "finish_reason", "x"]),
                inner,
            )
        ),
        max_leaves=8,
    ).map(lambda value: b"data: %s\n\n" % json.dumps(value).encode()),
)
heads = st.sampled_from(
    [
        EVENTS,
        EVENTS.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
        EVENTS.replace(b"\r\n\r\n", b"\r\nContent-Length: 50\r\n\r\n"),
        EVENTS.replace(b"stream", b"stream; charset=punycode"),
        EVENTS.replace(b"\r\n\r\n", b"\r\nContent-Encoding: deflate, br\r\n\r\n"),
        b"HTTP/1.1 400 No\r\nContent-Type: application/json\r\n\r\n",
        b"HTTP/1.1 302 No\r\nLocation: ",
        b"HTTP/1.1 ",
        b"",
    ]
)


@given(head=heads, body=st.lists(pieces, max_size=8), ends=st.sampled_from([[], [RESET]]))
@settings(max_examples=EXAMPLES)
def test_any_bytes_are_words_or_a_sentence(server: Raw, head: bytes, body: list[bytes], ends: list[str]) -> None:
    outcome(engine(server, [head + b"".join(body), *ends]))


@given(body=st.binary(max_size=200), head=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 "]))
@settings(max_examples=EXAMPLES // 2)
def test_any_bytes_for_a_list_of_models_are_a_sentence(server: Raw, head: bytes, body: bytes) -> None:
    server.script = [head + body]
    with pytest.raises(LoadError) as refused:
        connect(server.address)
    assert str(refused.value).endswith(".") and str(refused.value).isprintable()


def test_a_stalled_answer_keeps_its_words_on_the_page(server: Raw, tmp_path: Path) -> None:
    asked = engine(server, [EVENTS, said("Clip A"), WAIT])
    handlers = handling(tmp_path, asked)
    last = list(handlers.send("tab", Panes(), Box("Which?"), [form(asked)]))[-1].panes.first.exchanges[-1]
    assert (last.ending, last.words) == ("failed", "Clip A") and "has sent nothing" in last.problem

"""The engine for a server, against a server in a process of its own that hears what it is sent."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_app import strings
from chat_app.panes import Panes
from chat_app.session import Box
from chat_app.view import Card, status
from core.audio import Limits
from core.errors import ConversationError, EngineError, LoadError, SettingsError
from core.load import load
from core.measure import in_words, measure
from core.remote import KEY, Remote, connect
from core.types import Boost, Clip, Conversation, Done, Event, Settings, Token, Turn, Waiting
from tests.openai_server import KEY as RIGHT_KEY
from tests.openai_server import TEXT, asked, running
from tests.pages import form, handling


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running() as address:
        yield address


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, and keys and settings of others that must not be used."""
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "someone-elses")
    monkeypatch.setenv("OPENAI_ORG_ID", "someone-elses")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")


@pytest.fixture
def engine(server: str) -> Remote:
    return connect(f"{server}/v1")


def told(question: str = "go on", *clips: Clip) -> Conversation:
    return Conversation((Turn("user", (*clips, question)),))


def told_by(engine: Remote, conversation: Conversation, settings: Settings = Settings()) -> list[Event]:
    """What comes back, but for the moments in which nothing came."""
    return [event for event in engine.stream(conversation, settings) if not isinstance(event, Waiting)]


def answered(engine: Remote, conversation: Conversation, settings: Settings = Settings()) -> tuple[dict, Done]:
    """What the server says it was sent, and the end."""
    *tokens, done = told_by(engine, conversation, settings)
    assert isinstance(done, Done) and all(isinstance(token, Token) and token.reading is None for token in tokens)
    return json.loads("".join(token.text for token in tokens)), done


def hung_up(server: str) -> bool:
    """Whether the server notices within five seconds that its last client has gone."""
    for _ in range(100):
        if asked(server)[-1] == {"hung_up": True}:
            return True
        time.sleep(0.05)
    return False


def test_whether_clips_mattered_is_not_asked_of_a_server(engine: Remote, server: str, tone_clip) -> None:
    before = len(asked(server))
    assert not engine.info.effect
    with pytest.raises(SettingsError, match="cannot be asked whether the clips mattered: start Earshot with a model"):
        list(engine.matter(told("Which?", tone_clip()), "Clip A.", Settings()))
    assert len(asked(server)) == before


def test_each_clip_arrives_under_its_letter_across_two_turns(engine: Remote, tone_clip) -> None:
    sent = [(440.0, 0.6, 0.5), (1000.0, 1.25, 0.25), (150.0, 0.3, 1.0)]
    a, b, c = (tone_clip(f"{hz}.wav", hz, seconds, level) for hz, seconds, level in sent)
    conversation = Conversation(
        (
            Turn("user", (a, b, "Which is higher?")),
            Turn("assistant", ("Clip B.",)),
            Turn("user", (c, "And this one?")),
        )
    )
    request, _ = answered(engine, conversation, Settings(system="Be brief."))
    system, first, answer, second = request["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert answer == {"role": "assistant", "content": "Clip B."}
    assert [first["role"], second["role"]] == ["user", "user"]
    # as the prompt of a model on this machine has it: a clip's line ends behind it
    assert [part for part in first["content"] if isinstance(part, str)] == [
        "Clip A: ",
        "\nClip B: ",
        "\nWhich is higher?",
    ]
    assert [part for part in second["content"] if isinstance(part, str)] == ["Clip C: ", "\nAnd this one?"]
    sounds = [first["content"][1], first["content"][3], second["content"][1]]
    for sound, (hz, seconds, level) in zip(sounds, sent, strict=True):
        assert sound["rate_hz"] == 16_000 and sound["seconds"] == pytest.approx(seconds, abs=1e-4)
        assert sound["hz"] == pytest.approx(hz, abs=1 / seconds)
        assert sound["peak"] == pytest.approx(level, rel=0.01)


def test_the_same_recording_twice_is_sent_twice(engine: Remote, tone_clip) -> None:
    request, _ = answered(engine, told("Same?", tone_clip(), tone_clip()))
    texts = [part for part in request["messages"][0]["content"] if isinstance(part, str)]
    assert texts == ["Clip A: ", "\nClip B: ", "\nSame?"]
    assert len(request["messages"][0]["content"]) == 5


def test_settings_are_sent_and_nothing_of_this_machine(engine: Remote, server: str) -> None:
    settings = Settings(temperature=0.7, top_p=0.5, max_tokens=33, seed=4)
    request, _ = answered(engine, told(), settings)
    messages = request.pop("messages")
    assert request == {
        "model": "listener",
        "temperature": 0.7,
        "top_p": 0.5,
        "max_tokens": 33,
        "seed": 4,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert messages == [{"role": "user", "content": ["go on"]}]
    last = [entry for entry in asked(server) if entry.get("path") == "/v1/chat/completions"][-1]
    assert set(last["headers"]) == {
        *("host", "accept", "accept-encoding", "connection", "user-agent", "content-length", "content-type")
    }
    assert last["headers"]["user-agent"] == "earshot"
    assert "someone-elses" not in json.dumps(asked(server))


def test_facts_are_told_as_they_are_measured(engine: Remote, tone_clip) -> None:
    a, b = tone_clip("a.wav", 440.0), tone_clip("b.wav", 220.0, 1.5, 0.1)
    request, _ = answered(engine, told("Which is louder?", a, b), Settings(facts=True))
    texts = [part for part in request["messages"][0]["content"] if isinstance(part, str)]
    facts = [in_words(measure(clip.samples)) for clip in (a, b)]
    assert "440 Hz" in facts[0] and "220 Hz" in facts[1]
    assert texts[:2] == [f"Clip A ({facts[0]}): ", f"\nClip B ({facts[1]}): "]


def test_a_boost_or_an_adapter_is_refused_in_words_and_nothing_is_sent(engine: Remote, server: str) -> None:
    before = len(asked(server))
    for settings in (Settings(boost=Boost("mata", 0.2)), Settings(adapter="discriminative")):
        with pytest.raises(SettingsError, match="switch it off"):
            list(engine.stream(told(), settings))
    assert len(asked(server)) == before
    answered(engine, told(), Settings(boost=Boost("mata", 0.0)))  # a boost of nothing is off


def test_the_answer_comes_in_pieces_and_its_cost_is_the_servers(engine: Remote) -> None:
    began = time.perf_counter()
    events = told_by(engine, told("slow"))
    seconds = time.perf_counter() - began
    done = events[-1]
    assert len(events) > 4
    assert (done.reason, done.stats.prompt_tokens, done.stats.answer_tokens) == ("stop", 321, 77)
    pauses = 0.05 * (len(events) - 2)
    assert pauses < done.stats.total_seconds - done.stats.first_token_seconds < done.stats.total_seconds <= seconds
    assert done.stats.encode_seconds == 0.0


@pytest.mark.parametrize("model", ["nousage", "halfusage"])
def test_without_usage_the_pieces_are_counted_and_length_is_told(server: str, model: str) -> None:
    *tokens, done = told_by(connect(f"{server}/several#{model}"), told("long"))
    assert done.reason == "length"
    assert (done.stats.prompt_tokens, done.stats.answer_tokens) == (0, len(tokens))


def test_characters_that_are_no_line_ends_to_the_standard_stay_in_the_words(engine: Remote) -> None:
    *tokens, _ = told_by(engine, told("lines"))
    assert "".join(token.text for token in tokens) == TEXT


def test_closing_the_answer_hangs_up(server: str) -> None:
    engine = connect(f"{server}/v1")
    stream = engine.stream(told("slow"), Settings(system="x" * 4000))
    assert next(event for event in stream if not isinstance(event, Waiting)).text
    assert asked(server)[-1]["messages"][-1]["content"] == ["slow"], "it is being answered"
    stream.close()
    assert hung_up(server)
    answered(engine, told())  # and the engine stays usable


def test_a_server_that_stalls_is_given_up_and_hung_up_on(server: str) -> None:
    stalling = connect(f"{server}/several#hang")
    assert stalling.stall_seconds == 120.0
    stalling.stall_seconds = 0.4
    began = time.perf_counter()
    with pytest.raises(EngineError, match=r"has sent nothing for 0\.4 s"):
        list(stalling.stream(told(), Settings()))
    assert 0.3 < time.perf_counter() - began < 5
    assert hung_up(server)


@pytest.mark.parametrize(
    ("question", "error", "sentence"),
    [
        ("refuse", ConversationError, r"refuses this conversation \(At most 1 audio\(s\) may be provided\): use fewer"),
        ("refuse old", ConversationError, r"\(too long \[31my+…y{11}\)"),
        ("fail", EngineError, r"failed \(503, no reason given\): ask again"),
        ("lock", EngineError, rf"wants a key: .*{KEY}"),
        ("move", EngineError, r"leads on to http://127\.0\.0\.1:1/v1/chat/completions, where nothing is sent unasked"),
        ("whole", EngineError, r"does not stream its answer"),
    ],
)
def test_a_refusal_is_one_sentence(engine: Remote, question: str, error: type, sentence: str, tone_clip) -> None:
    with pytest.raises(error, match=sentence) as refused:
        list(engine.stream(told(question, tone_clip()), Settings()))
    said = str(refused.value)
    assert said.startswith(engine.where) and said.endswith((".", "?"))
    assert "\n" not in said and "\x1b" not in said and len(said) < 500


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("error", r"broke off \(CUDA out of memory\. Tried to allocate\): ask again"),
        ("garbage", "sent what is no answer"),
        ("surrogate", "sent what is no answer"),
        ("cut", "was lost"),
        ("short", "broke off before the answer was whole"),
        ("abort", "broke off before the answer was whole"),
    ],
)
def test_an_error_in_the_middle_comes_after_the_words(engine: Remote, question: str, sentence: str) -> None:
    stream = engine.stream(told(question), Settings())
    assert next(event for event in stream if not isinstance(event, Waiting)).text
    with pytest.raises(EngineError, match=sentence):
        list(stream)
    answered(engine, told())


def test_what_every_engine_refuses_is_refused_before_anything_is_sent(server: str, engine: Remote, tone_clip) -> None:
    before = len(asked(server))
    with pytest.raises(ConversationError, match="no question"):
        list(engine.stream(Conversation(), Settings()))
    with pytest.raises(ConversationError, match="9 clips are more than the 8"):
        list(engine.stream(told("?", *[tone_clip()] * 9), Settings()))
    assert len(asked(server)) == before


def test_a_server_that_stopped_since_is_a_sentence(engine: Remote) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        gone = Remote(f"http://127.0.0.1:{probe.getsockname()[1]}/v1", "x", engine.info)
    with pytest.raises(EngineError, match=r"cannot be reached .*refused.*: start the server there"):
        list(gone.stream(told(), Settings()))


def test_what_the_app_is_told_of_the_server(server: str) -> None:
    info = load(f"{server}/v1/").info
    assert (info.name, info.context_tokens, info.layers, info.adapters) == ("listener", 4096, 0, ())
    assert info.longest_seconds == info.window_seconds == Limits().max_seconds
    assert not info.attention
    where = server.removeprefix("http://")
    assert f"listener · remote · answered by {where}; clips are sent there" in status(info, "Ready.")
    assert connect(f"{server}/several#listener").info.context_tokens == 0, "not told"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "several",
            r"lists listener, nousage, halfusage, hang, evil\[31m: choose one by --model http://\S+/several#NAME",
        ),
        ("several#other", "lists no other but listener, nousage"),
        ("none", "lists no model: load one there"),
        ("locked", f"wants a key: put the right one into the environment variable {KEY}"),
        ("moved", "leads on to http://127.0.0.1:.*, where nothing is sent unasked"),
        ("page", r"give the address that ends in /v1"),
        ("", r"give the address that ends in /v1"),
        ("endless", r"give the address that ends in /v1"),
    ],
)
def test_a_server_that_cannot_serve_is_one_sentence(server: str, path: str, sentence: str) -> None:
    with pytest.raises(LoadError, match=sentence) as refused:
        connect(f"{server}/{path}")
    assert str(refused.value).endswith(".") and "\x1b" not in str(refused.value)


@pytest.mark.parametrize("address", ["http://", "http:///v1", "ftp://host/v1", "http://host:port/v1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(LoadError, match="http://host:8000/v1"):
        connect(address)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    for address in ("http://me:secret@host/v1", "http://host/v1?key=secret"):
        with pytest.raises(LoadError, match=KEY) as refused:
            connect(address)
        assert "secret" not in str(refused.value)


def test_a_silent_and_an_absent_server_are_sentences(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.remote.CONNECT_SECONDS", 0.3)
    with pytest.raises(LoadError, match=r"has sent nothing for 0\.3 s"):
        connect(f"{server}/silent")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(LoadError, match=rf"127\.0\.0\.1:{port} cannot be reached"):
        connect(f"http://127.0.0.1:{port}/v1")


def test_the_key_is_earshots_own(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, RIGHT_KEY)
    assert connect(f"{server}/locked").info.name == "listener"
    monkeypatch.setenv(KEY, "another")
    with pytest.raises(LoadError, match="refuses its key"):
        connect(f"{server}/locked")
    monkeypatch.setenv(KEY, "two\nlines")
    with pytest.raises(LoadError, match="characters that no key has"):
        connect(f"{server}/locked")


def test_what_belongs_to_a_model_on_this_machine_is_refused(server: str) -> None:
    for precision, adapters in (("nf4", ()), ("auto", ("mine",))):
        with pytest.raises(LoadError, match="leave out --precision and --adapter"):
            load(f"{server}/v1", precision, adapters)


def test_a_hostile_name_is_one_short_line_and_stays_text(server: str) -> None:
    engine = connect(f"{server}/hostile")
    assert len(engine.info.name) <= 100 and engine.info.name.isprintable()
    assert "<img" in engine.info.name and "<img" not in status(engine.info, "Ready.")
    assert len(engine.model) > 500, "the server knows it by its whole name"


def test_without_torch() -> None:
    report = "import core.remote, sys; print('torch' in sys.modules, 'transformers' in sys.modules)"
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", report], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_on_the_page_two_turns_are_answered_and_each_says_that_no_attention_was_read(
    engine: Remote, sound_file, tmp_path: Path
) -> None:
    handlers, panes = handling(tmp_path, engine), Panes()
    for number, question in enumerate(("Which one?", "And now?"), start=1):
        box = Box(question, handlers.attach(panes, (), (str(sound_file(f"{number}.wav")),)))
        view = list(handlers.send("tab", panes, box, [form(engine)]))[-1]
        panes = view.panes
        exchange = panes.first.exchanges[-1]
        assert (exchange.ending, exchange.problem, exchange.summary) == ("stop", "", None)
        cards = [part.html for bubble in view.chats[0] for part in bubble.content if isinstance(part, Card)]
        assert sum(strings.NO_READINGS in card for card in cards) == number
        assert not any("es-needle" in card for card in cards)
    heard = json.loads(panes.first.exchanges[-1].words)["messages"]
    assert [message["role"] for message in heard] == ["user", "assistant", "user"]
    assert heard[2]["content"][0] == "Clip B: "


def test_on_the_page_a_stop_hangs_up_and_an_error_keeps_the_words(server: str, engine: Remote, tmp_path: Path) -> None:
    handlers = handling(tmp_path, engine)
    views = handlers.send("tab", Panes(), Box("slow"), [form(engine, system="x" * 4000)])
    next(views), next(views)
    handlers.stop("tab")
    assert list(views)[-1].panes.first.exchanges[0].ending == "stopped"
    assert hung_up(server)
    broken = list(handlers.send("tab", Panes(), Box("error"), [form(engine)]))[-1].panes.first.exchanges[0]
    assert broken.ending == "failed" and broken.words and "CUDA out of memory" in broken.problem
    assert answered(engine, told())

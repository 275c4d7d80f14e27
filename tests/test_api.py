"""The endpoints for programs: what they answer, what they refuse, and that they read no file that was not uploaded."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from gradio.utils import get_upload_folder
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from hypothesis import given
from hypothesis import strategies as st

from chat_app import strings
from chat_app.launch import EXAMPLES
from chat_app.sheet import as_table, variant
from chat_app.trace import Trace
from core.audio import read_clip
from core.fake import FakeEngine
from core.types import Boost, Conversation, Settings, Token, Turn
from tests import wire
from tests.serving import served
from tests.test_serial import all_settings

ROOT = Path(__file__).parent.parent
PIANO, DOG = EXAMPLES / "piano_a4.flac", EXAMPLES / "dog_bark.flac"

# The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("no_reports")]


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine(delay_seconds=0)


@pytest.fixture(scope="module")
def other() -> FakeEngine:
    other = FakeEngine(delay_seconds=0)
    other.info = replace(other.info, name="other", attention=False, adapters=())
    return other


@pytest.fixture(scope="module")
def address(engine: FakeEngine, other: FakeEngine) -> Iterator[str]:
    with served(engine, other) as url:
        yield url


@pytest.fixture
def client(address: str) -> Client:
    return Client(address, verbose=False)


def ask(client: Client, *paths: Path, **given: Any) -> tuple[str, dict[str, Any]]:
    clips = {f"clip_{letter}": handle_file(path) for letter, path in zip("abcdefgh", paths, strict=False)}
    answer, readings = client.predict(**{"question": "Which is louder?", **clips, **given}, api_name="/ask")
    return answer, readings


def test_the_answer_and_its_readings_are_the_engines(client: Client, engine: FakeEngine) -> None:
    given = {"method": "mata", "alpha": 0.5, "band": [0.0, 0.5], "adapter": "off", "max_tokens": 9, "seed": 4}
    answer, readings = ask(client, PIANO, DOG, settings=given, tokens=True, effect=True)

    clips = (read_clip(PIANO), read_clip(DOG))
    settings = Settings(Boost("mata", 0.5, (0.0, 0.5)), max_tokens=9, seed=4)
    conversation = Conversation((Turn("user", (*clips, "Which is louder?")),))
    assert engine.asked[-1] == (conversation, settings)
    alone = FakeEngine(delay_seconds=0)
    tokens = [event for event in alone.stream(conversation, settings) if isinstance(event, Token)]
    assert answer == "".join(token.text for token in tokens).strip()

    summary = Trace.of(tokens).summary
    applied, natural = summary.applied, summary.before_boost
    *_, effect = alone.matter(conversation, "".join(token.text for token in tokens), settings)
    about = pytest.approx
    assert readings["audio"]["share"] == about(applied.audio, rel=1e-5)
    assert readings["audio"]["lift"] == about(applied.audio_lift, rel=1e-5)
    assert readings["audio"]["natural_share"] == about(natural.audio, rel=1e-5) != about(applied.audio, rel=1e-3)
    for told, clip, nats in zip(readings["clips"], clips, effect.clips_nats_per_token, strict=True):
        source = f"clip {told['letter']}"
        assert (told["name"], told["seconds"]) == (clip.label, about(clip.seconds))
        assert told["share"] == about(applied.share(source), rel=1e-5)
        assert told["lift"] == about(applied.lift(source), rel=1e-5)
        assert told["natural_share"] == about(natural.share(source), rel=1e-5)
        assert told["nats_per_token"] == about(nats)
    assert readings["nats_per_token"] == about(effect.whole_nats_per_token)
    assert [row["text"] for row in readings["tokens"]] == [token.text for token in tokens]
    for row, token in zip(readings["tokens"], tokens, strict=True):
        shares = Trace.of([token]).summary.applied
        assert shares is not None and row["share"] == about(shares.audio, rel=1e-5)
        assert row["clips"] == [about(shares.share(f"clip {letter}"), rel=1e-5) for letter in "AB"]
    assert readings["ended"] == "length" and readings["stats"]["answer_tokens"] == 9
    assert readings["settings"] == as_table(settings)


def test_what_was_not_asked_for_is_not_told(client: Client) -> None:
    _, readings = ask(client, PIANO)
    assert not {"tokens", "nats_per_token"} & set(readings) and "nats_per_token" not in readings["clips"][0]


def test_words_come_while_it_answers(address: str) -> None:
    with served(FakeEngine(delay_seconds=0.02)) as slow:
        job = Client(slow, verbose=False).submit("Hello?", api_name="/ask")
        final, readings = job.result()
        *partial, last = job.outputs()
    assert last == (final, readings) and len(partial) > 2
    assert all(numbers is None and final.startswith(words.strip()) for words, numbers in partial)


def test_another_model_is_asked_by_its_name(client: Client, engine: FakeEngine, other: FakeEngine) -> None:
    asked = len(engine.asked)
    for name in ("other", "other, fp32"):
        _, readings = ask(client, PIANO, model=name)
        assert readings["model"] == "other" and len(engine.asked) == asked
    assert len(other.asked) == 2


def test_describe_tells_what_ask_takes(client: Client, engine: FakeEngine) -> None:
    described = client.predict(api_name="/describe")
    first, second = described["models"]
    assert (first["model"], second["model"]) == ("fake", "other")
    assert first["limits"]["clips"] == engine.info.max_clips and first["adapters"] == list(engine.info.adapters)
    assert (first["attention"], second["attention"]) == (True, False)
    assert set(first["settings"]) == set(described["settings"])
    _, readings = ask(client, PIANO, settings=first["settings"])
    assert readings["settings"] == first["settings"], "the defaults, sent back, change nothing"


@given(all_settings, st.sampled_from([None, "example-adapter"]))
def test_settings_as_told_give_the_same_settings(settings: Settings, adapter: str | None) -> None:
    settings = replace(
        settings, adapter=adapter, top_p=Settings().top_p, boost=replace(settings.boost, clip_weights=())
    )
    told = json.loads(json.dumps(as_table(settings)))
    assert variant(told).taken_by(FakeEngine().info) == settings


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"settings": {"strength": 1}}, "settings: there is no key 'strength'"),
        ({"settings": {"alpha": "high"}}, "settings: alpha should be a number."),
        ({"settings": {"method": "mata", "alpha": 99}}, "settings: alpha: Boost strength 99.0 is out of range"),
        ({"settings": {"adapter": "x"}}, "adapter 'x' is not loaded: choose one of off, example-adapter."),
        ({"settings": {"method": "mata"}, "model": "other"}, "method mata cannot act there: leave it out."),
        ({"settings": ["alpha", 1]}, strings.NO_OBJECT),
        ({"settings": {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}}, "path"),
        ({"question": " "}, strings.NO_QUESTION),
        ({"model": "third"}, "There is no such model here: leave it out, or choose one of fake, fp32; other, fp32."),
        ({"clip_a": None, "clip_b": handle_file(DOG)}, strings.LEFT_OUT_A_LETTER),
        ({"clip_a": handle_file(ROOT / "app.py")}, "app.py: "),
    ],
)
def test_a_mistake_is_one_sentence(given: dict[str, Any], sentence: str, client: Client, engine: FakeEngine) -> None:
    asked = len(engine.asked)
    with pytest.raises(AppError) as refused:
        ask(client, PIANO, **given)
    said = str(refused.value)
    assert sentence in said and "\n" not in said and "Traceback" not in said
    assert len(engine.asked) == asked


def test_an_answer_that_breaks_off_is_its_sentence() -> None:
    with served(FakeEngine(delay_seconds=0, fail_after_tokens=2)) as url, pytest.raises(AppError) as broke:
        ask(Client(url, verbose=False), PIANO)
    assert str(broke.value) == "The fake model failed, as it was told to: ask again."


@pytest.fixture
def foreign(address: str) -> Iterator[list[str]]:
    """Paths of the server that nobody uploaded."""
    inside = Path(wire.upload(address, PIANO)).parent
    link = inside / "link.flac"
    link.symlink_to(DOG)
    yield [
        str(DOG),
        str(ROOT / "app.py"),
        "/etc/hostname",
        f"{inside}/../../../../../../../..{DOG}",
        f"{get_upload_folder()}/..{'/..' * 9}{DOG}",
        str(link),
        f"file://{DOG}",
        f"http://127.0.0.1:1/gradio_api/file={DOG}",
        f"{address}gradio_api/file={inside}/../../../../../../../..{DOG}",
        f"{address}gradio_api/file={link}",
        f"{address}{DOG.name}",
    ]
    link.unlink()


def test_ask_reads_no_foreign_path_by_any_protocol(address: str, foreign: list[str], engine: FakeEngine) -> None:
    number = next(listener["id"] for listener in wire.listeners(address) if listener["api_name"] == "ask")

    def given(path: str) -> list[Any]:
        return ["Which?", wire.file(path), *[None] * 7, {}, None, None, None]

    asked, mine = len(engine.asked), wire.upload(address, PIANO)
    for path in (mine, f"{address}gradio_api/file={mine}"):
        assert "event: complete" in wire.call(address, "ask", given(path))
        assert wire.join(address, number, given(path))[-1]["success"] is True
    assert [conversation.clips for conversation, _ in engine.asked[asked:]] == [(read_clip(PIANO),)] * 4
    for path in foreign:
        assert "event: error" in wire.call(address, "ask", given(path)), path
        assert wire.join(address, number, given(path))[-1]["success"] is False, path
        for other_shape in (path, [path], [wire.file(path)], {"path": path}):
            wire.call(address, "ask", ["Which?", other_shape, *[None] * 7, {}, None, None, None])
    assert len(engine.asked) == asked + 4


def test_nothing_is_fetched_from_the_net(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    monkeypatch.setattr(
        "gradio.processing_utils.async_ssrf_protected_download", lambda *asked, **_: fetched.append(asked)
    )
    number = next(listener["id"] for listener in wire.listeners(address) if listener["api_name"] == "ask")
    given = ["Which?", wire.file("https://example.org/a.wav"), *[None] * 7, {}, None, None, None]
    assert wire.join(address, number, given)[-1]["output"]["error"] == strings.NOT_FETCHED
    assert not fetched


def test_nothing_is_fetched_after_a_component_changed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio makes a new one for the visitor then, which knows nothing of what was done to the page's own."""
    fetched = []
    monkeypatch.setattr(
        "gradio.processing_utils.async_ssrf_protected_download", lambda *asked, **_: fetched.append(asked)
    )
    send = next(one for one in wire.listeners(address) if [event for _, event in one["targets"]] == ["submit"])
    fields = [0, "off", 0.1, 0.36, 0.71, "", "", 0, 20, 0, False, *[1] * 8]
    boxes = [{"text": "Which?", "files": files} for files in ([], [wire.file("https://example.org/a.wav")])]
    tab = uuid4().hex
    ended = [wire.join(address, send["id"], [None, None, box, None, False, *fields], tab)[-1] for box in boxes]
    assert [one["success"] for one in ended] == [True, False] and ended[1]["output"]["error"] == strings.NOT_FETCHED
    assert not fetched


def test_no_file_is_left_beside_an_upload(client: Client) -> None:
    before = set(Path(get_upload_folder()).iterdir())
    ask(client, PIANO)
    assert all(path.is_dir() for path in set(Path(get_upload_folder()).iterdir()) - before)


def test_ask_reads_no_foreign_path_through_the_client(client: Client, foreign: list[str], engine: FakeEngine) -> None:
    asked = len(engine.asked)
    for path in foreign:
        with pytest.raises(AppError):
            client.predict("Which?", path, api_name="/ask")
    assert len(engine.asked) == asked


def test_send_reads_no_foreign_path(address: str, foreign: list[str], engine: FakeEngine) -> None:
    """What the page itself speaks: no client library would send it, anybody's program can."""
    send = next(one for one in wire.listeners(address) if [event for _, event in one["targets"]] == ["submit"])
    weights = [1] * engine.info.max_clips

    def given(path: str) -> list[Any]:
        box = {"text": "Which?", "files": [wire.file(path)]}
        fields = [0, "off", 0.1, 0.36, 0.71, "", "", 0, 20, 0, False, *weights]
        return [None, None, box, None, False, *fields]

    assert send["api_visibility"] == "private" and len(given("")) == len(send["inputs"])
    asked = len(engine.asked)
    assert wire.join(address, send["id"], given(wire.upload(address, PIANO)))[-1]["success"] is True
    assert len(engine.asked) == asked + 1 and engine.asked[-1][0].clips == (read_clip(PIANO),)
    for path in foreign:
        wire.join(address, send["id"], given(path))
    heard = {clip.digest for conversation, _ in engine.asked[asked:] for clip in conversation.clips}
    assert heard == {read_clip(PIANO).digest}


def test_nothing_else_is_public(address: str) -> None:
    public = [one["api_name"] for one in wire.listeners(address) if one["api_visibility"] != "private"]
    assert public == ["ask", "describe"]


def test_the_example_of_the_readme_runs_as_it_stands(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    section = (ROOT / "README.md").read_text("utf-8").split("## From a program", 1)[1].split("\n## ", 1)[0]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    code = found[1]
    assert code.count("http://127.0.0.1:7860/") == 1
    seen: dict[str, Any] = {}
    exec(compile(code.replace("http://127.0.0.1:7860/", address), "README", "exec"), seen)
    assert seen["answer"].startswith("This is a fake answer") and len(seen["readings"]["clips"]) == 2

"""Every action of a person, played without a page."""

from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path

import pytest
import soundfile

from chat_app import strings
from chat_app.form import Form
from chat_app.handlers import UPDATE_SECONDS, Handlers
from chat_app.session import Box, Session
from chat_app.view import Card, View
from core.fake import FakeEngine
from core.types import METHODS, Boost, Settings, Stats, Token

TAB = "tab"


def form(default: Settings = FakeEngine().info.default, **changes: object) -> Form:
    """The settings as the page starts with them, but for `changes`."""
    boost = default.boost
    start = {
        "method": boost.method,
        "alpha": boost.alpha,
        "band_from": boost.band[0],
        "band_to": boost.band[1],
        "adapter": default.adapter or "",
        "system": default.system,
        "temperature": default.temperature,
        "max_tokens": default.max_tokens,
        "seed": default.seed,
        "clip_weights": (1.0,) * 8,
        "facts": default.facts,
    }
    return Form(**(start | changes))


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(delay_seconds=0)


@pytest.fixture
def handlers(engine: FakeEngine, tmp_path: Path) -> Handlers:
    """Every look at the clock is an update later, so each token is shown."""
    looks = count()
    return Handlers(engine, tmp_path, clock=lambda: next(looks) * UPDATE_SECONDS)


@pytest.fixture
def box(sound_file):
    """A question about one usable file."""
    return Box("Which is it?", (str(sound_file("dog.wav")),))


def last(views: Iterator[View]) -> View:
    return list(views)[-1]


def text_of(view: View) -> str:
    return " ".join(
        part.html if isinstance(part, Card) else part for bubble in view.messages for part in bubble.content
    )


def test_a_question_is_streamed_and_ends_with_its_meter(handlers: Handlers, engine: FakeEngine, box: Box) -> None:
    views = list(handlers.send(TAB, Session(), (), box, form()))
    first, *during, end = views
    assert first.box == Box() and first.session.answering
    assert all(view.box is None for view in during)
    said = [view.session.exchanges[-1].words for view in during]
    assert len(said) == len(set(said)) > 10
    assert all(later.startswith(earlier) for earlier, later in pairwise(said))
    assert not any("es-meter" in text_of(view) for view in (first, *during))

    exchange = end.session.exchanges[-1]
    assert exchange.ending == "stop"
    assert exchange.summary.steps == exchange.stats.answer_tokens
    assert text_of(end).count('class="es-meter"') == 1
    conversation, settings = engine.asked[0]
    assert conversation.turns[-1].text == "Which is it?"
    assert [clip.label for clip in conversation.clips] == ["dog.wav"]
    assert settings == engine.info.default


def test_updates_wait_for_the_clock(engine: FakeEngine, tmp_path: Path, box: Box) -> None:
    handlers = Handlers(engine, tmp_path, clock=lambda: 0.0)
    views = list(handlers.send(TAB, Session(), (), box, form()))
    assert len(views) == 3, "the question, the first word, the end"


def test_letters_go_on_in_the_next_turn(handlers: Handlers, engine: FakeEngine, sound_file) -> None:
    one = last(handlers.send(TAB, Session(), (), Box("First?", (str(sound_file("a.wav")),)), form()))
    two = last(handlers.send(TAB, one.session, (), Box("Second?", (str(sound_file("b.wav")),)), form()))
    assert [(name, clip.label) for name, clip in engine.asked[1][0].lettered()] == [("A", "a.wav"), ("B", "b.wav")]
    assert [turn.role for turn in engine.asked[1][0].turns] == ["user", "assistant", "user"]
    assert text_of(two).count('class="es-meter"') == 2


def test_bad_files_are_named_and_the_rest_is_sent(handlers: Handlers, engine: FakeEngine, sound_file, tmp_path) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("no sound")
    empty = tmp_path / "empty.flac"
    empty.touch()
    files = (str(text), str(sound_file("good.wav")), str(empty))
    attachments = handlers.attach(Session(), (), files)
    assert [attachment.clip is None for attachment in attachments] == [True, False, True]
    end = last(handlers.send(TAB, Session(), attachments, Box("Which?", files), form()))
    assert [clip.label for clip in engine.asked[0][0].clips] == ["good.wav"]
    left_out = end.session.exchanges[0].left_out
    assert len(left_out) == 2
    assert "notes.wav" in left_out[0] and "empty.flac" in left_out[1]
    assert all(sentence in text_of(end) for sentence in left_out)


def test_a_file_is_read_once(handlers: Handlers, box: Box) -> None:
    attachments = handlers.attach(Session(), (), box.files)
    Path(box.files[0]).unlink()
    assert handlers.attach(Session(), attachments, box.files) == attachments
    end = last(handlers.send(TAB, Session(), attachments, box, form()))
    assert end.session.exchanges[0].ending == "stop"


def test_only_the_upload_folder_is_read(engine: FakeEngine, sound_file, tmp_path: Path) -> None:
    inside = tmp_path / "uploads"
    inside.mkdir()
    outside = sound_file("secret.wav")
    (inside / "link.wav").symlink_to(outside)
    handlers = Handlers(engine, inside)
    for path in (str(outside), str(inside / "link.wav"), str(inside / ".." / "secret.wav")):
        attachment = handlers.attach(Session(), (), (path,))[0]
        assert attachment.clip is None
        assert strings.FOREIGN_FILE in attachment.problem


def test_a_clip_longer_than_the_model_hears_is_refused_when_dropped(
    handlers: Handlers, engine: FakeEngine, sound_file, tone
) -> None:
    seconds = engine.info.longest_seconds
    whole, longer = (str(sound_file(f"{n}.wav", tone(seconds=seconds + n))) for n in (0, 1))
    attachments = handlers.attach(Session(), (), (whole, longer))
    assert attachments[0].clip is not None and attachments[1].clip is None
    assert f"longer than {seconds:g} s" in attachments[1].problem


def test_recordings_are_numbered_across_turns(handlers: Handlers, tmp_path: Path, tone) -> None:
    def record(folder: str, frequency_hz: float) -> str:
        path = tmp_path / folder / "audio.wav"
        path.parent.mkdir()
        soundfile.write(path, tone(frequency_hz), 16_000)
        return str(path)

    first = (record("x", 200.0), record("y", 300.0))
    end = last(handlers.send(TAB, Session(), (), Box("Which?", first), form()))
    assert [clip.label for clip, _ in end.session.clips] == ["recording 1", "recording 2"]
    third = handlers.attach(end.session, (), (record("z", 400.0),))
    assert third[0].label == "recording 3"


@pytest.mark.parametrize(("text", "clip"), [("", True), ("  \n", True), ("", False)])
def test_without_a_question_it_asks_for_one_and_keeps_the_box(
    handlers: Handlers, engine: FakeEngine, box: Box, text: str, clip: bool
) -> None:
    views = list(handlers.send(TAB, Session(), (), Box(text, box.files if clip else ()), form()))
    assert len(views) == 1
    assert views[0].session.notice == (strings.NO_QUESTION if clip else strings.NOTHING_TO_SEND)
    assert views[0].session.notice in text_of(views[0])
    assert views[0].box is None and views[0].session.exchanges == ()
    assert engine.asked == []


def test_a_setting_out_of_range_is_a_sentence_and_keeps_the_box(
    handlers: Handlers, engine: FakeEngine, box: Box
) -> None:
    wrong = form(method="mata", band_from=0.7, band_to=0.2)
    views = list(handlers.send(TAB, Session(), (), box, wrong))
    assert len(views) == 1 and views[0].box is None
    assert "Layer band" in views[0].session.notice
    assert engine.asked == []
    again = last(handlers.send(TAB, views[0].session, (), box, form()))
    assert again.session.notice == "" and again.session.exchanges[0].ending == "stop"


def test_an_error_in_the_middle_keeps_what_was_said(tmp_path: Path, box: Box) -> None:
    engine = FakeEngine(delay_seconds=0, fail_after_tokens=4)
    end = last(Handlers(engine, tmp_path).send(TAB, Session(), (), box, form()))
    exchange = end.session.exchanges[0]
    assert exchange.words == "This is a fake "
    assert exchange.ending == "failed" and exchange.problem in text_of(end)
    assert exchange.summary.steps == 4
    engine.fail_after_tokens = None
    after = last(Handlers(engine, tmp_path).send(TAB, end.session, (), Box("And now?"), form()))
    assert after.session.exchanges[1].ending == "stop"
    assert len(engine.asked[1][0].clips) == 1


def test_an_error_before_the_first_word_gives_question_and_clips_back(tmp_path: Path, box: Box) -> None:
    engine = FakeEngine(delay_seconds=0, fail_after_tokens=0)
    end = last(Handlers(engine, tmp_path).send(TAB, Session(), (), box, form()))
    assert end.box == box
    assert end.session.exchanges == ()
    assert "as it was told to" in text_of(end)


def test_too_many_clips_come_back_too(handlers: Handlers, engine: FakeEngine, sound_file) -> None:
    files = tuple(str(sound_file(f"{index}.wav")) for index in range(engine.info.max_clips + 1))
    end = last(handlers.send(TAB, Session(), (), Box("Which?", files), form()))
    assert end.box == Box("Which?", files)
    assert "too many" in end.session.notice


class Broken(FakeEngine):
    """Has a mistake of the kind that is ours."""

    def stream(self, conversation, settings):
        yield Token("Half ")
        raise ZeroDivisionError("a mistake")


def test_a_mistake_of_ours_is_logged_and_the_chat_goes_on(tmp_path: Path, box: Box, caplog) -> None:
    end = last(Handlers(Broken(), tmp_path).send(TAB, Session(), (), box, form()))
    assert end.session.exchanges[0].problem == strings.CRASHED
    assert end.session.exchanges[0].words == "Half "
    assert "a mistake" in caplog.text
    assert "a mistake" not in text_of(end)
    assert strings.NO_READINGS in text_of(end)


def test_stop_ends_at_the_next_token_and_the_chat_goes_on(handlers: Handlers, engine: FakeEngine, box: Box) -> None:
    views = handlers.send(TAB, Session(), (), box, form())
    for _ in range(4):
        running = next(views)
    assert running.session.answering
    handlers.stop("another tab")
    assert next(views).session.answering
    handlers.stop(TAB)
    rest = list(views)
    assert len(rest) == 1
    exchange = rest[0].session.exchanges[0]
    assert exchange.ending == "stopped"
    assert exchange.words.startswith(running.session.exchanges[0].words)
    assert 3 < exchange.summary.steps < 10
    assert "es-meter" in text_of(rest[0])
    after = last(handlers.send(TAB, rest[0].session, (), Box("Next?"), form()))
    assert after.session.exchanges[1].ending == "stop", "the stop is used up"


class Watched(FakeEngine):
    """Tells whether its stream was closed."""

    closed = False

    def stream(self, conversation, settings):
        try:
            yield from super().stream(conversation, settings)
        finally:
            self.closed = True


def test_a_page_that_goes_away_closes_the_stream(tmp_path: Path, box: Box) -> None:
    engine = Watched(delay_seconds=0)
    views = Handlers(engine, tmp_path).send(TAB, Session(), (), box, form())
    next(views), next(views)
    assert not engine.closed
    views.close()
    assert engine.closed


def test_retry_asks_the_same_with_the_settings_of_now(handlers: Handlers, engine: FakeEngine, box: Box) -> None:
    one = last(handlers.send(TAB, Session(), (), box, form()))
    two = last(handlers.retry(TAB, one.session, form(method="pai", alpha=0.5, adapter="example-adapter")))
    assert len(two.session.exchanges) == 1
    assert engine.asked[0][0] == engine.asked[1][0]
    assert engine.asked[1][1].boost == Boost("pai", 0.5)
    assert engine.asked[1][1].adapter == "example-adapter"
    assert two.session.exchanges[0].summary.boosted


def test_a_retry_that_fails_leaves_the_old_answer(handlers: Handlers, engine: FakeEngine, box: Box) -> None:
    one = last(handlers.send(TAB, Session(), (), box, form()))
    engine.fail_after_tokens = 0
    two = last(handlers.retry(TAB, one.session, form()))
    assert two.session.exchanges == one.session.exchanges
    assert two.box is None and "told to" in two.session.notice


def test_undo_puts_the_question_before_what_is_in_the_box(handlers: Handlers, box: Box) -> None:
    one = last(handlers.send(TAB, Session(), (), box, form()))
    back = handlers.undo(one.session, Box("typed since", ("/new.wav",)))
    assert back.session.exchanges == ()
    assert back.box == Box("Which is it?\ntyped since", (*box.files, "/new.wav"))
    assert handlers.undo(Session(), Box("typed")).box is None


def test_clear_empties_and_restore_brings_back(handlers: Handlers, box: Box) -> None:
    one = last(handlers.send(TAB, Session(), (), box, form()))
    cleared = handlers.clear(one.session)
    assert cleared.messages == () and cleared.session.clips == ()
    assert handlers.clear(cleared.session).session == cleared.session
    assert handlers.restore(cleared.session).session == Session(one.session.exchanges)


def test_an_answer_left_behind_by_a_breakdown_does_not_block_the_chat(handlers: Handlers, box: Box) -> None:
    views = handlers.send(TAB, Session(), (), box, form())
    stuck = [next(views) for _ in range(3)][-1].session
    assert stuck.answering
    end = last(handlers.send(TAB, stuck, (), Box("Still there?"), form()))
    assert [exchange.ending for exchange in end.session.exchanges] == ["failed", "stop"]


@pytest.mark.parametrize("method", METHODS)
def test_the_page_starts_at_the_engines_default_settings(method: str) -> None:
    default = Settings(
        boost=Boost(method=method, alpha=0.3, band=(0.1, 0.9)),
        adapter="tuned",
        system="Be brief.",
        temperature=0.7,
        top_p=0.5,
        max_tokens=33,
        seed=4,
        facts=True,
    )
    assert form(default).settings(default) == default


def test_emptied_number_fields_take_the_default() -> None:
    default = Settings(max_tokens=33, seed=4)
    assert form(default, max_tokens=None, seed=None, alpha=None).settings(default) == default


def test_weights_of_clips_reach_the_boost_and_trailing_ones_are_left_out() -> None:
    chosen = form(method="mata", clip_weights=(1.0, 0.0, 2.5, 1.0, 1.0)).settings(Settings())
    assert chosen.boost.clip_weights == (1.0, 0.0, 2.5)


def test_the_status_line_tells_phase_then_cost(handlers: Handlers, box: Box) -> None:
    first, second, *_, end = handlers.send(TAB, Session(), (), box, form())
    assert strings.listening(1) in first.status
    assert strings.ANSWERING in second.status
    assert isinstance(end.session.exchanges[0].stats, Stats)
    assert "first token in 0.0 s" in end.status and "tokens/s" in end.status

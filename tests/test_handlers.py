"""Every action of a person, played without a page."""

from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path

import pytest

from chat_app import meter, strings
from chat_app.handlers import UPDATE_SECONDS, Handlers
from chat_app.panes import Panes
from chat_app.session import Attachment, Box
from chat_app.view import Card, View
from core.fake import FakeEngine
from core.types import Boost, Stats, Token
from tests.pages import form, handling

TAB = "tab"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(delay_seconds=0)


@pytest.fixture
def handlers(engine: FakeEngine, tmp_path: Path) -> Handlers:
    """Every look at the clock is an update later, so each token is shown."""
    looks = count()
    return handling(tmp_path, engine, clock=lambda: next(looks) * UPDATE_SECONDS)


@pytest.fixture
def box(handlers: Handlers, sound_file) -> Box:
    """A question about one usable file."""
    return filled(handlers, "Which is it?", sound_file("dog.wav"))


def filled(handlers: Handlers, text: str, *files: Path) -> Box:
    return Box(text, handlers.attach(Panes(), (), tuple(map(str, files))))


def exchanges(view: View, pane: int = 0):
    return view.panes.sessions[pane].exchanges


def last(views: Iterator[View]) -> View:
    return list(views)[-1]


def text_of(view: View) -> str:
    return " ".join(
        part.html if isinstance(part, Card) else part
        for chat in view.chats
        for bubble in chat
        for part in bubble.content
    )


def test_a_question_is_streamed_and_ends_with_its_meter(handlers: Handlers, engine: FakeEngine, box: Box) -> None:
    views = list(handlers.send(TAB, Panes(), box, [form()]))
    first, *during, end = views
    assert first.box == Box() and first.panes.answering
    assert all(view.box is None for view in during)
    said = [view.panes.first.exchanges[-1].words for view in during]
    assert len(said) == len(set(said)) > 10
    assert all(later.startswith(earlier) for earlier, later in pairwise(said))
    assert not any("es-meter" in text_of(view) for view in (first, *during))

    exchange = end.panes.first.exchanges[-1]
    assert exchange.ending == "stop"
    assert exchange.summary.steps == exchange.stats.answer_tokens
    assert text_of(end).count('class="es-meter"') == 1
    conversation, settings = engine.asked[0]
    assert conversation.turns[-1].text == "Which is it?"
    assert [clip.label for clip in conversation.clips] == ["dog.wav"]
    assert settings == engine.info.default


def test_cards_of_earlier_answers_are_drawn_once_before_and_once_after(
    handlers: Handlers, box: Box, monkeypatch
) -> None:
    panes = last(handlers.send(TAB, Panes(), box, [form()])).panes
    drawn, card = [], meter.card
    monkeypatch.setattr(meter, "card", lambda *given: (drawn.append(given[0]), card(*given))[1])
    views = handlers.send(TAB, panes, Box("And?"), [form()])
    first = next(views)
    *during, end = views
    assert len(during) > 10 and drawn[:1] == [panes.first.exchanges[0].trace]
    assert drawn[1:] == [exchange.trace for exchange in end.panes.first.exchanges]
    earlier = len(first.chats[0]) - 2
    assert all(view.chats[0][place] is first.chats[0][place] for view in during for place in range(earlier))


def test_the_card_of_a_pane_that_has_ended_is_drawn_once_while_another_answers(
    handlers: Handlers, box: Box, monkeypatch
) -> None:
    drawn, card = [], meter.card
    monkeypatch.setattr(meter, "card", lambda *given: (drawn.append(given[0]), card(*given))[1])
    views = list(handlers.send(TAB, Panes().beside(0), box, [form(), form(max_tokens=5)], together=True))
    assert sum(not view.panes.sessions[1].answering for view in views) > 10
    first, second = (exchanges(views[-1], pane)[0].trace for pane in (0, 1))
    assert drawn == [second, first, second], "while the other goes on, and both at the end"


def test_updates_wait_for_the_clock(engine: FakeEngine, tmp_path: Path, box: Box) -> None:
    handlers = handling(tmp_path, engine, clock=lambda: 0.0)
    views = list(handlers.send(TAB, Panes(), box, [form()]))
    assert len(views) == 3, "the question, the first word, the end"


def test_letters_go_on_in_the_next_turn(handlers: Handlers, engine: FakeEngine, sound_file) -> None:
    one = last(handlers.send(TAB, Panes(), filled(handlers, "First?", sound_file("a.wav")), [form()]))
    two = last(handlers.send(TAB, one.panes, filled(handlers, "Second?", sound_file("b.wav")), [form()]))
    assert [(name, clip.label) for name, clip in engine.asked[1][0].lettered()] == [("A", "a.wav"), ("B", "b.wav")]
    assert [turn.role for turn in engine.asked[1][0].turns] == ["user", "assistant", "user"]
    assert text_of(two).count('class="es-meter"') == 2


def test_bad_files_are_named_and_the_rest_is_sent(handlers: Handlers, engine: FakeEngine, sound_file, tmp_path) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("no sound")
    empty = tmp_path / "empty.flac"
    empty.touch()
    files = (str(text), str(sound_file("good.wav")), str(empty))
    box = Box("Which?", handlers.attach(Panes(), (), files))
    assert [attachment.clip is None for attachment in box.attachments] == [False, True, True], "a place is a letter's"
    end = last(handlers.send(TAB, Panes(), box, [form()]))
    assert [clip.label for clip in engine.asked[0][0].clips] == ["good.wav"]
    left_out = end.panes.first.exchanges[0].left_out
    assert len(left_out) == 2
    assert "notes.wav" in left_out[0] and "empty.flac" in left_out[1]
    assert all(sentence in text_of(end) for sentence in left_out)


@pytest.mark.parametrize(("text", "clip"), [("", True), ("  \n", True), ("", False)])
def test_without_a_question_it_asks_for_one_and_keeps_the_box(
    handlers: Handlers, engine: FakeEngine, box: Box, text: str, clip: bool
) -> None:
    views = list(handlers.send(TAB, Panes(), Box(text, box.attachments if clip else ()), [form()]))
    assert len(views) == 1
    assert views[0].panes.first.notice == (strings.NO_QUESTION if clip else strings.NOTHING_TO_SEND)
    assert views[0].panes.first.notice in text_of(views[0])
    assert views[0].box is None and views[0].panes.first.exchanges == ()
    assert engine.asked == []


def test_a_setting_out_of_range_is_a_sentence_and_keeps_the_box(
    handlers: Handlers, engine: FakeEngine, box: Box
) -> None:
    wrong = form(method="mata", band_from=0.7, band_to=0.2)
    views = list(handlers.send(TAB, Panes(), box, [wrong]))
    assert len(views) == 1 and views[0].box is None
    assert "Layer band" in views[0].panes.first.notice
    assert engine.asked == []
    again = last(handlers.send(TAB, views[0].panes, box, [form()]))
    assert again.panes.first.notice == "" and again.panes.first.exchanges[0].ending == "stop"


def test_an_error_in_the_middle_keeps_what_was_said(tmp_path: Path, box: Box) -> None:
    engine = FakeEngine(delay_seconds=0, fail_after_tokens=4)
    end = last(handling(tmp_path, engine).send(TAB, Panes(), box, [form()]))
    exchange = end.panes.first.exchanges[0]
    assert exchange.words == "This is a fake "
    assert exchange.ending == "failed" and exchange.problem in text_of(end)
    assert exchange.summary.steps == 4
    engine.fail_after_tokens = None
    after = last(handling(tmp_path, engine).send(TAB, end.panes, Box("And now?"), [form()]))
    assert after.panes.first.exchanges[1].ending == "stop"
    assert len(engine.asked[1][0].clips) == 1


def test_an_error_before_the_first_word_gives_question_and_clips_back(tmp_path: Path, box: Box) -> None:
    engine = FakeEngine(delay_seconds=0, fail_after_tokens=0)
    end = last(handling(tmp_path, engine).send(TAB, Panes(), box, [form()]))
    assert end.panes.back == box
    assert end.panes.first.exchanges == ()
    assert "as it was told to" in text_of(end)


def test_too_many_clips_come_back_too(handlers: Handlers, engine: FakeEngine, sound_file) -> None:
    box = filled(handlers, "Which?", *(sound_file(f"{index}.wav") for index in range(engine.info.max_clips + 1)))
    end = last(handlers.send(TAB, Panes(), box, [form()]))
    assert end.panes.back == box
    assert "too many" in end.panes.first.notice


class Broken(FakeEngine):
    """Has a mistake of the kind that is ours."""

    def stream(self, conversation, settings):
        yield Token("Half ")
        raise ZeroDivisionError("a mistake")


def test_a_mistake_of_ours_is_logged_and_the_chat_goes_on(tmp_path: Path, box: Box, caplog) -> None:
    end = last(handling(tmp_path, Broken()).send(TAB, Panes(), box, [form()]))
    assert end.panes.first.exchanges[0].problem == strings.CRASHED
    assert end.panes.first.exchanges[0].words == "Half "
    assert "ZeroDivisionError" in caplog.text and "a mistake" not in caplog.text
    assert "a mistake" not in text_of(end)
    assert strings.NO_READINGS in text_of(end)


def test_stop_ends_at_the_next_token_and_the_chat_goes_on(handlers: Handlers, engine: FakeEngine, box: Box) -> None:
    views = handlers.send(TAB, Panes(), box, [form()])
    for _ in range(4):
        running = next(views)
    assert running.panes.answering
    handlers.stop("another tab")
    assert next(views).panes.answering
    handlers.stop(TAB)
    rest = list(views)
    assert len(rest) == 1
    exchange = rest[0].panes.first.exchanges[0]
    assert exchange.ending == "stopped"
    assert exchange.words.startswith(running.panes.first.exchanges[0].words)
    assert 3 < exchange.summary.steps < 10
    assert "es-meter" in text_of(rest[0])
    after = last(handlers.send(TAB, rest[0].panes, Box("Next?"), [form()]))
    assert after.panes.first.exchanges[1].ending == "stop", "the stop is used up"


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
    views = handling(tmp_path, engine).send(TAB, Panes(), box, [form()])
    next(views), next(views)
    assert not engine.closed
    views.close()
    assert engine.closed


def test_retry_asks_the_same_with_the_settings_of_now(handlers: Handlers, engine: FakeEngine, box: Box) -> None:
    one = last(handlers.send(TAB, Panes(), box, [form()]))
    two = last(handlers.retry(TAB, one.panes, [form(method="pai", alpha=0.5, adapter="example-adapter")]))
    assert len(two.panes.first.exchanges) == 1
    assert engine.asked[0][0] == engine.asked[1][0]
    assert engine.asked[1][1].boost == Boost("pai", 0.5)
    assert engine.asked[1][1].adapter == "example-adapter"
    assert two.panes.first.exchanges[0].summary.boosted


def test_a_retry_that_fails_leaves_the_old_answer(handlers: Handlers, engine: FakeEngine, box: Box) -> None:
    one = last(handlers.send(TAB, Panes(), box, [form()]))
    engine.fail_after_tokens = 0
    two = last(handlers.retry(TAB, one.panes, [form()]))
    assert two.panes.first.exchanges == one.panes.first.exchanges
    assert two.box is None and "told to" in two.panes.first.notice


def test_an_answer_left_behind_by_a_breakdown_does_not_block_the_chat(handlers: Handlers, box: Box) -> None:
    views = handlers.send(TAB, Panes(), box, [form()])
    stuck = [next(views) for _ in range(3)][-1].panes
    assert stuck.answering
    del views  # nobody draws them any more
    end = last(handlers.send(TAB, stuck, Box("Still there?"), [form()]))
    assert [exchange.ending for exchange in end.panes.first.exchanges] == ["failed", "stop"]


def test_the_status_line_tells_phase_then_cost(handlers: Handlers, box: Box) -> None:
    first, second, *_, end = handlers.send(TAB, Panes(), box, [form()])
    assert strings.listening(1) in first.status
    assert strings.ANSWERING in second.status
    assert isinstance(end.panes.first.exchanges[0].stats, Stats)
    assert "first token in 0.0 s" in end.status and "tokens/s" in end.status


def test_edit_puts_the_question_before_what_is_in_the_box(handlers: Handlers, box: Box) -> None:
    one = last(handlers.send(TAB, Panes(), box, [form()]))
    since = Attachment("/new.wav", "new.wav", problem="no sound")
    back = handlers.edit(one.panes, Box("typed since", (since,)))
    assert exchanges(back) == ()
    assert back.box == Box("Which is it?\ntyped since", (*box.attachments, since))
    assert handlers.edit(Panes(), Box("typed")).box is None


def test_undo_takes_back_send_retry_edit_and_clear(handlers: Handlers, box: Box) -> None:
    sent = last(handlers.send(TAB, Panes(), box, [form()]))
    retried = last(handlers.retry(TAB, sent.panes, [form(max_tokens=3)]))
    edited = handlers.edit(retried.panes, Box())
    again = last(handlers.send(TAB, edited.panes, box, [form()]))
    cleared = handlers.clear(again.panes)
    assert exchanges(cleared) == () and cleared.chats == ((),)
    assert handlers.clear(cleared.panes).panes == cleared.panes, "an empty chat cannot be cleared"
    panes, boxes = cleared.panes, []
    for before in (again, edited, retried, sent, None):
        back = handlers.undo(panes, Box())
        panes, boxes = back.panes, [*boxes, back.box]
        assert panes.sessions == (before.panes if before else Panes()).sessions
    assert boxes == [None, box, None, None, box], "a question that is not asked any more goes into the box"
    assert handlers.undo(panes, Box("typed")).box is None


def test_two_panes_are_asked_with_their_settings_in_turn_or_together(handlers: Handlers, engine, box: Box) -> None:
    forms = [form(), form(method="mata", alpha=0.3)]
    for together in (False, True):
        engine.asked.clear()
        views = list(handlers.send(TAB, Panes().beside(0), box, forms, together))
        assert [settings.boost.on for _, settings in engine.asked] == [False, True]
        lengths = [[len(session.exchanges[-1].words) for session in view.panes.sessions] for view in views[1:]]
        both = [second > 0 and first < lengths[-1][0] for first, second in lengths]
        assert any(both) == together
        assert [exchanges(views[-1], pane)[0].ending for pane in (0, 1)] == ["stop", "stop"]
        assert exchanges(views[-1], 1)[0].summary.boosted and not exchanges(views[-1], 0)[0].summary.boosted
        assert views[-1].panes.sessions[0].clips == views[-1].panes.sessions[1].clips


def test_a_pane_opened_later_has_had_the_conversation_so_far(handlers: Handlers, engine: FakeEngine, box: Box) -> None:
    one = last(handlers.send(TAB, Panes(), box, [form()]))
    two = last(handlers.send(TAB, one.panes.beside(0), Box("And?"), [form(), form(adapter="example-adapter")]))
    assert [len(session.exchanges) for session in two.panes.sessions] == [2, 2]
    assert len(engine.asked[2][0].turns) == 3
    back = handlers.undo(two.panes, Box())
    assert [len(session.exchanges) for session in back.panes.sessions] == [1, 1]
    assert handlers.undo(two.panes.without(0), Box()).panes.sessions == one.panes.sessions


def test_a_pane_that_fails_leaves_the_other(tmp_path: Path, sound_file) -> None:
    engine, broken = FakeEngine(delay_seconds=0), FakeEngine(delay_seconds=0, fail_after_tokens=0)
    handlers = handling(tmp_path, engine, broken)
    box = filled(handlers, "Which?", sound_file("a.wav"))
    for places in ((0, 1), (1, 0)):
        end = last(handlers.send(TAB, Panes().beside(0), box, [form(engine=place) for place in places]))
        endings = [exchanges(end, pane)[0].ending for pane in (0, 1)]
        assert sorted(endings) == ["failed", "stop"] and endings[places.index(1)] == "failed"
        assert "told to" in exchanges(end, places.index(1))[0].problem
    both = last(handlers.send(TAB, Panes().beside(0), box, [form(engine=1)] * 2))
    assert both.panes.back == box and exchanges(both) == () == exchanges(both, 1)


def test_stop_ends_every_pane(handlers: Handlers, box: Box) -> None:
    views = handlers.send(TAB, Panes().beside(0), box, [form(), form()])
    next(views), next(views)
    handlers.stop(TAB)
    end = last(views)
    assert [exchanges(end, pane)[0].ending for pane in (0, 1)] == ["stopped", "stopped"]

"""The line for the model, and what a tab shows that waits in it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import strings
from chat_app.handlers import Handlers
from chat_app.panes import Panes
from chat_app.probes import Probes
from chat_app.session import Box
from chat_app.turns import LineFullError, Turn, Turns
from chat_app.view import View
from core.fake import FakeEngine
from tests.pages import form, handling

TAB = "tab"


@pytest.fixture
def handlers(tmp_path: Path) -> Handlers:
    return handling(tmp_path, FakeEngine(delay_seconds=0), turns=Turns(1))


@pytest.fixture
def box(handlers: Handlers, sound_file: Callable[..., Path]) -> Box:
    files = [str(sound_file(name)) for name in ("a.wav", "b.wav")]
    return Box("Which?", handlers.attach(Panes(), (), files))


@given(st.lists(st.integers(0, 9)), st.integers(0, 4))
def test_whoever_came_first_has_fewest_before_them(steps: list[int], most: int) -> None:
    turns, line = Turns(most), list[Turn]()
    for number, step in enumerate(steps):
        if step < 6 and len(line) <= most:
            line.append(turns.join(str(number)))
        elif step < 6:
            with pytest.raises(LineFullError):
                turns.join(str(number))
        elif line:
            line.pop(step % len(line)).close()
        assert [turns.before(turn) for turn in line] == list(range(len(line)))
    for turn in line:
        turn.close()
    assert not turns._line


def test_a_tab_has_one_writer_at_a_time() -> None:
    turns = Turns()
    with turns.writing("one") as first, turns.writing("one") as second, turns.writing("other") as third:
        assert (first, second, third) == (True, False, True) and turns.written("one")
    assert not turns.written("one") and not turns._writing


def test_the_box_is_emptied_once_and_the_place_is_told_until_the_turn(handlers: Handlers, box: Box) -> None:
    other = handlers.turns.join("other")
    views = handlers.send(TAB, Panes(), box, [form()])
    first = next(views)
    assert strings.waiting(1) in first.status and first.box == Box() and first.panes.answering
    again = next(views)  # a second later: whoever left by then is found out
    assert again.status == first.status and again.box is None
    other.close()
    rest = list(views)
    assert strings.listening(2) in rest[0].status and all(view.box is None for view in rest)
    assert rest[-1].panes.first.exchanges[-1].ending == "stop" and not handlers.turns._line


def test_a_place_is_given_back_by_whoever_does_not_come_to_the_end(handlers: Handlers, box: Box) -> None:
    other = handlers.turns.join("other")
    views = handlers.send(TAB, Panes(), box, [form()])
    next(views)
    views.close()
    assert handlers.turns._line == [other]


def answered(handlers: Handlers, box: Box) -> Panes:
    *_, end = handlers.send(TAB, Panes(), box, [form()])
    return end.panes


Action = Callable[[Handlers, Panes], Iterator[View]]
ACTIONS: dict[str, Action] = {
    "retry": lambda handlers, panes: handlers.retry(TAB, panes, [form()]),
    "matter": lambda handlers, panes: Probes(handlers).matter(TAB, panes),
    "orders": lambda handlers, panes: Probes(handlers).in_every_order(TAB, panes),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_known_stays_where_nothing_can_be_asked(action: str, handlers: Handlers, box: Box) -> None:
    *_, found = Probes(handlers).in_every_order(TAB, answered(handlers, box))
    before, other = found.panes, handlers.turns.join("other")
    assert len(before.first.exchanges[-1].ordered) == 2

    waiting = ACTIONS[action](handlers, before)
    assert strings.waiting(1) in next(waiting).status
    handlers.stop(TAB)
    (stopped,) = waiting
    assert stopped.panes == before

    another = handlers.turns.join("another")
    (refused,) = ACTIONS[action](handlers, before)
    assert refused.panes.first.exchanges == before.first.exchanges and not refused.panes.answering
    assert refused.panes.first.notice == strings.LINE_FULL.format(questions="1 question")
    assert handlers.turns._line == [other, another]


def test_a_question_on_its_way_back_is_changed_by_nobody(handlers: Handlers, box: Box) -> None:
    handlers.turns.join("other")
    views = handlers.send(TAB, Panes(), box, [form()])
    next(views)
    handlers.stop(TAB)
    (end,) = views
    assert end.panes.back == box and end.panes.answering and not end.panes.first.exchanges
    assert strings.TAKEN_BACK in end.status and end.box is None
    assert handlers.clear(end.panes).panes == handlers.undo(end.panes, Box()).panes == end.panes

"""The last question in every order of its clips: what is asked, what is made of it, and that nothing is lost."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from chat_app.handlers import Handlers
from chat_app.orders_card import card
from chat_app.panes import Panes
from chat_app.probes import Probes
from chat_app.session import Attachment, Box, Ordered
from core.errors import EngineError
from core.fake import FakeEngine
from core.types import Conversation, Done, Event, Settings, Stats, Token, letter
from tests.pages import form, handling
from tests.test_view import HOSTILE, Elements

TAB = "tab"


class Listener(FakeEngine):
    """Names the clip it is told to by its sound, or the one that stands at a place."""

    def __init__(self, label: str = "", place: int | None = None, fails: int | None = None):
        super().__init__(delay_seconds=0)
        self.label, self.place, self.fails = label, place, fails

    def stream(self, conversation: Conversation, settings: Settings) -> Iterator[Event]:
        self.asked.append((conversation, settings))
        if len(self.asked) - 1 == self.fails:
            raise EngineError("It failed: ask again.")
        labels = [clip.label for clip in conversation.clips]
        index = labels.index(self.label) if self.place is None else self.place
        for word in ("It is ", f"clip {letter(index)}."):
            yield Token(word)
        yield Done(Stats(1, 2, 0.0, 0.0, 0.0), "stop")


def asked(engine: FakeEngine, tmp_path: Path, tone_clip, clips: int = 3, panes: int = 1, **changes: object):
    """Handlers, and panes that have asked which of so many clips is the loudest."""
    handlers = handling(tmp_path, engine)
    attached = tuple(
        Attachment(f"/{index}", f"{index}.wav", tone_clip(f"{index}.wav", 200.0 + 50 * index)) for index in range(clips)
    )
    start = Panes()
    for _ in range(panes - 1):
        start = start.beside(0)
    views = list(handlers.send(TAB, start, Box("Which is it?", attached), [form(**changes)] * panes))
    engine.asked.clear()
    return handlers, views[-1].panes


def last(handlers: Handlers, panes: Panes):
    return list(Probes(handlers).in_every_order(TAB, panes))[-1]


def test_who_listens_says_the_same_in_every_order(tmp_path: Path, tone_clip) -> None:
    engine = Listener("1.wav")
    handlers, panes = asked(engine, tmp_path, tone_clip)
    end = last(handlers, panes)
    ordered = end.panes.first.exchanges[0].ordered
    assert [answer.order for answer in ordered] == list(permutations(range(3)))
    assert {(answer.words, answer.verdict) for answer in ordered} == {("It is clip B.", "B")}
    for answer, (conversation, _) in zip(ordered, engine.asked, strict=True):
        assert [clip.label for clip in conversation.clips] == [f"{index}.wav" for index in answer.order]
    assert "6 of 6 orders: <b>B</b>" in end.chats[0][-1].content[2].html
    assert end.panes.first.exchanges[0].words == panes.first.exchanges[0].words
    assert end.panes.before == panes.before, "nothing to undo"


def test_who_goes_by_the_place_is_found_out(tmp_path: Path, tone_clip) -> None:
    handlers, panes = asked(Listener(place=0), tmp_path, tone_clip)
    end = last(handlers, panes)
    assert [answer.verdict for answer in end.panes.first.exchanges[0].ordered] == ["A", "A", "B", "B", "C", "C"]
    assert "A tie between" in end.chats[0][-1].content[2].html


def test_five_clips_are_asked_in_a_sample(tmp_path: Path, tone_clip) -> None:
    handlers, panes = asked(Listener("2.wav"), tmp_path, tone_clip, clips=5)
    orders = [answer.order for answer in last(handlers, panes).panes.first.exchanges[0].ordered]
    assert len(orders) == len(set(orders)) == 24 and orders[0] == (0, 1, 2, 3, 4)


def test_every_pane_is_asked_with_its_settings_and_weights_follow_their_clip(tmp_path: Path, tone_clip) -> None:
    engine = Listener("0.wav")
    weights = {"method": "mata", "clip_weights": (2.0, 1.0, 1.0)}
    handlers, panes = asked(engine, tmp_path, tone_clip, clips=2, panes=2, **weights)
    end = last(handlers, panes)
    assert [len(session.exchanges[0].ordered) for session in end.panes.sessions] == [2, 2]
    assert all(settings.boost.method == "mata" for _, settings in engine.asked)
    for conversation, settings in engine.asked:
        place = [clip.label for clip in conversation.clips].index("0.wav")
        assert settings.boost.weight(place) == 2.0


def test_an_order_that_fails_is_said_and_the_others_stay(tmp_path: Path, tone_clip) -> None:
    engine = Listener("1.wav")
    handlers, panes = asked(engine, tmp_path, tone_clip)
    engine.fails = 2
    end = last(handlers, panes)
    assert len(end.panes.first.exchanges[0].ordered) == 5
    assert end.panes.first.notice == "It failed: ask again."
    assert end.panes.first.exchanges[0].ending == "stop"


def test_stop_keeps_what_was_found_and_asking_again_begins_anew(tmp_path: Path, tone_clip) -> None:
    handlers, panes = asked(Listener("1.wav"), tmp_path, tone_clip)
    views = Probes(handlers).in_every_order(TAB, panes)
    for _ in range(3):
        assert next(views).panes.answering
    handlers.stop(TAB)
    (end,) = views
    assert not end.panes.answering
    assert 0 < len(end.panes.first.exchanges[0].ordered) < 6
    assert len(last(handlers, end.panes).panes.first.exchanges[0].ordered) == 6


@pytest.mark.parametrize("clips", [0, 1])
def test_without_two_clips_there_is_nothing_to_ask(tmp_path: Path, tone_clip, clips: int) -> None:
    engine = Listener(place=0)
    handlers, panes = asked(engine, tmp_path, tone_clip, clips=clips)
    assert last(handlers, panes).panes == panes
    assert engine.asked == []


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_answers_stay_text(words: str) -> None:
    seen = Elements(card([Ordered((0, 1), words, words), Ordered((1, 0), "B", "B"), Ordered((0, 1, 2), "B", "B")]))
    assert not {"img", "script"} & set(seen.tags)
    assert not [attribute for attribute, _ in seen.attributes if attribute.startswith("on")]
    assert any(words in word for word in seen.words)


def test_a_retry_and_an_edit_forget_it(tmp_path: Path, tone_clip) -> None:
    handlers, panes = asked(Listener("1.wav"), tmp_path, tone_clip)
    end = last(handlers, panes)
    again = list(handlers.retry(TAB, end.panes, [form()]))[-1]
    assert again.panes.first.exchanges[0].ordered == ()
    assert replace(end.panes.first.exchanges[0], ordered=()) == panes.first.exchanges[0]

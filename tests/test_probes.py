"""Did it matter? Asked of the fake engine and of a tiny real one, without a page."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import effect, strings
from chat_app.effect import in_words, nats, section, word_nats
from chat_app.handlers import Handlers
from chat_app.panes import Panes
from chat_app.probes import Probes
from chat_app.session import Box
from chat_app.view import Card, View
from core.errors import EngineError
from core.fake import FakeEngine
from core.types import Boost, Conversation, Effect
from tests import tiny
from tests.pages import form, handling
from tests.test_meter import clip, parsed

TAB = "tab"


class Forcing(FakeEngine):
    """Keeps what it was asked to force, and whether it was ended."""

    def __init__(self, name: str = "fake", fail_at: int | None = None, error: Exception | None = None) -> None:
        super().__init__(delay_seconds=0)
        self.info = replace(self.info, name=name)
        self.forced: list[tuple] = []
        self.fail_at, self.error, self.closed = fail_at, error, False

    def matter(self, conversation, answer, settings) -> Iterator[Effect]:
        self.forced.append((conversation, answer, settings))
        self.closed = False
        try:
            for step, found in enumerate(super().matter(conversation, answer, settings)):
                if step == self.fail_at:
                    raise self.error or EngineError("It broke: ask again.")
                yield found
        finally:
            self.closed = True


def asked(handlers: Handlers, panes: Panes, text: str, forms: list, *files: Path) -> Panes:
    box = Box(text, handlers.attach(panes, (), tuple(map(str, files))))
    return list(handlers.send(TAB, panes, box, forms))[-1].panes


def last(panes: Panes, pane: int = 0):
    return panes.sessions[pane].exchanges[-1]


def html(view: View, pane: int = 0) -> str:
    return "".join(part.html for bubble in view.chats[pane] for part in bubble.content if isinstance(part, Card))


def test_the_whole_comes_first_then_clip_by_clip(tmp_path: Path, sound_file, tone) -> None:
    engine = Forcing()
    handlers = handling(tmp_path, engine)
    panes = asked(handlers, Panes(), "First?", [form()], sound_file("a.wav"))
    panes = asked(handlers, panes, "Second?", [form(method="mata", alpha=0.3)], sound_file("b.wav", tone(200.0)))
    probes = Probes(handlers)
    assert probes.can_matter(panes)
    views = list(probes.matter(TAB, panes))
    conversation, answer, settings = engine.forced[0]
    assert conversation == engine.asked[-1][0], "the conversation as it was answered"
    assert (answer, settings) == (last(panes).words, engine.asked[-1][1]) and settings.boost == Boost("mata", 0.3)

    first, *steps, end = views
    assert all(view.panes.answering for view in (first, *steps)) and not end.panes.answering
    assert [len(last(view.panes).effect.clips_nats) for view in steps] == [0, 1, 2]
    assert "es-effect" not in html(first) and all(html(view).count('class="es-effect"') == 1 for view in (*steps, end))
    assert html(end).count('class="es-meter"') == 2
    *_, exact = FakeEngine(0).matter(conversation, answer, settings)
    assert last(end.panes).effect == exact
    assert end.panes.before == panes.before, "not an action to undo"
    assert last(end.panes).words == last(panes).words and last(end.panes).trace == last(panes).trace
    assert not probes.can_matter(end.panes), "all is known"
    back = handlers.undo(end.panes, Box())
    assert [exchange.text for exchange in back.panes.first.exchanges] == ["First?"]
    again = list(handlers.retry(TAB, end.panes, [form()]))[-1].panes
    assert last(again).effect is None and probes.can_matter(again)


def test_each_pane_is_asked_of_who_answered_in_it(tmp_path: Path, sound_file) -> None:
    one, other = Forcing("one"), Forcing("other")
    handlers = handling(tmp_path, one, other)
    panes = asked(handlers, Panes().beside(0), "Which?", [form(engine=1), form(engine=0)], sound_file("a.wav"))
    end = list(Probes(handlers).matter(TAB, panes))[-1].panes
    assert [forced[1] for forced in other.forced] == [last(panes, 0).words]
    assert [forced[1] for forced in one.forced] == [last(panes, 1).words]
    assert all(len(last(end, pane).effect.clips_nats) == 1 for pane in (0, 1))


def test_stop_keeps_what_is_known_and_leaves_the_rest(tmp_path: Path, sound_file) -> None:
    engine = Forcing()
    handlers = handling(tmp_path, engine)
    panes = asked(handlers, Panes().beside(0), "Which?", [form(), form()], sound_file("a.wav"), sound_file("b.wav"))
    probes = Probes(handlers)
    views = probes.matter(TAB, panes)
    next(views), next(views)
    handlers.stop(TAB)
    end = list(views)[-1]
    assert engine.closed and len(engine.forced) == 1
    assert len(last(end.panes).effect.clips_nats) == 1 and last(end.panes, 1).effect is None
    assert strings.ENDINGS["stopped"] in end.status and not end.panes.answering
    assert strings.EFFECT_PENDING in html(end)
    assert probes.can_matter(end.panes)
    assert len(last(list(probes.matter(TAB, end.panes))[-1].panes, 1).effect.clips_nats) == 2, "the stop is used up"


@pytest.mark.parametrize("error", [EngineError("It broke: ask again."), ZeroDivisionError("ours")])
def test_an_error_is_a_sentence_and_the_answer_stays(tmp_path: Path, sound_file, error, caplog) -> None:
    engine = Forcing(fail_at=1, error=error)
    handlers = handling(tmp_path, engine, other := Forcing("other"))
    panes = asked(handlers, Panes().beside(0), "Which?", [form(), form(engine=1)], sound_file("a.wav"))
    end = list(Probes(handlers).matter(TAB, panes))[-1]
    sentence = str(error) if isinstance(error, EngineError) else strings.CRASHED
    assert end.panes.first.notice == sentence and sentence in html(end)
    assert replace(last(end.panes), effect=None) == last(panes)
    assert other.forced and last(end.panes, 1).effect is not None, "the other pane goes on"
    assert "ours" not in caplog.text and ("ZeroDivisionError" in caplog.text) == (sentence == strings.CRASHED)
    assert not end.panes.answering


def test_a_page_that_goes_away_ends_the_work_and_does_not_block_the_chat(tmp_path: Path, sound_file) -> None:
    engine = Forcing()
    handlers = handling(tmp_path, engine)
    panes = asked(handlers, Panes(), "Which?", [form()], sound_file("a.wav"))
    views = Probes(handlers).matter(TAB, panes)
    next(views)
    stuck = next(views).panes
    views.close()
    assert engine.closed and stuck.answering
    after = asked(handlers, stuck, "Next?", [form()])
    assert not after.answering and [exchange.ending for exchange in after.first.exchanges] == ["stop", "stop"]


def test_nothing_else_changes_the_panes_meanwhile(tmp_path: Path, sound_file) -> None:
    handlers = handling(tmp_path, Forcing())
    panes = asked(handlers, Panes(), "Which?", [form()], sound_file("a.wav"))
    busy = next(Probes(handlers).matter(TAB, panes)).panes
    assert handlers.edit(busy, Box()).panes == handlers.undo(busy, Box()).panes == busy


def test_it_cannot_be_asked_without_clips_words_or_an_engine_that_can(tmp_path: Path, sound_file) -> None:
    engine = Forcing()
    handlers = handling(tmp_path, engine)
    probes = Probes(handlers)
    assert not probes.can_matter(Panes())
    text_only = asked(handlers, Panes(), "Hello?", [form()])
    panes = asked(handlers, Panes(), "Which?", [form()], sound_file("a.wav"))
    assert probes.can_matter(panes) and not probes.can_matter(text_only)
    silent = replace(last(panes), words=" \n")
    assert not probes.can_matter(panes.now((panes.first.with_last(silent),)))
    engine.info = replace(engine.info, effect=False)
    assert not probes.can_matter(panes)
    assert not Probes(handling(tmp_path, Forcing("another"))).can_matter(panes), "who answered is not here"
    assert [view.panes for view in probes.matter(TAB, panes)] == [panes] and engine.forced == []


def test_a_tiny_model_says_what_its_engine_says(tmp_path: Path, sound_file, tone) -> None:
    engine = tiny.engine("qwen2_audio")
    handlers = handling(tmp_path, engine)
    chosen = form(engine, max_tokens=6)
    panes = asked(handlers, Panes(), "Which?", [chosen], sound_file("a.wav"), sound_file("b.wav", tone(900.0)))
    assert Probes(handlers).can_matter(panes), last(panes).words
    end = list(Probes(handlers).matter(TAB, panes))[-1].panes
    *_, exact = engine.matter(Conversation((last(panes).question,)), last(panes).words, last(panes).settings)
    found = last(end).effect
    assert found.tokens == exact.tokens and len(found.clips_nats) == 2
    assert np.asarray(found.whole_nats) == pytest.approx(np.asarray(exact.whole_nats), abs=1e-5)
    assert np.asarray(found.clips_nats) == pytest.approx(np.asarray(exact.clips_nats), abs=1e-5)


EFFECTS = st.lists(
    st.tuples(st.sampled_from([" a", "b", "", " <i>x", " d"]), st.floats(-9, 9), st.floats(-9, 9)), min_size=1
)


@given(EFFECTS, st.booleans())
def test_the_section_says_every_number_once_and_nothing_becomes_markup(found: list, partly: bool) -> None:
    texts, whole, alone = zip(*found, strict=True)
    clips = [clip("<img src=x onerror='1'>.wav"), clip('"b"')]
    known = Effect(texts, whole, (alone,) if partly else (alone, whole))
    tree = parsed(section(known, None, clips))
    assert not {"img", "button", "script"} & {tag for tag, _ in tree.elements}
    assert not any(key.startswith("on") for _, attributes in tree.elements for key in attributes)
    assert tree.words[0] == nats(sum(whole) / len(whole))
    said = [attributes.get("aria-label") for _, attributes in tree.elements if "es-middle" in str(attributes)]
    values = [nats(sum(alone) / len(alone)), strings.EFFECT_PENDING if partly else nats(sum(whole) / len(whole))]
    assert said == [strings.EFFECT_SAID.format(nats=value) for value in values]
    words = word_nats(known)
    assert "".join(word for word, _ in words) == "".join(texts)
    assert math.fsum(value for _, value in words) == pytest.approx(math.fsum(whole), abs=1e-9)
    titles = [
        attributes["title"] for _, attributes in tree.elements if "es-felt" in str(attributes.get("class")).split()
    ]
    assert titles == [nats(value) for _, value in words]
    numbered = sum(tag == "sup" for tag, _ in tree.elements)
    worth = sum(abs(value) >= effect.LEAST_NAMED_NATS for _, value in words)
    assert numbered == min(worth, effect.MOST_NAMED)


def test_a_nat_in_words() -> None:
    assert "2.72 times" in in_words(1.0) and in_words(1.0) != in_words(-1.0)
    assert "2.72 times" in in_words(-1.0)
    assert in_words(0.004) == strings.EFFECT_NONE
    assert [nats(value) for value in (1.5, -0.25, 0.001, -0.001)] == ["+1.50", "−0.25", "0.00", "0.00"]

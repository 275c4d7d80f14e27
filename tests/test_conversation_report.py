"""A conversation as a report: a browser reads every turn and pane, and nothing a stranger wrote is markup."""

import re
from dataclasses import replace

import pytest

from chat_app import orders_card
from chat_app.conversation_report import conversation_report, sections
from chat_app.meter import card
from chat_app.panes import Sessions
from chat_app.session import Attachment, Exchange, Ordered, Session
from core.fake import FakeEngine
from core.types import Boost, Settings
from tests.test_report import HOSTILE, Reader, tone

INFO = FakeEngine().info


def talk(words: str = "Which?", panes: int = 2) -> Sessions:
    """Two questions; a stranger wrote `words` everywhere a stranger can."""
    sessions = []
    for pane in range(panes):
        session = Session()
        for turn, labels in enumerate(((words, "b.wav"), ("c.wav",))):
            clips = [tone(label, 300.0 + 100 * turn + 50 * index) for index, label in enumerate(labels)]
            attached = tuple(Attachment("", clip.label, clip) for clip in clips)
            settings = Settings(Boost("mata", 0.1 * (pane + 1)), system=words, seed=turn)
            session = session.asked(Exchange(words, attached, settings, f"{words} {pane}", left_out=(words,)))
            for event in FakeEngine(delay_seconds=0).stream(session.conversation, settings):
                session = session.took(event)
            session = session.with_last(replace(session.exchanges[-1], problem=words))
        sessions.append(session)
    return tuple(sessions)


def test_each_question_has_the_answers_side_by_side_with_the_meters_of_the_page() -> None:
    sessions = talk()
    html = conversation_report(sessions, [INFO])
    read = Reader(html)
    assert [attributes["class"] for tag, attributes in read.tags if tag in {"section", "article"}] == [
        *["es-group", *["es-answer", "es-meter"] * 2],
        *["es-group", *["es-answer", "es-meter"] * 2],
    ]
    for session in sessions:
        assert card(session.exchanges[0].trace, session.clips[:2]) in html
        assert card(session.exchanges[1].trace, session.clips) in html
    text = "".join(read.text)
    assert "Question 1" in text and "Question 2" in text and "c.wav" in text
    assert re.findall(r'<li><span class="es-badge"[^>]*>([A-Z])', html) == ["A", "B", "C"], "letters go on"
    assert len([1 for tag, _ in read.tags if tag == "audio"]) == 3


def test_answers_in_other_orders_are_in_it() -> None:
    (session,) = talk("x", panes=1)
    ordered = (Ordered((2, 0, 1), "C <b>is</b>.", "C"), Ordered((0, 1, 2), "A is.", "A"))
    html = conversation_report((session.with_last(replace(session.exchanges[-1], ordered=ordered)),), [INFO])
    assert orders_card.card(ordered) in html and "C &lt;b&gt;is" in html


def test_answers_are_named_by_what_tells_them_apart() -> None:
    assert [[name for name, _ in section.answers] for section in sections(talk("x"))] == [
        ["Pane 1 · x 0 · settings 1", "Pane 2 · x 1 · settings 1"],
        ["Pane 1 · x 0 · settings 2", "Pane 2 · x 1 · settings 2"],
    ]
    (alone,) = talk("x", panes=1)
    plain = Session(tuple(replace(exchange, settings=Settings()) for exchange in alone.exchanges))
    assert {name for section in sections((plain,)) for name, _ in section.answers} == {"Answer"}


def test_who_answered_is_said_in_full_where_it_is_loaded() -> None:
    sessions = talk("x", panes=1)
    html = conversation_report(sessions, [replace(INFO, name="x 0")])
    assert "x 0 · fp32 · no model is loaded" in html
    assert "no model is loaded" not in conversation_report(sessions, [INFO]).split("</header>")[0]


@pytest.mark.parametrize("words", HOSTILE)
def test_what_a_stranger_wrote_is_text(words: str) -> None:
    html = conversation_report(talk(words), [INFO])
    read, plain = Reader(html), Reader(conversation_report(talk("harmless"), [INFO]))
    assert [tag for tag, _ in read.tags] == [tag for tag, _ in plain.tags], "the same elements whatever is written"
    assert sum(words in text for text in read.text) >= 6
    without_sound = re.sub(r"base64,[^\"]+", "", conversation_report(talk("harmless"), [INFO]))
    assert not re.search(r"https?://|//[a-z]|@import|url\(|javascript:|<script", without_sound)
    sources = [attributes["src"] for _, attributes in read.tags if "src" in attributes]
    assert len(sources) == 3 and all(source.startswith("data:audio/flac;base64,") for source in sources)

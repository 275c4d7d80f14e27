"""What a session looks like: every name and word of others is shown as text, never as markup."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from chat_app import view
from chat_app.session import Attachment, Exchange, Session
from chat_app.tray import tray
from chat_app.view import Card
from core.fake import FakeEngine
from core.types import Boost, Clip, Settings, Stats, Token
from tests.seen import HOSTILE, Elements


def asked(clip: Clip, text: str = "Which?", path: str = "/uploads/x/clip.wav") -> Session:
    return Session().asked(Exchange(text, (Attachment(path, clip.label, clip),), Settings()))


def html_of(session: Session) -> str:
    return "".join(part.html for bubble in view.messages(session) for part in bubble.content if isinstance(part, Card))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text_wherever_they_are_shown(name: str, tone_clip) -> None:
    session = (
        asked(tone_clip(name), text=name, path=f"/uploads/{name}").heard(Token(name)).ended("failed", problem=name)
    )
    pending = Attachment(f"/uploads/{name}", name, tone_clip(name))
    broken = Attachment(f"/uploads/{name}", name, problem=f"{name}: it is empty.")
    for html in (html_of(session), tray(session, (pending, broken)).html):
        seen = Elements(html)
        assert not {"img", "script"} & set(seen.tags)
        assert not [attribute for attribute, _ in seen.attributes if attribute.startswith("on")]
        assert any(name in word for word in seen.words)


@given(st.text(alphabet="ab<>![]()`\\\"'/ =:\n*_#&;h", max_size=60))
def test_words_of_a_model_hold_no_html_and_no_image(words: str) -> None:
    html = MarkdownIt("commonmark", {"html": True}).render(view.inert(words))
    allowed = {"p", "em", "strong", "a", "code", "pre", "h1", "h2", "h3", "h4", "h5", "h6"}
    assert set(Elements(html).tags) <= allowed | {"ul", "ol", "li", "blockquote", "br", "hr"}


def test_an_image_would_be_fetched_but_for_the_escape() -> None:
    words = "Look: ![x](http://example.org/x.png) <img src=http://example.org/y.png>"
    markdown = MarkdownIt("commonmark", {"html": True})
    assert "<img" in markdown.render(words)
    assert "<img" not in markdown.render(view.inert(words))


def test_speed_counts_the_tokens_after_the_first() -> None:
    stats = Stats(prompt_tokens=9, answer_tokens=11, encode_seconds=0.1, first_token_seconds=0.4, total_seconds=2.4)
    assert view.speed(stats) == ("first token in 0.4 s", "5 tokens/s")
    one = Stats(prompt_tokens=9, answer_tokens=1, encode_seconds=0.1, first_token_seconds=0.4, total_seconds=0.4)
    assert view.speed(one) == ("first token in 0.4 s",)


def test_the_status_line_says_model_precision_reason_and_phase() -> None:
    seen = Elements(view.status(FakeEngine().info, "Answering …"))
    assert seen.words == ["fake · fp32 · no model is loaded", "Answering …"]
    assert ("role", "status") in seen.attributes
    assert view.pace(0.44, 1) == "first token in 0.4 s · 1 token so far"
    assert Elements(view.status(FakeEngine().info, "Answering …", view.pace(0.44, 23))).words[2:] == [
        "first token in 0.4 s · 23 tokens so far"
    ]


def test_an_answer_says_how_it_was_made_and_how_it_ended(tone_clip) -> None:
    chosen = Settings(boost=Boost("mata", 0.2), adapter="tuned", max_tokens=7, facts=True)
    exchange = Exchange("Which?", (), chosen)
    ended = Session().asked(exchange).heard(Token("A")).ended("length").exchanges[0]
    assert view.cost(ended) == "cut at 7 tokens · boost mata 0.2 · adapter tuned · measured facts of each clip given"


def test_left_out_files_come_before_the_answer_and_problems_after() -> None:
    exchange = Exchange("Which?", (), Settings(), left_out=("Left out: x.wav",))
    session = Session().asked(exchange).heard(Token("Half an ans")).ended("failed", problem="It broke.")
    texts = [
        "".join("".join(Elements(part.html).words) if isinstance(part, Card) else part for part in bubble.content)
        for bubble in view.messages(session)
    ]
    assert texts[0] == "Which?"
    assert texts[1] == "Left out: x.wav"
    assert texts[2].startswith("Half an ans")
    assert texts[3] == "It broke."

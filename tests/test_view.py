"""What a session looks like: every name and word of others is shown as text, never as markup."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from chat_app import strings, view
from chat_app.session import Attachment, Exchange, Session
from chat_app.view import Card
from core.fake import FakeEngine
from core.types import Boost, Clip, Settings, Stats, Token

HOSTILE = [
    "<img src=x onerror=alert(1)>.wav",
    '"><script>alert(1)</script>.wav',
    "${alert(1)} {{alert(2)}}.wav",
    "**bold** [link](javascript:alert(1)).wav",
    "'onload='alert(1).wav",
]


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes) -> None:
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data: str) -> None:
        self.words.append(data)


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
    for html in (html_of(session), view.tray(session, (pending, broken)).html):
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


def test_the_tray_letters_sent_and_waiting_clips_and_skips_what_cannot_be_used(tone_clip) -> None:
    tray = view.tray(
        asked(tone_clip("first.wav")),
        (
            Attachment("/u/bad.wav", "bad.wav", problem="bad.wav: the file is empty."),
            Attachment("/u/second.wav", "second.wav", tone_clip("second.wav")),
        ),
    )
    assert tray.clips == 2
    words = Elements(tray.html).words
    assert [word for word in words if word in {"A", "B", "C"}] == ["A", "B"]
    assert "bad.wav: the file is empty." in words
    assert words.count(strings.NOT_SENT) == 1
    assert tray.html.count("<audio") == 2


def test_the_tray_says_which_clips_are_heard_in_parts(tone_clip) -> None:
    clips = [Attachment("/u/x", "x", tone_clip("x", seconds=seconds)) for seconds in (2.0, 0.5, 1.0)]
    words = Elements(view.tray(Session(), clips, window_seconds=1.0).html).words
    assert words.count(strings.IN_PARTS.format(window_seconds=1.0)) == 1


def test_a_player_is_given_the_uploaded_file_with_its_path_quoted(tone_clip) -> None:
    tray = view.tray(asked(tone_clip(), path='/uploads/ü "b"#1?.wav'))
    sources = [value for name, value in Elements(tray.html).attributes if name == "src"]
    assert sources == ["gradio_api/file=/uploads/%C3%BC%20%22b%22%231%3F.wav"]


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

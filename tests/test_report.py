"""The report as a browser would read it: everything a stranger wrote is text, and nothing points outside."""

import io
import re
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from chat_app.meter import card
from chat_app.report import Section, report
from chat_app.session import Attachment, Exchange, Session
from chat_app.view import who_answers
from core.fake import FakeEngine
from core.types import Boost, Clip, Done, Settings, Token

HOSTILE = (
    '"><img src=x onerror=alert(1)>',
    "</style><script>alert(1)</script>",
    "${alert(1)}",
    "x" * 300,
    "\u05e9\u05dc\u05d5\u05dd \u202eevil",
    "' onmouseover='alert(1)",
)


def exchange(clips: tuple[Clip, ...], question: str, settings: Settings, words: str | None = None) -> Exchange:
    """What the fake engine answers; other words in its place where given."""
    session = Session().asked(Exchange(question, tuple(Attachment("", clip.label, clip) for clip in clips), settings))
    *tokens, done = FakeEngine(delay_seconds=0).stream(session.conversation, settings)
    assert isinstance(done, Done)
    if words is not None:
        tokens = [Token(words, tokens[0].reading), *(Token("", token.reading) for token in tokens[1:])]
    return session.heard(*tokens).took(done).exchanges[-1]


def tone(label: str, hz: float = 440.0) -> Clip:
    return Clip(np.sin(np.arange(8_000) * 2 * np.pi * hz / 16_000).astype(np.float32) * 0.5, label)


class Reader(HTMLParser):
    """Tags with attributes, and the text."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page(words: str) -> str:
    """A report in which a stranger wrote `words` everywhere a stranger can."""
    clips = (tone(words), tone("b.wav", 660.0))
    one = exchange(clips, words, Settings(Boost("mata", 0.3), system=words, adapter=words), words)
    broken = Session().asked(Exchange(words, (), Settings())).ended("failed", problem=words)
    sections = (
        Section(words, clips, "", ((words, one), ("plain", exchange(clips, words, Settings())))),
        Section("bad", (), words, ((words, broken.exchanges[-1]),)),
    )
    return report(words, who_answers(FakeEngine().info), sections)


@pytest.mark.parametrize("words", HOSTILE)
def test_what_a_stranger_wrote_is_text(words: str) -> None:
    read, plain = Reader(page(words)), Reader(page("harmless"))
    assert [tag for tag, _ in read.tags] == [tag for tag, _ in plain.tags], "the same elements whatever is written"
    assert [set(attributes) for _, attributes in read.tags] == [set(attributes) for _, attributes in plain.tags]
    assert sum(words in text for text in read.text) >= 6


def test_it_needs_no_script_and_no_address() -> None:
    html = page("words")
    assert not re.search(r"https?://|//[a-z]|@import|url\(|javascript:", re.sub(r"base64,[^\"]+", "", html))
    read = Reader(html)
    assert not {"script", "link", "iframe", "object", "img", "base", "form"} & {tag for tag, _ in read.tags}
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    sources = [attributes["src"] for _, attributes in read.tags if "src" in attributes]
    assert len(sources) == 2 and all(source.startswith("data:audio/flac;base64,") for source in sources)


def test_its_sound_is_what_was_heard() -> None:
    clip = tone("a.wav")
    html = report("x", who_answers(FakeEngine().info), [Section("x", (clip,), "", ())])
    (source,) = [attributes["src"] for tag, attributes in Reader(html).tags if tag == "audio"]
    samples, hz = soundfile.read(io.BytesIO(b64decode(source.split(",")[1])), dtype="float32")
    assert hz == 16_000 and np.abs(samples - clip.samples).max() < 1 / 32_000


def test_its_cards_are_those_of_the_page() -> None:
    clips = (tone("a.wav"), tone("b.wav", 660.0))
    one = exchange(clips, "Which?", Settings(Boost("mata", 0.3)))
    html = report("x", who_answers(FakeEngine().info), [Section("x", clips, "", (("boosted", one),))])
    assert card(one.trace, clips) in html


def test_a_model_without_meter_says_so() -> None:
    silent = Session().asked(Exchange("Which?", (Attachment("", "a", tone("a")),), Settings())).heard(Token("One."))
    html = report(
        "x",
        who_answers(FakeEngine().info),
        [Section("x", (tone("a"),), "", (("s", silent.ended("stop").exchanges[-1]),))],
    )
    assert "no reading of its attention" in html

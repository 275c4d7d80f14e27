"""Several people on one page's model, in a real browser: the place in line, Stop while waiting, a full line."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from chat_app import strings
from chat_app.turns import Turns
from core.fake import FakeEngine
from core.types import Conversation, Event, Settings
from tests.browser.conftest import PATIENCE_MS
from tests.browser.test_page import ask, attach, ended, wide
from tests.serving import served
from tests.visitors import PATIENCE_SECONDS, Message, Visitor, phases, until

pytestmark = [
    pytest.mark.browser,
    # The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Held(FakeEngine):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__(delay_seconds=0)
        self.free = threading.Event()

    def stream(self, conversation: Conversation, settings: Settings) -> Iterator[Event]:
        assert self.free.wait(PATIENCE_SECONDS)
        yield from super().stream(conversation, settings)


@pytest.fixture
def held(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Held, str]]:
    """An engine that is held, and its page, on which two questions may wait."""
    engine = Held()
    monkeypatch.setattr("chat_app.layout.Turns", lambda most: Turns(2))
    with served(engine) as url:
        try:
            yield engine, url
        finally:
            engine.free.set()


class Others:
    """Other visitors of the page, each with a question in line."""

    def __init__(self, address: str):
        self.address = address
        self.there: list[tuple[Visitor, threading.Thread]] = []

    def come(self) -> None:
        """One more; comes back when the question stands in line."""
        visitor, stands = Visitor(self.address), threading.Event()

        def seen(message: Message) -> bool:
            if phases(message):
                stands.set()
            return True

        thread = threading.Thread(target=visitor.send, args=("Other?", [], seen))
        thread.start()
        self.there.append((visitor, thread))
        assert stands.wait(PATIENCE_SECONDS)

    def go(self) -> None:
        """All have been answered, and close their tabs."""
        for visitor, thread in self.there:
            thread.join(PATIENCE_SECONDS)
            visitor.leave()


@pytest.fixture
def others(held: tuple[Held, str]) -> Iterator[Others]:
    """Nobody yet. All are answered at the end."""
    came = Others(held[1])
    yield came
    held[0].free.set()
    came.go()


@pytest.fixture
def mine(browser: Browser, held: tuple[Held, str]) -> Iterator[Page]:
    """My page."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    opened.goto(held[1])
    opened.wait_for_selector("#box textarea")
    yield opened
    context.close()
    assert wrong == []


def test_the_place_in_line_is_shown_until_it_is_my_turn(
    mine: Page, held: tuple[Held, str], others: Others, example: Path
) -> None:
    others.come()
    others.come()
    attach(mine, example / "dog_bark.flac")
    expect(mine.locator(".es-pending")).to_have_count(1)
    ask(mine, "What is it?")
    phase = mine.locator("#status [role=status]")
    expect(phase).to_have_text(strings.waiting(2))
    expect(mine.locator("#box .stop-button")).to_be_visible()
    expect(mine.locator(".es-question p")).to_have_text("What is it?")
    folder = os.environ.get("EARSHOT_SHOTS")
    for width, height in ((1200, 900), (390, 844)):
        mine.set_viewport_size({"width": width, "height": height})
        expect(phase).to_be_in_viewport()
        assert wide(mine) <= 0
        for scheme in ("light", "dark") if folder else ():
            mine.evaluate(f"document.body.classList.toggle('dark', {str(scheme == 'dark').lower()})")
            mine.screenshot(path=f"{folder}/waiting-{scheme}-{width}.png")
    held[0].free.set()
    ended(mine, 1)
    expect(mine.locator("#chat")).to_contain_text("This is a fake answer")


def test_esc_while_waiting_takes_the_question_back_before_what_was_typed_since(
    mine: Page, held: tuple[Held, str], others: Others, example: Path
) -> None:
    others.come()
    attach(mine, example / "dog_bark.flac")
    expect(mine.locator(".es-pending")).to_have_count(1)
    ask(mine, "What is it?")
    expect(mine.locator("#status [role=status]")).to_have_text(strings.waiting(1))
    attach(mine, example / "cat_meow.flac")
    mine.fill("#box textarea", "And since?")
    expect(mine.locator(".es-pending")).to_have_count(1)
    mine.keyboard.press("Escape")
    expect(mine.locator("#box textarea")).to_have_value("What is it?\nAnd since?")
    expect(mine.locator(".es-pending .es-name")).to_have_text(["dog_bark.flac", "cat_meow.flac"])
    expect(mine.locator(".es-question")).to_have_count(0)
    expect(mine.locator("#status [role=status]")).to_have_text(strings.TAKEN_BACK)
    held[0].free.set()
    others.go()
    others.there.clear()
    mine.press("#box textarea", "Enter")
    ended(mine, 1)
    assert [conversation.turns[-1].text for conversation, _ in held[0].asked] == ["Other?", "What is it?\nAnd since?"]


def test_a_full_line_is_a_sentence_with_the_words_still_in_the_box(
    mine: Page, held: tuple[Held, str], others: Others, example: Path
) -> None:
    for _ in range(3):
        others.come()
    attach(mine, example / "dog_bark.flac")
    expect(mine.locator(".es-pending")).to_have_count(1)
    ask(mine, "What is it?")
    expect(mine.locator(".es-notice")).to_have_text(strings.LINE_FULL.format(questions=strings.questions(2)))
    expect(mine.locator("#box textarea")).to_have_value("What is it?")
    expect(mine.locator(".es-pending")).to_have_count(1)
    if folder := os.environ.get("EARSHOT_SHOTS"):
        mine.screenshot(path=f"{folder}/full-light-1200.png")
    held[0].free.set()
    others.go()
    others.there.clear()
    mine.press("#box textarea", "Enter")
    ended(mine, 1)


def test_a_tab_that_is_closed_leaves_the_line(browser: Browser, held: tuple[Held, str], others: Others) -> None:
    others.come()
    context = browser.new_context()
    page = context.new_page()
    page.goto(held[1])
    page.wait_for_selector("#box textarea")
    ask(page, "What is it?")
    expect(page.locator("#status [role=status]")).to_have_text(strings.waiting(1))
    context.close()
    others.come()
    behind = others.there[-1][0]
    until(lambda: strings.waiting(1) in behind.phases)
    held[0].free.set()
    others.go()
    others.there.clear()
    assert [conversation.turns[-1].text for conversation, _ in held[0].asked] == ["Other?", "Other?"]

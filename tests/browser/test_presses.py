"""Keys and buttons pressed as soon as they can be, and twice, in a real browser: nothing is dropped."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from chat_app import strings
from chat_app.handlers import Handlers
from core.fake import FakeEngine
from tests.browser.test_page import ask, attach, ended

pytestmark = [
    pytest.mark.browser,
    # The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_enter_is_taken_as_soon_as_send_is_shown(page: Page, engine: FakeEngine, example: Path) -> None:
    attach(page, example / "dog_bark.flac")
    page.evaluate("""
        window.asked = 0;
        let answering = false;
        const box = document.querySelector("#box textarea");
        new MutationObserver(() => {
            const before = answering;
            answering = Boolean(document.querySelector("#box .stop-button"));
            if (!before || answering || window.asked === 5) return;
            box.value = `Question ${window.asked += 1}`;
            box.dispatchEvent(new Event("input", {bubbles: true}));
            const enter = {key: "Enter", bubbles: true, cancelable: true};
            for (const type of ["keydown", "keypress"]) box.dispatchEvent(new KeyboardEvent(type, enter));
        }).observe(document.querySelector("#box"), {subtree: true, childList: true});
    """)
    ask(page, "Question 0")
    ended(page, 6)
    expect(page.locator(".es-question p")).to_have_text([f"Question {number}" for number in range(6)])
    assert len(engine.asked) == 6


def test_undo_pressed_twice_undoes_twice(page: Page, example: Path) -> None:
    attach(page, example / "dog_bark.flac")
    for number in range(1, 4):
        ask(page, f"Question {number}")
        ended(page, number)
    page.dblclick("#undo", delay=60)  # milliseconds a press lasts, as of a hand
    expect(page.locator(".es-meter")).to_have_count(1)
    expect(page.locator("#box textarea")).to_have_value("Question 2\nQuestion 3")


def test_a_fault_of_ours_in_the_middle_of_an_answer_leaves_a_page_that_goes_on(
    page: Page, engine: FakeEngine, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("ours")

    attach(page, example / "dog_bark.flac")
    expect(page.locator(".es-pending")).to_have_count(1)
    with monkeypatch.context() as broken:
        broken.setattr(Handlers, "_ended", failing)
        ask(page, "What is it?")
        expect(page.locator("#chat")).to_contain_text(strings.CRASHED)
    expect(page.locator("#chat")).to_contain_text("This is a fake answer")
    page.click("#retry")
    ended(page, 1)
    expect(page.locator("#chat")).not_to_contain_text(strings.CRASHED)

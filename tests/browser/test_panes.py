"""Panes side by side, in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from chat_app import strings
from core.fake import FakeEngine
from core.types import Boost
from tests.browser.test_page import ask, attach, send, wide

pytestmark = [
    pytest.mark.browser,
    # The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def open_settings(page: Page) -> None:
    page.locator("#settings .toggle-button").click()
    expect(page.locator("#add-pane input")).to_be_visible()


def add_pane(page: Page, name: str) -> None:
    panes = page.locator(".es-pane:visible").count()
    page.click("#add-pane input")
    page.get_by_role("option", name=name).click()
    expect(page.locator(".es-pane:visible")).to_have_count(panes + 1)


def test_two_panes_answer_one_question_each_with_its_settings(page: Page, engine: FakeEngine, example: Path) -> None:
    attach(page, example / "dog_bark.flac", example / "cat_meow.flac")
    ask(page, "Which is louder?")
    expect(page.locator(".es-meter")).to_have_count(1)
    open_settings(page)
    add_pane(page, strings.WITH_BOOST)
    heads = page.locator(".es-pane-head")
    expect(heads).to_have_text(["1 no boost", "2 boost mata 0.1 · from 0.36 to 0.71 of the depth"])
    expect(page.locator("#chat-2 .es-meter")).to_have_count(1), "it has had the conversation so far"

    page.fill("#alpha input[type=number]", "0.3")
    page.press("#alpha input[type=number]", "Tab")
    expect(heads.nth(1)).to_contain_text("boost mata 0.3")
    page.get_by_label(strings.PANE.format(number=1)).check()
    expect(page.locator("#alpha")).to_be_hidden()
    page.get_by_label(strings.PANE.format(number=2)).check()
    expect(page.locator("#alpha input[type=number]")).to_have_value("0.3")
    page.locator("#settings .toggle-button").click()

    ask(page, "And which is longer?")
    expect(page.locator("#chat .es-meter")).to_have_count(2)
    expect(page.locator("#chat-2 .es-meter")).to_have_count(2)
    expect(page.locator("#chat-2 .es-cost").nth(1)).to_contain_text("boost mata 0.3")
    (_, first), (one, plain), (other, boosted) = engine.asked
    assert first == plain and plain.boost == Boost("off")
    assert boosted.boost == Boost("mata", 0.3)
    assert one.turns[2] == other.turns[2] and len(one.turns) == len(other.turns) == 3

    page.click("#undo")
    expect(page.locator(".es-meter")).to_have_count(2)
    expect(page.locator("#box textarea")).to_have_value("And which is longer?")
    page.get_by_role("button", name=strings.CLOSE_PANE).click()
    expect(page.locator(".es-pane:visible")).to_have_count(1)
    expect(page.locator(".es-pane-head")).to_have_count(0)
    send(page)
    expect(page.locator("#chat .es-meter")).to_have_count(2)
    assert len(engine.asked) == 4


def test_panes_answer_together_and_stop_together(page: Page, engine: FakeEngine, example: Path) -> None:
    attach(page, example / "dog_bark.flac")
    open_settings(page)
    add_pane(page, strings.WITH_OTHER_ADAPTER)
    expect(page.locator(".es-pane-head")).to_have_text(["1 adapter off", "2 adapter example-adapter"])
    page.check("#together input")
    page.locator("#settings .toggle-button").click()
    engine.delay_seconds = 0.1
    ask(page, "What is it?")
    page.locator("#chat .bot").get_by_text("This is").wait_for()
    page.locator("#chat-2 .bot").get_by_text("This is").wait_for()
    page.locator("#box .stop-button").click()
    expect(page.locator(".es-cost")).to_have_count(2)
    for cost in page.locator(".es-cost").all():
        expect(cost).to_contain_text("stopped")


def test_four_panes_are_the_most_and_a_telephone_scrolls_through_them(page: Page, example: Path) -> None:
    attach(page, example / "dog_bark.flac")
    open_settings(page)
    for _ in range(3):
        add_pane(page, strings.WITH_SAME)
    expect(page.locator("#add-pane input")).to_be_disabled()
    expect(page.locator(".es-pane-head")).to_have_text([f"{number} {strings.SAME_SETTINGS}" for number in range(1, 5)])
    page.locator("#settings .toggle-button").click()
    page.set_viewport_size({"width": 390, "height": 844})
    ask(page, "What is it?")
    expect(page.locator(".es-meter")).to_have_count(4)
    assert wide(page) <= 0
    widths = [pane.bounding_box()["width"] for pane in page.locator(".es-pane").all()]
    assert all(300 <= width <= 390 for width in widths)


def test_a_question_is_asked_in_every_order_of_its_clips(page: Page, engine: FakeEngine, example: Path) -> None:
    attach(page, *(example / f"{name}.flac" for name in ("dog_bark", "cat_meow", "rooster_crow")))
    ask(page, "Which is louder?")
    expect(page.locator(".es-meter")).to_have_count(1)
    page.click("#orders")
    expect(page.locator("#status [role=status]")).to_contain_text("of 6 orders")
    expect(page.locator(".es-orders .es-ordered li")).to_have_count(6)
    expect(page.locator("#orders")).to_be_enabled()
    assert len(engine.asked) == 7
    assert {len(conversation.turns) for conversation, _ in engine.asked[1:]} == {1}
    assert len({tuple(clip.label for clip in conversation.clips) for conversation, _ in engine.asked[1:]}) == 6

    engine.delay_seconds = 0.05
    page.click("#orders")
    page.locator("#status").get_by_text("Asked in 2 of 6 orders").wait_for()
    page.locator("#box .stop-button").click()
    expect(page.locator("#orders")).to_be_enabled()
    expect(page.locator("#box .submit-button")).to_be_visible()
    assert 0 < page.locator(".es-orders .es-ordered li").count() < 6
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(".es-orders summary").click()
    assert wide(page) <= 0

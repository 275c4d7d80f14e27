"""The built-in model behind the page: what a visitor on any machine meets first."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from chat_app import strings
from core.load import load
from tests.browser.test_page import ask, attach
from tests.serving import served

pytestmark = [
    pytest.mark.browser,
    pytest.mark.weights,
    # The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def embedded(browser: Browser) -> Iterator[str]:
    """After `browser`: no model is loaded where there is none."""
    with served(load("embedded")) as address:
        yield address


def test_the_dog_is_found_in_every_order_and_by_a_second_question(
    browser: Browser, embedded: str, example: Path
) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(embedded)
    page.wait_for_selector("#box textarea")
    attach(page, *(example / f"{name}.flac" for name in ("cat_meow", "dog_bark", "rooster_crow")))
    expect(page.locator(".es-pending")).to_have_count(3)
    ask(page, "Which clip has a dog barking?")
    expect(page.locator(".es-meter")).to_have_count(1)
    answer = page.locator("#chat .bot").first
    expect(answer).to_contain_text("clip B")
    expect(answer.locator(".es-cost")).to_contain_text("adapter discriminative")
    assert 0 < float(answer.locator(".es-needle").get_attribute("aria-valuenow")) < 100
    expect(page.locator(".es-model")).to_contain_text("embedded · int8")

    page.click("#orders")
    expect(page.locator(".es-ordered li")).to_have_count(6)
    expect(page.locator(".es-vote")).to_have_text("6 of 6 orders: B")

    page.locator("#settings .toggle-button").click()
    page.click("#add-pane input")
    page.get_by_role("option", name=strings.WITH_OTHER_ADAPTER).click()
    expect(page.locator(".es-pane-head")).to_have_text(["1 adapter discriminative", "2 adapter off"])
    page.locator("#settings .toggle-button").click()
    ask(page, "Which clip is the longest?")
    expect(page.locator("#chat .es-needle")).to_have_count(2)
    expect(page.locator("#chat-2 .es-needle")).to_have_count(2)
    expect(page.locator("#chat .bot").nth(1)).to_contain_text("B")
    page.close()

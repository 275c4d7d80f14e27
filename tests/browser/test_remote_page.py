"""The page for a model that a server has loaded."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from chat_app import strings
from core.remote import connect
from tests import openai_server
from tests.browser.test_page import send
from tests.serving import served

pytestmark = [
    pytest.mark.browser,
    # The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.mark.parametrize("width", [1200, 390])
def test_it_says_where_clips_go_and_offers_no_boost(browser: Browser, example: Path, width: int) -> None:
    with openai_server.running() as server, served(connect(f"{server}/v1")) as address:
        page = browser.new_page(viewport={"width": width, "height": 844})
        page.goto(address)
        page.locator("#settings .toggle-button").click()
        expect(page.locator("#max-tokens")).to_be_visible()
        expect(page.locator("#method")).to_have_count(0)
        expect(page.locator("#adapter")).to_have_count(0)
        page.locator("#settings .toggle-button").click()
        page.set_input_files(
            "#box input[type=file]", [str(example / f"{name}.flac") for name in ("cat_meow", "dog_bark")]
        )
        expect(page.locator(".es-pending")).to_have_count(2)
        page.fill("#box textarea", "lines")
        send(page)
        expect(page.locator(".es-plain")).to_have_text(strings.NO_READINGS)
        expect(page.locator("#chat")).to_contain_text("lines – ok? <b>ä</b>")
        expect(page.locator(".es-model")).to_contain_text("clips are sent there")
        status = page.locator(".es-model").bounding_box()
        assert status is not None and status["x"] >= 0 and status["x"] + status["width"] <= width
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        page.close()
        content = openai_server.asked(server)[-1]["messages"][0]["content"]
    assert [part for part in content if isinstance(part, str)] == ["Clip A: ", "\nClip B: ", "\nlines"]
    assert [round(part["seconds"], 1) for part in content if isinstance(part, dict)] == [2.9, 4.0]

"""The report opened from the disk in a real browser, without a network and without script."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.test_report import HOSTILE, page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_offline_shows_its_cards_and_fits(browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    opened.on("request", lambda request: request.url.startswith(("file:", "data:")) or wrong.append(request.url))
    for number, words in enumerate(HOSTILE):
        file = tmp_path / f"{number}.html"
        file.write_text(page(words), "utf-8")
        opened.goto(file.as_uri())
        opened.wait_for_function("[...document.querySelectorAll('audio')].every(sound => sound.readyState >= 1)")
        assert opened.evaluate("[...document.querySelectorAll('audio')].map(sound => sound.duration)") == [0.5, 0.5]
        assert opened.locator(".es-meter .es-needle").count() == 2
        assert opened.locator(".es-meter").first.is_visible()
        assert opened.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        # Text against ground, in both themes: light on dark or dark on light, with the variables of page.css defined.
        text, ground, line = opened.evaluate("""() => {
            const style = getComputedStyle(document.querySelector(".es-meter"));
            return [style.color, style.backgroundColor, style.borderTopColor];
        }""")
        brightness = [sum(map(int, colour.strip("rgb()").split(","))) for colour in (text, ground)]
        assert (
            (brightness[0] > 600 > 150 > brightness[1]) if scheme == "dark" else (brightness[0] < 150 < brightness[1])
        )
        assert line != text
    context.close()
    assert wrong == []

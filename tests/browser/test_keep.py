"""A conversation in two panes is saved, opened again, played and asked on; its report opens without a network."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core.fake import FakeEngine
from tests.browser.test_page import ask, attach, send

# The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def settings(page: Page) -> None:
    """Opens the settings, or closes them."""
    page.locator("#settings .toggle-button").click()
    page.wait_for_timeout(500)  # they slide


def save(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.click(button)
    saved = folder / download.value.suggested_filename
    download.value.save_as(saved)
    return saved


def choose(page: Page, file: Path) -> None:
    page.set_input_files('input[accept=".zip"]', file)


def meters(page: Page) -> Locator:
    return page.locator(".es-meter .es-needle:visible")


def play(page: Page, number: int) -> None:
    """The clip is played from the file that its address names."""
    page.locator(".es-tray .es-play").nth(number).click()
    place = page.locator(".es-tray .es-seek").nth(number)
    expect(place).not_to_have_attribute("aria-valuenow", re.compile(r"^0(\.0+)?$"))
    expect(page.locator(".es-tray .es-clip").nth(number)).to_have_class(re.compile("es-playing"))
    page.locator(".es-tray .es-play").nth(number).click()


def test_a_conversation_is_saved_cleared_opened_played_and_asked_on(
    page: Page, engine: FakeEngine, example: Path, tmp_path: Path
) -> None:
    settings(page)
    page.locator("#keep .label-wrap").click()
    page.click("#save-conversation")
    expect(page.locator("#kept [role=alert]")).to_contain_text("nothing to save yet")
    page.click("#add-pane input")
    page.get_by_role("option").first.click()
    expect(page.locator("#chat-2")).to_be_visible()
    settings(page)
    attach(page, example / "cat_meow.flac", example / "dog_bark.flac")
    ask(page, "Which one is louder?")
    expect(meters(page)).to_have_count(2)
    expect(page.locator("#retry")).to_be_enabled()
    before = [page.locator(".es-meter:visible").nth(number).inner_text() for number in range(2)]

    settings(page)
    saved = save(page, "#save-conversation", tmp_path)
    assert saved.name.startswith("earshot-20") and saved.suffix == ".zip"
    expect(page.locator("#kept [role=status]")).to_have_text(f"Saved as {saved.name}.")
    page.locator(".es-pane-bar button:visible").click()
    expect(page.locator("#chat-2")).not_to_be_visible()
    settings(page)
    page.click("#clear")
    expect(meters(page)).to_have_count(0)
    expect(page.locator(".es-tray")).to_have_count(0)

    settings(page)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(saved.read_bytes()[:-100])
    choose(page, broken)
    expect(page.locator("#kept [role=alert]")).to_contain_text("cannot be opened")
    expect(page.locator("#chat-2")).not_to_be_visible()

    choose(page, saved)
    expect(meters(page)).to_have_count(2)
    expect(page.locator("#kept [role=status]")).to_contain_text("Opened: one question.")
    expect(page.locator("#chat-2")).to_be_visible()
    expect(page.locator(".es-pane-head").nth(1)).to_contain_text("boost mata")
    settings(page)
    assert [page.locator(".es-meter:visible").nth(number).inner_text() for number in range(2)] == before
    expect(page.locator(".es-tray .es-name")).to_have_text(["cat_meow.flac", "dog_bark.flac"])
    play(page, 0)
    play(page, 1)

    attach(page, example / "violin_a4.flac")
    ask(page, "And C?")
    expect(meters(page)).to_have_count(4)
    expect(page.locator("#retry")).to_be_enabled()
    asked, same = [conversation for conversation, _ in engine.asked[-2:]], engine.asked[0][0].clips
    for conversation in asked:
        assert [clip.label for clip in conversation.clips] == ["cat_meow.flac", "dog_bark.flac", "violin_a4.flac"]
        assert conversation.clips[:2] == same
    assert [chosen.boost.method for _, chosen in engine.asked[-2:]] == ["off", "mata"]

    for _ in range(2):  # the question, then the opening: one pane, as it was, and empty
        page.click("#undo")
        expect(page.locator("#undo")).to_be_enabled()
    expect(page.locator("#chat-2")).not_to_be_visible()
    expect(meters(page)).to_have_count(0)
    page.click("#undo")  # the clearing
    expect(meters(page)).to_have_count(1)


def test_a_question_of_an_opened_conversation_goes_back_into_the_box(
    page: Page, engine: FakeEngine, example: Path, tmp_path: Path
) -> None:
    """Its clips are files of the page like those that were dropped."""
    attach(page, example / "cat_meow.flac", example / "dog_bark.flac")
    ask(page, "Which one is louder?")
    expect(meters(page)).to_have_count(1)
    expect(page.locator("#retry")).to_be_enabled()
    settings(page)
    page.locator("#keep .label-wrap").click()
    saved = save(page, "#save-conversation", tmp_path)
    page.reload()
    page.wait_for_selector("#box textarea")
    settings(page)
    page.locator("#keep .label-wrap").click()
    choose(page, saved)
    expect(meters(page)).to_have_count(1)
    settings(page)
    page.click("#edit")
    expect(page.locator(".es-pending .es-name")).to_have_text(["cat_meow.flac", "dog_bark.flac"])
    expect(page.locator("#box textarea")).to_have_value("Which one is louder?")
    send(page)
    expect(meters(page)).to_have_count(1)
    assert engine.asked[-1][0] == engine.asked[0][0]


def test_what_runs_is_not_saved(page: Page, engine: FakeEngine, example: Path) -> None:
    engine.delay_seconds = 0.2
    settings(page)
    page.locator("#keep .label-wrap").click()
    ask(page, "What is it?")
    page.locator("#chat .bot").get_by_text("answer, because").wait_for()
    page.click("#save-conversation")
    expect(page.locator("#kept [role=alert]")).to_contain_text("An answer is running")
    settings(page)
    page.locator("#box .stop-button").click()
    expect(page.locator("#retry")).to_be_enabled()


def test_the_report_opens_without_a_network(
    browser: Browser, page: Page, engine: FakeEngine, example: Path, tmp_path: Path
) -> None:
    attach(page, example / "cat_meow.flac")
    ask(page, "<b>What</b> is it?")
    expect(meters(page)).to_have_count(1)
    expect(page.locator("#retry")).to_be_enabled()
    settings(page)
    page.locator("#keep .label-wrap").click()
    report = save(page, "#save-report", tmp_path)
    assert report.suffix == ".html"

    context = browser.new_context(viewport={"width": 390, "height": 800}, offline=True)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("request", lambda request: request.url.startswith(("file:", "data:")) or wrong.append(request.url))
    opened.goto(report.as_uri())
    expect(opened.locator("h3")).to_have_text("<b>What</b> is it?")
    expect(opened.locator(".es-meter .es-needle")).to_be_visible()
    opened.wait_for_function("document.querySelector('audio').readyState >= 1")
    assert opened.evaluate("document.querySelector('audio').duration") == pytest.approx(2.87, abs=0.1)
    assert opened.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    context.close()
    assert wrong == []

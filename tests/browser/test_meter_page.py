"""The meter card under a person's hands: words, clips, sound and effects."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from chat_app import strings
from core.fake import FakeEngine
from tests.browser.test_page import ask, attach, ended, wide

pytestmark = [
    pytest.mark.browser,
    # The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def answered(page: Page, example: Path, *names: str) -> Locator:
    """The card of the answer to one question about some clips."""
    attach(page, *(example / f"{name}.flac" for name in names))
    expect(page.locator(".es-pending")).to_have_count(len(names))
    ask(page, "Which one?")
    ended(page, 1)
    return page.locator(".es-meter")


def shown(card: Locator) -> list[object]:
    """What the rows of a card say and draw."""
    return card.evaluate("""card => [...card.querySelectorAll(".es-row")].map(row => [
        row.querySelector(".es-number").innerText, row.querySelector(".es-bar i").style.width,
        row.querySelector(".es-bar").getAttribute("aria-valuetext"), row.querySelector(".es-heat").ariaLabel,
        [...row.querySelectorAll("rect")].map(bin => bin.getAttribute("fill")).join(),
    ])""")


def test_a_word_shows_its_row_and_the_whole_answer_comes_back(page: Page, example: Path) -> None:
    card = answered(page, example, "cat_meow", "dog_bark")
    summary = card.locator(".es-by-word > summary")
    expect(card.locator(".es-word").first).to_be_hidden()
    summary.click()
    words, whole = card.locator(".es-word:not(.es-whole)"), card.locator(".es-whole")
    said = page.locator("#chat .bot p").first.inner_text()
    assert " ".join(words.all_inner_texts()) == said
    whole.click()
    before = shown(card)
    words.nth(3).click()
    expect(card.locator(".es-shown")).to_have_text(strings.SHOWN_WORD.format(word=said.split()[3]))
    expect(words.nth(3)).to_have_attribute("aria-pressed", "true")
    of_word = shown(card)
    assert all(one[:2] != other[:2] and one[4] != other[4] for one, other in zip(before, of_word, strict=True))
    words.nth(3).click()
    expect(whole).to_have_attribute("aria-pressed", "true")
    expect(card.locator(".es-shown")).to_have_text(strings.SHOWN_WHOLE)
    assert shown(card) == before
    words.nth(4).click()
    whole.click()
    assert shown(card) == before


def test_the_numbers_of_the_whole_answer_are_those_the_server_wrote(page: Page, example: Path) -> None:
    card = answered(page, example, "cat_meow", "dog_bark", "rooster_crow")
    written = shown(card)
    card.locator(".es-by-word > summary").click()
    card.locator(".es-whole").click()
    same = [[*row[:3], row[4]] for row in written]  # where two bins have one shade, either may be the hottest
    assert [[*row[:3], row[4]] for row in shown(card)] == same


def test_words_are_reached_by_arrows(page: Page, example: Path) -> None:
    card = answered(page, example, "dog_bark")
    card.locator(".es-by-word > summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(card.locator(".es-whole")).to_be_focused()
    for key, place in (("ArrowRight", 1), ("ArrowDown", 2), ("ArrowLeft", 1), ("End", -1), ("Home", 0)):
        page.keyboard.press(key)
        expect(card.locator(".es-word").nth(place)).to_be_focused()
    assert card.locator('.es-word[tabindex="0"]').count() == 1
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(card.locator(".es-word").nth(1)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Tab")
    expect(card.locator(".es-pick").first).to_be_focused()


def test_a_clip_shades_the_words(page: Page, example: Path) -> None:
    card = answered(page, example, "cat_meow", "dog_bark")
    card.locator(".es-pick").nth(1).click()
    word = card.locator(".es-word").nth(2)
    expect(word).to_be_visible()
    expect(card.locator(".es-shaded")).to_contain_text("clip B")
    title = word.get_attribute("title")
    assert re.fullmatch(r"is: \d+(\.\d)? % on clip B", title) and word.get_attribute("aria-label") == title
    word.click()
    number = card.locator(".es-number b").nth(1).inner_text()
    assert title == strings.WORD_SHARE.format(word="is", percent=number, letter="B")
    grounds = card.evaluate("card => [...card.querySelectorAll('.es-word')].map(word => word.style.background)")
    assert len(set(grounds[1:])) > 5 and grounds[0] == ""
    card.locator(".es-pick").nth(0).click()
    expect(card.locator(".es-pick").nth(1)).to_have_attribute("aria-pressed", "false")
    expect(card.locator(".es-shaded")).to_contain_text("clip A")
    card.locator(".es-pick").nth(0).click()
    expect(card.locator(".es-shaded")).to_be_hidden()
    assert word.get_attribute("title") is None and word.get_attribute("style") in {"", None}


PLAYING = "[...document.querySelectorAll('audio')].filter(sound => !sound.paused).map(sound => sound.src)"


def test_a_strip_is_played_from_where_it_is_clicked_and_alone(page: Page, example: Path) -> None:
    card = answered(page, example, "cat_meow", "dog_bark")
    row, other = card.locator(".es-row").nth(1), card.locator(".es-row").nth(0)
    place = row.locator(".es-place")
    page.locator("#tray .es-play").first.click()
    page.wait_for_function("document.querySelector('#tray audio').currentTime > 0")
    box = place.bounding_box()
    place.click(position={"x": box["width"] / 2, "y": 10})
    page.wait_for_function("document.querySelectorAll('.es-meter audio')[1].currentTime > 2")
    assert row.evaluate("row => Math.abs(row.querySelector('audio').currentTime - 2) < 1.5")
    assert len(page.evaluate(PLAYING)) == 1, "what played in the tray has stopped"
    expect(place).to_have_attribute("aria-valuetext", re.compile(r"[23]\.\d s of 4\.0 s"))
    left = place.evaluate("place => parseFloat(place.firstElementChild.style.left)")
    page.wait_for_function(
        "left => parseFloat(document.querySelectorAll('.es-place > i')[1].style.left) > left", arg=left
    )
    other.locator(".es-go").click()
    expect(other).to_have_class(re.compile("es-playing"))
    expect(row).not_to_have_class(re.compile("es-playing"))
    other.locator(".es-go").click()
    expect(other).not_to_have_class(re.compile("es-playing"))
    assert page.evaluate(PLAYING) == []


def test_a_strip_is_moved_and_played_by_keys(page: Page, example: Path) -> None:
    card = answered(page, example, "dog_bark")
    place = card.get_by_role("slider")
    place.focus()
    for key, now in (
        ("ArrowRight", "0.5"),
        ("ArrowUp", "1.0"),
        ("ArrowLeft", "0.5"),
        ("ArrowDown", "0.0"),
        ("ArrowLeft", "0.0"),
        ("End", "4.0"),
        ("ArrowRight", "4.0"),
        ("Home", "0.0"),
    ):
        page.keyboard.press(key)
        expect(place).to_have_attribute("aria-valuetext", f"{now} s of 4.0 s")
        expect(place).to_have_attribute("aria-valuenow", now)
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('.es-meter audio').currentTime > 0.1")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.es-meter audio').paused")


def test_a_sound_that_is_gone_says_so(page: Page, example: Path) -> None:
    card = answered(page, example, "dog_bark")
    page.route("**/gradio_api/file=**", lambda route: route.fulfill(status=404))
    card.locator(".es-go").click()
    expect(card.locator(".es-gone")).to_have_text(strings.SOUND_GONE)
    expect(card.locator(".es-gone")).to_be_visible()


def test_a_later_answer_leaves_a_card_as_it_was(page: Page, example: Path) -> None:
    card = answered(page, example, "cat_meow", "dog_bark").first
    card.locator(".es-by-word > summary").click()
    card.locator(".es-word").nth(5).click()
    card.evaluate("card => { card.seen = true }")
    before = shown(card)
    ask(page, "And then?")
    ended(page, 2)
    assert page.locator(".es-meter").first.evaluate("card => card.seen"), "it was not drawn anew"
    assert shown(page.locator(".es-meter").first) == before
    page.locator(".es-meter").nth(1).locator(".es-pick").first.click()
    expect(page.locator(".es-meter").nth(1).locator(".es-shaded")).to_contain_text("clip A")
    expect(page.locator(".es-meter").first.locator(".es-shaded")).to_be_hidden()


def test_the_help_opens_from_a_card_and_gives_the_focus_back(page: Page, example: Path) -> None:
    card = answered(page, example, "dog_bark")
    button = card.get_by_role("button", name=strings.METER_HELP_HEADING)
    button.click()
    dialog = page.get_by_role("dialog", name=strings.METER_HELP_HEADING)
    expect(dialog).to_be_visible()
    expect(dialog.locator("dt")).to_have_count(len(strings.METER_HELP))
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()


def test_a_telephone_has_room_for_all_of_it(page: Page, engine: FakeEngine, example: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    card = answered(page, example, "cat_meow", "dog_bark", "rooster_crow", "applause")
    card.locator(".es-by-word > summary").click()
    card.locator(".es-basis > summary").click()
    card.locator(".es-pick").nth(3).click()
    assert wide(page) <= 0
    edges = card.evaluate("""card => [...card.querySelectorAll("*")]
        .map(part => part.getBoundingClientRect().right - card.getBoundingClientRect().right)""")
    assert max(edges) <= 0


def test_did_it_matter_comes_in_pane_by_pane_and_stops(page: Page, engine: FakeEngine, example: Path) -> None:
    matter = page.locator("#matter")
    expect(matter).to_be_disabled()
    page.locator("#settings .toggle-button").click()
    page.click("#add-pane input")
    page.get_by_role("option").first.click()
    expect(page.locator(".es-pane-head")).to_have_count(2)
    page.locator("#settings .toggle-button").click()
    attach(page, example / "cat_meow.flac", example / "dog_bark.flac")
    expect(page.locator(".es-pending")).to_have_count(2)
    ask(page, "Which one?")
    ended(page, 2)
    card = page.locator(".es-meter").first
    card.locator(".es-by-word > summary").click()
    card.locator(".es-word").nth(4).click()
    expect(matter).to_be_enabled()

    engine.delay_seconds = 1.0
    matter.click()
    expect(page.locator("#box .stop-button")).to_be_visible()
    expect(matter).to_be_disabled()
    expect(page.locator("#retry")).to_be_disabled()
    first = page.locator("#chat .es-effect")
    expect(first.locator(".es-effects b").nth(1)).to_have_text("…")
    expect(first.locator(".es-effects b").nth(1)).to_have_text(re.compile(r"[+−]?\d\.\d\d"))
    page.locator("#box .stop-button").click()
    expect(page.locator("#box .submit-button")).to_be_visible()
    expect(page.locator("#status [role=status]")).to_have_text("stopped")
    expect(page.locator(".es-effect")).to_have_count(1)

    engine.delay_seconds = 0.01
    matter.click()
    expect(page.locator(".es-effect")).to_have_count(2)
    expect(matter).to_be_disabled()
    expect(page.locator("#box .submit-button")).to_be_visible()
    assert "…" not in page.locator(".es-effects b").all_inner_texts()
    expect(page.locator("#chat-2 .es-felt sup").first).to_have_text(re.compile(r"[+−]\d\.\d\d"))
    expect(card.locator(".es-word").nth(4)).to_have_attribute("aria-pressed", "true")
    assert len(engine.asked) == 2, "nothing was answered again"
    page.click("#undo")
    expect(page.locator(".es-meter")).to_have_count(0)


def test_effects_fit_a_telephone(page: Page, example: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    answered(page, example, "cat_meow", "dog_bark")
    page.click("#matter")
    effect = page.locator(".es-effect")
    expect(effect.locator(".es-effects b").nth(3)).not_to_have_text("…")
    edges = effect.evaluate("""card => [...card.querySelectorAll("*")]
        .map(part => part.getBoundingClientRect().right - card.getBoundingClientRect().right)""")
    assert wide(page) <= 0 and max(edges) <= 0

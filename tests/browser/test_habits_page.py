"""Keys, help, the hint of a first visit, copying an answer and settings that come back, in a real browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from chat_app import strings
from chat_app.kept import STORAGE_KEY
from core.fake import FakeEngine
from tests.browser.test_page import ask, attach, ended

pytestmark = [
    pytest.mark.browser,
    # The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

BOX = "#box textarea"


def again(page: Page) -> None:
    """The next visit."""
    page.reload()
    page.wait_for_selector(BOX)


def test_enter_sends_and_with_shift_begins_a_line(page: Page, engine: FakeEngine) -> None:
    page.fill(BOX, "What is")
    page.press(BOX, "Shift+Enter")
    page.keyboard.type("a sound?")
    expect(page.locator(BOX)).to_have_value("What is\na sound?")
    assert engine.asked == []
    page.press(BOX, "Enter")
    expect(page.locator(".es-question p")).to_have_text("What is\na sound?", use_inner_text=True)


def test_escape_stops_from_anywhere_but_not_over_the_help(page: Page, engine: FakeEngine) -> None:
    engine.delay_seconds = 0.2
    ask(page, "What is a sound?")
    page.locator("#chat .bot").get_by_text("This is a fake").wait_for()
    page.click(".es-help-open")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    expect(page.locator("#box .stop-button")).to_be_visible()
    page.locator("#head h1").click()
    page.keyboard.press("Escape")
    expect(page.locator("#status [role=status]")).to_contain_text("stopped")
    assert "would now compare" not in page.locator("#chat .bot").first.inner_text()


def test_the_arrow_takes_the_last_question_back_into_an_empty_box_only(page: Page) -> None:
    ask(page, "What is a sound?")
    ended_without_clips(page)
    page.fill(BOX, "half a thought")
    page.press(BOX, "ArrowUp")
    page.wait_for_timeout(300)
    expect(page.locator(BOX)).to_have_value("half a thought")
    page.fill(BOX, "")
    page.press(BOX, "ArrowUp")
    expect(page.locator(BOX)).to_have_value("What is a sound?")
    expect(page.locator(".es-question")).to_have_count(0)
    expect(page.locator(BOX)).to_be_focused()


def ended_without_clips(page: Page) -> None:
    expect(page.locator(".es-copy")).to_have_count(1)
    expect(page.locator("#retry")).to_be_enabled()


def test_control_k_goes_to_the_box_unless_somebody_is_writing(page: Page) -> None:
    page.click("#head h1")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Control+k")
    expect(page.locator(BOX)).to_be_focused()
    page.locator("#settings .toggle-button").click()
    page.click("#system textarea")
    page.keyboard.press("Control+k")
    expect(page.locator("#system textarea")).to_be_focused()


def test_an_answer_is_copied_by_keyboard_as_plain_text_and_said_so(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, 'Is <b>"A"</b> & ${alert(1)} a *sound*?')
    button = page.locator(".es-copy")
    expect(button).to_have_accessible_name(strings.COPY_LABEL)
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_text(strings.COPIED)
    expect(page.locator(".es-said")).to_have_text(strings.COPIED)
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(
        "This is a fake answer, because no model is loaded and nothing was listened to. You asked: Is"
    )
    assert '<b>"A"</b> & ${alert(1)} a *sound*?' in copied and copied.endswith("compare what it heard.")
    expect(button).to_have_text(strings.COPY)


def test_a_browser_that_forbids_copying_is_said_to(page: Page) -> None:
    refuse = "() => Promise.reject(new DOMException('no', 'NotAllowedError'))"
    page.evaluate(f"() => {{ navigator.clipboard.writeText = {refuse}; }}")
    ask(page, "What is a sound?")
    page.click(".es-copy")
    expect(page.locator(".es-said")).to_have_text(strings.NOT_COPIED)


def test_the_hint_comes_once_and_help_says_it_again(page: Page) -> None:
    hint = page.locator(".es-hint")
    expect(hint).to_be_visible()
    page.click(".es-hint-close")
    expect(hint).to_be_hidden()
    expect(page.locator(BOX)).to_be_focused()
    again(page)
    page.wait_for_timeout(300)
    expect(hint).to_be_hidden()
    page.click(".es-help-open")
    expect(page.locator("#help")).to_contain_text(strings.STEPS[0])
    for name, what in strings.MORE_LIST:
        expect(page.locator("#help")).to_contain_text(f"{name}: {what}")
    expect(page.locator("#help kbd")).to_have_text([key for key, _ in strings.KEY_LIST])
    page.get_by_role("button", name=strings.CLOSE, exact=True).click()
    expect(page.locator("#help")).to_be_hidden()
    expect(page.locator(".es-help-open")).to_be_focused()


def test_the_hint_goes_with_the_first_question(page: Page) -> None:
    expect(page.locator(".es-hint")).to_be_visible()
    ask(page, "What is a sound?")
    expect(page.locator(".es-hint")).to_be_hidden()


def kept(page: Page) -> None:
    """Waits until the store has not changed for two seconds: what is chosen goes to the server and back."""
    page.evaluate("window.changed = performance.now()")
    page.wait_for_function(
        """key => {
            const now = localStorage.getItem(key);
            if (now !== window.before) [window.before, window.changed] = [now, performance.now()];
            return performance.now() - window.changed > 2000;
        }""",
        arg=STORAGE_KEY,
        polling=50,
    )


def change_settings(page: Page) -> None:
    page.locator("#settings .toggle-button").click()
    page.click("#method input")
    page.get_by_role("option", name="target").click()
    expect(page.locator("#alpha input[type=number]")).to_have_value("0.5")
    page.click("#adapter input")
    page.get_by_role("option", name="example-adapter").click()
    page.check("#facts input")
    page.fill("#max-tokens input", "12")
    page.press("#max-tokens input", "Tab")
    page.fill("#system textarea", "Be <b>brief</b>.")
    page.press("#system textarea", "Tab")
    kept(page)


def test_settings_come_back_at_the_next_visit_until_the_defaults_are_asked_for(page: Page, engine: FakeEngine) -> None:
    change_settings(page)
    again(page)
    page.locator("#settings .toggle-button").click()
    expect(page.locator("#method input")).to_have_value("target")
    expect(page.locator("#alpha input[type=number]")).to_have_value("0.5")
    expect(page.locator("#adapter input")).to_have_value("example-adapter")
    expect(page.locator("#facts input")).to_be_checked()
    expect(page.locator("#max-tokens input")).to_have_value("12")
    expect(page.locator("#system textarea")).to_have_value("Be <b>brief</b>.")
    ask(page, "What is a sound?")
    expect(page.locator(".es-cost")).to_contain_text("boost target 0.5 · adapter example-adapter")
    assert (engine.asked[0][1].max_tokens, engine.asked[0][1].system) == (12, "Be <b>brief</b>.")

    page.click("#defaults")
    expect(page.locator("#alpha")).to_be_hidden()
    expect(page.locator("#max-tokens input")).to_have_value("160")
    kept(page)
    again(page)
    page.locator("#settings .toggle-button").click()
    expect(page.locator("#method input")).to_have_value("off")
    expect(page.locator("#facts input")).not_to_be_checked()


def test_the_settings_of_the_second_pane_are_not_kept(page: Page) -> None:
    page.locator("#settings .toggle-button").click()
    page.fill("#max-tokens input", "33")
    page.press("#max-tokens input", "Tab")
    page.click("#add-pane input")
    page.get_by_role("option", name=strings.WITH_SAME).click()
    expect(page.locator("#chat-2")).to_be_visible()
    page.fill("#max-tokens input", "44")
    page.press("#max-tokens input", "Tab")
    kept(page)
    again(page)
    page.locator("#settings .toggle-button").click()
    expect(page.locator("#max-tokens input")).to_have_value("33")


@pytest.mark.parametrize("content", ["", "null", "x:y", "not what it was", "a:b:c:" + "Z" * 5000])
def test_a_spoilt_store_leaves_the_page_as_it_is_at_first(page: Page, engine: FakeEngine, content: str) -> None:
    page.evaluate("([key, content]) => localStorage.setItem(key, content)", [STORAGE_KEY, content])
    again(page)
    ask(page, "What is a sound?")
    expect(page.locator(".es-copy")).to_have_count(1)
    assert engine.asked[0][1] == engine.info.default


def test_the_status_says_what_goes_on_and_speaks_only_when_it_changes(
    page: Page, engine: FakeEngine, example: Path
) -> None:
    attach(page, *(example / f"{name}.flac" for name in ("cat_meow", "dog_bark", "rooster_crow")))
    expect(page.locator(".es-pending")).to_have_count(3)
    page.evaluate("""() => {
        window.spoken = []; window.seen = []; window.busy = new Set();
        const phase = document.querySelector("#status [role=status]"), pace = document.querySelector(".es-pace");
        const note = () => {
            if (phase.textContent !== (window.spoken.at(-1) ?? "Ready.")) window.spoken.push(phase.textContent);
            window.seen.push(pace.textContent);
            window.busy.add(document.querySelector("#chat [role=log]").getAttribute("aria-busy"));
        };
        new MutationObserver(note).observe(document.querySelector("#status"),
            {subtree: true, childList: true, characterData: true});
        window.phase = phase;
    }""")
    engine.delay_seconds = 0.03
    ask(page, "Which is it?")
    ended(page, 1)
    spoken, seen = page.evaluate("window.spoken"), page.evaluate("window.seen")
    assert spoken[:2] == ["Listening to 3 clips …", strings.ANSWERING]
    assert len(spoken) == 3 and re.fullmatch(r"first token in \d\.\d s · \d+ tokens/s", spoken[2])
    running = [words for words in seen if words]
    assert len(set(running)) > 3
    assert all(re.fullmatch(r"first token in \d\.\d s · \d+ tokens? so far", words) for words in running)
    assert page.evaluate("window.phase.isConnected"), "a reader follows one element"
    assert "true" in page.evaluate("[...window.busy]")
    expect(page.locator("#chat [role=log]")).to_have_attribute("aria-busy", "false")

"""What a person needs who does not see, point, hear or read as others do: checked by axe-core and by measuring."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from chat_app import strings
from core.fake import FakeEngine
from tests.browser.conftest import PATIENCE_MS
from tests.browser.test_page import ask, attach, ended, wide
from tests.test_contrast import ENOUGH, contrast

pytestmark = [
    pytest.mark.browser,
    # The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

GRADIOS_OWN: dict[str, str] = {}
"""Rules of axe that Gradio breaks in its own elements where nothing of ours can mend it, each with the reason."""
SMALLEST_TARGET = 24
BOX = "#box textarea"


def scan(page: Page) -> list[str]:
    """What axe-core finds, one line an element."""
    # Half-way through a fade a colour is neither the one nor the other.
    page.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished.catch(() => {})))")
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:120]}"
        for rule in found
        for node in rule["nodes"]
        if rule["id"] not in GRADIOS_OWN
    ]


def small_targets(page: Page) -> list[str]:
    """Our own visible controls that are smaller than a finger."""
    return page.evaluate(
        """smallest => [...document.querySelectorAll(
            "[class^=es-] button, button[class^=es-], summary, #actions button, #defaults, .es-pane-bar button")]
          .filter(found => found.checkVisibility({visibilityProperty: true}))
          .map(found => [found, found.getBoundingClientRect()])
          .filter(([, {width, height}]) => width < smallest || height < smallest)
          .map(([found, {width, height}]) => `${found.outerHTML.slice(0, 80)} ${width} x ${height}`)""",
        SMALLEST_TARGET,
    )


def check(page: Page) -> None:
    assert scan(page) == []
    assert small_targets(page) == []
    assert wide(page) <= 0


@pytest.fixture(
    params=[("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)], ids=lambda way: f"{way[0]}{way[1]}"
)
def shown(request: pytest.FixtureRequest, browser: Browser, address: str, engine: FakeEngine) -> Iterator[Page]:
    """An open page in one theme and width."""
    scheme, width = request.param
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.wait_for_selector(BOX)
    yield page
    context.close()


def test_nothing_is_in_anybodys_way(shown: Page, engine: FakeEngine, example: Path) -> None:
    expect(shown.locator(".es-hint")).to_be_visible()
    check(shown)
    shown.click(".es-help-open")
    check(shown)
    shown.keyboard.press("Escape")

    attach(shown, *(example / f"{name}.flac" for name in ("cat_meow", "dog_bark")), example / "CREDITS.md")
    expect(shown.locator(".es-pending")).to_have_count(2)
    check(shown)
    shown.locator(".es-open").first.click()
    shown.click("#clip-draw")
    expect(shown.locator("#clip-spectrogram [role=img]")).to_be_visible()
    check(shown)
    shown.click("#clip-close")

    ask(shown, "Which is louder?")
    ended(shown, 1)
    expect(shown.locator("#retry")).to_be_enabled()
    shown.locator(".es-basis summary").click()
    shown.locator(".es-by-word summary").click()
    check(shown)
    shown.click("#matter")
    expect(shown.locator(".es-effects b")).not_to_have_count(0)
    expect(shown.locator("#orders")).to_be_enabled()
    shown.click("#orders")
    expect(shown.locator(".es-ordered li")).to_have_count(2, timeout=PATIENCE_MS)
    expect(shown.locator("#orders")).to_be_enabled(timeout=PATIENCE_MS)
    check(shown)

    shown.locator("#settings .toggle-button").click()
    shown.click("#method input")
    shown.get_by_role("option", name="target").click()
    expect(shown.locator("#alpha")).to_be_visible()
    shown.wait_for_timeout(500)  # the sidebar slides in
    check(shown)

    shown.click("#add-pane input")
    shown.get_by_role("option", name=strings.WITH_SAME).click()
    expect(shown.locator("#chat-2")).to_be_visible()
    shown.locator("#settings .toggle-button").click()
    ask(shown, "And which is longer?")
    expect(shown.locator(".es-copy")).to_have_count(4, timeout=PATIENCE_MS)
    expect(shown.locator("#retry")).to_be_enabled()
    check(shown)


def focused(page: Page) -> tuple[str, bool, bool]:
    """What has the focus, whether it can be seen, and whether something is drawn around it or changes its edge."""
    words, seen, marked = page.evaluate("""() => {
        const found = document.activeElement, edge = found.getBoundingClientRect(), style = getComputedStyle(found);
        const inside = edge.right > 0 && edge.left < innerWidth && edge.bottom > 0 && edge.top < innerHeight;
        const words = found.id || found.getAttribute("aria-label") || found.innerText;
        // Gradio takes the outline from fields and marks their edge instead; the box is marked as a whole.
        const box = found.closest("#box");
        const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
        const framed = box && getComputedStyle(box).borderColor !== window.idle;
        return [words, inside, Boolean(outlined || framed || style.boxShadow !== "none")];
    }""")
    return words, seen, marked


def test_tab_goes_from_the_box_to_send_and_on_and_is_always_seen(page: Page, example: Path) -> None:
    attach(page, example / "cat_meow.flac")
    expect(page.locator(".es-pending")).to_have_count(1)
    ask(page, "What is it?")
    ended(page, 1)
    page.evaluate("document.activeElement.blur()")
    page.evaluate("window.idle = getComputedStyle(document.querySelector('#box')).borderColor")
    page.focus(BOX)
    way = []
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            continue
        words, seen, marked = focused(page)
        way.append(words)
        assert seen, f"{words!r} has the focus and lies outside the screen"
        assert marked, f"{words!r} has the focus and does not show it"
        if words == strings.BOX_LABEL:
            break
    expected = ["Record audio", "Submit", "retry", "edit", "undo", "clear", "matter", strings.SETTINGS, strings.HELP]
    assert way[: len(expected)] == expected
    assert way[-1] == strings.BOX_LABEL
    tray = way.index("Put “clip A” into the question")
    of_clip = ["Play clip A, cat_meow.flac", "Clip A, cat_meow.flac: name, place, part, measures"]
    assert way[tray + 1 : tray + 3] == of_clip, way


def test_the_page_has_a_language_a_title_landmarks_and_headings_in_order(page: Page) -> None:
    for number in range(2):
        ask(page, f"What is a sound, {number}?")
        expect(page.locator(".es-copy")).to_have_count(number + 1)
    assert page.evaluate("[document.documentElement.lang.slice(0, 2), document.title]") == ["en", strings.TITLE]
    assert page.get_by_role("main").count() == 1
    headings = page.get_by_role("heading").evaluate_all(
        "found => found.map(one => [Number(one.ariaLevel ?? one.tagName[1]), one.innerText])"
    )
    assert headings == [
        [1, strings.TITLE],
        [2, strings.CHAT_LABEL],
        [3, "What is a sound, 0?"],
        [3, "What is a sound, 1?"],
    ]


def test_who_wants_no_motion_gets_none(browser: Browser, address: str, engine: FakeEngine) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(BOX)
    engine.delay_seconds = 1.0
    ask(page, "What is a sound?")
    page.wait_for_selector(".es-waiting", state="attached")
    page.locator("#settings .toggle-button").click()
    running = "document.getAnimations().filter(one => one.effect.getComputedTiming().duration > 1)"
    assert page.evaluate(f"{running}.map(one => `${{one.effect.target.className}} ${{one.transitionProperty}}`)") == []
    smooth = (
        "[...document.querySelectorAll('*')].filter(one => getComputedStyle(one).scrollBehavior === 'smooth').length"
    )
    assert page.evaluate(smooth) == 0
    engine.delay_seconds = 0.01
    context.close()


def test_who_wants_contrast_gets_muted_words_in_full(browser: Browser, address: str, engine: FakeEngine) -> None:
    context = browser.new_context(contrast="more")
    page = context.new_page()
    page.goto(address)
    colours = "selector => getComputedStyle(document.querySelector(selector)).color"
    page.wait_for_selector(".es-limits")
    assert page.evaluate(colours, ".es-limits") == page.evaluate(colours, ".es-phase")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_muted_words_stand_out_wherever_they_may_stand(
    browser: Browser, address: str, engine: FakeEngine, scheme: str
) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(".es-limits")
    # A canvas turns any notation of a colour into the bytes that are drawn.
    drawn = """name => {
        const probe = document.createElement("i"), pen = document.createElement("canvas").getContext("2d");
        document.querySelector(".gradio-container .contain").append(probe);
        probe.style.color = `var(${name})`;
        pen.fillStyle = getComputedStyle(probe).color;
        pen.fillRect(0, 0, 1, 1);
        probe.remove();
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map(part => part / 255);
    }"""
    muted = page.evaluate(drawn, "--es-muted")
    grounds = {f"--background-fill-{kind}" for kind in ("primary", "secondary")} | {"--block-background-fill"}
    for ground in grounds:
        assert contrast(tuple(muted), tuple(page.evaluate(drawn, ground))) >= ENOUGH, ground
    context.close()


def test_a_long_reason_is_read_in_full_on_a_telephone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    reason = "the most exact that fits into 12 GB beside the clips, " * 3
    words = f"organisation/A-Rather-Long-Checkpoint-Name-7B-Instruct · nf4 · {reason}"
    page.evaluate("words => { document.querySelector('.es-model').textContent = words; }", words)
    model = page.locator(".es-model")
    clipped = "found => [found.scrollWidth - found.clientWidth, found.scrollHeight - found.clientHeight]"
    assert max(model.evaluate(clipped)) <= 1
    expect(model).to_be_in_viewport(ratio=1)
    expect(page.locator("#limits")).to_be_hidden()  # the help has them

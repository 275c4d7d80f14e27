"""What a person does with clips, in a real browser: hear, name, order, cut, remove; by mouse and by keyboard."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from chat_app import strings
from core.audio import read_clip
from core.fake import FakeEngine
from tests.browser.conftest import SWITCHES, chromium_path
from tests.browser.test_page import ask, attach, ended, send, wide
from tests.seen import HOSTILE

pytestmark = [
    pytest.mark.browser,
    # The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

NAME = "#clip-name :is(input, textarea)"


def dropped(page: Page, example: Path, *names: str) -> None:
    """Attaches shipped clips and waits for their letters."""
    attach(page, *(example / f"{name}.flac" for name in names))
    expect(page.locator(".es-pending")).to_have_count(len(names))


def names(page: Page) -> Locator:
    return page.locator("#tray .es-name")


def opened(page: Page, place: int) -> None:
    """Opens the panel of a clip."""
    page.locator(".es-open").nth(place).click()
    expect(page.locator(".es-open").nth(place)).to_have_attribute("aria-expanded", "true")
    expect(page.locator(NAME)).to_be_focused()


def rename(page: Page, name: str) -> None:
    page.fill(NAME, name)
    page.press(NAME, "Enter")


def choose(page: Page, which: str, seconds: float) -> None:
    """Sets the start or the end of a part."""
    page.fill(f"#clip-{which} input[type=number]", str(seconds))
    page.press(f"#clip-{which} input[type=number]", "Tab")


def trim(page: Page, start: float, stop: float) -> None:
    choose(page, "start", start)
    choose(page, "stop", stop)
    page.click("#clip-trim")
    expect(page.locator("#clip-note")).to_contain_text(f"{start:.2f} to {stop:.2f} s")


def labels(engine: FakeEngine, question: int = -1) -> list[str]:
    return [clip.label for clip in engine.asked[question][0].clips]


def test_clips_are_told_before_they_are_sent_and_the_boxs_own_thumbnails_are_gone(page: Page, example: Path) -> None:
    dropped(page, example, "cat_meow", "dog_bark")
    expect(page.locator(".es-count")).to_have_text("2 of 8 clips, 6.9 s · letters C to H are free")
    expect(page.locator("#box .thumbnail-wrapper").first).to_be_hidden()
    expect(page.locator("#box .thumbnail-add")).to_be_visible()


def test_a_clip_is_named_moved_and_removed_in_its_panel(page: Page, engine: FakeEngine, example: Path) -> None:
    dropped(page, example, "cat_meow", "dog_bark", "rooster_crow")
    page.fill("#box textarea", "Which is the cat?")
    opened(page, 0)
    expect(page.locator("#clip-earlier")).to_be_disabled()
    rename(page, "puss")
    expect(names(page)).to_have_text(["puss", "dog_bark.flac", "rooster_crow.flac"])
    page.click("#clip-later")
    expect(names(page)).to_have_text(["dog_bark.flac", "puss", "rooster_crow.flac"])
    expect(page.locator("#clip-head")).to_contain_text(strings.WAITING_CLIP.format(letter="B"))
    page.click("#clip-later")
    expect(page.locator("#clip-later")).to_be_disabled()
    expect(page.locator(".es-open").nth(2)).to_have_attribute("aria-expanded", "true")

    opened(page, 0)
    page.click("#clip-remove")
    expect(page.locator("#clip")).to_be_hidden()
    expect(names(page)).to_have_text(["rooster_crow.flac", "puss"])
    expect(page.locator("#box textarea")).to_have_value("Which is the cat?")
    send(page)
    ended(page, 1)
    assert labels(engine) == ["rooster_crow.flac", "puss"]


def test_a_part_is_what_the_model_hears_and_what_is_played(page: Page, engine: FakeEngine, example: Path) -> None:
    dropped(page, example, "dog_bark", "cat_meow")
    whole = read_clip(example / "dog_bark.flac")
    opened(page, 0)
    choose(page, "stop", 0.02)
    page.click("#clip-trim")
    expect(page.locator("#clip-note")).to_contain_text("so little of it cannot be heard")
    trim(page, 0.5, 1.25)
    expect(page.locator(".es-seconds").first).to_have_text("0.8 s")
    expect(page.locator("#clip-facts")).to_contain_text("0.75 s")
    played = page.evaluate("""() => new Promise((done) => {
        const audio = new Audio(document.querySelector(".es-clip").dataset.src);
        audio.addEventListener("loadedmetadata", () => done(audio.duration));
    })""")
    assert played == pytest.approx(0.75, abs=1e-3)

    opened(page, 1)
    expect(page.locator("#clip-whole")).to_be_disabled()
    opened(page, 0)
    expect(page.locator("#clip-start input[type=number]")).to_have_value("0.5")
    expect(page.locator("#clip-stop input[type=number]")).to_have_value("1.25")
    ask(page, "What is it?")
    ended(page, 1)
    expect(page.locator("#clip")).to_be_hidden()
    heard = engine.asked[0][0].clips[0]
    assert np.array_equal(heard.samples, whole.samples[8_000:20_000])

    page.click("#edit")
    expect(page.locator(".es-pending .es-cut")).to_have_text("0.50 to 1.25 s of it")
    opened(page, 0)
    page.click("#clip-whole")
    expect(page.locator(".es-cut")).to_have_count(0)
    send(page)
    ended(page, 1)
    assert engine.asked[1][0].clips[0] == whole


def test_the_same_file_twice_can_be_two_parts(page: Page, engine: FakeEngine, example: Path) -> None:
    dropped(page, example, "dog_bark", "dog_bark")
    opened(page, 0)
    trim(page, 0.0, 1.0)
    opened(page, 1)
    trim(page, 2.0, 3.5)
    page.locator(".es-remove").first.click()
    expect(page.locator(".es-cut")).to_have_text(["2.00 to 3.50 s of it"])
    ask(page, "What is it?")
    ended(page, 1)
    assert [clip.seconds for clip in engine.asked[0][0].clips] == [1.5]


def test_a_sent_clip_keeps_its_place_and_sound_and_may_be_named(page: Page, engine: FakeEngine, example: Path) -> None:
    dropped(page, example, "dog_bark")
    ask(page, "What is it?")
    ended(page, 1)
    opened(page, 0)
    expect(page.locator("#clip-head")).to_contain_text(strings.SENT_CLIP.format(letter="A"))
    for control in ("#clip-earlier", "#clip-later", "#clip-remove", "#clip-part", ".es-remove"):
        expect(page.locator(control)).to_be_hidden()
    rename(page, "Rex")
    expect(page.locator("#chat .es-chip")).to_contain_text("Rex")
    expect(page.locator("#chat .es-meter")).to_contain_text("Rex")

    engine.delay_seconds = 0.2
    ask(page, "And now?")
    page.locator("#chat .bot").nth(1).get_by_text("This is a").wait_for()
    rename(page, "Waldi")
    expect(page.locator("#clip-note")).to_have_text(strings.RENAME_LATER)
    page.locator("#box .stop-button").click()
    ended(page, 2)
    assert labels(engine) == ["Rex"]
    page.click("#undo")
    expect(page.locator(".es-meter")).to_have_count(1)
    expect(names(page)).to_have_text(["Rex"])
    page.click("#undo")
    expect(names(page)).to_have_text(["dog_bark.flac"])


def test_a_sent_clip_is_not_named_while_every_order_is_asked(page: Page, engine: FakeEngine, example: Path) -> None:
    dropped(page, example, "dog_bark", "cat_meow")
    ask(page, "Which is louder?")
    ended(page, 1)
    opened(page, 1)
    engine.delay_seconds = 0.2
    page.click("#orders")
    expect(page.locator("#box .stop-button")).to_be_visible()
    rename(page, "puss")
    expect(page.locator("#clip-note")).to_have_text(strings.RENAME_LATER)
    page.locator("#box .stop-button").click()
    expect(page.locator("#box .submit-button")).to_be_visible()
    rename(page, "puss")
    expect(names(page)).to_have_text(["dog_bark.flac", "puss"])


def test_the_next_clips_are_prepared_while_an_answer_runs(page: Page, engine: FakeEngine, example: Path) -> None:
    dropped(page, example, "dog_bark")
    engine.delay_seconds = 0.25
    ask(page, "What is it?")
    page.locator("#chat .bot").get_by_text("This is a").wait_for()
    dropped(page, example, "cat_meow", "violin_a4")
    expect(page.locator(".es-badge.es-mention")).to_have_text(["A", "B", "C"])
    opened(page, 1)
    rename(page, "puss")
    expect(names(page)).to_have_text(["dog_bark.flac", "puss", "violin_a4.flac"])
    trim(page, 0.5, 1.5)
    page.click("#clip-later")
    expect(names(page)).to_have_text(["dog_bark.flac", "violin_a4.flac", "puss"])
    expect(page.locator("#clip-head")).to_contain_text(strings.WAITING_CLIP.format(letter="C"))
    page.locator("#box .stop-button").click()
    ended(page, 1)
    expect(names(page)).to_have_text(["dog_bark.flac", "violin_a4.flac", "puss"])
    engine.delay_seconds = 0.01
    ask(page, "And these?")
    ended(page, 2)
    assert labels(engine) == ["dog_bark.flac", "violin_a4.flac", "puss"]
    assert engine.asked[1][0].clips[2].seconds == 1.0


def test_by_keyboard_alone(page: Page, engine: FakeEngine, example: Path) -> None:
    dropped(page, example, "cat_meow", "dog_bark", "rooster_crow")
    page.locator(".es-open").nth(0).focus()
    page.keyboard.press("Alt+ArrowRight")
    expect(names(page)).to_have_text(["dog_bark.flac", "cat_meow.flac", "rooster_crow.flac"])
    expect(page.locator(".es-open").nth(1)).to_be_focused()
    page.keyboard.press("Alt+ArrowLeft")
    page.keyboard.press("Alt+ArrowLeft")
    expect(names(page)).to_have_text(["cat_meow.flac", "dog_bark.flac", "rooster_crow.flac"])
    expect(page.locator(".es-open").nth(0)).to_be_focused()

    page.keyboard.press("Enter")
    expect(page.locator(NAME)).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("puss")
    page.keyboard.press("Enter")
    expect(names(page).first).to_have_text("puss")
    page.locator("#clip-close").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#clip")).to_be_hidden()
    expect(page.locator(".es-open").nth(0)).to_be_focused()

    page.keyboard.press("Tab")
    expect(page.locator(".es-remove").nth(0)).to_be_focused()
    page.keyboard.press("Enter")
    expect(names(page)).to_have_text(["dog_bark.flac", "rooster_crow.flac"])
    expect(page.locator(".es-open").nth(1)).to_be_focused()

    page.locator(".es-mention").nth(0).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#box textarea")).to_be_focused()
    page.keyboard.type(" or")
    page.locator(".es-mention").nth(1).focus()
    page.keyboard.press("Space")
    expect(page.locator("#box textarea")).to_have_value("clip A or clip B")
    page.keyboard.press("Enter")
    ended(page, 1)
    assert engine.asked[0][0].turns[-1].text == "clip A or clip B"


def test_a_clip_is_played_from_where_a_person_points(page: Page, example: Path) -> None:
    dropped(page, example, "dog_bark", "cat_meow")
    slider = page.locator(".es-seek").nth(1)

    def position() -> float:
        return float(slider.get_attribute("aria-valuenow") or "nan")

    slider.focus()
    page.keyboard.press("End")
    assert position() == pytest.approx(2.9, abs=0.06)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert position() == pytest.approx(0.3, abs=0.05)
    slider.click(position={"x": slider.bounding_box()["width"] / 2, "y": 8})
    assert position() == pytest.approx(1.4, abs=0.1)
    expect(slider).to_have_attribute("aria-valuetext", f"{position():.1f} / 2.9 s")
    page.evaluate("""
        window.heard = [];
        const slider = document.querySelectorAll(".es-seek")[1];
        new MutationObserver(() => window.heard.push(Number(slider.ariaValueNow))).observe(slider, {attributes: true});
    """)
    slider.focus()
    page.keyboard.press("Space")
    playing = page.locator(".es-playing")
    expect(playing).to_have_count(1)
    page.wait_for_function("document.querySelectorAll('.es-seek')[1].ariaValueNow > 1.6")
    assert page.evaluate("Math.min(...window.heard)") >= 1.2, "it plays from there"

    page.locator(".es-play").nth(0).click()
    expect(playing).to_have_count(1)
    expect(playing.locator(".es-name")).to_have_text("dog_bark.flac")
    opened(page, 1)
    rename(page, "puss")
    expect(names(page)).to_have_text(["dog_bark.flac", "puss"])
    expect(playing.locator(".es-name")).to_have_text("dog_bark.flac")
    page.locator(".es-remove").nth(0).click()
    expect(names(page)).to_have_text(["puss"])
    expect(playing).to_have_count(0)


def test_clips_are_dragged_to_places_and_into_the_question(page: Page, engine: FakeEngine, example: Path) -> None:
    dropped(page, example, "cat_meow", "dog_bark", "rooster_crow")
    clips = page.locator(".es-pending")
    clips.nth(2).locator(".es-name").drag_to(clips.nth(0))
    expect(names(page)).to_have_text(["rooster_crow.flac", "cat_meow.flac", "dog_bark.flac"])
    page.fill("#box textarea", "Is this louder:")
    clips.nth(1).locator(".es-name").drag_to(page.locator("#box textarea"))
    expect(page.locator("#box textarea")).to_have_value("Is this louder: clip B")
    send(page)
    ended(page, 1)
    assert labels(engine) == ["rooster_crow.flac", "cat_meow.flac", "dog_bark.flac"]


@pytest.mark.parametrize("target", ["#tray", "#box textarea"])
def test_files_are_dropped_on_the_tray_as_on_the_box(page: Page, example: Path, target: str) -> None:
    content = list((example / "dog_bark.flac").read_bytes())
    page.evaluate(
        """([target, content]) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(content)], "dropped.flac", {type: "audio/flac"}));
            const goal = document.querySelector(`${target} .es-tray-empty`) || document.querySelector(target);
            for (const type of ["dragenter", "dragover", "drop"]) {
                goal.dispatchEvent(new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer}));
            }
        }""",
        [target, content],
    )
    expect(names(page)).to_have_text(["dropped.flac"])


@pytest.mark.parametrize("name", [*HOSTILE, "${alert(1)}{{value}}`${alert(2)}`"])
def test_a_hostile_name_stays_text(page: Page, engine: FakeEngine, example: Path, name: str) -> None:
    dropped(page, example, "dog_bark")
    opened(page, 0)
    rename(page, name)
    expect(page.locator("#clip-note")).to_have_text(strings.RENAMED)
    page.click("#clip-draw")
    expect(page.locator("#clip-spectrogram img")).to_be_visible()
    ask(page, "What is it?")
    ended(page, 1)
    kept = labels(engine)[0]
    assert kept in (name, f"{name[:48]}…{name[-11:]}", name.replace("\u202e", ""))
    expect(names(page)).to_have_text(kept)
    expect(page.locator("#chat .es-chip")).to_contain_text(kept)
    assert page.locator("#tray img, #chat img, #tray script").count() == 0
    assert wide(page) <= 0


def test_a_telephone_has_the_panel_too(page: Page, example: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    dropped(page, example, "cat_meow", "dog_bark", "rooster_crow")
    opened(page, 1)
    page.click("#clip-draw")
    expect(page.locator("#clip-spectrogram figure")).to_be_visible()
    assert wide(page) <= 0
    panel = page.locator("#clip").bounding_box()
    assert panel["x"] >= 0 and panel["x"] + panel["width"] <= 390
    for control in ("rename", "earlier", "later", "remove", "trim", "whole", "draw"):
        box = page.locator(f"#clip-{control}").bounding_box()
        assert panel["x"] <= box["x"] and box["x"] + box["width"] <= panel["x"] + panel["width"], control


def test_a_recording_becomes_a_clip(browser: Browser, address: str, engine: FakeEngine) -> None:
    microphone = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    found = browser.browser_type.launch(executable_path=chromium_path(), args=[*SWITCHES, *microphone])
    page = found.new_page()
    page.goto(address)
    page.get_by_role("button", name="Record audio").click()
    page.get_by_role("button", name="Start recording").click()
    expect(page.locator("#box .timestamp")).to_have_text(re.compile("0:(0[2-9]|[1-9])"))  # a busy machine skips some
    page.get_by_role("button", name="Stop recording").click()
    page.get_by_role("button", name="Attach audio").click()
    expect(names(page)).to_have_text([f"{strings.RECORDING} 1"])
    ask(page, "What is it?")
    ended(page, 1)
    assert engine.asked[0][0].clips[0].seconds > 0.5
    found.close()

"""What a person does, in a real browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from chat_app import strings
from core.fake import FakeEngine
from core.types import Boost

pytestmark = [
    pytest.mark.browser,
    # The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def attach(page: Page, *files: Path) -> None:
    page.set_input_files("#box input[type=file]", [str(file) for file in files])


def ask(page: Page, question: str) -> None:
    page.fill("#box textarea", question)
    send(page)


def send(page: Page) -> None:
    page.press("#box textarea", "Enter")


def ended(page: Page, answers: int) -> None:
    """Waits until so many answers have their meter and the box can send again."""
    expect(page.locator(".es-meter")).to_have_count(answers)
    expect(page.locator("#box .submit-button")).to_be_visible()


def wide(page: Page) -> int:
    """Pixels the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def test_three_clips_an_answer_stop_and_on(page: Page, engine: FakeEngine, example: Path) -> None:
    attach(page, *(example / f"{name}.flac" for name in ("cat_meow", "dog_bark", "rooster_crow")))
    expect(page.locator(".es-pending .es-badge")).to_have_text(["A", "B", "C"])
    expect(page.locator(".es-pending .es-name")).to_have_text(["cat_meow.flac", "dog_bark.flac", "rooster_crow.flac"])

    page.evaluate("""
        window.seen = new Set();
        new MutationObserver(() => {
            const text = document.querySelector("#chat .bot")?.innerText;
            if (text) window.seen.add(text);
        }).observe(document.querySelector("#chat"), {subtree: true, childList: true, characterData: true});
    """)
    ask(page, "Which clip has a dog barking?")
    ended(page, 1)
    assert page.evaluate("window.seen.size") > 3, "the text arrives in pieces"
    expect(page.locator("#chat")).to_contain_text("This is a fake answer")
    expect(page.locator(".es-meter [role=meter]")).to_have_count(4)
    expect(page.locator(".es-pending")).to_have_count(0)
    expect(page.locator("#status [role=status]")).to_contain_text(
        re.compile(r"first token in \d+\.\d s · \d+ tokens/s")
    )

    engine.delay_seconds = 0.2
    ask(page, "And which one is the longest?")
    expect(page.locator("#chat")).to_contain_text("This is a fake answer", use_inner_text=True)
    page.locator("#chat .bot").nth(1).get_by_text("answer, because").wait_for()
    page.locator("#box .stop-button").click()
    ended(page, 2)
    expect(page.locator("#status [role=status]")).to_contain_text("stopped")
    said = page.locator("#chat .bot").nth(1).inner_text()
    assert said.startswith("This is a fake") and "would now compare" not in said

    engine.delay_seconds = 0.01
    attach(page, example / "violin_a4.flac")
    expect(page.locator(".es-pending .es-badge")).to_have_text(["D"])
    ask(page, "Is D a violin?")
    ended(page, 3)
    conversation = engine.asked[2][0]
    assert [turn.role for turn in conversation.turns] == ["user", "assistant"] * 2 + ["user"]
    assert [clip.label for clip in conversation.clips][3] == "violin_a4.flac"
    assert conversation.turns[3].text.startswith("This is a fake")


def test_a_broken_and_a_hostile_file_among_good_ones(
    page: Page, engine: FakeEngine, example: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken take.wav"
    broken.write_text("no sound")
    # Gradio drops some characters from names; what is left must stay text, and so must the question.
    hostile = tmp_path / "<img src=x onerror=alert(1)>${alert(2)}{{3}}'onload='alert(4).flac"
    hostile.write_bytes((example / "piano_a4.flac").read_bytes())
    attach(page, broken, hostile, example / "violin_a4.flac")
    expect(page.locator(".es-bad")).to_contain_text("broken take.wav: ")
    expect(page.locator(".es-pending .es-badge")).to_have_text(["A", "B"])

    question = "<img src=x onerror=alert(5)> ![x](http://127.0.0.2/x.png) ${alert(6)} <b>Which?</b>"
    ask(page, question)
    ended(page, 1)
    expect(page.locator(".es-question p")).to_have_text(question)
    expect(page.locator(".es-notice")).to_contain_text("broken take.wav: ")
    assert page.locator("#chat img, #tray img").count() == 0
    assert len(engine.asked[0][0].clips) == 2


def test_an_error_in_the_middle_keeps_the_words_and_one_before_keeps_the_box(
    page: Page, engine: FakeEngine, example: Path
) -> None:
    engine.fail_after_tokens = 0
    attach(page, example / "dog_bark.flac")
    expect(page.locator(".es-pending")).to_have_count(1)
    ask(page, "What is it?")
    expect(page.locator(".es-notice")).to_contain_text("as it was told to")
    expect(page.locator("#box textarea")).to_have_value("What is it?")
    expect(page.locator(".es-pending .es-name")).to_have_text(["dog_bark.flac"])

    engine.fail_after_tokens = 5
    send(page)
    ended(page, 1)
    expect(page.locator("#chat")).to_contain_text("This is a fake answer,")
    expect(page.locator(".es-notice")).to_contain_text("as it was told to")

    engine.fail_after_tokens = None
    page.click("#retry")
    expect(page.locator("#chat")).to_contain_text("would now compare")
    expect(page.locator(".es-notice")).to_have_count(0)
    assert len(engine.asked) == 3
    assert {len(conversation.clips) for conversation, _ in engine.asked} == {1}


def test_settings_reach_the_engine_and_the_card(page: Page, engine: FakeEngine, example: Path) -> None:
    page.locator("#settings .toggle-button").click()
    page.click("#method input")
    page.get_by_role("option", name="target").click()
    expect(page.locator("#alpha")).to_be_visible()
    page.fill("#alpha input[type=number]", "0.9")
    page.press("#alpha input[type=number]", "Tab")
    page.click("#adapter input")
    page.get_by_role("option", name="example-adapter").click()
    page.check("#facts input")
    page.fill("#max-tokens input", "12")
    page.press("#max-tokens input", "Tab")
    page.click("#preset input")
    page.get_by_role("option", name="plain and short").click()
    expect(page.locator("#system textarea")).not_to_have_value("")

    attach(page, example / "dog_bark.flac", example / "cat_meow.flac")
    expect(page.get_by_text(strings.WEIGHT_LABEL.format(letter="B"))).to_be_visible()
    expect(page.get_by_text(strings.WEIGHT_LABEL.format(letter="C"))).to_be_hidden()
    ask(page, "Which is louder?")
    ended(page, 1)
    chosen = engine.asked[0][1]
    assert chosen.boost == Boost("target", 0.9)
    assert (chosen.adapter, chosen.max_tokens, chosen.facts) == ("example-adapter", 12, True)
    assert chosen.system.startswith("Answer in one or two")
    made_with = f"cut at 12 tokens · boost target 0.9 · adapter example-adapter · {strings.WITH_FACTS}"
    expect(page.locator(".es-cost")).to_contain_text(made_with)
    assert page.locator(".es-meter .es-natural").count() == 3


def test_an_example_fills_the_box_and_can_be_played(page: Page, engine: FakeEngine) -> None:
    page.get_by_role("button", name="Other words").click()
    expect(page.locator("#box textarea")).to_have_value("How do the words of A and B differ?")
    expect(page.locator(".es-pending")).to_have_count(2)
    page.locator(".es-play").first.click()
    page.wait_for_function("document.querySelector('#tray [role=slider]').ariaValueNow > 0")
    expect(page.locator(".es-clip").first).to_have_class(re.compile("es-playing"))
    page.locator(".es-play").first.click()
    send(page)
    ended(page, 1)
    assert len(engine.asked[0][0].clips) == 2


def test_edit_clear_and_undo(page: Page, example: Path) -> None:
    attach(page, example / "dog_bark.flac")
    expect(page.locator(".es-pending")).to_have_count(1)
    ask(page, "What is it?")
    ended(page, 1)
    ask(page, "Are you sure?")
    ended(page, 2)
    page.click("#edit")
    expect(page.locator("#box textarea")).to_have_value("Are you sure?")
    expect(page.locator(".es-meter")).to_have_count(1)

    page.click("#clear")
    expect(page.locator(".es-meter")).to_have_count(0)
    expect(page.locator(".es-clip")).to_have_count(0)
    expect(page.locator("#box textarea")).to_have_value("Are you sure?")
    page.click("#undo")
    expect(page.locator(".es-meter")).to_have_count(1)
    expect(page.locator(".es-clip")).to_have_count(1)
    page.click("#undo")
    expect(page.locator(".es-meter")).to_have_count(2)


def test_without_a_question_the_clips_stay(page: Page, engine: FakeEngine, example: Path) -> None:
    attach(page, example / "dog_bark.flac")
    expect(page.locator(".es-pending")).to_have_count(1)
    send(page)
    expect(page.locator(".es-notice")).to_have_text(strings.NO_QUESTION)
    expect(page.locator(".es-pending")).to_have_count(1)
    assert engine.asked == []


def test_a_telephone_sees_all_of_it(page: Page, example: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    assert wide(page) <= 0
    attach(page, *(example / f"{name}.flac" for name in ("cat_meow", "dog_bark", "rooster_crow", "applause")))
    expect(page.locator(".es-pending")).to_have_count(4)
    assert wide(page) <= 0
    ask(page, "Which clip is the loudest?")
    ended(page, 1)
    page.locator(".es-basis summary").click()
    assert wide(page) <= 0
    card, chat = page.locator(".es-meter").bounding_box(), page.locator("#chat").bounding_box()
    assert chat["x"] <= card["x"] and card["x"] + card["width"] <= chat["x"] + chat["width"]

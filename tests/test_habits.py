"""Help, limits and the copy button as HTML."""

from dataclasses import replace

import pytest

from chat_app import habits, strings
from core.fake import FakeEngine
from tests.test_view import HOSTILE, Elements

INFO = FakeEngine().info


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "Up to 8 clips, 120 s each (heard 30 s at a time), 8,192 tokens in all."),
        ({"window_seconds": 120.0}, "Up to 8 clips, 120 s each, 8,192 tokens in all."),
        ({"context_tokens": 0, "window_seconds": 120.0, "max_clips": 4}, "Up to 4 clips, 120 s each."),
        # No file is read beyond ten minutes, whatever the model could hear.
        ({"longest_seconds": 3600.0}, "Up to 8 clips, 600 s each (heard 30 s at a time), 8,192 tokens in all."),
    ],
)
def test_the_limits_are_those_of_the_model_and_of_files(changes: dict[str, object], line: str) -> None:
    assert habits.limits(replace(INFO, **changes)) == line


@pytest.mark.parametrize("words", HOSTILE)
def test_words_to_copy_stay_one_attribute(words: str) -> None:
    button = Elements(habits.copy_button(f"{words}\n"))
    assert button.tags == ["button"]
    assert dict(button.attributes)["data-words"] == words
    assert not [name for name, _ in button.attributes if name.startswith("on")]
    assert habits.copy_button(" \n") == ""


def test_steps_promise_a_meter_only_where_there_is_one() -> None:
    plain = replace(INFO, attention=False)
    assert strings.STEPS[2] in habits.header("", [plain, INFO]) and strings.STEPS[2] in habits.hint([INFO])
    for html in (habits.header("", [plain]), habits.hint([plain])):
        assert "attended" not in html and strings.STEPS_WITHOUT_METER[2] in html

"""Settings in words: what differs between panes is said, and nothing else."""

from dataclasses import replace

import pytest

from chat_app import strings
from chat_app.side import headings, kinds, varied
from chat_app.told import differences, in_full
from core.fake import FakeEngine
from core.types import Boost, Settings
from tests.pages import form

PLAIN = Settings(boost=Boost("mata", 0.2), temperature=0.5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"boost": Boost("off")}, "no boost"),
        ({"boost": Boost("mata", 0.3)}, "boost mata 0.3"),
        ({"boost": Boost("mata", 0.2, (0.1, 0.9))}, "from 0.1 to 0.9"),
        ({"boost": Boost("mata", 0.2, clip_weights=(1.0, 0.5))}, "clip weights 1, 0.5"),
        ({"adapter": "tuned"}, "adapter tuned"),
        ({"system": "Be <b>brief</b>."}, "Be <b>brief</b>."),
        ({"temperature": 0.0}, "temperature 0"),
        ({"top_p": 0.5}, "top_p 0.5"),
        ({"max_tokens": 7}, "at most 7 tokens"),
        ({"seed": 3}, "seed 3"),
        ({"facts": True}, "measured facts given"),
    ],
)
def test_a_difference_is_said(changes: dict[str, object], words: str) -> None:
    one, other = differences([PLAIN, replace(PLAIN, **changes)], ["m", "m"])
    assert one != other
    assert words in other and words in in_full(replace(PLAIN, **changes))
    (key,) = changes
    assert key == "boost" or other.count("·") <= 2, "what is the same in both is left out"


def test_every_setting_is_in_the_words() -> None:
    assert differences([PLAIN, PLAIN], ["m", "m"]) == ("", "")
    assert differences([PLAIN, PLAIN], ["one", "two"]) == ("one", "two")


def test_panes_opened_with_one_thing_different_say_it() -> None:
    infos = [FakeEngine().info, replace(FakeEngine().info, name="<i>other</i>", attention=False, adapters=())]
    said = {}
    for _, kind in kinds(infos):
        said[kind] = headings([form(), varied(form(), kind, infos)], infos)[1]
    assert "boost mata 0.1" in said["boost"]
    assert "adapter example-adapter" in said["adapter"]
    assert "&lt;i&gt;other&lt;/i&gt;" in said["model 1"] and "<i>" not in said["model 1"]
    assert strings.SAME_SETTINGS in said["same"]
    boosted = varied(form(), "boost", infos)
    assert varied(boosted, "boost", infos).method == "off"
    assert varied(boosted, "model 1", infos).settings(infos[1]).boost.on is False
    assert headings([form()], infos) == ("",)
    assert "Layer band" in headings([form(), replace(boosted, band_from=0.9, band_to=0.1)], infos)[0]

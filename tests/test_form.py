"""The settings as the page gives them and as an engine takes them."""

from dataclasses import replace

import pytest

from chat_app.form import Forms
from core.errors import SettingsError
from core.fake import FakeEngine
from core.types import METHODS, Boost, Settings
from tests.pages import form


def engine(default: Settings, **changes: object) -> FakeEngine:
    made = FakeEngine()
    made.info = replace(made.info, default=default, adapters=("tuned",), **changes)
    return made


@pytest.mark.parametrize("method", METHODS)
def test_the_page_starts_at_the_engines_default_settings(method: str) -> None:
    default = Settings(
        boost=Boost(method=method, alpha=0.3, band=(0.1, 0.9)),
        adapter="tuned",
        system="Be brief.",
        temperature=0.7,
        top_p=0.5,
        max_tokens=33,
        seed=4,
        facts=True,
    )
    asked = engine(default)
    assert form(asked).settings(asked.info) == default


def test_emptied_number_fields_take_the_default() -> None:
    asked = engine(Settings(max_tokens=33, seed=4))
    assert form(asked, max_tokens=None, seed=None, alpha=None).settings(asked.info) == asked.info.default


def test_weights_of_clips_reach_the_boost_and_trailing_ones_are_left_out() -> None:
    chosen = form(method="mata", clip_weights=(1.0, 0.0, 2.5, 1.0, 1.0)).settings(FakeEngine().info)
    assert chosen.boost.clip_weights == (1.0, 0.0, 2.5)


def test_what_an_engine_has_not_is_a_sentence() -> None:
    info = engine(Settings(), attention=False).info
    with pytest.raises(SettingsError, match="no adapter 'other': choose"):
        form(adapter="other").settings(info)
    with pytest.raises(SettingsError, match="cannot be boosted: set"):
        form(method="mata").settings(info)
    assert form(adapter="tuned").settings(info).adapter == "tuned"


def test_each_pane_keeps_its_settings() -> None:
    one, two, three = (form(seed=seed) for seed in (1, 2, 3))
    both = Forms((one,)).beside(two)
    assert both == Forms((one, two), 1)
    assert both.now(three).each == (one, three)
    assert Forms((one, two, three), 2).without(1) == Forms((one, three), 1)
    assert Forms((one, two, three), 0).without(1) == Forms((one, three), 0)
    assert Forms((one, two), 1).without(1) == Forms((one,), 0)

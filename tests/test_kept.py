"""Settings kept in a browser: what a person chose comes back, and whatever else is found there does no harm."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.form import Form
from chat_app.kept import KEPT, kept, restored
from chat_app.sidebar import STRENGTHS, start
from core.engine import EngineInfo
from core.fake import FakeEngine
from core.types import Boost, Settings
from tests.pages import form

INFO = FakeEngine().info
DEAF = replace(INFO, name="deaf", attention=False, adapters=())
TUNED = replace(
    INFO, name="tuned", adapters=("pairs",), default=Settings(boost=Boost("bias", 3.0), adapter="pairs", max_tokens=77)
)
ENGINES = [(INFO,), (DEAF, INFO), (TUNED,), (INFO, DEAF, TUNED)]

CHOSEN = form(
    method="target",
    alpha=0.4,
    band_from=0.1,
    band_to=0.9,
    adapter="example-adapter",
    system="Be brief.",
    temperature=0.7,
    max_tokens=12,
    seed=5,
    facts=True,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(list(STRENGTHS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
contents = values | st.fixed_dictionaries(
    {"model": st.sampled_from(["fake, fp32", "deaf, fp32", "tuned, fp32"]) | values},
    optional={"fields": st.dictionaries(st.sampled_from([*KEPT, "clip_weights", "engine"]), values) | values},
)


def through_a_browser(chosen: Form, infos: tuple[EngineInfo, ...]) -> object:
    return json.loads(json.dumps(kept(chosen, infos)))


def test_what_was_chosen_comes_back_and_weights_of_clips_do_not() -> None:
    assert {name for name in vars(CHOSEN) if getattr(CHOSEN, name) != getattr(start([INFO]), name)} == set(KEPT)
    weighed = replace(CHOSEN, clip_weights=(0.0, *CHOSEN.clip_weights[1:]))
    assert restored(through_a_browser(weighed, (INFO,)), (INFO,)) == CHOSEN


def test_untouched_settings_are_those_of_the_model_that_answers_now() -> None:
    content = through_a_browser(form(temperature=0.7), (INFO,))
    assert restored(content, (TUNED,)) == replace(start([TUNED]), temperature=0.7)
    content = through_a_browser(replace(start([TUNED]), adapter=""), (TUNED,))
    assert restored(content, (INFO,)) == start([INFO])
    assert restored(content, (INFO, TUNED)) == replace(start([INFO, TUNED], 1), adapter="")


def test_a_method_without_its_strength_gets_one_in_range() -> None:
    back = restored({"model": "tuned, fp32", "fields": {"method": "mata"}}, (TUNED,))
    assert (back.method, back.alpha) == ("mata", STRENGTHS["mata"][3])


def test_what_a_model_has_not_falls_back_alone() -> None:
    back = restored(through_a_browser(CHOSEN, (INFO,)), (DEAF,))
    assert back == replace(CHOSEN, method="off", alpha=0.4, adapter="")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "louder"),
        ("method", ["mata"]),
        ("alpha", 2.0),
        ("alpha", float("nan")),
        ("band_from", 0.95),
        ("band_to", -1),
        ("adapter", "another"),
        ("adapter", None),
        ("system", 3),
        ("temperature", 2.5),
        ("temperature", True),
        ("max_tokens", 0),
        ("max_tokens", 10**400),
        ("max_tokens", None),
        ("seed", float("inf")),
        ("seed", "1"),
        ("facts", "yes"),
    ],
)
def test_a_field_that_could_not_have_been_set_is_the_default_and_the_others_stay(name: str, value: object) -> None:
    content = kept(CHOSEN, (INFO,))
    content["fields"][name] = value
    default, together = start([INFO]), {"band_from": ["band_to"], "band_to": ["band_from"]}
    wrong = [name, *together.get(name, [])]
    expected = replace(CHOSEN, **{field: getattr(default, field) for field in wrong})
    assert restored(content, (INFO,)) == expected


@given(contents, st.sampled_from(ENGINES))
def test_whatever_is_found_the_page_can_show_and_the_engine_be_asked(
    content: object, infos: tuple[EngineInfo, ...]
) -> None:
    back = restored(content, infos)
    info = infos[back.engine]
    back.settings(info)
    low, high = STRENGTHS[back.method][:2]
    assert low <= back.alpha <= high and 0 <= back.band_from < back.band_to <= 1 and 0 <= back.temperature <= 2
    assert isinstance(back.system, str) and back.clip_weights == start(infos).clip_weights
    # Once more the same: what was restored can be kept.
    assert restored(kept(back, infos), infos) == back

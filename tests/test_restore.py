"""What was asked comes back as the settings of the page, as near as page and engine come to it, and says where not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import strings
from chat_app.form import Form, Forms
from chat_app.panes import Panes
from chat_app.restore import fitting, form_of, forms_of
from chat_app.session import Attachment, Exchange, Session
from chat_app.sidebar import STRENGTHS, start
from chat_app.told import told
from core.fake import FakeEngine
from core.types import METHODS, Boost, Clip, Settings
from tests.test_serial import all_settings

INFO = FakeEngine().info
MUTE = replace(INFO, name="mute", adapters=(), attention=False)


@st.composite
def forms(draw: st.DrawFn) -> Form:
    """What a person can set on the page."""
    method = draw(st.sampled_from(METHODS))
    low, high, *_ = STRENGTHS[method]
    on = method != "off"
    return replace(
        start([INFO]),
        method=method,
        alpha=draw(st.floats(low, high)) if on else INFO.default.boost.alpha,
        band_from=draw(st.floats(0, 0.4)) if on else INFO.default.boost.band[0],
        band_to=draw(st.floats(0.5, 1)) if on else INFO.default.boost.band[1],
        adapter=draw(st.sampled_from(["", *INFO.adapters])),
        system=draw(st.text(max_size=8)).strip(),
        temperature=draw(st.floats(0, 2)),
        max_tokens=draw(st.integers(1, 4096)),
        seed=draw(st.integers(0, 2**53)),
        facts=draw(st.booleans()),
        clip_weights=tuple(draw(st.lists(st.floats(0, 10), min_size=8, max_size=8))),
    )


@given(forms())
def test_what_the_page_asked_with_comes_back_whole(form: Form) -> None:
    assert form_of(form.settings(INFO), [INFO], 0) == form


@given(all_settings, st.sampled_from([INFO, MUTE]))
def test_any_settings_become_a_form_the_page_takes_or_it_says_so(settings: Settings, info) -> None:
    form = form_of(settings, [info], 0)
    low, high, *_ = STRENGTHS[form.method]
    assert low <= form.alpha <= high and 0 <= form.temperature <= 2 and len(form.clip_weights) == 8
    _, notes = forms_of((asked(settings, info.name),), [info])
    same = told(form.settings(info)) == told(settings)
    assert notes == (() if same else (strings.OTHER_SETTINGS,))


def asked(settings: Settings, model: str = "fake", clips: int = 0, seconds: float = 0.1) -> Session:
    sounds = [Clip(np.full(int(16_000 * seconds), 0.1, np.float32), f"{index}.wav") for index in range(clips)]
    attached = tuple(Attachment(sound.label, sound.label, sound) for sound in sounds)
    return Session((Exchange("Which?", attached, settings, model, words="That.", ending="stop"),))


def test_each_pane_gets_the_engine_that_answered_in_it() -> None:
    found, notes = forms_of((asked(Settings(seed=3), "mute"), asked(Settings(Boost("mata", 0.4)))), [INFO, MUTE])
    assert [form.engine for form in found.each] == [1, 0] and notes == ()
    assert [form.method for form in found.each] == ["off", "mata"] and found.each[0].seed == 3


@pytest.mark.parametrize(
    ("session", "sentence"),
    [
        (asked(Settings(), "another"), "another is not loaded here: fake answers"),
        (asked(Settings(), ""), "without a name is not loaded here"),
        (asked(Settings(adapter="of yore")), "the model's defaults"),
        (asked(Settings(temperature=4.5)), "the model's defaults"),
        (asked(Settings(), clips=9), "9 clips are more than the 8"),
        (asked(Settings(), clips=1, seconds=121), "121 s long and fake hears at most 120 s"),
    ],
)
def test_what_cannot_be_asked_here_is_said(session: Session, sentence: str) -> None:
    found, notes = forms_of((session, session), [INFO])
    assert len(found.each) == 2 and len(notes) == 1 and sentence in notes[0]


def test_panes_that_come_back_by_undo_get_settings_where_their_number_is_another() -> None:
    one, two = start([INFO]), replace(start([INFO]), seed=7)
    sessions = (asked(Settings(seed=5)), Session())
    assert fitting(Forms((one, two), 1), sessions, [INFO]) == Forms((one, two), 1)
    fitted = fitting(Forms((two,)), sessions, [INFO])
    assert [form.seed for form in fitted.each] == [5, 0] and fitted.chosen == 0


def test_opening_closing_and_adding_leave_other_numbers_of_panes_for_undo() -> None:
    old, new = asked(Settings(seed=1)), asked(Settings(seed=2))
    opened = Panes((old, old)).then((new,))
    assert opened.undone() == Panes((old, old))
    wider = opened.beside(0)
    assert wider.sessions == (new, new) and wider.undone().sessions == (old, old)
    narrower = Panes((old,)).then((new, new, new)).without(2)
    assert narrower.sessions == (new, new) and narrower.undone().sessions == (old,)
    full = Panes((old,) * 4).then((new,)).beside(0).beside(0).beside(0)
    assert len(full.sessions) == 4 and len(full.undone().sessions) == 4

"""Settings that come back at the next visit: what the first pane has of its own, kept in the browser alone.

What comes out of a browser is anybody's text, and may be of another version, another model or another machine: each
field is taken only where the page could have set it, and is the model's default elsewhere.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from chat_app.form import Form, Forms
from chat_app.page import QUIET, Page, forms_now
from chat_app.side import heads_of
from chat_app.sidebar import HOTTEST, LARGEST, STRENGTHS, full_name, start
from core.engine import EngineInfo
from core.errors import SettingsError

STORAGE_KEY = "earshot-settings"
SECRET = "earshot"
"""Gradio encrypts what it keeps. The word is no secret: a random one would forget the settings at each start."""
KEPT = ("method", "alpha", "band_from", "band_to", "adapter", "system", "temperature", "max_tokens", "seed", "facts")
"""Fields of `Form`. The weights are not among them: they belong to the clips of one conversation."""
# A strength is in range for a method, and the two ends of a band are right or wrong together.
TOGETHER = (("method",), ("alpha",), ("band_from", "band_to"), *((name,) for name in KEPT[4:]))


def kept(form: Form, infos: Sequence[EngineInfo]) -> dict[str, Any]:
    """What is put into the browser: the model and the fields that are not as it is best asked with."""
    default = vars(start(infos, form.engine))
    fields = {name: getattr(form, name) for name in KEPT if getattr(form, name) != default[name]}
    return {"model": full_name(infos[form.engine]), "fields": fields}


def restored(content: object, infos: Sequence[EngineInfo]) -> Form:
    """The form for what was found in the browser, whatever that is."""
    content = content if isinstance(content, dict) else {}
    names, model, fields = [full_name(info) for info in infos], content.get("model"), content.get("fields")
    form = start(infos, names.index(model) if model in names else 0)
    fields = fields if isinstance(fields, dict) else {}
    for group in TOGETHER:
        found = {name: fields[name] for name in group if name in fields}
        if not all(_same_kind(getattr(form, name), value) for name, value in found.items()):
            continue
        changed = replace(form, **found)
        if "method" in found and not _in_range(changed):
            changed = replace(changed, alpha=STRENGTHS[changed.method][3] if changed.method in STRENGTHS else None)
        form = changed if _settable(changed, infos[form.engine]) else form
    return form


def wire(demo: gr.Blocks, page: Page, heads: Sequence[gr.HTML], reset: gr.Button) -> None:
    """Keeps the first pane's settings when a person changes them, and brings them back when the page is opened.

    Args:
        demo: Whose opening counts.
        page: Its settings.
        heads: What stands over each pane.
        reset: The button that brings back the defaults of the pane whose settings are shown.
    """
    infos, sidebar = page.sidebar.infos, page.sidebar
    store = gr.BrowserState(storage_key=STORAGE_KEY, secret=SECRET)

    def keep(*asked: Any) -> dict[str, Any]:
        return kept(forms_now(asked)[0].each[0], infos)

    def bring_back(content: object) -> list[Any]:
        form = restored(content, infos)
        if form == start(infos):
            return [gr.skip()] * (1 + len(sidebar.shown))
        return [Forms((form,)), *sidebar.shows(form)]

    def forget(*asked: Any) -> list[Any]:
        forms = forms_now(asked)[0]
        forms = forms.now(start(infos, forms.each[forms.chosen].engine))
        return [
            kept(forms.each[0], infos),
            forms,
            *heads_of(forms, infos),
            *sidebar.shows(forms.each[forms.chosen]),
        ]

    demo.load(bring_back, store, [page.forms, *sidebar.shown], **QUIET)
    reset.click(forget, page.asked, [store, page.forms, *heads, *sidebar.shown], **QUIET)
    # What a person does, not what the page sets: not `change`. A dropdown's `input` comes three times for one choice,
    # the reset beside a slider comes as `release` alone, and text that is put in at once may come without `input`.
    # The first two fields are among the choices below.
    done = [
        event
        for field in sidebar.fields[2:]
        for event in (
            [field.select]
            if isinstance(field, gr.Dropdown)
            else [field.input, field.release]
            if isinstance(field, gr.Slider)
            else [field.input, field.blur]
            if isinstance(field, gr.Textbox)
            else [field.input]  # type: ignore[attr-defined]
        )
    ]
    gr.on(done, keep, page.asked, store, trigger_mode="always_last", **QUIET)
    for choice in sidebar.choices:
        choice.then(keep, page.asked, store, trigger_mode="always_last", **QUIET)


def _same_kind(present: object, value: object) -> bool:
    """Whether a value has the type of the form's; any number may stand for a number, but no truth value."""
    if isinstance(present, bool | str):
        return type(value) is type(present)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_range(form: Form) -> bool:
    """Whether the slider of its method's strength reaches there."""
    low, high = STRENGTHS[form.method][:2] if form.method in STRENGTHS else (0, 0)
    return form.alpha is not None and low <= form.alpha <= high


def _settable(form: Form, info: EngineInfo) -> bool:
    """Whether a person could have set this in the sidebar, and the engine takes it."""
    default = info.default
    as_default = (form.method, form.alpha) == (default.boost.method, default.boost.alpha)
    numbers = (form.temperature, form.max_tokens, form.seed)
    if form.method not in STRENGTHS or not (_in_range(form) or as_default):
        return False
    if not all(number is not None and abs(number) <= LARGEST for number in numbers):
        return False
    # The engine looks at the band only where a boost is on; its sliders always do.
    if not (0 <= form.temperature <= max(HOTTEST, default.temperature) and 0 <= form.band_from < form.band_to <= 1):
        return False
    try:
        form.settings(info)
    except SettingsError:
        return False
    return True

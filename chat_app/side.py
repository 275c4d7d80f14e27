"""Side by side: panes with settings of their own, and what differs between them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from chat_app import strings
from chat_app.form import Form, Forms
from chat_app.page import CHANGING, QUIET, Page, forms_now
from chat_app.panes import MOST_PANES, Panes
from chat_app.sidebar import STRENGTHS, asked_of
from chat_app.told import differences
from chat_app.view import View
from core.engine import EngineInfo
from core.errors import SettingsError

SAME, BOOST, ADAPTER = "same", "boost", "adapter"
MODEL = "model "


@dataclass(frozen=True)
class Side:
    """The components.

    Attributes:
        columns: One for each pane there may be; the first is always shown.
        heads: What stands over each.
        closes: The button that takes each away, of all but the first.
        add: What the next pane has that the chosen one has not.
        chosen: The pane whose settings are in the sidebar.
    """

    columns: tuple[gr.Column, ...]
    heads: tuple[gr.HTML, ...]
    closes: tuple[gr.Button, ...]
    add: gr.Dropdown
    chosen: gr.Radio


def kinds(infos: Sequence[EngineInfo]) -> list[tuple[str, str]]:
    """What another pane may be opened with: name on the page and key for `varied`."""
    return [
        *([(strings.WITH_BOOST, BOOST)] if any(info.attention for info in infos) else []),
        *([(strings.WITH_OTHER_ADAPTER, ADAPTER)] if any(info.adapters for info in infos) else []),
        *((info.name, f"{MODEL}{place}") for place, info in enumerate(infos) if len(infos) > 1),
        (strings.WITH_SAME, SAME),
    ]


def varied(chosen: Form, kind: str, infos: Sequence[EngineInfo]) -> Form:
    """A form that differs from another in one thing.

    Args:
        chosen: The other.
        kind: A key of `kinds`.
        infos: Of the engines.
    """
    info = infos[chosen.engine]
    if kind == BOOST and info.attention:
        default = info.default.boost
        on = default.method if default.on else "mata"
        alpha = default.alpha if default.on else STRENGTHS[on][3]
        return replace(chosen, method="off") if chosen.method != "off" else replace(chosen, method=on, alpha=alpha)
    if kind == ADAPTER and info.adapters:
        return replace(chosen, adapter="" if chosen.adapter else info.adapters[0])
    if kind.startswith(MODEL):
        return asked_of(chosen, infos, int(kind.removeprefix(MODEL)))
    return chosen


def headings(forms: Sequence[Form], infos: Sequence[EngineInfo]) -> tuple[str, ...]:
    """HTML over each pane: its number, and what it has that the others have not. Empty where there is only one."""
    if len(forms) == 1:
        return ("",)
    try:
        settings = [form.settings(infos[form.engine]) for form in forms]
    except SettingsError as error:
        told: tuple[str, ...] = (str(error),) * len(forms)
    else:
        told = differences(settings, [infos[form.engine].name for form in forms])
    return tuple(
        f'<h2 class="es-pane-head"><b>{number}</b> <bdi>{escape(words or strings.SAME_SETTINGS)}</bdi></h2>'
        for number, words in enumerate(told, start=1)
    )


def laid_out(page: Page, side: Side) -> list[Any]:
    """The outputs for `layout`."""
    return [*page.shown, *side.columns, page.together, side.add, *_chosen_out(page, side)]


def layout(page: Page, shown: View, forms: Forms) -> list[Any]:
    """Values for an action after which there may be another number of panes: a form for each pane of `shown`."""
    count = len(forms.each)
    assert count == len(shown.panes.sessions)
    return [
        *page.render(shown),
        *(gr.update(visible=place < count) for place in range(MOST_PANES)),
        gr.update(visible=count > 1),
        gr.update(value=None, interactive=count < MOST_PANES),
        *_choice(page, forms),
    ]


def _chosen_out(page: Page, side: Side) -> list[Any]:
    return [page.forms, side.chosen, *side.heads, *page.sidebar.shown]


def _choice(page: Page, forms: Forms) -> list[Any]:
    places = [(strings.PANE.format(number=place + 1), place) for place in range(len(forms.each))]
    return [
        forms,
        gr.update(choices=places, value=forms.chosen, visible=len(places) > 1),
        *heads_of(forms, page.sidebar.infos),
        *page.sidebar.shows(forms.each[forms.chosen]),
    ]


def heads_of(forms: Forms, infos: Sequence[EngineInfo]) -> list[str]:
    """What stands over each pane there can be, empty where it is closed."""
    heads = headings(forms.each, infos)
    return [*heads, *[""] * (MOST_PANES - len(heads))]


def wire(page: Page, side: Side) -> None:
    """Opens, closes and chooses panes."""
    infos, chosen_out, outputs = page.sidebar.infos, _chosen_out(page, side), laid_out(page, side)

    def add(panes: Panes, kind: str, *asked: Any) -> list[Any]:
        forms, _ = forms_now(asked)
        if panes.answering or len(forms.each) == MOST_PANES or not kind:
            return [gr.skip()] * len(outputs)
        opened = varied(forms.each[forms.chosen], kind, infos)
        return layout(page, page.handlers.still(panes.beside(forms.chosen)), forms.beside(opened))

    def close(place: int, panes: Panes, *asked: Any) -> list[Any]:
        forms, _ = forms_now(asked)
        if panes.answering or place >= len(forms.each):
            return [gr.skip()] * len(outputs)
        return layout(page, page.handlers.still(panes.without(place)), forms.without(place))

    def choose(place: int, *asked: Any) -> list[Any]:
        return _choice(page, replace(forms_now(asked)[0], chosen=place))

    side.add.select(add, [page.panes, side.add, *page.asked], outputs, **CHANGING)
    for place, button in enumerate(side.closes, start=1):
        button.click(partial(close, place), [page.panes, *page.asked], outputs, **CHANGING)
    side.chosen.select(choose, [side.chosen, *page.asked], chosen_out, **CHANGING)
    gr.on(
        [field.input for field in page.sidebar.fields],  # type: ignore[attr-defined]
        lambda *asked: heads_of(forms_now(asked)[0], infos),
        page.asked,
        list(side.heads),
        trigger_mode="always_last",
        **QUIET,
    )

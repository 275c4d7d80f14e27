"""What a person does with clips, in the tray and in the panel of one."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from chat_app import clips, strings
from chat_app.clip_panel import Opened, Panel, Values
from chat_app.measured import spectrogram
from chat_app.page import CHANGING, QUIET, Page, box_of, tab
from chat_app.panes import Panes
from chat_app.session import Attachment
from core.errors import AudioError
from core.types import letter

Attachments = tuple[Attachment, ...]

FOCUS_NAME = """() => {
    document.querySelector("#clip-name :is(input, textarea)")?.focus();
    document.querySelector("#clip")?.scrollTo(0, 0);
}"""
FOCUS_TRAY = "() => document.querySelector('#tray .es-open[aria-expanded=true]')?.focus()"
FOCUS_NEXT = """() => {
    const left = [...document.querySelectorAll("#tray .es-pending .es-open")];
    (left.at(-1) || document.querySelector("#box textarea")).focus();
}"""
"""The box takes the focus whenever its files change; who removes a clip by keyboard goes on in the tray."""


def opened_at(panes: Panes, attachments: Attachments, place: int) -> Opened | None:
    """The clip at `place`, or None where there is none."""
    sent = panes.first.attached
    sounds = (*sent, *(attachment for attachment in attachments if attachment.clip is not None))
    return Opened(place, place >= len(sent), sounds[place]) if 0 <= place < len(sounds) else None


def wire(page: Page, panel: Panel) -> tuple[Callable[..., Values], list[Any], list[Any]]:
    """What is done in the tray and its panel.

    Returns:
        The function that brings tray, panel and attachments up to what is in the box, its inputs and its outputs.
    """
    handlers, weights = page.handlers, page.sidebar.weights
    state = [page.panes, page.attachments, panel.opened]
    trayed = [page.attachments, page.tray, *weights, *panel.outputs]

    def shows(panes: Panes, attachments: Attachments, opened: Opened | None, note: str | None = "") -> Values:
        """All of it. Where `note` is None, what a person may be typing in the panel is left alone."""
        seen = handlers.tray(panes, attachments, opened.place if opened else None)
        return {
            page.attachments: attachments,
            page.tray: seen.html,
            **{weight: gr.update(visible=place < seen.clips) for place, weight in enumerate(weights)},
            **(panel.shows(opened, note) if note is not None else {}),
            **(panel.moves(opened, len(panes.first.attached), seen.clips) if opened else {}),
        }

    def refresh(panes: Panes, attachments: Attachments, opened: Opened | None, content: Any) -> Values:
        attached = box_of(handlers, panes, attachments, content).attachments
        now = opened and opened_at(panes, attached, opened.place)
        if now and opened and (now.shown.path, now.waiting) != (opened.shown.path, opened.waiting):
            now = None
        values = shows(panes, attached, now, None if now == opened else "")
        if attached == attachments:
            # What did not change is not written: a clip that was moved meanwhile stays where it is.
            del values[page.attachments]
        return values

    def open_or_close(selected: gr.EventData, panes: Panes, attachments: Attachments, opened: Opened | None) -> Values:
        place = int(selected.place)
        closing = opened is not None and opened.place == place
        return shows(panes, attachments, None if closing else opened_at(panes, attachments, place))

    def close(panes: Panes, attachments: Attachments) -> Values:
        return shows(panes, attachments, None)

    def put(panes: Panes, attachments: Attachments, opened: Opened | None, place: int, to: int) -> Values:
        """Moves a clip; the panel stays with the one it shows."""
        first = len(panes.first.attached)
        sounds = tuple(attachment for attachment in attachments if attachment.clip is not None)
        after = clips.moved(sounds, place - first, to - first)
        others = tuple(attachment for attachment in attachments if attachment.clip is None)
        note = None
        if opened != (opened and opened_at(panes, attachments, opened.place)):
            opened, note = None, ""
        elif opened and opened.waiting:
            places = clips.moved(range(len(sounds)), place - first, to - first)
            at = first + places.index(opened.place - first)
            if at != opened.place:
                note = strings.IS_AT.format(letter=letter(at))
            opened = opened_at(panes, after, at)
        return shows(panes, (*after, *others), opened, note)

    def move(selected: gr.EventData, panes: Panes, attachments: Attachments, opened: Opened | None) -> Values:
        return put(panes, attachments, opened, int(selected.place), int(selected.to))

    def take_away(
        panes: Panes, attachments: Attachments, opened: Opened | None, content: dict[str, Any], place: int
    ) -> Values:
        index = place - len(panes.first.attached)
        if not 0 <= index < len(attachments):
            return shows(panes, attachments, opened)
        files = list(content["files"])
        if attachments[index].path in files:
            files.remove(attachments[index].path)
        after = clips.removed(attachments, index)
        if opened and opened.place >= place:
            opened = None if opened.place == place else opened_at(panes, after, opened.place - 1)
        return {**shows(panes, after, opened), page.box: {"text": content["text"], "files": files}}

    def remove(
        selected: gr.EventData, panes: Panes, attachments: Attachments, opened: Opened | None, content: dict[str, Any]
    ) -> Values:
        return take_away(panes, attachments, opened, content, int(selected.place))

    def on_opened(action: Callable[..., Values]) -> Callable[..., Values]:
        """An action of the panel; if its clip was sent or taken away meanwhile, the panel closes instead."""

        def act(panes: Panes, attachments: Attachments, opened: Opened | None, *values: Any) -> Values:
            if opened is None or opened_at(panes, attachments, opened.place) != opened:
                return shows(panes, attachments, None)
            return action(panes, attachments, opened, *values)

        return act

    def by(steps: int) -> Callable[..., Values]:
        return lambda panes, attachments, opened: put(panes, attachments, opened, opened.place, opened.place + steps)

    def remove_opened(panes: Panes, attachments: Attachments, opened: Opened, content: dict[str, Any]) -> Values:
        return take_away(panes, attachments, opened, content, opened.place)

    def changed(panes: Panes, attachments: Attachments, opened: Opened, now: Attachment, note: str) -> Values:
        after = clips.replaced(attachments, opened.place - len(panes.first.attached), now)
        return shows(panes, after, opened_at(panes, after, opened.place), note)

    def rename(request: gr.Request, panes: Panes, attachments: Attachments, opened: Opened | None, name: str) -> Values:
        return on_opened(partial(rename_in, tab(request)))(panes, attachments, opened, name)

    def rename_in(tab: str, panes: Panes, attachments: Attachments, opened: Opened, name: str) -> Values:
        if opened.waiting:
            return changed(panes, attachments, opened, clips.renamed(opened.shown, name), strings.RENAMED)
        if handlers.turns.written(tab):
            return panel.says(strings.RENAME_LATER)
        after = clips.renamed_sent(panes, opened.place, name)
        drawn = dict(zip(page.shown, page.render(handlers.still(after)), strict=True))
        return {**drawn, **shows(after, attachments, opened_at(after, attachments, opened.place), strings.RENAMED)}

    def trim(panes: Panes, attachments: Attachments, opened: Opened, start: float, stop: float) -> Values:
        try:
            now = clips.trimmed(opened.shown, start, stop, handlers.dropping.limits)
        except AudioError as error:
            return panel.says(str(error))
        if now.played:
            page.tray.temp_files.add(now.played)  # goes when the uploaded files go
        return changed(panes, attachments, opened, now, hears(now))

    def whole_again(panes: Panes, attachments: Attachments, opened: Opened) -> Values:
        now = clips.untrimmed(opened.shown)
        return changed(panes, attachments, opened, now, hears(now))

    def draw(opened: Opened) -> str:
        return spectrogram(opened.shown.sound, letter(opened.place))

    earlier, later, away = panel.places
    page.tray.open_clip(open_or_close, state, trayed, **QUIET).then(None, None, None, js=FOCUS_NAME)
    page.tray.move_clip(move, state, trayed, **QUIET)
    boxed, without = [*state, page.box], [*trayed, page.box]
    for taken in (
        page.tray.remove_clip(remove, boxed, without, **QUIET),
        away.click(on_opened(remove_opened), boxed, without, **QUIET),
    ):
        taken.then(None, None, None, js=FOCUS_NEXT)
    panel.close.click(None, None, None, js=FOCUS_TRAY)
    panel.close.click(close, state[:2], trayed, **QUIET)
    earlier.click(on_opened(by(-1)), state, trayed, **QUIET)
    later.click(on_opened(by(1)), state, trayed, **QUIET)
    named = [*page.shown, *(output for output in trayed if output is not page.attachments)]
    gr.on([panel.name.submit, panel.rename.click], rename, [*state, panel.name], named, **CHANGING)
    panel.trim.click(on_opened(trim), [*state, panel.start, panel.stop], trayed, **QUIET)
    panel.again.click(on_opened(whole_again), state, trayed, **QUIET)
    drawn = panel.draw.click(draw, panel.opened, panel.spectrogram, **QUIET)
    drawn.then(None, None, None, js="() => document.querySelector('#clip figure').scrollIntoView({block: 'nearest'})")
    return refresh, boxed, trayed


def hears(attachment: Attachment) -> str:
    """What the model will hear of a clip after trimming, in a sentence."""
    seconds, start = attachment.sound.seconds, attachment.start_seconds
    sentence = strings.HEARS_WHOLE if attachment.whole is None else strings.HEARS_PART
    return sentence.format(start=start, stop=start + seconds, seconds=seconds)

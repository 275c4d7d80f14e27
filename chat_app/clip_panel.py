"""The panel of one clip, below the tray: its name, place, part and measures."""

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from chat_app import clips, strings
from chat_app.measured import facts
from chat_app.session import Attachment
from chat_app.sidebar import html
from chat_app.waveform import badge
from core.types import letter

Values = dict[Any, Any]
"""What components get; those not in it stay as they are."""


@dataclass(frozen=True)
class Opened:
    """The clip whose panel is open.

    Attributes:
        place: That of its letter.
        waiting: Whether it is not sent yet.
        shown: As the panel shows it.
    """

    place: int
    waiting: bool
    shown: Attachment


@dataclass(frozen=True)
class Panel:
    """The components.

    Attributes:
        opened: State: `Opened`, or None while the panel is closed.
        column: All of it.
        head: Which clip it is, and whether it was sent.
        close: Closes the panel.
        name: The clip's name.
        rename: Takes the name.
        places: Move earlier, move later, remove; not for a clip that was sent.
        part: What trims; not for a clip that was sent.
        start: Where the part begins, in seconds.
        stop: Where it ends, in seconds.
        trim: Takes the part.
        again: The whole clip again.
        note: What came of the last action.
        facts: Measures.
        draw: Draws the spectrogram.
        spectrogram: It, or nothing.
    """

    opened: gr.State
    column: gr.Column
    head: gr.HTML
    close: gr.Button
    name: gr.Textbox
    rename: gr.Button
    places: tuple[gr.Button, gr.Button, gr.Button]
    part: gr.Row
    start: gr.Slider
    stop: gr.Slider
    trim: gr.Button
    again: gr.Button
    note: gr.HTML
    facts: gr.HTML
    draw: gr.Button
    spectrogram: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """All that `shows` gives values for."""
        words = [self.opened, self.column, self.head, self.name, self.note, self.facts, self.spectrogram]
        return [*words, *self.places, self.part, self.start, self.stop, self.again]

    def shows(self, opened: Opened | None, note: str = "") -> Values:
        """Values by which the components show a clip, or nothing; `note` is what came of the last action, unescaped."""
        if opened is None:
            return {self.opened: None, self.column: gr.update(visible=False)}
        shown, waiting = opened.shown, opened.waiting
        start, longest = shown.start_seconds, clips.longest_trim_seconds(shown)
        stop = longest if shown.whole is None else min(start + shown.sound.seconds, longest)
        return {
            self.opened: opened,
            self.column: gr.update(visible=True),
            self.head: _head(opened),
            self.name: shown.label,
            self.facts: facts(shown.sound),
            self.spectrogram: "",
            self.part: gr.update(visible=waiting),
            self.start: gr.update(value=start, maximum=longest),
            self.stop: gr.update(value=stop, maximum=longest),
            self.again: gr.update(interactive=shown.whole is not None),
            **self.says(note),
        }

    def says(self, note: str) -> Values:
        """Values by which nothing but a sentence changes."""
        return {self.note: f'<p role="status" class="es-clip-note">{escape(note)}</p>'}

    def moves(self, opened: Opened, first: int, count: int) -> Values:
        """Values by which the buttons can do what there is to do.

        Args:
            opened: The clip.
            first: Place of the first clip that is not sent yet.
            count: Clips that have a letter.
        """
        earlier, later, remove = self.places
        return {
            earlier: gr.update(visible=opened.waiting, interactive=opened.place > first),
            later: gr.update(visible=opened.waiting, interactive=opened.place + 1 < count),
            remove: gr.update(visible=opened.waiting),
        }


def panel() -> Panel:
    """The components, closed."""
    opened = gr.State(None)
    with gr.Column(visible=False, elem_id="clip") as column:
        with gr.Row(elem_classes="es-clip-row"):
            head = html("", elem_id="clip-head")
            close = _button(strings.CLOSE_CLIP, "clip-close")
        with gr.Row(elem_classes="es-clip-row"):
            name = gr.Textbox(
                label=strings.CLIP_NAME, max_lines=1, max_length=1_000, min_width=180, scale=1, elem_id="clip-name"
            )
            rename = _button(strings.RENAME, "clip-rename")
            earlier = _button(strings.EARLIER, "clip-earlier")
            later = _button(strings.LATER, "clip-later")
            remove = _button(strings.REMOVE, "clip-remove")
        with gr.Row(elem_classes="es-clip-row", elem_id="clip-part") as part:
            start = _seconds(strings.TRIM_START, "clip-start")
            stop = _seconds(strings.TRIM_STOP, "clip-stop")
            trim = _button(strings.TRIM, "clip-trim")
            again = _button(strings.WHOLE_AGAIN, "clip-whole")
        note = html("", elem_id="clip-note")
        with gr.Row(elem_classes="es-clip-row"):
            measured = html("", elem_id="clip-facts")
            draw = _button(strings.SPECTROGRAM, "clip-draw")
        drawn = html("", elem_id="clip-spectrogram")
    places = (earlier, later, remove)
    return Panel(
        *(opened, column, head, close, name, rename, places, part, start, stop, trim, again),
        *(note, measured, draw, drawn),
    )


def _button(label: str, elem_id: str) -> gr.Button:
    return gr.Button(label, size="sm", scale=0, min_width=60, elem_id=elem_id)


def _seconds(label: str, elem_id: str) -> gr.Slider:
    return gr.Slider(0, 1, 0, step=clips.STEP_SECONDS, label=label, min_width=220, elem_id=elem_id, buttons=[])


def _head(opened: Opened) -> str:
    name = letter(opened.place)
    sentence = (strings.WAITING_CLIP if opened.waiting else strings.SENT_CLIP).format(letter=name)
    return (
        f'<h2 class="es-clip-head">{badge(opened.place, name)} <bdi>{escape(opened.shown.label)}</bdi></h2>'
        f'<p class="es-muted">{sentence}</p>'
    )

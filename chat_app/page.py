"""The components that actions read and write, and a `View` as values for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from chat_app.form import Forms
from chat_app.handlers import Handlers
from chat_app.panes import Panes
from chat_app.probes import Probes
from chat_app.session import Attachment, Box, joined
from chat_app.sidebar import Sidebar, form, html
from chat_app.view import Card, Message, View

QUIET: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}
"""Everything begins at once: who has to wait for an answer waits in `Turns`, where the page can say so, ..."""
CHANGING: dict[str, Any] = {**QUIET, "concurrency_limit": 1, "concurrency_id": "panes", "trigger_mode": "always_last"}
"""... but what changes panes at once, and no answer, comes one after the other: each reads what the one before wrote.
A press that comes before the page is drawn waits for that; left to itself, Gradio drops it."""


@dataclass(frozen=True)
class Page:
    """The components.

    Attributes:
        handlers: What they call.
        panes: State: `Panes`.
        attachments: State: the `Attachment`s in the box, in the order of their letters.
        forms: State: `Forms`.
        together: Whether all panes answer at the same time.
        sidebar: The settings.
        chats: One for each pane there may be.
        tray: The clips.
        box: What is asked next.
        status: The status line.
        buttons: Those that wait while an answer runs: retry, edit, undo, clear, matter, in every order.
    """

    handlers: Handlers
    panes: gr.State
    attachments: gr.State
    forms: gr.State
    together: gr.Checkbox
    sidebar: Sidebar
    chats: tuple[gr.Chatbot, ...]
    tray: gr.HTML
    box: gr.MultimodalTextbox
    status: gr.HTML
    buttons: tuple[gr.Button, ...]

    @property
    def probes(self) -> Probes:
        """What is found out about answers on demand."""
        return Probes(self.handlers)

    @property
    def shown(self) -> list[Any]:
        """The outputs for `render`."""
        return [self.panes, *self.chats, self.status, self.box, self.attachments, *self.buttons]

    @property
    def pressed(self) -> list[Any]:
        """The outputs for `ready`."""
        return [self.panes, self.attachments, self.box, *self.buttons]

    @property
    def asked(self) -> list[Any]:
        """The inputs that `forms_now` takes."""
        return [self.forms, self.together, *self.sidebar.fields]

    def render(self, shown: View, *, buttons: bool = True) -> list[Any]:
        """Values for `shown`, without what may be pressed next where `buttons` is False."""
        chats = [[_bubble(message) for message in messages] for messages in shown.chats]
        unused = [gr.skip()] * (len(self.chats) - len(chats))
        stops, *ready = self._may_be_pressed(shown.panes) if buttons else [{}] * (1 + len(self.buttons))
        attached: Any = gr.skip()
        if shown.box is not None:
            attached, stops = shown.box.attachments, {**stops, "value": _content(shown.box)}
        return [
            shown.panes,
            *chats,
            *unused,
            shown.status,
            gr.update(**stops),
            attached,
            *(gr.update(**on) for on in ready),
        ]

    def stream(self, tab: str, views: Iterator[View]) -> Iterator[list[Any]]:
        """Updates for the page, after which `ready` has to follow.

        What may be pressed is drawn when an answer begins, and then only after the event has ended: Gradio drops a
        press that would begin the same event again while the page still draws its last update.

        Args:
            tab: Where they are shown; nothing is, where somebody writes there already: that press came too late.
            views: What is shown.
        """
        # Gradio closes a generator that it, or the page, fails to draw, but only from the first value on. What holds a
        # place in line has to be closed, or everybody would wait for it.
        yield [gr.skip()] * len(self.shown)
        begun, drawn = False, None
        with self.handlers.turns.writing(tab) as alone:
            for shown in views if alone else ():
                begins = shown.panes.answering and not begun
                if shown.panes is drawn and shown.box is None:  # twenty who wait are told of their place every second
                    yield [shown.status if output is self.status else gr.skip() for output in self.shown]
                else:
                    yield self.render(shown, buttons=begins)
                begun, drawn = begun or begins, shown.panes

    def ready(
        self, request: gr.Request, panes: Panes, attachments: tuple[Attachment, ...], content: dict[str, Any] | None
    ) -> list[Any]:
        """What may be pressed after an answer, and in the box the question that was not answered.

        Nothing new where the next one has begun.
        """
        if self.handlers.turns.written(tab(request)):
            return [gr.skip()] * len(self.pressed)
        after = replace(panes, back=None)
        box, *buttons = self._may_be_pressed(after)
        attached: Any = gr.skip()
        if panes.back is not None:
            back = joined(panes.back, box_of(self.handlers, panes, attachments, content))
            attached, box = back.attachments, {**box, "value": _content(back)}
        return [after, attached, gr.update(**box), *(gr.update(**values) for values in buttons)]

    def _may_be_pressed(self, panes: Panes) -> list[dict[str, Any]]:
        """Properties of the box and each button."""
        answering = panes.answering
        idle = bool(panes.first.exchanges) and not answering
        undo = bool(panes.before) and not answering
        interactive = (idle, idle, undo, idle, self.probes.can_matter(panes), self.probes.can_be_ordered(panes))
        return [{"submit_btn": not answering, "stop_btn": answering}, *({"interactive": on} for on in interactive)]


def forms_now(asked: Sequence[Any]) -> tuple[Forms, bool]:
    """The settings as they are now, and whether all panes answer together, from the values of `Page.asked`."""
    forms, together, *values = asked
    return forms.now(form(values)), bool(together)


def box_of(
    handlers: Handlers, panes: Panes, attachments: tuple[Attachment, ...], content: dict[str, Any] | None
) -> Box:
    """What is in the box, files read."""
    content = content or {}
    return Box(content.get("text") or "", handlers.attach(panes, attachments, content.get("files") or ()))


def tab(request: gr.Request) -> str:
    """A name for the page that asks, the same as long as it is open."""
    return str(request.session_hash)


def _content(box: Box) -> dict[str, Any]:
    """A box as Gradio's component takes it."""
    return {"text": box.text, "files": [attachment.path for attachment in box.attachments]}


def _bubble(message: Message) -> dict[str, Any]:
    content = [html(part.html, render=False) if isinstance(part, Card) else part for part in message.content]
    return {"role": message.role, "content": content}

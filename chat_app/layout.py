"""Components and wiring. What happens is in `handlers`, how it looks as HTML in `view` and `meter`."""

from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from chat_app import api, clip_actions, clip_panel, faults, habits, keep, kept, meter, side, strings, view, visits
from chat_app.asking import asker
from chat_app.dropping import Dropping
from chat_app.form import Forms
from chat_app.handlers import Handlers
from chat_app.launch import EXAMPLES
from chat_app.page import CHANGING, QUIET, Page, box_of, forms_now, tab
from chat_app.panes import MOST_PANES, Panes, settled
from chat_app.restore import fitting
from chat_app.session import Attachment, Box, Session
from chat_app.side import Side, kinds, laid_out, layout
from chat_app.sidebar import html, sidebar, start
from chat_app.tray import tray as empty_tray
from chat_app.turns import MOST_WAITING, Turns
from chat_app.uploads import only_uploads
from chat_app.view import View
from chat_app.zerogpu import lent
from core.audio import Limits
from core.engine import Engine
from core.texts import example_conversations

HERE = Path(__file__).parent
MOST_EVENTS = 1_000
"""Presses and programs that wait in Gradio's own queue. Unless told, Gradio takes 1 where a GPU is lent by the call."""


def build(*engines: Engine, most_waiting: int = MOST_WAITING) -> gr.Blocks:
    """The page for one engine or more; answers come one at a time, up to `most_waiting` questions wait."""
    infos = tuple(engine.info for engine in engines)
    dropping = Dropping(Path(get_upload_folder()), Limits().up_to(infos[0].longest_seconds))
    handlers = Handlers(engines, lent(asker(engines)), dropping, turns=Turns(most_waiting))

    def leave(request: gr.Request) -> None:
        """Whoever closes the page frees the model at the next token."""
        handlers.stop(tab(request))

    with gr.Blocks(
        title=strings.TITLE,
        analytics_enabled=False,
        delete_cache=(visits.CHECK_SECONDS, visits.KEPT_SECONDS),
        fill_height=True,
    ) as demo:
        with gr.Sidebar(label=strings.SETTINGS, open=False, width=330, elem_id="settings"):
            html(f'<h2 class="es-heading">{strings.SETTINGS}</h2>')
            keeping = keep.keep()
            chosen = gr.Radio([(strings.PANE.format(number=1), 0)], value=0, label=strings.PANE_SETTINGS, visible=False)
            settings = sidebar(infos)
            with gr.Accordion(strings.SIDE_BY_SIDE, open=True):
                add = gr.Dropdown(kinds(infos), value=None, label=strings.ADD_PANE, elem_id="add-pane")
                together = gr.Checkbox(False, label=strings.TOGETHER, visible=False, elem_id="together", container=True)
            reset = gr.Button(strings.DEFAULTS, size="sm", elem_id="defaults")
        tagline = strings.TAGLINE if any(info.attention for info in infos) else strings.TAGLINE_WITHOUT_METER
        html(habits.header(tagline, infos), js_on_load=(HERE / "habits.js").read_text("utf-8"), elem_id="head")
        html(habits.hint(infos), elem_id="hint")
        html(f'<h2 class="es-hidden">{strings.CHAT_LABEL}</h2>', elem_classes="es-hidden")
        with gr.Row(elem_id="panes"):
            columns, heads, closes, chats = zip(*map(_pane, range(MOST_PANES)), strict=True)
        tray = html(empty_tray(Session()).html, js_on_load=(HERE / "tray.js").read_text("utf-8"), elem_id="tray")
        html(meter.tools(), js_on_load=(HERE / "meter.js").read_text("utf-8"), elem_classes="es-tools")
        clip = clip_panel.panel()
        # No `file_types`: a file that is no sound is to be refused by a sentence that names it, and only it.
        box = gr.MultimodalTextbox(
            file_count="multiple",
            sources=["upload", "microphone"],
            placeholder=strings.BOX_PLACEHOLDER,
            label=strings.BOX_LABEL,
            show_label=False,
            lines=1,
            max_lines=6,
            max_plain_text_length=100_000,
            autofocus=True,
            elem_id="box",
        )
        with gr.Row(elem_id="actions"):
            retry = gr.Button(strings.RETRY, size="sm", interactive=False, elem_id="retry")
            edit = gr.Button(strings.EDIT, size="sm", interactive=False, elem_id="edit")
            undo = gr.Button(strings.UNDO, size="sm", interactive=False, elem_id="undo")
            clear = gr.Button(strings.CLEAR, size="sm", interactive=False, elem_id="clear")
            matter = gr.Button(strings.MATTER, size="sm", interactive=False, elem_id="matter")
            in_orders = gr.Button(strings.ASK_ORDERS, size="sm", interactive=False, elem_id="orders")
            status = html(view.status(infos[0], strings.READY), elem_id="status")
            html(f'<p class="es-limits">{escape(habits.limits(infos[0]))}</p>', elem_id="limits")
        page = Page(
            handlers=handlers,
            panes=gr.State(Panes()),
            attachments=gr.State(()),
            forms=gr.State(Forms((start(infos),))),
            together=together,
            sidebar=settings,
            chats=chats,
            tray=tray,
            box=box,
            status=status,
            buttons=(retry, edit, undo, clear, matter, in_orders),
        )
        beside = Side(columns, heads, closes[1:], add, chosen)
        _wire(page, clip, beside, keeping)
        side.wire(page, beside)
        kept.wire(demo, page, heads, reset)
        visits.wire(demo, page)
        api.wire(handlers)
        demo.unload(leave)
        only_uploads(demo)
        faults.one_sentence(demo)
    assert isinstance(demo, gr.Blocks)
    demo.queue(max_size=MOST_EVENTS)
    return demo


def _pane(place: int) -> tuple[gr.Column, gr.HTML, gr.Button, gr.Chatbot]:
    """One column of the chat: what stands over it, the button that closes it, and the conversation."""
    with gr.Column(visible=place == 0, min_width=300, elem_classes="es-pane") as column:
        with gr.Row(elem_classes="es-pane-bar"):
            head = html("")
            close = gr.Button(strings.CLOSE_PANE, size="sm", visible=place > 0, scale=0, min_width=80)
        chat = gr.Chatbot(
            label=strings.CHAT_LABEL if place == 0 else f"{strings.CHAT_LABEL} {place + 1}",
            show_label=False,
            height=None,
            scale=1,
            min_height=260,
            layout="bubble",
            buttons=[],
            latex_delimiters=[],
            allow_tags=False,
            placeholder=strings.PLACEHOLDER if place == 0 else "",
            examples=[
                {"text": example.question, "display_text": f"{example.title}\n{example.question}"}
                for example in example_conversations()
            ]
            if place == 0
            else None,
            elem_id="chat" if place == 0 else f"chat-{place + 1}",
            elem_classes="es-chat",
        )
    return column, head, close, chat


def _wire(page: Page, clip: clip_panel.Panel, beside: Side, keeping: keep.Keep) -> None:
    """Asking, taking back, and the tray."""
    handlers, examples = page.handlers, example_conversations()
    retry, edit, undo, clear, matter, in_orders = page.buttons

    def send(
        request: gr.Request,
        panes: Panes,
        attachments: tuple[Attachment, ...],
        content: dict[str, Any],
        *asked: Any,
    ) -> Iterator[list[Any]]:
        forms, together = forms_now(asked)
        box = box_of(handlers, panes, attachments, content)
        yield from page.stream(tab(request), handlers.send(tab(request), panes, box, forms.each, together))

    def ask_again(request: gr.Request, panes: Panes, *asked: Any) -> Iterator[list[Any]]:
        forms, together = forms_now(asked)
        yield from page.stream(tab(request), handlers.retry(tab(request), panes, forms.each, together))

    def did_it_matter(request: gr.Request, panes: Panes) -> Iterator[list[Any]]:
        yield from page.stream(tab(request), page.probes.matter(tab(request), panes))

    def ask_in_every_order(request: gr.Request, panes: Panes) -> Iterator[list[Any]]:
        yield from page.stream(tab(request), page.probes.in_every_order(tab(request), panes))

    def stop(request: gr.Request) -> None:
        handlers.stop(tab(request))

    def begin(selected: gr.EventData) -> dict[str, Any]:
        example = examples[selected.index]
        return {"text": example.question, "files": [str(EXAMPLES / name) for name in example.files]}

    def take_back(panes: Panes, attachments: tuple[Attachment, ...], content: dict[str, Any], *asked: Any) -> list[Any]:
        shown = handlers.undo(panes, box_of(handlers, panes, attachments, content))
        return layout(page, shown, fitting(forms_now(asked)[0], shown.panes.sessions, page.sidebar.infos))

    def broken(panes: Panes) -> list[Any]:
        """After a fault of ours in the middle of an answer: what was said stays, with a sentence."""
        return page.render(handlers.still(settled(panes)))

    boxed = [page.panes, page.attachments, page.box]

    def with_box(action: Callable[[Panes, Box], View]) -> Callable[..., list[Any]]:
        return lambda panes, attachments, content: page.render(
            action(panes, box_of(handlers, panes, attachments, content))
        )

    for trigger, action, inputs in (
        (page.box.submit, send, [*boxed, *page.asked]),
        (retry.click, ask_again, [page.panes, *page.asked]),
        (matter.click, did_it_matter, [page.panes]),
        (in_orders.click, ask_in_every_order, [page.panes]),
    ):
        asked = trigger(action, inputs, page.shown, **QUIET)
        asked.then(page.ready, boxed, page.pressed, **QUIET)
        asked.failure(broken, page.panes, page.shown, **QUIET)
    page.box.stop(stop, **QUIET)
    refresh, box_now, tray_now = clip_actions.wire(page, clip)
    trayed = (box_now, tray_now)
    page.box.change(refresh, *trayed, **QUIET)
    for changed in (
        edit.click(with_box(handlers.edit), boxed, page.shown, **CHANGING),
        undo.click(take_back, [*boxed, *page.asked], laid_out(page, beside), **CHANGING),
        clear.click(lambda panes: page.render(handlers.clear(panes)), page.panes, page.shown, **CHANGING),
        keep.wire(page, beside, keeping, handlers.dropping.uploads),
    ):
        changed.then(refresh, *trayed, **QUIET)
    page.chats[0].example_select(begin, None, page.box, **QUIET)

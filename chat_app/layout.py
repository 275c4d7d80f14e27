"""Components and wiring. What happens is in `handlers`, how it looks as HTML in `view` and `meter`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from chat_app import strings, view
from chat_app.handlers import Handlers
from chat_app.session import Attachment, Box, Session
from chat_app.sidebar import form, html, sidebar
from chat_app.view import Card, Message, View
from core.engine import Engine
from core.texts import example_conversations

HERE = Path(__file__).parent
EXAMPLES = HERE / "examples"
MAX_FILE_SIZE = "200mb"
CACHE_SECONDS = (3_600, 86_400)
"""Uploaded files are looked at every hour and go after a day."""

FONTS = ("Inter", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO_FONTS = ("ui-monospace", "SFMono-Regular", "Menlo", "monospace")


def launch_options() -> dict[str, Any]:
    """What `Blocks.launch` takes besides the port. Nothing here opens the page to the world or writes it elsewhere."""
    return {
        "theme": gr.themes.Soft(
            primary_hue="indigo", secondary_hue="indigo", neutral_hue="slate", font=FONTS, font_mono=MONO_FONTS
        ).set(
            background_fill_primary="*neutral_50",
            block_title_background_fill="none",
            block_title_background_fill_dark="none",
            block_title_text_color="*body_text_color",
            block_title_text_color_dark="*body_text_color",
            block_title_text_size="*text_sm",
            block_title_padding="0",
        ),
        "css_paths": HERE / "page.css",
        "allowed_paths": [str(EXAMPLES)],
        "max_file_size": MAX_FILE_SIZE,
        "footer_links": [],
        "run_history": False,
        "share": False,
        "enable_monitoring": False,
        "mcp_server": False,
        "pwa": False,
        "ssr_mode": False,
    }


def build(engine: Engine) -> gr.Blocks:
    """The page for one engine; answers come one at a time, further questions wait in the queue."""
    handlers = Handlers(engine, Path(get_upload_folder()))
    examples = example_conversations()
    with gr.Blocks(title=strings.TITLE, analytics_enabled=False, delete_cache=CACHE_SECONDS, fill_height=True) as demo:
        session = gr.State(Session())
        attachments = gr.State(())
        settings, weights = sidebar(engine.info)
        tagline = strings.TAGLINE if engine.info.attention else strings.TAGLINE_WITHOUT_METER
        html(f'<header class="es-header"><h1>{strings.TITLE}</h1><p>{tagline}</p></header>')
        chat = gr.Chatbot(
            label=strings.CHAT_LABEL,
            show_label=False,
            height=None,
            scale=1,
            min_height=260,
            layout="bubble",
            buttons=[],
            latex_delimiters=[],
            allow_tags=False,
            placeholder=strings.PLACEHOLDER,
            examples=[
                {"text": example.question, "display_text": f"{example.title}\n{example.question}"}
                for example in examples
            ],
            elem_id="chat",
        )
        tray = html(view.tray(Session()).html, js_on_load=(HERE / "player.js").read_text("utf-8"), elem_id="tray")
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
            undo = gr.Button(strings.UNDO, size="sm", interactive=False, elem_id="undo")
            clear = gr.Button(strings.CLEAR, size="sm", interactive=False, elem_id="clear")
            restore = gr.Button(strings.RESTORE, size="sm", visible=False, elem_id="restore")
            status = html(view.status(engine.info, strings.READY), elem_id="status")
        shown = [session, chat, status, box, retry, undo, clear, restore]

        def send(
            request: gr.Request,
            session: Session,
            attachments: tuple[Attachment, ...],
            content: dict[str, Any],
            *values: Any,
        ) -> Iterator[list[Any]]:
            yield from _stream(handlers.send(_tab(request), session, attachments, _box(content), form(values)))

        def ask_again(request: gr.Request, session: Session, *values: Any) -> Iterator[list[Any]]:
            yield from _stream(handlers.retry(_tab(request), session, form(values)))

        def stop(request: gr.Request) -> None:
            handlers.stop(_tab(request))

        def refresh(session: Session, attachments: tuple[Attachment, ...], content: dict[str, Any]) -> tuple[Any, ...]:
            attached = handlers.attach(session, attachments, _box(content).files)
            seen = handlers.tray(session, attached)
            return attached, seen.html, *(gr.update(visible=index < seen.clips) for index in range(len(weights)))

        def begin(selected: gr.EventData) -> dict[str, Any]:
            example = examples[selected.index]
            return {"text": example.question, "files": [str(EXAMPLES / name) for name in example.files]}

        # All answers share one place in the queue; everything else may run beside them.
        answer: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "answer", "show_progress": "hidden"}
        plain: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden"}
        box.submit(send, [session, attachments, box, *settings], shown, api_name="send", **answer)
        retry.click(ask_again, [session, *settings], shown, api_visibility="private", **answer)
        box.stop(stop, api_visibility="private", **plain)
        taken = undo.click(
            lambda session, content: _render(handlers.undo(session, _box(content))),
            [session, box],
            shown,
            api_visibility="private",
            **plain,
        )
        cleared = clear.click(
            lambda session: _render(handlers.clear(session)), session, shown, api_visibility="private", **plain
        )
        restored = restore.click(
            lambda session: _render(handlers.restore(session)), session, shown, api_visibility="private", **plain
        )
        trayed = ([session, attachments, box], [attachments, tray, *weights])
        box.change(refresh, *trayed, api_visibility="private", **plain)
        for action in (taken, cleared, restored):
            action.then(refresh, *trayed, api_visibility="private", **plain)
        chat.example_select(begin, None, box, api_visibility="private", **plain)
    assert isinstance(demo, gr.Blocks)
    return demo


def _tab(request: gr.Request) -> str:
    """A name for the page that asks, the same as long as it is open."""
    return str(request.session_hash)


def _box(content: dict[str, Any] | None) -> Box:
    return Box(content.get("text") or "", tuple(content.get("files") or ())) if content else Box()


def _stream(views: Iterator[View]) -> Iterator[list[Any]]:
    """Updates for the page; what does not change within an answer is sent at its beginning and end only."""
    answering: bool | None = None
    for shown in views:
        yield _render(shown, buttons=answering != shown.session.answering)
        answering = shown.session.answering


def _render(shown: View, *, buttons: bool = True) -> list[Any]:
    """Values for session, chat, status, box, retry, undo, clear, restore."""
    session, answering = shown.session, shown.session.answering
    content: dict[str, Any] = (
        {} if shown.box is None else {"value": {"text": shown.box.text, "files": list(shown.box.files)}}
    )
    idle = bool(session.exchanges) and not answering
    around = (
        [
            gr.update(submit_btn=not answering, stop_btn=answering, **content),
            gr.update(interactive=idle),
            gr.update(interactive=idle),
            gr.update(interactive=idle),
            gr.update(visible=bool(session.cleared) and not session.exchanges),
        ]
        if buttons
        else [gr.skip()] * 5
    )
    return [session, [_bubble(message) for message in shown.messages], shown.status, *around]


def _bubble(message: Message) -> dict[str, Any]:
    content = [html(part.html, render=False) if isinstance(part, Card) else part for part in message.content]
    return {"role": message.role, "content": content}

"""Keep it: a conversation is saved as a file, as a report, and opened again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from html import escape
from pathlib import Path
from secrets import token_hex
from typing import Any

import gradio as gr

from chat_app import strings
from chat_app.archive import pack, unpack, write
from chat_app.conversation_report import conversation_report
from chat_app.page import QUIET, Page, tab
from chat_app.panes import Panes, Sessions
from chat_app.restore import forms_of
from chat_app.side import Side, laid_out, layout
from chat_app.sidebar import html
from core.errors import ConversationError

DOWNLOAD = """(file) => {
  if (!file) return;
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name;
  document.body.append(link);
  link.click();
  link.remove();
}"""
"""Downloads what the hidden button holds. A person's click on it would come before the file is there."""

SAVED_AS = {"zip": pack, "html": lambda sessions, infos: conversation_report(sessions, infos).encode()}


@dataclass(frozen=True)
class Keep:
    """The components.

    Attributes:
        save: Saves the conversation.
        report: Saves it as a page to look at.
        choose: Opens a saved one.
        said: What came of it.
        file: Holds the file that is downloaded next.
    """

    save: gr.Button
    report: gr.Button
    choose: gr.UploadButton
    said: gr.HTML
    file: gr.DownloadButton


def keep() -> Keep:
    """The buttons, above the settings."""
    with gr.Accordion(strings.KEEP, open=False, elem_id="keep"):
        return Keep(
            save=gr.Button(strings.SAVE_CONVERSATION, size="sm", elem_id="save-conversation"),
            report=gr.Button(strings.SAVE_REPORT, size="sm", elem_id="save-report"),
            choose=gr.UploadButton(
                strings.OPEN_CONVERSATION, file_types=[".zip"], size="sm", elem_id="open-conversation"
            ),
            said=html("", elem_id="kept"),
            file=gr.DownloadButton(visible="hidden", elem_id="kept-file"),
        )


def wire(page: Page, side: Side, parts: Keep, uploads: Path) -> Any:
    """Saves and opens.

    Returns:
        The event after which another conversation is there.
    """
    infos = page.sidebar.infos
    outputs = [*laid_out(page, side), parts.said]
    unchanged = [gr.skip()] * (len(outputs) - 1)

    def save(kind: str, panes: Panes) -> Iterator[tuple[Any, str]]:
        yield gr.skip(), _said(strings.SAVING)
        name = f"earshot-{datetime.now():%Y-%m-%d-%H%M%S}.{kind}"
        try:
            # Under a name that nobody can guess: whoever knows an upload's address can fetch it.
            path = uploads / token_hex(16) / name
            page.tray.temp_files.add(str(path))  # goes as uploaded files do
            write(path, _content(panes, partial(SAVED_AS[kind], infos=infos)))
        except ConversationError as error:
            yield None, _said(str(error), problem=True)
        else:
            yield str(path), _said(strings.SAVED.format(name=name))

    def choose(request: gr.Request, panes: Panes, file: str) -> list[Any]:
        # An answer that began meanwhile would be shown in panes that are gone.
        with page.handlers.turns.writing(tab(request)) as alone:
            if panes.answering or not alone:
                return [*unchanged, _said(strings.STILL_ANSWERING, problem=True)]
            return opened(panes, file)

    def opened(panes: Panes, file: str) -> list[Any]:
        try:
            sessions = unpack(Path(file), uploads)
        except ConversationError as error:
            return [*unchanged, _said(str(error), problem=True)]
        page.tray.temp_files.update(attachment.path for attachment in sessions[0].attached)  # go as uploaded files do
        forms, notes = forms_of(sessions, infos)
        said = strings.opened(len(sessions[0].exchanges))
        shown = page.handlers.still(panes.then(sessions), said)
        return [*layout(page, shown, forms), _said(" ".join((said, *notes)))]

    for button, kind in ((parts.save, "zip"), (parts.report, "html")):
        saved = button.click(partial(save, kind), page.panes, [parts.file, parts.said], **QUIET)
        saved.then(None, parts.file, None, js=DOWNLOAD, **QUIET)
    return parts.choose.upload(choose, [page.panes, parts.choose], outputs, **QUIET)


def _content(panes: Panes, made: Callable[[Sessions], bytes]) -> bytes:
    if panes.answering:
        raise ConversationError(strings.STILL_ANSWERING)
    if not panes.first.exchanges:
        raise ConversationError(strings.NOTHING_TO_KEEP)
    return made(panes.sessions)


def _said(sentence: str, *, problem: bool = False) -> str:
    look = 'class="es-notice" role="alert"' if problem else 'class="es-said" role="status"'
    return f"<p {look}>{escape(sentence)}</p>"

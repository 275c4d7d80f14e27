"""How long what a visitor has is kept: while the tab is open, and for a day after it was last seen."""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

import gradio as gr

from chat_app.page import QUIET, Page, tab
from chat_app.panes import Panes
from chat_app.session import Attachment

CHECK_SECONDS = 3_600
"""How often uploaded files are looked at."""
KEPT_SECONDS = 86_400
"""Files, and conversations that nobody was seen with, go after a day."""
SIGN_SECONDS = 1_200
"""How often an open tab gives a sign. A browser may hold it back for a minute, a network for longer."""
MOST_VISITS = 500
"""Conversations held at the same time; beyond, the one seen the longest ago goes."""


def wire(demo: gr.Blocks, page: Page) -> None:
    """Lets every open tab give a sign now and then.

    Gradio alone deletes uploaded files by their age, whoever still shows them; forgets a conversation as soon as its
    tab's connection breaks off, if nothing was asked in it for an hour; and of a tab that was closed keeps what it
    showed for as long as the process runs.
    """

    def arrive(request: gr.Request) -> None:
        demo.state_holder[tab(request)].STATE_TTL_WHEN_CLOSED = sys.maxsize
        forget(demo)

    def sign(request: gr.Request, panes: Panes, attachments: tuple[Attachment, ...]) -> None:
        arrive(request)
        for path in files(panes, attachments):
            with suppress(FileNotFoundError):  # it was taken away by hand
                os.utime(path)

    demo.load(arrive, None, None, **QUIET)
    gr.Timer(SIGN_SECONDS).tick(sign, [page.panes, page.attachments], None, **QUIET)


def files(panes: Panes, attachments: Iterable[Attachment]) -> set[str]:
    """Paths of all files that this tab shows, or would show after Undo."""
    sessions = (session for shown in (panes.sessions, *panes.before) for session in shown)
    every = [*attachments, *(attachment for session in sessions for attachment in session.attached)]
    return {path for attachment in every for path in (attachment.path, attachment.played) if path}


def forget(demo: gr.Blocks) -> None:
    """Drops what is held of tabs that gave no sign for a day."""
    holder, long_ago = demo.state_holder, datetime.now() - timedelta(seconds=KEPT_SECONDS)
    with holder.lock:
        for visit in [visit for visit, seen in holder.time_last_used.items() if seen < long_ago]:
            del holder.time_last_used[visit]
            holder.session_data.pop(visit, None)

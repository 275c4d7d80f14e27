"""A page served from this process, as `app.py` serves it, that leaves nothing open behind."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import gradio as gr

from chat_app import build, launch_options
from core.engine import Engine


@contextmanager
def served(*engines: Engine, **options: Any) -> Iterator[str]:
    """The address of the page of these engines, on a free port of this machine; options are `launch_options`'."""
    with running(*engines, **options) as demo:
        yield demo.local_url


@contextmanager
def running(*engines: Engine, **options: Any) -> Iterator[gr.Blocks]:
    """The page itself, served as `served` does."""
    with loops_closed():
        demo = build(*engines)
        # Searching a port by itself, Gradio leaves a socket open for each that is taken.
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        demo.launch(server_port=port, prevent_thread_lock=True, quiet=True, **launch_options(**options))
        try:
            yield demo
        finally:
            demo.close()


@contextmanager
def loops_closed() -> Iterator[None]:
    """Closes the event loops Gradio opens in the main thread for its locks, and then forgets."""
    opened = []
    create = asyncio.new_event_loop

    def remember() -> asyncio.AbstractEventLoop:
        opened.append(create())
        return opened[-1]

    with mock.patch.object(asyncio, "new_event_loop", remember):
        yield
    asyncio.set_event_loop(None)
    for loop in opened:
        loop.close()

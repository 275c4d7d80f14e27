"""A page served from this process, as `app.py` serves it, that leaves nothing open behind."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import gradio as gr

from chat_app import build, launch_options
from core.engine import Engine


@contextmanager
def served(*engines: Engine) -> Iterator[str]:
    """The address of the page of these engines, on a free port of this machine."""
    with serving(*engines) as (_, address):
        yield address


@contextmanager
def serving(*engines: Engine) -> Iterator[tuple[gr.Blocks, str]]:
    """The same with the page itself."""
    with loops_closed():
        demo = build(*engines)
        # Searching a port by itself, Gradio leaves a socket open for each that is taken.
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        address = demo.launch(server_port=port, prevent_thread_lock=True, quiet=True, **launch_options())[1]
        try:
            yield demo, address
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

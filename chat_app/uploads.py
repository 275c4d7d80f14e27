"""A page takes only what was uploaded to it. Gradio's own would fetch any address for whoever reaches it."""

import errno
from contextlib import suppress
from functools import wraps
from pathlib import Path
from traceback import walk_tb
from typing import Any
from urllib.parse import unquote

import gradio as gr
from fastapi import Request
from fastapi.responses import PlainTextResponse
from gradio.components import Component
from gradio.exceptions import InvalidPathError
from gradio.route_utils import GradioMultiPartParser
from gradio_client.utils import is_http_url_like

from chat_app import strings

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk that takes no more."""
UPLOADED = "/gradio_api/file="
"""In the address of an uploaded file, before its path. MCP clients name a file by that address."""
BROKEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError, RecursionError)
"""What components that are not ours raise for values that no page sends."""


def only_uploads(page: gr.Blocks) -> None:
    """Every component of the page fetches nothing from now on; each is changed, whatever it is for.

    What a component cannot take is a sentence for who sent it; Gradio would tell them nothing, and the log all of it.
    """
    kept = page.preprocess_data

    @wraps(kept)
    async def taken(*given: Any, **options: Any) -> list[Any]:
        try:
            return list(await kept(*given, **options))
        except gr.Error:
            raise
        except InvalidPathError:
            raise refused(strings.FOREIGN_FILE) from None
        except BROKEN:
            raise refused(strings.WRONG_VALUES) from None

    page.preprocess_data = taken  # type: ignore[method-assign]
    for block in page.blocks.values():
        if isinstance(block, Component):
            _only_uploads(block)


def _only_uploads(component: Component) -> None:
    kept = component.async_move_resource_to_block_cache

    async def uploaded(named: str | Path | None) -> str | None:
        """The path of what a client names; whether it may be read, Gradio and `Dropping` ask."""
        if not is_http_url_like(str(named)):
            return await kept(named)
        _, here, path = str(named).partition(UPLOADED)
        if not here:
            raise refused(strings.NOT_FETCHED)
        return unquote(path)

    component.async_move_resource_to_block_cache = uploaded  # type: ignore


def refused(sentence: str) -> gr.Error:
    """The error a client sees: the sentence alone."""
    return gr.Error(sentence, print_exception=False)


async def no_room(_: Request, error: Exception) -> PlainTextResponse:
    """What the page shows where an upload finds the disk full; Gradio's answer has no words and leaves half a file."""
    if not isinstance(error, OSError) or error.errno not in FULL:
        raise error
    for frame, _line in walk_tb(error.__traceback__):
        parser = frame.f_locals.get("self")
        for file in parser._files_to_close_on_error if isinstance(parser, GradioMultiPartParser) else ():
            with suppress(OSError):  # closing writes what is left
                file.close()
            Path(file.name).unlink(missing_ok=True)
    return PlainTextResponse(strings.NO_ROOM, 507)

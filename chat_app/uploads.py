"""A page takes only what was uploaded to it. Gradio's own would fetch any address for whoever reaches it."""

import errno
from contextlib import suppress
from pathlib import Path
from traceback import walk_tb
from typing import Any
from urllib.parse import unquote

import gradio as gr
from fastapi import Request
from fastapi.responses import PlainTextResponse
from gradio.exceptions import InvalidPathError
from gradio.route_utils import GradioMultiPartParser
from gradio_client.utils import is_file_obj_with_meta, is_http_url_like, traverse

from chat_app import strings

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk that takes no more."""
UPLOADED = "/gradio_api/file="
"""In the address of an uploaded file, before its path. MCP clients name a file by that address."""
BROKEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError, RecursionError)
"""What components that are not ours raise for values that no page sends."""


def only_uploads(page: gr.Blocks) -> None:
    """No listener of the page fetches anything from now on, and what it cannot take is a sentence for who sent it.

    What it is given is looked through before Gradio sees it. A component cannot be told: Gradio makes a new one for a
    visitor as soon as a listener changes something of it.
    """
    kept = page.preprocess_data

    async def preprocess_data(block_fn: Any, inputs: list[Any], *args: Any, **options: Any) -> list[Any]:
        try:
            here = traverse(inputs, _uploaded, is_file_obj_with_meta)
            return list(await kept(block_fn, here, *args, **options))
        except gr.Error:  # which is a ValueError
            raise
        except InvalidPathError:
            raise refused(strings.FOREIGN_FILE) from None
        except BROKEN:
            raise refused(strings.WRONG_VALUES) from None

    page.preprocess_data = preprocess_data  # type: ignore[method-assign]


def _uploaded(file: dict[str, Any]) -> dict[str, Any]:
    """A file as a client names it, by its path; whether that may be read, Gradio and `Dropping` ask."""
    named = str(file["path"])
    if not is_http_url_like(named):
        return file
    _, here, path = named.partition(UPLOADED)
    if not here:
        raise refused(strings.NOT_FETCHED)
    return {**file, "path": unquote(path)}


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

"""A page takes only what was uploaded to it. Gradio's own would fetch any address for whoever reaches it."""

from typing import Any
from urllib.parse import unquote

import gradio as gr
from gradio_client.utils import is_file_obj_with_meta, is_http_url_like, traverse

from chat_app import strings

UPLOADED = "/gradio_api/file="
"""In the address of an uploaded file, before its path. MCP clients name a file by that address."""


def only_uploads(page: gr.Blocks) -> None:
    """No listener of the page fetches anything from now on.

    What it is given is looked through before Gradio sees it. A component cannot be told: Gradio makes a new one for a
    visitor as soon as a listener changes something of it.
    """
    kept = page.preprocess_data

    async def preprocess_data(block_fn: Any, inputs: list[Any], *args: Any, **options: Any) -> list[Any]:
        here = traverse(inputs, _uploaded, is_file_obj_with_meta)
        ready: list[Any] = await kept(block_fn, here, *args, **options)
        return ready

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

"""Faults of our own go to the log without a word of what was asked: what happened and where, not the message."""

import logging
import traceback
from typing import Any

import gradio as gr

from chat_app import strings

logger = logging.getLogger(__name__)


def log(what: str, error: BaseException) -> None:
    """Writes what kind of error it was, and its places in the code.

    The messages stay out, also those of the errors that led to it: libraries put into them what they were given.
    """
    chain = list[BaseException]()
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ or at.__context__
    logger.error("%s:\n%s", what, "\nand then\n".join(_places(led) for led in reversed(chain)))


def _places(error: BaseException) -> str:
    """The type, and the places it came through, the last one innermost."""
    frames = traceback.extract_tb(error.__traceback__)
    return "\n  ".join((type(error).__qualname__, *(f"{at.filename}:{at.lineno} in {at.name}" for at in frames)))


def one_sentence(page: gr.Blocks) -> None:
    """Whatever goes wrong in a listener, or in Gradio on the way to it, is a sentence from now on."""
    kept = page.process_api

    async def process_api(*args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return await kept(*args, **kwargs)
        except gr.Error as error:
            error.print_exception = False  # else Gradio prints it, with what was given
            raise
        except Exception as error:  # noqa: BLE001
            log("A listener failed", error)
            raise gr.Error(strings.CRASHED, print_exception=False) from None

    page.process_api = process_api  # type: ignore[method-assign]

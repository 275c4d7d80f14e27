"""How the page is served: to whom, from where, in which colours."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from chat_app import visits
from chat_app.guard import THIS_MACHINE, Guard
from chat_app.turns import MOST_WAITING
from chat_app.uploads import no_room
from chat_app.users import Check

HERE = Path(__file__).parent
EXAMPLES = HERE / "examples"
STYLES = ("page.css", "tray.css", "clip.css", "meter.css", "keep.css", "habits.css")
MAX_FILE_SIZE = "200mb"
BESIDES = 40
"""Threads for all that does not wait: Gradio's own number."""

FONTS = ("Inter", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO_FONTS = ("ui-monospace", "SFMono-Regular", "Menlo", "monospace")


def launch_options(
    most_waiting: int = MOST_WAITING, users: Check | None = None, names: Sequence[str] = ()
) -> dict[str, Any]:
    """What `Blocks.launch` takes besides the port. Nothing here opens the page to the world or writes it elsewhere.

    Args:
        most_waiting: As given to `build`: each question that waits has a thread.
        users: Asks for a name and a password; None lets in whoever reaches the page.
        names: Hosts by which it is reached through a proxy, besides this machine.
    """
    here = listens_at() in THIS_MACHINE
    guard = Middleware(Guard, names=(*THIS_MACHINE, *names) if here else names, private=here or users is not None)
    return {
        "max_threads": most_waiting + BESIDES,
        "auth": users,
        "app_kwargs": {"middleware": [guard], "exception_handlers": {OSError: no_room}},
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
            block_info_text_color="*neutral_600",
            block_info_text_color_dark="*neutral_300",
            body_text_color_subdued="*neutral_600",
            body_text_color_subdued_dark="*neutral_300",
            input_placeholder_color="*neutral_500",
            input_placeholder_color_dark="*neutral_300",
        ),
        "css_paths": [HERE / name for name in STYLES],
        "head": f"<style>{(HERE / 'media.css').read_text('utf-8')}</style>",
        "allowed_paths": [str(EXAMPLES)],
        "max_file_size": MAX_FILE_SIZE,
        "footer_links": [],
        "run_history": False,
        "share": False,
        "enable_monitoring": False,
        "mcp_server": False,
        "pwa": False,
        "ssr_mode": False,
        "state_session_capacity": visits.MOST_VISITS,
    }


def listens_at() -> str:
    """Where the page listens, as Gradio has it: in the container of a Space, for instance, to everybody."""
    return os.environ.get("GRADIO_SERVER_NAME") or THIS_MACHINE[0]

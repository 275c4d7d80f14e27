"""The page: Gradio components over an `Engine`. Knows no model; never imports torch."""

from chat_app import private
from chat_app.launch import launch_options, listens_at
from chat_app.layout import build

__all__ = ["build", "launch_options", "listens_at", "private"]

"""The page: Gradio components over an `Engine`. Knows no model; never imports torch."""

from chat_app.layout import build, launch_options

__all__ = ["build", "launch_options"]

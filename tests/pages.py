"""Handlers and settings as the page has them, without a page."""

from pathlib import Path
from typing import Any

from chat_app.asking import asker
from chat_app.dropping import Dropping
from chat_app.form import Form
from chat_app.handlers import Handlers
from chat_app.sidebar import start
from core.audio import Limits
from core.engine import Engine
from core.fake import FakeEngine


def handling(uploads: Path, *engines: Engine, **options: Any) -> Handlers:
    """Handlers over engines; the folder of uploads is `uploads`."""
    limits = Limits().up_to(engines[0].info.longest_seconds)
    return Handlers(engines, asker(engines), Dropping(uploads, limits), **options)


def form(of: Engine | None = None, **changes: object) -> Form:
    """The settings as the page of an engine starts with them, the fake one unless given, but for `changes`."""
    first = start([(of or FakeEngine()).info])
    return Form(**(vars(first) | changes))

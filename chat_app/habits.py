"""Help, the hint of a first visit, and what `habits.js` needs: HTML of what people know from other chats."""

from collections.abc import Sequence
from html import escape

from chat_app import strings
from core.audio import Limits
from core.engine import EngineInfo


def header(tagline: str, infos: Sequence[EngineInfo]) -> str:
    """The head of the page, with the dialog its button opens and the place where screen readers are told things."""
    keys = "".join(f"<div><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>" for key, what in strings.KEY_LIST)
    more = "".join(f"<li><b>{name}</b>: {what}</li>" for name, what in strings.MORE_LIST)
    return (
        f'<header class="es-header"><h1>{strings.TITLE}</h1><p>{tagline}</p>'
        f'<button type="button" class="es-help-open es-button" aria-haspopup="dialog">{strings.HELP}</button></header>'
        f'<dialog class="es-help" id="help" aria-labelledby="es-help-title"><h2 id="es-help-title">{strings.HELP}</h2>'
        f"<h3>{strings.HINT}</h3>{_steps(infos)}"
        f'<h3>{strings.MORE}</h3><ul class="es-steps">{more}</ul>'
        f'<h3>{strings.KEYS}</h3><dl class="es-keyboard">{keys}</dl>'
        f"<h3>{strings.LIMITS}</h3><p>{escape(limits(infos[0]))}</p>"
        f'<form method="dialog"><button class="es-button">{strings.CLOSE}</button></form></dialog>'
        f'<p class="es-said es-hidden" role="status" data-copied="{strings.COPIED}" data-box="{strings.BOX_LABEL}"'
        f' data-not-copied="{strings.NOT_COPIED}" data-settings="{strings.SETTINGS}"></p>'
    )


def hint(infos: Sequence[EngineInfo]) -> str:
    """What to do, for a first visit."""
    return (
        f'<aside class="es-hint" aria-label="{strings.HINT}">{_steps(infos)}'
        f'<button type="button" class="es-hint-close es-button">{strings.HINT_CLOSE}</button></aside>'
    )


def limits(info: EngineInfo) -> str:
    """What fits into one conversation, in one line of plain text."""
    seconds = Limits().up_to(info.longest_seconds).max_seconds
    in_parts = info.window_seconds < seconds
    return strings.LIMIT.format(
        clips=info.max_clips,
        seconds=seconds,
        parts=strings.LIMIT_PARTS.format(seconds=info.window_seconds) if in_parts else "",
        tokens=strings.LIMIT_TOKENS.format(tokens=info.context_tokens) if info.context_tokens else "",
    )


def copy_button(words: str) -> str:
    """Copies an answer as the model wrote it; nothing where there is no word."""
    if not words.strip():
        return ""
    return (
        f'<button type="button" class="es-copy es-button" aria-label="{strings.COPY_LABEL}"'
        f' data-words="{escape(words.strip())}">{strings.COPY}</button>'
    )


def _steps(infos: Sequence[EngineInfo]) -> str:
    steps = strings.STEPS if any(info.attention for info in infos) else strings.STEPS_WITHOUT_METER
    return f'<ol class="es-steps">{"".join(f"<li>{step}</li>" for step in steps)}</ol>'

"""A session as it is to be seen: chat messages, tray and status line. Knows HTML but no Gradio."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from chat_app import habits, meter, strings
from chat_app.panes import Panes
from chat_app.session import Attachment, Box, Exchange, Session
from chat_app.waveform import badge, waveform
from core.audio import level_envelope
from core.engine import EngineInfo
from core.types import Clip, Role, Settings, Stats, letter

ENVELOPE_BINS = 48


@dataclass(frozen=True)
class Card:
    """Ready HTML, everything in it escaped."""

    html: str


@dataclass(frozen=True)
class Message:
    """One bubble. A `str` is shown as sanitised Markdown, a `Card` as it is."""

    role: Role
    content: tuple[str | Card, ...]


@dataclass(frozen=True)
class Tray:
    """The clips of the conversation and those about to be sent.

    Attributes:
        html: How they look.
        clips: How many have a letter.
    """

    html: str
    clips: int


@dataclass(frozen=True)
class View:
    """All that changes on the page after an action or a piece of an answer.

    Attributes:
        panes: To keep.
        chats: The chat of each pane.
        status: HTML of the status line.
        box: New content of the input box; None leaves what a person is typing.
    """

    panes: Panes
    chats: tuple[tuple[Message, ...], ...]
    status: str
    box: Box | None = None


def messages(session: Session, named: bool = False) -> tuple[Message, ...]:
    """The chat of a whole session; `named` says at each answer who gave it."""
    bubbles: list[Message] = []
    clips: list[Clip] = []
    for exchange in session.exchanges:
        bubbles += exchange_messages(exchange, clips, named)
        clips += exchange.clips
    if session.notice:
        bubbles.append(_notice(session.notice))
    return tuple(bubbles)


def exchange_messages(exchange: Exchange, earlier: Sequence[Clip], named: bool = False) -> tuple[Message, ...]:
    """The bubbles of one exchange, after a conversation that holds the clips `earlier`."""
    chips = "".join(
        f'<span class="es-chip">{badge(index, letter(index))}{escape(clip.label)}</span>'
        for index, clip in enumerate(exchange.clips, start=len(earlier))
    )
    chips = f'<div class="es-chips">{chips}</div>' if chips else ""
    question = f'<div class="es-question">{chips}<p role="heading" aria-level="3">{escape(exchange.text)}</p></div>'
    bubbles = [Message("user", (Card(question),)), *map(_notice, exchange.left_out)]
    if exchange.ending == "answering":
        return (*bubbles, Message("assistant", (inert(exchange.words) or Card('<span class="es-waiting"></span>'),)))
    card = meter.card(exchange.summary, (*earlier, *exchange.clips))
    line = f'<p class="es-cost">{escape(cost(exchange, named))}</p>'
    footer = Card(f'<div class="es-foot">{line}{habits.copy_button(exchange.words)}</div>')
    silence = strings.NO_WORDS if exchange.ending in {"stop", "length"} else ""
    answer = inert(exchange.words) if exchange.words.strip() else Card(f"<p>{silence}</p>")
    problem = (_notice(exchange.problem),) if exchange.problem else ()
    return (*bubbles, Message("assistant", (answer, Card(card), footer)), *problem)


def inert(markdown: str) -> str:
    """A model's words as Markdown in which no HTML and no image is left: an image's address would be fetched."""
    return markdown.replace("<", "&lt;").replace("![", "!\\[")


def _notice(sentence: str) -> Message:
    return Message("assistant", (Card(f'<p class="es-notice" role="alert">{escape(sentence)}</p>'),))


def cost(exchange: Exchange, named: bool = False) -> str:
    """What one answer took and what it was made with, in one line of plain text; `named` says who gave it."""
    facts = [exchange.model] if named and exchange.model else []
    facts += speed(exchange.stats) if exchange.stats else ()
    if exchange.ending in strings.ENDINGS:
        facts.append(strings.ENDINGS[exchange.ending].format(tokens=exchange.settings.max_tokens))
    return " · ".join(facts + _made_with(exchange.settings))


def _made_with(settings: Settings) -> list[str]:
    boost = settings.boost
    return [
        *([strings.BOOSTED_WITH.format(method=boost.method, alpha=boost.alpha)] if boost.on else []),
        *([strings.WITH_ADAPTER.format(adapter=settings.adapter)] if settings.adapter else []),
        *([strings.WITH_FACTS] if settings.facts else []),
    ]


def speed(stats: Stats) -> tuple[str, ...]:
    """Seconds to the first token, and the rate of those after it where there are any."""
    first, rate = strings.FIRST_TOKEN.format(seconds=stats.first_token_seconds), tokens_per_second(stats)
    return (first,) if rate is None else (first, strings.SPEED.format(rate=rate))


def pace(first_token_seconds: float, tokens: int) -> str:
    """What is known of the pace of a running answer."""
    first = strings.FIRST_TOKEN.format(seconds=first_token_seconds)
    return f"{first} · {strings.SO_FAR.get(tokens, strings.SO_FAR_MANY.format(tokens=tokens))}"


def tokens_per_second(stats: Stats) -> float | None:
    """Rate of the tokens after the first; None where there are none."""
    rest_seconds = stats.total_seconds - stats.first_token_seconds
    return (stats.answer_tokens - 1) / rest_seconds if stats.answer_tokens > 1 and rest_seconds > 0 else None


def who_answers(info: EngineInfo) -> str:
    """The model, how it was loaded and why, in one line of plain text. Hostile where a server named it."""
    return f"{info.name} · {info.precision} · {info.reason}"


def status(info: EngineInfo, phase: str, pace: str = "") -> str:
    """The status line: which model, how it was loaded and why, and what goes on now.

    Screen readers speak the phase when it changes. The `pace` changes with every update, so it is only to be seen.
    """
    model = who_answers(info)
    return (
        f'<div class="es-status"><span class="es-model" title="{escape(model)}">{escape(model)}</span>'
        f'<span role="status" class="es-phase">{escape(phase)}</span>'
        f'<span class="es-pace">{escape(pace)}</span></div>'
    )


def tray(session: Session, attachments: Sequence[Attachment] = (), window_seconds: float = math.inf) -> Tray:
    """The tray: clips of the conversation first, then those about to be sent, the unusable ones with their sentence.

    A clip longer than `window_seconds` is said to be heard in parts.
    """
    items, index = [], 0
    for attachment in session.attached:
        items.append(_tray_item(index, attachment, window_seconds, waiting=False))
        index += 1
    for attachment in attachments:
        if attachment.clip is None:
            problem = escape(attachment.problem)
            items.append(f'<li class="es-clip es-bad"><span class="es-badge">!</span><span>{problem}</span></li>')
        else:
            items.append(_tray_item(index, attachment, window_seconds, waiting=True))
            index += 1
    if not items:
        return Tray(f'<p class="es-tray-empty">{strings.EMPTY_TRAY}</p>', 0)
    return Tray(f'<ul class="es-tray">{"".join(items)}</ul>', index)


def _tray_item(index: int, attachment: Attachment, window_seconds: float, *, waiting: bool) -> str:
    clip = attachment.sound
    name, label = letter(index), escape(attachment.label)
    # Only files that Gradio keeps in its upload folder are served under this address.
    address = escape("gradio_api/file=" + quote(Path(attachment.path).as_posix()))
    mark = f'<span class="es-new">{strings.NOT_SENT}</span>' if waiting else ""
    if clip.seconds > window_seconds:
        parts = strings.IN_PARTS.format(window_seconds=window_seconds)
        mark += f'<span class="es-parts">{parts}</span>'
    return (
        f'<li class="es-clip{" es-pending" if waiting else ""}">{badge(index, name)}'
        f'<button type="button" class="es-play" aria-label="{strings.PLAY.format(letter=name, name=label)}"></button>'
        f'<div class="es-about"><span class="es-name" title="{label}">{label}</span>{mark}</div>'
        f'<span class="es-seconds">{clip.seconds:.1f} s</span>'
        f'<div class="es-seek" aria-hidden="true">{waveform(level_envelope(clip, ENVELOPE_BINS))}<i></i></div>'
        f'<audio preload="none" src="{address}"></audio></li>'
    )

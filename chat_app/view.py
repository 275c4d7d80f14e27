"""A session as it is to be seen: chat messages and status line. Knows HTML but no Gradio."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from chat_app import effect, habits, meter, orders_card, strings
from chat_app.panes import Panes
from chat_app.session import Attachment, Box, Exchange, Session
from chat_app.waveform import address, badge
from core.engine import EngineInfo
from core.types import Role, Settings, Stats, letter


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
    earlier: list[Attachment] = []
    for exchange in session.exchanges:
        bubbles += exchange_messages(exchange, earlier, named)
        earlier += exchange.attached
    if session.notice:
        bubbles.append(_notice(session.notice))
    return tuple(bubbles)


def exchange_messages(exchange: Exchange, earlier: Sequence[Attachment], named: bool = False) -> tuple[Message, ...]:
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
    attached = (*earlier, *exchange.attached)
    clips = [attachment.sound for attachment in attached]
    card = meter.card(exchange.trace, clips, [address(attachment) for attachment in attached])
    line = f'<p class="es-cost">{escape(cost(exchange, named))}</p>'
    footer = Card(f'<div class="es-foot">{line}{habits.copy_button(exchange.words)}</div>')
    silence = strings.NO_WORDS if exchange.ending in {"stop", "length"} else ""
    answer = inert(exchange.words) if exchange.words.strip() else Card(f"<p>{silence}</p>")
    problem = (_notice(exchange.problem),) if exchange.problem else ()
    found = [effect.section(exchange.effect, exchange.summary, clips)] if exchange.effect else []
    found += [orders_card.card(exchange.ordered)] if exchange.ordered else []
    return (*bubbles, Message("assistant", (answer, Card(card), *map(Card, found), footer)), *problem)


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

"""The clip tray: every clip of the conversation and of the input box, with its letter. Knows HTML but no Gradio."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from chat_app import strings
from chat_app.session import Attachment, Session
from chat_app.waveform import address, badge_colours, waveform
from core.audio import level_envelope
from core.types import letter

ENVELOPE_BINS = 48


@dataclass(frozen=True)
class Tray:
    """The clips of the conversation and those about to be sent.

    Attributes:
        html: How they look.
        clips: How many have a letter.
    """

    html: str
    clips: int


def tray(
    session: Session,
    attachments: Sequence[Attachment] = (),
    window_seconds: float = math.inf,
    most: int = 8,
    opened: int | None = None,
) -> Tray:
    """The tray: clips of the conversation first, then those about to be sent, the unusable ones with their sentence.

    Args:
        session: The clips that were sent.
        attachments: Those in the input box.
        window_seconds: A longer clip is said to be heard in parts.
        most: Clips there may be in one conversation.
        opened: Place of the clip whose panel is open.
    """
    sent = session.attached
    waiting = tuple(attachment for attachment in attachments if attachment.clip is not None)
    items = [
        _item(place, attachment, window_seconds, waiting=place >= len(sent), opened=place == opened)
        for place, attachment in enumerate((*sent, *waiting))
    ]
    unusable = [
        _unusable(len(sent) + place, attachment)
        for place, attachment in enumerate(attachments)
        if attachment.clip is None
    ]
    if not items and not unusable:
        return Tray(f'<p class="es-tray-empty">{strings.EMPTY_TRAY}</p>', 0)
    seconds = sum(attachment.sound.seconds for attachment in (*sent, *waiting))
    listed = f'<ul class="es-tray" aria-label="{strings.CLIP_TRAY}">{"".join(items)}</ul>' if items else ""
    refused = f'<ul class="es-unusable" aria-label="{strings.UNUSABLE}">{"".join(unusable)}</ul>' if unusable else ""
    return Tray(f'<p class="es-tray-head">{told(len(items), seconds, most)}</p>{listed}{refused}', len(items))


def told(clips: int, seconds: float, most: int) -> str:
    """What the model will hear: how many clips of how many, their length, and the letters that are free."""
    first, last = letter(clips), letter(most - 1)
    if clips > most:
        free = strings.CLIPS_TOO_MANY.format(over=clips - most)
    elif clips == most:
        free = strings.NO_LETTER_FREE
    else:
        free = (strings.ONE_LETTER_FREE if first == last else strings.LETTERS_FREE).format(first=first, last=last)
    count = strings.CLIP_COUNT.format(clips=clips, most=most, seconds=seconds)
    return f'<span class="es-count">{count} · {free}</span> <span class="es-hint">{strings.ASK_HINT}</span>'


def _item(place: int, attachment: Attachment, window_seconds: float, *, waiting: bool, opened: bool) -> str:
    clip, name, label = attachment.sound, letter(place), escape(attachment.label)
    background, colour = badge_colours(place)
    mention = strings.MENTION.format(letter=name)
    words = strings.CLIP_WORDS.format(letter=name)
    keys = ' aria-keyshortcuts="Alt+ArrowLeft Alt+ArrowRight"' if waiting else ""
    away = strings.TAKE_AWAY.format(letter=name, name=label)
    drag = ' draggable="true"' if waiting else ""
    remove = f'<button type="button" class="es-remove" aria-label="{away}">×</button>' if waiting else ""
    return (
        f'<li class="es-clip{" es-pending" if waiting else ""}" data-place="{place}" data-src="{address(attachment)}"'
        f' data-seconds="{clip.seconds:.3f}"{drag}>'
        f'<button type="button" class="es-badge es-mention" style="background:{background};color:{colour}"'
        f' data-words="{words}" aria-label="{mention}" title="{mention}">{name}</button>'
        f'<button type="button" class="es-play" aria-label="{strings.PLAY.format(letter=name, name=label)}"></button>'
        f'<div class="es-about"><bdi class="es-name" title="{label}">{label}</bdi>'
        f"{_marks(attachment, window_seconds, waiting)}</div>"
        f'<span class="es-seconds">{clip.seconds:.1f} s</span>'
        f'<button type="button" class="es-open" aria-expanded="{"true" if opened else "false"}" aria-controls="clip"'
        f' aria-label="{strings.OPEN_CLIP.format(letter=name, name=label)}" title="{strings.OPEN_CLIP_SHORT}"{keys}>'
        f"…</button>{remove}"
        f'<div class="es-seek" role="slider" tabindex="0" aria-valuemin="0" aria-valuemax="{clip.seconds:.1f}"'
        f' aria-valuenow="0" aria-valuetext="0.0 / {clip.seconds:.1f} s"'
        f' aria-label="{strings.POSITION.format(letter=name, name=label)}">'
        f"{waveform(level_envelope(clip, ENVELOPE_BINS))}<i></i></div>"
        f'<span class="es-mute" role="status" data-problem="{strings.NOT_PLAYED}"></span></li>'
    )


def _marks(attachment: Attachment, window_seconds: float, waiting: bool) -> str:
    """What is to be known of a clip before it is sent."""
    seconds, start = attachment.sound.seconds, attachment.start_seconds
    marks = [f'<span class="es-new">{strings.NOT_SENT}</span>'] if waiting else []
    if attachment.whole is not None:
        part = strings.TRIMMED.format(start=start, stop=start + seconds)
        marks.append(f'<span class="es-cut">{part}</span>')
    if seconds > window_seconds:
        marks.append(f'<span class="es-parts">{strings.IN_PARTS.format(window_seconds=window_seconds)}</span>')
    return "".join(marks)


def _unusable(place: int, attachment: Attachment) -> str:
    away = strings.TAKE_AWAY_BAD.format(name=escape(attachment.label))
    return (
        f'<li class="es-clip es-bad" data-place="{place}"><span class="es-badge">!</span>'
        f"<span>{escape(attachment.problem)}</span>"
        f'<button type="button" class="es-remove" aria-label="{away}">×</button></li>'
    )

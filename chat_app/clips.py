"""What a person does to clips, as functions of values: move, remove, rename, trim.

A clip's place is that of its letter, counted over the clips that were sent and then those in the input box. A clip that
was sent keeps its place and its sound, because answers speak of them; only its name may change.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from chat_app.panes import Panes
from chat_app.session import Attachment, Session
from core.audio import Limits, clean_label, cut, write_wav
from core.types import Clip

STEP_SECONDS = 0.01
"""To this a person trims."""

Item = TypeVar("Item")


def moved(items: Sequence[Item], place: int, to: int) -> tuple[Item, ...]:
    """With the item at `place` at `to`; the others keep their order. Unchanged where either is no place."""
    if not (0 <= place < len(items) and 0 <= to < len(items)):
        return tuple(items)
    rest = removed(items, place)
    return (*rest[:to], items[place], *rest[to:])


def removed(items: Sequence[Item], place: int) -> tuple[Item, ...]:
    """Without the item at `place`; unchanged where that is no place."""
    return tuple(item for index, item in enumerate(items) if index != place)


def replaced(items: Sequence[Item], place: int, item: Item) -> tuple[Item, ...]:
    """With another item at `place`."""
    assert 0 <= place < len(items)
    return (*items[:place], item, *items[place + 1 :])


def renamed(attachment: Attachment, name: str) -> Attachment:
    """Under another name, made fit for one line (`core.audio.clean_label`). The sound stays as it is."""
    label = clean_label(name)

    def under(clip: Clip | None) -> Clip | None:
        return None if clip is None else replace(clip, label=label)

    return replace(attachment, label=label, clip=under(attachment.clip), whole=under(attachment.whole))


def renamed_sent(panes: Panes, place: int, name: str) -> Panes:
    """With another name for a clip that was sent, in all panes; an action that can be undone."""
    return panes.then(tuple(_renamed_in(session, place, name) for session in panes.sessions))


def _renamed_in(session: Session, place: int, name: str) -> Session:
    exchanges = []
    for exchange in session.exchanges:
        if 0 <= place < len(exchange.attached):
            named = renamed(exchange.attached[place], name)
            exchanges.append(replace(exchange, attached=replaced(exchange.attached, place, named)))
        else:
            exchanges.append(exchange)
        place -= len(exchange.attached)
    return replace(session, exchanges=tuple(exchanges))


def whole(attachment: Attachment) -> Clip:
    """All of the sound, trimmed or not."""
    return attachment.whole or attachment.sound


def longest_trim_seconds(attachment: Attachment) -> float:
    """The whole length, rounded up to a step: up to there a person may choose."""
    return math.ceil(round(whole(attachment).seconds / STEP_SECONDS, 6)) * STEP_SECONDS


def trimmed(attachment: Attachment, start_seconds: float, stop_seconds: float, limits: Limits) -> Attachment:
    """With only a part to be heard, and a file of that part, beside the uploaded one, to be played.

    Raises:
        AudioError: The part is no clip that would be accepted.
    """
    sound = whole(attachment)
    part = cut(sound, start_seconds, stop_seconds, limits)
    if part == sound:
        return untrimmed(attachment)
    played = Path(attachment.path).with_name(f"part-{part.digest}.wav")
    write_wav(part, played)
    return replace(attachment, clip=part, whole=sound, start_seconds=max(start_seconds, 0.0), played=str(played))


def untrimmed(attachment: Attachment) -> Attachment:
    """With all of its sound again."""
    return replace(attachment, clip=whole(attachment), whole=None, start_seconds=0.0, played="")

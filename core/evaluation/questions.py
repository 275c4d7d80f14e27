"""The questions of a gate in each arm, and whether training could have met what they are about."""

from collections.abc import Iterable
from typing import Literal, get_args

from core.needle import silent
from core.training.corpus import plain_words
from core.training.gates import Asked
from core.training.manifest import Recording
from core.training.phrasings import Exchange
from core.types import Clip

Arm = Literal["audio", "silence", "swapped"]
ARMS: tuple[Arm, ...] = get_args(Arm)


def posed(asked: Asked, arm: Arm) -> tuple[tuple[Clip, ...], Exchange] | None:
    """The clips and the question of one arm, or None where it does not exist.

    audio: as drawn. silence: each clip is digital silence of its length. swapped: the clips come in reverse, and the
    letters of question and answer follow them; a question about one clip has no such arm.
    """
    if arm == "audio":
        return asked.clips, asked.exchange
    if arm == "silence":
        return tuple(silent(clip) for clip in asked.clips), asked.exchange
    return None if asked.swapped is None else (asked.clips[::-1], asked.swapped)


def known_names(recordings: Iterable[Recording]) -> frozenset[str]:
    """Labels, words and voices of recordings, as `names_of` compares them."""
    names = (name for row in recordings for name in (row.label, row.transcript, row.voice) if name)
    return frozenset(plain_words(name) for name in names)


def names_of(asked: Asked) -> frozenset[str]:
    """What a question is about: labels of its clips, labels and words among its facts; the voices if it asks for them.

    A question counts as seen when training had every one of them, be it in other recordings.
    """
    names = {label for heard in asked.heard for label in heard.labels}
    names |= {fact for fact in asked.facts.values() if isinstance(fact, str)}
    if asked.exchange.task == "same_speaker":
        names |= {heard.recording.voice for heard in asked.heard if heard.recording.voice}
    return frozenset(plain_words(name) for name in names)

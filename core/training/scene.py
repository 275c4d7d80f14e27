"""One or several treated clips with what is true of them: what every question is asked about."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.training.corpus import Corpus
from core.training.manifest import Recording
from core.training.phrasings import Answer, Facts, Query
from core.training.synthesis import LONGEST_SECONDS, SPEEDS, Conditions, Samples, drawn_conditions, treat
from core.types import SAMPLING_RATE_HZ, Clip, letter

SHORTEST_SECONDS = 1.0
"""Where clips are cut to the length of the shortest, they are cut to this at least; the shorter ones are padded."""


@dataclass(frozen=True, eq=False)
class Heard:
    """One clip of a scene.

    Attributes:
        samples: As the model will hear it.
        recording: What it was made from: of a mixture the foreground.
        labels: All that is to be heard in it, foreground first.
        whole: Whether nothing was cut away: only then its words may be asked for.
    """

    samples: Samples
    recording: Recording
    labels: tuple[str, ...]
    whole: bool = False

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLING_RATE_HZ


@dataclass(frozen=True, eq=False)
class Scene:
    """Clips and the question they were made for; the clip the question aims at comes first, until it is rotated.

    Attributes:
        heard: The clips.
        query: The question.
    """

    heard: tuple[Heard, ...]
    query: Query


def shared_conditions(
    corpus: Corpus, rng: np.random.Generator, recordings: Sequence[Recording], always: bool = False
) -> Conditions:
    """Conditions of clips of one scene; one length for all of them in half of the scenes, or `always`."""
    seconds = None
    if always or rng.random() < 0.5:
        shortest = min(recording.seconds for recording in recordings)
        seconds = min(max(shortest, SHORTEST_SECONDS), LONGEST_SECONDS)
    return drawn_conditions(rng, seconds, augment=corpus.augment)


def spoken_conditions(
    corpus: Corpus, rng: np.random.Generator, recordings: Sequence[Recording], speeds: bool = True
) -> Conditions:
    """Conditions of spoken clips that are compared: whole, all padded to one length."""
    longest = max(recording.seconds for recording in recordings) / SPEEDS[0]
    seconds = longest + float(rng.uniform(0.05, 0.4))
    return drawn_conditions(rng, seconds, whole=True, speeds=speeds, augment=corpus.augment)


def hear(
    corpus: Corpus,
    rng: np.random.Generator,
    recording: Recording,
    conditions: Conditions,
    wanted_db: float | None = None,
) -> Heard:
    """One recording, treated."""
    limit = LONGEST_SECONDS if conditions.whole else SPEEDS[0] * (conditions.seconds or LONGEST_SECONDS)
    samples = treat(corpus.samples(recording), rng, conditions, wanted_db)
    return Heard(samples, recording, (recording.label,), recording.seconds <= limit)


def hear_all(
    corpus: Corpus, rng: np.random.Generator, recordings: Sequence[Recording], conditions: Conditions
) -> tuple[Heard, ...]:
    """Several recordings under the same conditions."""
    return tuple(hear(corpus, rng, recording, conditions) for recording in recordings)


def yes_no(task: str, yes: bool, facts: Facts) -> Query:
    """A query whose short answers are Yes and No."""
    return Query(task, "yes" if yes else "no", facts, (("no" if yes else "yes", facts),))


def which(task: str, count: int, facts: Facts, none: bool = False) -> Query:
    """A query for the clip at index 0 among `count`, or (with `none`) for none of them."""
    clips: list[Answer] = [("clip", {**facts, "clip": index}) for index in range(count)]
    if none:
        return Query(task, "none", facts, tuple(clips))
    return Query(task, "clip", clips[0][1], (*clips[1:], ("none", facts)))


def without_none(query: Query) -> Query:
    """The query where "none of them" cannot be true."""
    return Query(query.task, query.outcome, query.facts, tuple(rival for rival in query.rivals if rival[0] != "none"))


def clips_of(heard: tuple[Heard, ...], rotation: int) -> tuple[Clip, ...]:
    """The clips of a scene, rotated, as a person would have dropped them."""
    return tuple(Clip(entry.samples, f"{letter(place)}.wav") for place, entry in enumerate(rotated(heard, rotation)))


def rotated(heard: tuple[Heard, ...], rotation: int) -> tuple[Heard, ...]:
    """Every clip moved on by `rotation` places; the last ones come to the front."""
    count = len(heard)
    return tuple(heard[(place - rotation) % count] for place in range(count))

"""Samples for training: scenes and questions about them, drawn from one seeded generator.

The tasks and their weights by stage are the two tables below; each builder's module says what it makes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from core.errors import LoadError
from core.training import questions_measure as measure
from core.training import questions_one as one
from core.training import questions_sound as sound
from core.training import questions_speech as speech
from core.training.corpus import Corpus, one_of
from core.training.phrasings import Exchange, Phrasings, read_phrasings
from core.training.questions_beside import beside
from core.training.scene import Scene, clips_of
from core.types import Clip

Stage = Literal["base", "discriminative"]
Build = Callable[[Corpus, np.random.Generator, int], Scene]


@dataclass(frozen=True)
class Sample:
    """One to four clips and up to three questions about them, each with its answer."""

    clips: tuple[Clip, ...]
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True)
class Task:
    """How a kind of question is made.

    Attributes:
        build: Makes the scene, the clip aimed at first.
        counts: Numbers of clips it may be asked of; repeat one to favour it.
        weight: How often it is drawn, relative to the others of its stage.
    """

    build: Build
    counts: tuple[int, ...]
    weight: float


def _about_one(task: str, weight: float) -> Task:
    return Task(partial(one.about_one, task=task), (1, 1, 1, 2, 2, 3, 4), weight)


def _extreme(build: Callable[[Corpus, np.random.Generator, int, bool], Scene], most: bool, weight: float) -> Task:
    return Task(lambda corpus, rng, count: build(corpus, rng, count, most), (2, 2, 2, 3, 4), weight)


BASE: Mapping[str, Task] = {
    "caption": _about_one("caption", 5.0),
    "presence": _about_one("presence", 4.0),
    "kind": _about_one("kind", 1.0),
    "spoken_word": _about_one("spoken_word", 2.0),
    "gender": _about_one("gender", 1.0),
    "language": _about_one("language", 0.7),
    "register": _about_one("register", 0.7),
    "duration": _about_one("duration", 0.7),
    "list_all": Task(one.list_all, (2, 2, 3, 4), 2.0),
    "which_clip": Task(sound.which_clip, (2, 2, 3, 4), 5.0),
}

COMPARING: Mapping[str, Task] = {
    "which_clip": Task(sound.which_clip, (2, 3, 4), 3.0),
    "which_mixture": Task(sound.which_mixture, (2, 3), 1.0),
    "both_or_neither": Task(sound.both_or_neither, (2,), 1.0),
    "same_kind": Task(sound.same_kind, (2,), 2.5),
    "odd_one_out": Task(sound.odd_one_out, (3, 4), 2.0),
    "how_many": Task(sound.how_many, (2, 3, 4), 1.0),
    "added_event": Task(sound.added_event, (2,), 2.0),
    "extra_event_clip": Task(sound.extra_event_clip, (2, 2, 3), 2.0),
    "difference": Task(sound.difference, (2,), 2.5),
    "louder": _extreme(measure.loudness, True, 1.0),
    "quieter": _extreme(measure.loudness, False, 0.7),
    "longer": _extreme(measure.length, True, 1.0),
    "shorter": _extreme(measure.length, False, 0.7),
    "higher": _extreme(measure.pitch, True, 1.0),
    "lower": _extreme(measure.pitch, False, 0.7),
    "same_speaker": Task(speech.same_speaker, (2,), 2.0),
    "same_words": Task(speech.same_words, (2,), 2.0),
    "words_difference": Task(speech.words_difference, (2,), 1.5),
    "who_says": Task(speech.who_says, (2, 3, 4), 1.5),
    "which_voice": Task(speech.which_voice, (2, 3), 0.7),
}

BASE_SHARE = 0.3
"""Part of the discriminative stage that is base questions, so that nothing is forgotten (arXiv 2508.01659)."""


SHORT_SHARE = 0.7
"""Part of that stage's questions that ask for a short answer whatever the phrasings' chance."""


def draw(
    corpus: Corpus,
    rng: np.random.Generator,
    stage: Stage,
    phrasings: Phrasings | None = None,
    only: Sequence[str] = (),
    further: int = 2,
) -> Sample:
    """One sample: a question of the stage, in two wordings, and more about the same clips.

    Args:
        corpus: Where recordings come from.
        rng: The only source of chance: the same state draws the same sample.
        stage: `base`, or `discriminative` (comparisons, with some base questions among them).
        phrasings: Wordings; None reads those of `prompts/`.
        only: Names of the tasks that lead a sample; empty means all of the stage.
        further: Most questions beside the one the clips were made for; how many is drawn.
    """
    phrasings = phrasings or read_phrasings()
    comparing = stage == "discriminative"
    tasks = COMPARING if comparing and rng.random() >= BASE_SHARE else BASE
    scene = scene_of_any(corpus, rng, [task for name, task in tasks.items() if not only or name in only])
    count = len(scene.heard)
    rotation = int(rng.integers(count))
    queries = [scene.query, scene.query]
    if comparing:
        queries += [*one.further(corpus, rng, scene, 2), *beside(corpus, rng, scene.heard)[:further]]
    else:
        queries += one.further(corpus, rng, scene, int(rng.integers(further + 1)))
    exchanges = []
    for query in queries:
        short = True if comparing and rng.random() < SHORT_SHARE else None
        exchanges.append(phrasings.exchange(query, rng, count, rotation, short=short))
    return Sample(clips_of(scene.heard, rotation), tuple(exchanges))


def scene_of_any(corpus: Corpus, rng: np.random.Generator, tasks: Sequence[Task]) -> Scene:
    """A scene of a task drawn by weight; where the corpus lacks what it takes (voices, notes), of another one."""
    weights = np.array([task.weight for task in tasks])
    for index in rng.choice(len(tasks), size=len(tasks), replace=False, p=weights / weights.sum()):
        task = tasks[int(index)]
        try:
            return task.build(corpus, rng, one_of(rng, task.counts))
        except LoadError as error:
            lacking = error
    raise lacking

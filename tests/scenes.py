"""Scenes drawn from made-up corpora, and what is to be heard in them."""

from dataclasses import replace

import numpy as np

from core.training.corpus import Corpus
from core.training.phrasings import read_phrasings
from core.training.questions import BASE, COMPARING, Task
from core.training.scene import Scene
from core.types import Clip
from tests.corpora import EVENTS, PLACES, SENTENCES, WORDS, sounding

PHRASINGS = read_phrasings()
TASKS: dict[str, Task] = {**BASE, **COMPARING}
ALL_SOUNDS = {**EVENTS, **PLACES}
ALL_WORDS = {**WORDS, **SENTENCES}
ROUNDS = 60


def scenes(corpus: Corpus, task: str, rounds: int = ROUNDS, seed: int = 0) -> list[Scene]:
    """`rounds` scenes of a task, its numbers of clips in turn; without augmentation, for a room may swallow a tone."""
    rng, made, plain = np.random.default_rng(seed), TASKS[task], replace(corpus, augment=False)
    return [made.build(plain, rng, made.counts[index % len(made.counts)]) for index in range(rounds)]


def clips_of(scene: Scene) -> list[Clip]:
    """The clips of a scene, the one aimed at first."""
    return [Clip(heard.samples, "") for heard in scene.heard]


def aimed_at(scene: Scene) -> int | None:
    """Index of the clip that is the answer, or None."""
    return 0 if scene.query.outcome == "clip" else None


def having(scene: Scene, label: str) -> list[int]:
    """The clips in which a label can be heard, by their spectrum."""
    return [index for index, clip in enumerate(clips_of(scene)) if label in sounding(clip, ALL_SOUNDS)]

"""Samples for training and for the gates: scenes, questions about them, drawn from one seeded generator.

The tasks and their weights by stage are the two tables below; each builder's module says what it makes.
"""

import tomllib
import zlib
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Literal

import numpy as np

from core.errors import LoadError
from core.texts import PROMPTS
from core.training import questions_measure as measure
from core.training import questions_one as one
from core.training import questions_sound as sound
from core.training import questions_speech as speech
from core.training.corpus import Corpus, one_of
from core.training.phrasings import Answer, Exchange, Facts, Phrasings, Query, read_phrasings
from core.training.questions_beside import beside
from core.training.scene import Heard, Scene
from core.types import Clip, letter

__all__ = [
    "EVALUATION_TASKS",
    "GATES",
    "Asked",
    "Exchange",
    "Sample",
    "draw",
    "evaluation_set",
    "gate_questions",
    "read_chat_prompts",
    "seeded",
]

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
"""Part of the questions beside the first, in that stage, that ask for a short answer whatever the phrasings' chance."""


@dataclass(frozen=True)
class Gate:
    """One task of the gates.

    Attributes:
        build: Makes the scene.
        count: Number of clips.
        outcomes: Asked for in turn, so that none is more frequent; the choices are limited to them.
        share: Of right answers that the shipped adapter is meant to reach; None where nothing is promised.
    """

    build: Build
    count: int
    outcomes: tuple[str, ...]
    share: float | None = None


@dataclass(frozen=True, eq=False)
class Asked:
    """One question of a gate.

    Attributes:
        heard: What is true of each clip, in order of the letters.
        facts: Of the question.
        exchange: The question, with its admissible answers.
        swapped: The same question in the same words when the clips come in reverse; None where there is one clip.
    """

    heard: tuple[Heard, ...]
    facts: Facts
    exchange: Exchange
    swapped: Exchange | None

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips, in order of the letters."""
        return clips_of(self.heard, 0)


_YES_NO = ("yes", "no")
_LETTERS = ("clip",)
_NAMED = ("is",)
GATES: Mapping[str, Gate] = {
    "presence": Gate(BASE["presence"].build, 1, _YES_NO, 0.85),
    "which_clip_2": Gate(sound.which_clip, 2, _LETTERS, 0.90),
    "which_clip_3": Gate(sound.which_clip, 3, _LETTERS, 0.80),
    "which_clip_4": Gate(sound.which_clip, 4, _LETTERS, 0.80),
    "caption": Gate(partial(one.about_one, task="caption", kinds=sound.SERIES), 1, _NAMED),
    "spoken_word": Gate(BASE["spoken_word"].build, 1, _NAMED, 0.85),
    "same_kind": Gate(sound.same_kind, 2, _YES_NO, 0.80),
    "added_event": Gate(partial(sound.added_event, kinds=sound.EVENTS), 2, _NAMED, 0.60),
    "extra_event_clip": Gate(sound.extra_event_clip, 2, _LETTERS, 0.80),
    "same_speaker": Gate(partial(speech.same_speaker, shared=0.0), 2, _YES_NO, 0.75),
    "same_words": Gate(partial(speech.same_words, shared=0.0), 2, _YES_NO, 0.85),
    "louder": Gate(COMPARING["louder"].build, 2, _LETTERS, 0.85),
    "longer": Gate(COMPARING["longer"].build, 2, _LETTERS, 0.85),
    "higher": Gate(COMPARING["higher"].build, 2, _LETTERS, 0.85),
    "odd_one_out": Gate(sound.odd_one_out, 3, _LETTERS),
}
EVALUATION_TASKS: tuple[str, ...] = tuple(GATES)


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
    scene = _scene(corpus, rng, [task for name, task in tasks.items() if not only or name in only])
    count = len(scene.heard)
    rotation = int(rng.integers(count))
    more = one.further(corpus, rng, scene, int(rng.integers(further + 1)))
    if comparing:
        more += beside(corpus, rng, scene.heard)[:further]
    exchanges = [phrasings.exchange(scene.query, rng, count, rotation) for _ in range(2)]
    for query in more:
        short = True if comparing and rng.random() < SHORT_SHARE else None
        exchanges.append(phrasings.exchange(query, rng, count, rotation, short=short))
    return Sample(clips_of(scene.heard, rotation), tuple(exchanges))


def _scene(corpus: Corpus, rng: np.random.Generator, tasks: Sequence[Task]) -> Scene:
    """A scene of a task drawn by weight; where the corpus lacks what it takes (voices, notes), of another one."""
    weights = np.array([task.weight for task in tasks])
    for index in rng.choice(len(tasks), size=len(tasks), replace=False, p=weights / weights.sum()):
        task = tasks[int(index)]
        try:
            return task.build(corpus, rng, one_of(rng, task.counts))
        except LoadError as error:
            lacking = error
    raise lacking


def clips_of(heard: tuple[Heard, ...], rotation: int) -> tuple[Clip, ...]:
    """The clips of a scene, rotated, as a person would have dropped them."""
    return tuple(Clip(entry.samples, f"{letter(place)}.wav") for place, entry in enumerate(rotated(heard, rotation)))


def rotated(heard: tuple[Heard, ...], rotation: int) -> tuple[Heard, ...]:
    """Every clip moved on by `rotation` places; the last ones come to the front."""
    count = len(heard)
    return tuple(heard[(place - rotation) % count] for place in range(count))


def evaluation_set(
    corpus: Corpus, rng: np.random.Generator, task: str, n: int, phrasings: Phrasings | None = None
) -> list[Sample]:
    """The questions of `gate_questions` as samples."""
    return [Sample(asked.clips, (asked.exchange,)) for asked in gate_questions(corpus, rng, task, n, phrasings)]


def gate_questions(
    corpus: Corpus, rng: np.random.Generator, task: str, n: int, phrasings: Phrasings | None = None
) -> list[Asked]:
    """`n` short questions of one gate, with their admissible answers; fewer are the first of more.

    Where there are several clips, every scene is asked in every order that rotation gives, so a model that prefers
    a letter gains nothing by it.

    Args:
        corpus: Held-out recordings.
        rng: The only source of chance.
        task: One of `EVALUATION_TASKS`.
        n: How many questions.
        phrasings: Wordings; None reads those of `prompts/`.
    """
    phrasings = phrasings or read_phrasings()
    gate = GATES[task]
    found: list[Asked] = []
    for wanted in cycle(gate.outcomes):
        scene = gate.build(corpus, rng, gate.count)
        while scene.query.outcome != wanted:
            scene = gate.build(corpus, rng, gate.count)
        rivals = tuple(rival for rival in scene.query.rivals if rival[0] in gate.outcomes)
        query = replace(scene.query, rivals=rivals)
        for rotation in range(gate.count):
            if len(found) == n:
                return found
            wording = deepcopy(rng)
            ask = partial(phrasings.exchange, clips=gate.count, short=True, choices=True)
            exchange = ask(query, rng, rotation=rotation)
            swapped = ask(_reversed(query, gate.count), wording, rotation=-rotation) if gate.count > 1 else None
            found.append(Asked(rotated(scene.heard, rotation), query.facts, exchange, swapped))
    raise AssertionError("a cycle has no end")


def seeded(task: str) -> np.random.Generator:
    """The generator of a gate's questions: everybody who measures a gate asks the same ones."""
    return np.random.default_rng(zlib.crc32(task.encode()))


def _reversed(query: Query, count: int) -> Query:
    """The query when its clips come in reverse, the last one first."""

    def turned(facts: Facts) -> Facts:
        return {key: fact if isinstance(fact, str) else placed(fact) for key, fact in facts.items()}

    def placed(fact: int | tuple[str, ...]) -> int | tuple[str, ...]:
        return count - 1 - fact if isinstance(fact, int) else fact[::-1]

    rivals: tuple[Answer, ...] = tuple((outcome, turned(facts)) for outcome, facts in query.rivals)
    return replace(query, facts=turned(query.facts), rivals=rivals)


def read_chat_prompts(file: Path = PROMPTS / "chat.toml", held_out: bool = False) -> tuple[str, ...]:
    """Text-only questions that the bare language model answers itself, to keep its free chat as it was.

    Args:
        file: Tables with `prompts`; the table [held_out] is never trained on.
        held_out: Whether those of that table are wanted, or all others.
    """
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    chosen = [table for name, table in tables.items() if (name == "held_out") == held_out]
    return tuple(prompt for table in chosen if isinstance(table, dict) for prompt in table["prompts"])

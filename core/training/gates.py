"""The gates: held-out questions that say how often a model is right, the same for everybody who measures."""

import zlib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle

import numpy as np

from core.training import questions_one as one
from core.training import questions_sound as sound
from core.training import questions_speech as speech
from core.training.corpus import Corpus
from core.training.phrasings import Answer, Exchange, Facts, Phrasings, Query, read_phrasings
from core.training.questions import BASE, COMPARING, Build, Sample
from core.training.scene import Heard, clips_of, rotated
from core.types import Clip


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

"""Every outcome can be worded, in many ways, and letters move with the clips."""

import string

import numpy as np
import pytest

from core.measure import measure, words_by_measure
from core.training import questions_one
from core.training.corpus import KINDS
from core.training.phrasings import Query
from core.training.questions_told import told
from core.training.scene import Scene
from core.types import Clip, letter
from tests.corpora import CorpusOf, tone
from tests.scenes import PHRASINGS, TASKS, scenes

MEASURED = tuple(words_by_measure(measure(tone(440.0, 1.0))))
"""What the prompt itself tells of a clip: it is read out, so fewer wordings will do."""


def _asked(corpus_of: CorpusOf) -> list[tuple[Scene, Query]]:
    corpus, rng = corpus_of(*KINDS), np.random.default_rng(4)
    found = []
    for name, task in TASKS.items():
        for scene in scenes(corpus, name, 40 if name == "words_difference" else 12):
            found += [(scene, scene.query), *((scene, query) for query in questions_one.further(corpus, rng, scene, 2))]
            assert len(scene.heard) in task.counts
    return found


def test_every_wording_of_every_outcome_can_be_filled(corpus_of: CorpusOf) -> None:
    rng, seen = np.random.default_rng(0), set()
    for scene, query in _asked(corpus_of):
        phrasing, count = PHRASINGS.tasks[query.task], len(scene.heard)
        known = set(PHRASINGS.words(query.facts, count, 0))
        for outcome, facts in ((query.outcome, query.facts), *query.rivals):
            seen.add((query.task, outcome))
            if phrasing.short:
                assert _fields(phrasing.short_answers[outcome]) <= set(PHRASINGS.words(facts, count, 0))
        for template in (*phrasing.free, *phrasing.short, *phrasing.full_answers[query.outcome]):
            assert _fields(template) <= known, (query.task, template)
        exchange = PHRASINGS.exchange(query, rng, count)
        assert exchange.question[0] == exchange.question[0].upper() and exchange.answer
    seen |= {(name, "is") for name in MEASURED}
    worded = {(task, outcome) for task, phrasing in PHRASINGS.tasks.items() for outcome in phrasing.full_answers}
    assert worded == seen


def _fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("task", PHRASINGS.tasks)
def test_there_are_many_wordings_and_no_two_are_the_same(task: str) -> None:
    phrasing = PHRASINGS.tasks[task]
    assert len(phrasing.free) >= (4 if task in MEASURED else 8) and len(set(phrasing.free + phrasing.short)) == len(
        phrasing.free + phrasing.short
    )
    assert not phrasing.short or len(phrasing.short) >= (2 if task in MEASURED else 4 if task == "list_all" else 8)
    for outcome, wordings in phrasing.full_answers.items():
        assert len(set(wordings)) == len(wordings) >= (1 if task == "list_all" else 3), outcome


def test_rotation_moves_letters_with_the_clips() -> None:
    query = Query("same_kind", "no", {"clip": 0, "other": 1, "label": "a bell", "other_label": "a saw"})
    for rotation, (bell, saw) in enumerate([("A", "B"), ("B", "A")]):
        for seed in range(20):
            answer = PHRASINGS.exchange(query, np.random.default_rng(seed), 2, rotation, short=False).answer.lower()
            assert answer.find("a bell") * answer.find("a saw") > 0
            order = answer.find(f"clip {bell}".lower()) < answer.find(f"clip {saw}".lower())
            assert order == (answer.find("a bell") < answer.find("a saw"))


def test_a_measure_is_answered_in_the_words_of_the_prompt() -> None:
    rng, clips = np.random.default_rng(0), (Clip(tone(440.0, 1.0), "a.wav"), Clip(tone(220.0, 2.0), "b.wav"))
    for _ in range(20):
        lines, exchanges = told(clips, rng, PHRASINGS)
        for exchange in exchanges:
            place = "clip b" in exchange.question.lower()
            value = words_by_measure(measure(clips[place].samples))[exchange.task]
            assert value in lines[place] and value.lower() in exchange.answer.lower()


@pytest.mark.parametrize("rotation", range(3))
def test_a_list_is_in_the_order_of_the_letters(rotation: int) -> None:
    query = Query("list_all", "is", {"list": ("a bell", "a saw", "a duck")})
    answer = PHRASINGS.exchange(query, np.random.default_rng(0), 3, rotation).answer
    names = ["a bell", "a saw", "a duck"]
    expected = [names[(place - rotation) % 3] for place in range(3)]
    assert answer == " ".join(f"Clip {letter(place)}: {name}." for place, name in enumerate(expected))

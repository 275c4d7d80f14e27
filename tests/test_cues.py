"""Nothing but the content gives an answer away."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from core.training.corpus import KINDS
from core.training.questions import draw
from core.training.synthesis import level_db
from tests.corpora import CorpusOf
from tests.scenes import TASKS, scenes

MEASURES: dict[str, Callable[[np.ndarray], float]] = {
    "level": level_db,
    "rms": lambda samples: float(np.mean(np.square(samples))),
    "length": lambda samples: float(len(samples)),
}
CHANCE_SPREAD = 3.5
"""Standard deviations of a fair coin that a useless cue may stray: one test in two thousand would."""


@pytest.mark.parametrize("task", ["same_kind", "same_speaker", "same_words", "presence"])
def test_yes_or_no_cannot_be_told_from_level_or_length(corpus_of: CorpusOf, task: str) -> None:
    rounds = 240
    found = scenes(
        corpus_of("speech") if task in ("same_speaker", "same_words") else corpus_of("sound", "ambience"), task, rounds
    )
    yes = np.array([scene.query.outcome == "yes" for scene in found])
    assert abs(yes.mean() - 0.5) <= CHANCE_SPREAD * 0.5 / rounds**0.5
    for name, measure in MEASURES.items():
        values = np.array([measure(scene.heard[0].samples) - measure(scene.heard[-1].samples) for scene in found])
        if task == "presence":
            values = np.array([measure(scene.heard[0].samples) for scene in found])
        above = np.abs(values) > np.median(np.abs(values))
        if above.any() and not above.all():
            spread = 0.5 * (1 / above.sum() + 1 / (~above).sum()) ** 0.5
            assert abs(yes[above].mean() - yes[~above].mean()) <= CHANCE_SPREAD * spread, name


@pytest.mark.parametrize("task", ["which_clip", "which_mixture", "odd_one_out", "extra_event_clip", "who_says"])
def test_the_clip_cannot_be_told_from_level_or_length(corpus_of: CorpusOf, task: str) -> None:
    corpus, rng = (
        corpus_of("speech") if task == "who_says" else corpus_of("sound", "ambience"),
        np.random.default_rng(1),
    )
    count = 3 if task == "odd_one_out" else 2
    found = [scene for _ in range(360) if (scene := TASKS[task].build(corpus, rng, count)).query.outcome == "clip"]
    margin = CHANCE_SPREAD * (1 / count * (1 - 1 / count) / len(found)) ** 0.5
    for name, measure in MEASURES.items():
        values = [[measure(heard.samples) for heard in scene.heard] for scene in found]
        untied = [row for row in values if len(set(row)) == count]
        for extreme in (np.argmax, np.argmin):
            if untied:
                share = np.mean([extreme(row) == 0 for row in untied])
                assert abs(share - 1 / count) <= margin * (len(found) / len(untied)) ** 0.5, name


@pytest.mark.parametrize("task", ["louder", "longer", "higher"])
def test_measures_do_not_stand_in_for_one_another(corpus_of: CorpusOf, task: str) -> None:
    kinds = ("instrument",) if task == "higher" else ("sound", "ambience")
    rng, own = np.random.default_rng(2), {"louder": ("level", "rms"), "longer": ("length", "rms"), "higher": ("",)}
    found = [TASKS[task].build(corpus_of(*kinds), rng, 2) for _ in range(300)]
    for name in MEASURES.keys() - set(own[task]):
        values = [[MEASURES[name](heard.samples) for heard in scene.heard] for scene in found]
        untied = [first > second for first, second in values if first != second]
        assert not untied or abs(np.mean(untied) - 0.5) <= CHANCE_SPREAD * 0.5 / len(untied) ** 0.5, name


def test_letters_are_even(corpus_of: CorpusOf) -> None:
    corpus, rng = corpus_of(*KINDS), np.random.default_rng(0)
    answers: Counter[str] = Counter()
    for _ in range(900):
        sample = draw(corpus, rng, "discriminative")
        first = sample.exchanges[0]
        if len(sample.clips) == 2 and first.answer in ("A", "B"):
            answers[first.answer] += 1
    total = sum(answers.values())
    assert total > 60 and abs(answers["A"] / total - 0.5) <= CHANCE_SPREAD * 0.5 / total**0.5

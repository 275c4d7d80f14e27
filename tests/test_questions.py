"""Samples and evaluation sets: their form, their balance, and that chance comes from the generator alone."""

from collections import Counter

import numpy as np
import pytest

from core.training.chat import read_chat_prompts
from core.training.corpus import KINDS, Corpus
from core.training.gates import EVALUATION_TASKS, evaluation_set
from core.training.questions import Sample, draw
from core.types import Clip
from tests.corpora import CorpusOf
from tests.scenes import PHRASINGS


def test_a_corpus_without_voices_notes_or_places_still_gives_samples(corpus_of: CorpusOf) -> None:
    corpus, rng = corpus_of("sound"), np.random.default_rng(0)
    tasks = {draw(corpus, rng, "discriminative").exchanges[0].task for _ in range(60)}
    assert {"same_kind", "odd_one_out", "louder"} <= tasks and not tasks & {"same_speaker", "higher", "added_event"}


@pytest.mark.parametrize("stage", ["base", "discriminative"])
def test_a_draw_depends_on_the_generator_alone(corpus_of: CorpusOf, stage: str) -> None:
    corpus = corpus_of(*KINDS)
    fresh = Corpus(corpus.folder, corpus.recordings, corpus.alike)
    first = np.random.default_rng(7)
    second = np.random.default_rng(7)
    samples = [draw(corpus, first, stage) for _ in range(25)]  # type: ignore[arg-type]
    assert samples == [draw(fresh, second, stage) for _ in range(25)]  # type: ignore[arg-type]
    assert len({sample.exchanges[0].question for sample in samples}) > 10


@pytest.mark.parametrize("stage", ["base", "discriminative"])
def test_samples_have_their_form(corpus_of: CorpusOf, stage: str) -> None:
    corpus, rng = corpus_of(*KINDS), np.random.default_rng(0)
    counts: Counter[int] = Counter()
    for _ in range(150):
        sample = draw(corpus, rng, stage)  # type: ignore[arg-type]
        counts[len(sample.clips)] += 1
        lead, again, *others = (exchange.task for exchange in sample.exchanges)
        assert lead == again and len(others) <= (2 if stage == "base" else 4)
        assert stage != "base" or len({lead, *others}) == 1 + len(others)
        for clip in sample.clips:
            assert 0.3 <= clip.seconds <= 7.2 and 0.0 < np.abs(clip.samples).max() <= 1.0
    assert set(counts) == {1, 2, 3, 4}


@pytest.mark.parametrize("task", EVALUATION_TASKS)
def test_an_evaluation_set_is_balanced_and_has_one_right_choice(corpus_of: CorpusOf, task: str) -> None:
    samples = evaluation_set(corpus_of(*KINDS), np.random.default_rng(0), task, 24)
    assert len(samples) == 24
    for sample in samples:
        (exchange,) = sample.exchanges
        assert exchange.answer in exchange.choices and len(set(exchange.choices)) == len(exchange.choices) > 1
    answers = Counter(sample.exchanges[0].answer for sample in samples)
    if set(answers) <= {"Yes", "No", *"ABCD"}:
        assert set(answers.values()) == {24 // len(samples[0].exchanges[0].choices)}
    else:
        assert len(samples[0].exchanges[0].choices) == 4


def test_every_scene_is_asked_in_every_order(corpus_of: CorpusOf) -> None:
    samples = evaluation_set(corpus_of("sound", "ambience"), np.random.default_rng(0), "odd_one_out", 30)
    for start in range(0, 30, 3):
        orders = [sample.clips for sample in samples[start : start + 3]]
        assert [_turned(orders[0], places) for places in range(3)] == orders
        aimed = [_named(sample) for sample in samples[start : start + 3]]
        assert aimed[0] == aimed[1] == aimed[2]


def _turned(clips: tuple[Clip, ...], places: int) -> tuple[Clip, ...]:
    return clips[len(clips) - places :] + clips[: len(clips) - places]


def _named(sample: Sample) -> Clip:
    return sample.clips["ABCD".index(sample.exchanges[0].answer)]


def test_chat_prompts_are_many_and_speak_of_no_clip() -> None:
    prompts = read_chat_prompts()
    assert len(set(prompts)) == len(prompts) >= 200
    assert not [prompt for prompt in prompts if "clip" in prompt.lower()]


def test_only_the_named_tasks_lead_a_sample(corpus_of: CorpusOf) -> None:
    corpus = corpus_of("sound", "ambience")
    rng = np.random.default_rng(0)
    for _ in range(10):
        sample = draw(corpus, rng, "discriminative", PHRASINGS, ("caption", "same_kind"))
        assert sample.exchanges[0].task in ("caption", "same_kind")

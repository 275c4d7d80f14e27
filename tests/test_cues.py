"""Nothing but the content gives an answer away: what one cue alone tells stays near chance, in every comparing task."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bench.cues import CUES, TASKS, Told, drawn, pointing, telling, told_by
from core.training.corpus import KINDS, Corpus, plain_words
from core.training.gates import GATES
from core.training.manifest import Recording
from core.training.questions import draw
from core.training.scene import Scene
from core.training.synthesis import LEVELS_DB, level_db
from tests.corpora import CorpusOf

ROUNDS = 400
SPREAD = 4.0
"""Standard deviations above chance that a useless cue may reach by luck: one reading in thirty thousand does."""

SPECTRUM = {"centroid", "background's centroid"}
MEANT: dict[str, set[str]] = {
    "louder": {"level", "power", "peak", "noise floor"},
    "quieter": {"level", "power", "peak", "noise floor"},
    "longer": {"length", "power"},
    "shorter": {"length", "power"},
    "higher": SPECTRUM,
    "lower": SPECTRUM,
    # A kind, a voice and a word sound like themselves; on these corpora each is one tone.
    "same_kind": SPECTRUM,
    "odd_one_out": SPECTRUM,
    "how_many": SPECTRUM,
    "both_or_neither": SPECTRUM,
    "same_speaker": SPECTRUM,
    "same_words": SPECTRUM,
    "words_difference": {*SPECTRUM, "silence before", "silence after", "power", "noise floor"},
    "which_voice": SPECTRUM,
    # An event over a background has the peak, and at one level of both it leaves the background lower.
    "extra_event_clip": {"peak", "noise floor", *SPECTRUM},
    "difference": {"peak", "silence before", "silence after", "noise floor", "power", *SPECTRUM},
}
"""By task, the cues that belong to what is asked for."""


def corpus_for(corpus_of: CorpusOf, task: str) -> Corpus:
    if task in ("same_speaker", "same_words", "words_difference", "who_says", "which_voice"):
        return corpus_of("speech")
    return corpus_of("instrument") if task in ("higher", "lower") else corpus_of("sound", "ambience")


@pytest.mark.parametrize("task", TASKS)
def test_no_cue_gives_an_answer_away(corpus_of: CorpusOf, task: str) -> None:
    found = drawn(corpus_for(corpus_of, task), task, min(TASKS[task].counts), ROUNDS)
    for cue in {*CUES, "package"} - MEANT.get(task, set()):
        for answer, told in told_by(found, cue).items():
            assert told.deviations < SPREAD, f"{cue} {answer}: {told.share:.2f} where guessing gives {told.chance:.2f}"


@pytest.mark.parametrize(
    "task, cue", [("louder", "level"), ("quieter", "peak"), ("longer", "length"), ("higher", "centroid")]
)
def test_a_cue_that_is_the_answer_is_found(corpus_of: CorpusOf, task: str, cue: str) -> None:
    told = told_by(drawn(corpus_for(corpus_of, task), task, 2, 200), cue)["points"]
    assert told.share > 0.8 and told.deviations > SPREAD


@pytest.mark.parametrize("edge, seen", [(0.0, False), (0.5, True)])
def test_the_readers_find_a_leak_and_nothing_where_there_is_none(edge: float, seen: bool) -> None:
    rng = np.random.default_rng(0)
    rows = [(float(rng.normal(edge)), float(rng.normal())) for _ in range(1000)]
    outcomes = ["yes" if rng.random() < 0.5 else "no" for _ in rows]
    values = [float(rng.normal(edge * (outcome == "yes"))) for outcome in outcomes]
    assert (pointing(rows).deviations > SPREAD) == seen == (telling(values, outcomes).deviations > 3.0)


# --- recordings whose level, length or origin say what they are -------------------------------------------------


def telling_corpus(corpus: Corpus, loud: str) -> Corpus:
    """The corpus with every recording of one label 20 dB over the rest."""
    told = Corpus(corpus.folder, corpus.recordings, corpus.alike)
    for row in told.recordings:
        told.samples(row)
        if row.label != loud:
            told._decoded[row.id] = (told._decoded[row.id] // 10).astype(np.int16)
    return told


@pytest.mark.parametrize("task", ["which_clip", "same_kind", "odd_one_out", "extra_event_clip"])
def test_a_label_cannot_be_told_from_the_level_it_was_recorded_at(corpus_of: CorpusOf, task: str) -> None:
    corpus = telling_corpus(corpus_of("sound", "ambience"), "a bell")
    loud: list[float] = []
    other: list[float] = []
    for scene in drawn(corpus, task, min(TASKS[task].counts), ROUNDS):
        for heard in scene.heard:
            assert LEVELS_DB[0] - 0.1 <= level_db(heard.samples) <= LEVELS_DB[1] + 0.1
            (loud if "a bell" in heard.labels else other).append(level_db(heard.samples))
    spread = np.std(other) * (1 / len(loud) + 1 / len(other)) ** 0.5
    assert len(loud) > 20 and abs(np.mean(loud) - np.mean(other)) < SPREAD * spread


@pytest.mark.parametrize("task", ["same_kind", "odd_one_out", "how_many", "both_or_neither"])
def test_the_origins_are_the_same_whatever_the_answer(corpus_of: CorpusOf, task: str) -> None:
    def origins(scene: Scene) -> tuple[str, ...]:
        return tuple(sorted(heard.recording.package for heard in scene.heard))

    # which recordings are chosen does not depend on what they are to sound like
    found = drawn(replace(corpus_of("sound"), augment=False), task, min(TASKS[task].counts), ROUNDS)
    outcomes = ["yes" if scene.query.outcome == "other" else scene.query.outcome for scene in found]
    mixed = [float(len(set(origins(scene))) > 1) for scene in found]
    assert 0.2 < np.mean(mixed) < 0.9
    if len(set(outcomes)) > 1:
        assert telling(mixed, outcomes).deviations < 3.0
    else:
        assert told_by(found, "package")["points"].deviations < 3.0


@pytest.mark.parametrize("task", ["same_kind", "odd_one_out", "how_many", "both_or_neither"])
def test_what_stands_for_a_recording_comes_from_where_it_comes_from(corpus_of: CorpusOf, task: str) -> None:
    made = corpus_of("sound")
    origins = {"a kettle": "echoes", "a drill": "echoes", "a duck": "echoes", "a saw": "echoes"}
    rows = tuple(replace(row, package=origins.get(row.label, "tones")) for row in made.recordings)
    for scene in drawn(Corpus(made.folder, rows), task, 2, 60):
        assert len({heard.recording.package for heard in scene.heard}) == 1


@pytest.mark.parametrize("task", ["same_kind", "odd_one_out", "added_event", "extra_event_clip", "difference"])
def test_sounds_that_are_compared_have_one_length(corpus_of: CorpusOf, task: str) -> None:
    for scene in drawn(corpus_of("sound", "ambience"), task, min(TASKS[task].counts), 60):
        assert len({len(heard.samples) for heard in scene.heard}) == 1


# --- words and letters ----------------------------------------------------------------------------------------


def choosing(scenes: list[Scene], cue: str, corpus: Corpus) -> Told:
    """How often the choice that is the longest (or shortest), or the commonest (or rarest), is the right one."""

    def value(facts: dict[str, object]) -> float:
        said = str(facts.get("words", facts.get("label")))
        if cue == "characters":
            return float(len(said))
        rows: tuple[Recording, ...] = corpus.by_words.get(plain_words(said), ())
        return float(len(rows) or corpus.takes(said))

    rows = [
        tuple(value(dict(one)) for one in (scene.query.facts, *(r[1] for r in scene.query.rivals))) for scene in scenes
    ]
    return pointing(rows)


@pytest.mark.parametrize("gate", ["caption", "spoken_word", "added_event"])
def test_the_right_choice_is_not_the_commonest_nor_the_longest(corpus_of: CorpusOf, gate: str) -> None:
    kinds = ("speech",) if gate == "spoken_word" else ("sound", "ambience", "instrument")
    made = corpus_of(*kinds)
    # Some texts are said by all voices, the others by two: a text said often must not be right more often.
    often, few = (None, "red", "We come back at noon."), ("ann", "carl")
    rows = tuple(row for row in made.recordings if row.transcript in often or row.voice in few)
    corpus = replace(Corpus(made.folder, rows) if gate == "spoken_word" else made, augment=False)
    rng = np.random.default_rng(3)
    scenes = [GATES[gate].build(corpus, rng, GATES[gate].count) for _ in range(ROUNDS)]
    for cue in ("characters", "frequency"):
        assert choosing(scenes, cue, corpus).deviations < SPREAD, cue


BY_LETTER = (
    *("which_clip", "which_mixture", "both_or_neither", "extra_event_clip", "who_says", "which_voice"),
    *("louder", "quieter", "longer", "shorter", "higher", "lower"),
)
"""All tasks of two clips that may be answered by one letter."""


def test_letters_are_even(corpus_of: CorpusOf) -> None:
    corpus, rng = corpus_of(*KINDS), np.random.default_rng(0)
    answers: Counter[str] = Counter()
    for _ in range(450):
        sample = draw(corpus, rng, "discriminative", only=BY_LETTER)
        first = sample.exchanges[0]
        if len(sample.clips) == 2 and first.answer in ("A", "B"):
            answers[first.answer] += 1
    total = sum(answers.values())
    assert total > 120 and abs(answers["A"] / total - 0.5) <= 3.5 * 0.5 / total**0.5

"""Every answer is true of the clips as they sound, every question has one, and nothing else gives it away."""

import string
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.training import questions_measure, questions_one
from core.training.corpus import KINDS, Corpus
from core.training.phrasings import Query, read_phrasings
from core.training.questions import (
    BASE,
    COMPARING,
    EVALUATION_TASKS,
    Sample,
    Task,
    draw,
    evaluation_set,
    read_chat_prompts,
)
from core.training.questions_speech import spoken_difference
from core.training.scene import Scene
from core.training.synthesis import level_db
from core.types import Clip, letter
from tests import corpora
from tests.corpora import EVENTS, PLACES, VOICES, WORDS, sounding, strongest

PHRASINGS = read_phrasings()
TASKS: dict[str, Task] = {**BASE, **COMPARING}
ALL_SOUNDS = {**EVENTS, **PLACES}
ALL_WORDS = {**WORDS, **corpora.SENTENCES}
ROUNDS = 60

Make = Callable[..., Corpus]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    made: dict[tuple[str, ...], Corpus] = {}

    def cached(*kinds: str) -> Corpus:
        if kinds not in made:
            made[kinds] = corpora.corpus(tmp_path_factory.mktemp("corpora") / "_".join(kinds), *kinds)
        return made[kinds]

    return cached


def scenes(corpus: Corpus, task: str, rounds: int = ROUNDS, seed: int = 0) -> list[Scene]:
    rng, made = np.random.default_rng(seed), TASKS[task]
    return [made.build(corpus, rng, made.counts[index % len(made.counts)]) for index in range(rounds)]


def clips_of(scene: Scene) -> list[Clip]:
    return [Clip(heard.samples, "") for heard in scene.heard]


def aimed_at(scene: Scene) -> int | None:
    """Index of the clip that is the answer, or None."""
    return 0 if scene.query.outcome == "clip" else None


def having(scene: Scene, label: str) -> list[int]:
    """The clips in which a label can be heard, by their spectrum."""
    return [index for index, clip in enumerate(clips_of(scene)) if label in sounding(clip, ALL_SOUNDS)]


# --- what is said is what is to be heard -----------------------------------------------------------------------


@pytest.mark.parametrize("task", ["which_clip", "which_mixture"])
def test_the_clip_named_is_the_only_one_that_has_the_sound(make: Make, task: str) -> None:
    for scene in scenes(make("sound", "ambience"), task):
        expected = [] if aimed_at(scene) is None else [0]
        assert having(scene, str(scene.query.facts["label"])) == expected


def test_both_or_neither_is_true_of_each_clip(make: Make) -> None:
    outcomes: Counter[str] = Counter()
    for scene in scenes(make("sound", "ambience"), "both_or_neither"):
        expected = {"clip": [0], "other": [1], "both": [0, 1], "neither": []}[scene.query.outcome]
        assert having(scene, str(scene.query.facts["label"])) == expected
        outcomes[scene.query.outcome] += 1
    assert len(outcomes) == 4


def test_the_same_kind_is_the_same_tone_of_another_recording(make: Make) -> None:
    for scene in scenes(make("sound", "ambience"), "same_kind"):
        first, second = (strongest(clip, ALL_SOUNDS) for clip in clips_of(scene))
        assert (first == second) == (scene.query.outcome == "yes")
        assert (first, second) == (scene.query.facts["label"], scene.query.facts["other_label"])
        assert scene.heard[0].recording.recording != scene.heard[1].recording.recording


def test_the_odd_one_out_differs_and_the_rest_agree(make: Make) -> None:
    for scene in scenes(make("sound", "ambience"), "odd_one_out"):
        odd, *rest = (strongest(clip, ALL_SOUNDS) for clip in clips_of(scene))
        assert set(rest) == {scene.query.facts["other_label"]} and odd == scene.query.facts["label"] not in rest
        assert len({heard.recording.recording for heard in scene.heard}) == len(scene.heard)


def test_the_number_is_counted(make: Make) -> None:
    for scene in scenes(make("sound", "ambience"), "how_many"):
        assert len(having(scene, str(scene.query.facts["label"]))) == int(scene.query.outcome)


def test_the_added_event_and_the_background_are_as_told(make: Make) -> None:
    for scene in scenes(make("sound", "ambience"), "added_event"):
        place, label = str(scene.query.facts["place"]), str(scene.query.facts["label"])
        assert [sounding(clip, ALL_SOUNDS) for clip in clips_of(scene)] == [{label, place}, {place}]


def test_the_extra_event_is_in_the_clip_named_and_the_background_in_all(make: Make) -> None:
    for scene in scenes(make("sound", "ambience"), "extra_event_clip"):
        place, label = str(scene.query.facts["place"]), str(scene.query.facts["label"])
        extra = [index for index, clip in enumerate(clips_of(scene)) if sounding(clip, ALL_SOUNDS) == {label, place}]
        assert extra == ([] if aimed_at(scene) is None else [0])
        assert having(scene, place) == list(range(len(scene.heard)))


def test_the_difference_names_what_each_clip_has(make: Make) -> None:
    seen = set()
    for scene in scenes(make("sound", "ambience"), "difference"):
        facts, outcome = scene.query.facts, scene.query.outcome
        seen.add(outcome)
        shared = {facts["place"]} if outcome != "plain" else set()
        other = {facts["other_label"]} if outcome != "added" else set()
        assert [sounding(clip, ALL_SOUNDS) for clip in clips_of(scene)] == [{facts["label"]} | shared, other | shared]
    assert seen == {"plain", "shared", "added"}


@pytest.mark.parametrize("task, sign", [("louder", 1), ("quieter", -1)])
def test_the_loudest_is_louder_by_4_db(make: Make, task: str, sign: int) -> None:
    for scene in scenes(make("sound", "ambience"), task):
        target, *rest = (sign * level_db(heard.samples) for heard in scene.heard)
        assert target >= max(rest) + questions_measure.GAPS_DB[0] - 0.01


@pytest.mark.parametrize("task, longest", [("longer", True), ("shorter", False)])
def test_the_longest_is_longer_by_its_factor(make: Make, task: str, longest: bool) -> None:
    for scene in scenes(make("sound", "ambience"), task):
        target, *rest = (heard.seconds if longest else 1 / heard.seconds for heard in scene.heard)
        assert target >= max(rest) * questions_measure.FACTORS[0] * 0.999


@pytest.mark.parametrize("task, sign", [("higher", 1), ("lower", -1)])
def test_the_highest_is_higher_by_two_semitones(make: Make, task: str, sign: int) -> None:
    for scene in scenes(make("instrument"), task):
        spectra = [np.abs(np.fft.rfft(heard.samples)) for heard in scene.heard]
        hz = [
            spectrum.argmax() * 16_000 / len(heard.samples)
            for spectrum, heard in zip(spectra, scene.heard, strict=True)
        ]
        target, *rest = (sign * 12 * np.log2(value) for value in hz)
        assert target >= max(rest) + questions_measure.SEMITONES - 0.25


def _loudest_hz(samples: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * 16_000 / len(samples))


def test_one_speaker_is_one_voice_whatever_is_said(make: Make) -> None:
    said = Counter()
    for scene in scenes(make("speech"), "same_speaker", 200):
        clips = clips_of(scene)
        same = strongest(clips[0], VOICES) == strongest(clips[1], VOICES)
        assert same == (scene.query.outcome == "yes")
        said[same, scene.heard[0].recording.transcript == scene.heard[1].recording.transcript] += 1
    for same in (True, False):
        assert said[same, True] / (said[same, True] + said[same, False]) == pytest.approx(0.25, abs=0.12)


def test_the_same_words_are_the_same_tone_whoever_speaks(make: Make) -> None:
    voices = Counter()
    for scene in scenes(make("speech"), "same_words", 200):
        rows = [heard.recording for heard in scene.heard]
        same = _spoken_tone(scene, 0) == _spoken_tone(scene, 1)
        assert same == (scene.query.outcome == "yes")
        voices[same, rows[0].voice == rows[1].voice] += 1
    for same in (True, False):
        assert voices[same, True] / (voices[same, True] + voices[same, False]) == pytest.approx(0.25, abs=0.12)


def _spoken_tone(scene: Scene, index: int) -> str:
    """The tone of the words, found by the spectrum alone and told from other words of the same sort."""
    utterance = scene.heard[index].recording.utterance
    return strongest(clips_of(scene)[index], WORDS if utterance == "word" else corpora.SENTENCES)


def test_the_words_asked_for_are_in_the_clip_named_alone(make: Make) -> None:
    for scene in scenes(make("speech"), "who_says"):
        words = [_spoken_tone(scene, index).rstrip(".") for index in range(len(scene.heard))]
        expected = [] if aimed_at(scene) is None else [0]
        assert [index for index, said in enumerate(words) if said == scene.query.facts["words"]] == expected


def test_the_voice_asked_for_is_in_the_clip_named_alone(make: Make) -> None:
    for scene in scenes(make("speech"), "which_voice"):
        genders = ["f" if strongest(clip, VOICES) in corpora.FEMALE else "m" for clip in clips_of(scene)]
        assert [index for index, gender in enumerate(genders) if gender == scene.query.facts["gender"]] == [0]


def test_presence_is_true_and_names_what_there_is(make: Make) -> None:
    for scene in scenes(make("sound", "ambience"), "presence"):
        asked, true = str(scene.query.facts["label"]), str(scene.query.facts["true_label"])
        assert (0 in having(scene, asked)) == (scene.query.outcome == "yes")
        assert 0 in having(scene, true)


def test_words_are_asked_of_whole_clips_only(make: Make) -> None:
    corpus, rng, asked = make(*KINDS), np.random.default_rng(0), 0
    for index in range(200):
        task = COMPARING["which_clip"] if index % 2 else BASE["spoken_word"]
        scene = task.build(corpus, rng, 3 if index % 2 else 2)
        for query in [scene.query, *questions_one.further(corpus, rng, scene, 4)]:
            if query.task in ("spoken_word", "transcript"):
                heard = scene.heard[int(query.facts["clip"])]  # type: ignore[arg-type]
                asked += 1
                assert str(query.facts["words"]) == (heard.recording.transcript or "").rstrip(".")
                assert heard.seconds >= heard.recording.seconds / 1.11
    assert asked > 100


def test_recordings_too_long_to_be_heard_whole_are_not_asked_for_words(make: Make) -> None:
    spoken = make("speech").recordings
    long = {row.id for row in spoken if row.voice == "ann"}
    rows = tuple(replace(row, seconds=5.8) if row.id in long else row for row in spoken)
    corpus, rng = Corpus(make("speech").folder, rows), np.random.default_rng(0)
    asked = [BASE["spoken_word"].build(corpus, rng, 1).heard[0].recording.id for _ in range(100)]
    assert len(set(asked)) > 10 and not set(asked) & long


def test_a_corpus_without_voices_notes_or_places_still_gives_samples(make: Make) -> None:
    corpus, rng = make("sound"), np.random.default_rng(0)
    tasks = {draw(corpus, rng, "discriminative").exchanges[0].task for _ in range(60)}
    assert {"same_kind", "odd_one_out", "louder"} <= tasks and not tasks & {"same_speaker", "higher", "added_event"}


def test_no_clip_is_asked_for_by_a_sound_that_two_clips_have(make: Make) -> None:
    corpus = make("sound", "ambience")
    fair: Counter[bool] = Counter()
    for scene in scenes(corpus, "how_many", 40) + scenes(corpus, "difference", 40):
        for index in range(len(scene.heard)):
            query = questions_one.which_has(corpus, scene.heard, index)
            alone = having(scene, scene.heard[index].labels[0]) == [index]
            assert (query is not None) == alone
            fair[alone] += 1
    assert min(fair[True], fair[False]) > 20


@given(st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "now"]), min_size=1, max_size=7), st.data())
def test_a_spoken_difference_turns_one_text_into_the_other(words: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(words)))
    stop = data.draw(st.integers(start, len(words)))
    other = [*words[:start], *data.draw(st.lists(st.sampled_from(["dog", "hat"]), max_size=2)), *words[stop:]]
    here, there = " ".join(words), " ".join(other)
    outcome, ours, theirs = spoken_difference(here, there)
    if outcome in ("same", "other"):
        assert (ours, theirs) == (here, there) and (outcome == "same") == (words == other)
    elif outcome == "substituted":
        assert there in _replacements(here, ours, theirs)
    elif outcome == "more":
        assert theirs == there and there in _replacements(here, ours, "")
    else:
        assert outcome == "less" and ours == here and here in _replacements(there, theirs, "")


def _replacements(text: str, old: str, new: str) -> set[str]:
    """Every text that results when one occurrence of some whole words is replaced."""
    words, gone, come = text.split(), old.split(), new.split()
    places = range(len(words) - len(gone) + 1)
    return {
        " ".join([*words[:place], *come, *words[place + len(gone) :]])
        for place in places
        if words[place : place + len(gone)] == gone
    }


# --- nothing but the content gives an answer away --------------------------------------------------------------

MEASURES: dict[str, Callable[[np.ndarray], float]] = {
    "level": level_db,
    "rms": lambda samples: float(np.mean(np.square(samples))),
    "length": lambda samples: float(len(samples)),
}
CHANCE_SPREAD = 3.5
"""Standard deviations of a fair coin that a useless cue may stray: one test in two thousand would."""


@pytest.mark.parametrize("task", ["same_kind", "same_speaker", "same_words", "presence"])
def test_yes_or_no_cannot_be_told_from_level_or_length(make: Make, task: str) -> None:
    rounds = 240
    found = scenes(
        make("speech") if task in ("same_speaker", "same_words") else make("sound", "ambience"), task, rounds
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
def test_the_clip_cannot_be_told_from_level_or_length(make: Make, task: str) -> None:
    corpus, rng = make("speech") if task == "who_says" else make("sound", "ambience"), np.random.default_rng(1)
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
def test_measures_do_not_stand_in_for_one_another(make: Make, task: str) -> None:
    kinds = ("instrument",) if task == "higher" else ("sound", "ambience")
    rng, own = np.random.default_rng(2), {"louder": ("level", "rms"), "longer": ("length", "rms"), "higher": ("",)}
    found = [TASKS[task].build(make(*kinds), rng, 2) for _ in range(300)]
    for name in MEASURES.keys() - set(own[task]):
        values = [[MEASURES[name](heard.samples) for heard in scene.heard] for scene in found]
        untied = [first > second for first, second in values if first != second]
        assert not untied or abs(np.mean(untied) - 0.5) <= CHANCE_SPREAD * 0.5 / len(untied) ** 0.5, name


def test_letters_are_even(make: Make) -> None:
    corpus, rng = make(*KINDS), np.random.default_rng(0)
    answers: Counter[str] = Counter()
    for _ in range(900):
        sample = draw(corpus, rng, "discriminative")
        first = sample.exchanges[0]
        if len(sample.clips) == 2 and first.answer in ("A", "B"):
            answers[first.answer] += 1
    total = sum(answers.values())
    assert total > 60 and abs(answers["A"] / total - 0.5) <= CHANCE_SPREAD * 0.5 / total**0.5


# --- wording ---------------------------------------------------------------------------------------------------


def _asked(make: Make) -> list[tuple[Scene, Query]]:
    corpus, rng = make(*KINDS), np.random.default_rng(4)
    found = []
    for name, task in TASKS.items():
        for scene in scenes(corpus, name, 40 if name == "words_difference" else 12):
            found += [(scene, scene.query), *((scene, query) for query in questions_one.further(corpus, rng, scene, 2))]
            assert len(scene.heard) in task.counts
    return found


def test_every_wording_of_every_outcome_can_be_filled(make: Make) -> None:
    rng, seen = np.random.default_rng(0), set()
    for scene, query in _asked(make):
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
    worded = {(task, outcome) for task, phrasing in PHRASINGS.tasks.items() for outcome in phrasing.full_answers}
    assert worded == seen


def _fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("task", PHRASINGS.tasks)
def test_there_are_many_wordings_and_no_two_are_the_same(task: str) -> None:
    phrasing = PHRASINGS.tasks[task]
    assert len(phrasing.free) >= 8 and len(set(phrasing.free + phrasing.short)) == len(phrasing.free + phrasing.short)
    assert not phrasing.short or len(phrasing.short) >= (4 if task == "list_all" else 8)
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


@pytest.mark.parametrize("rotation", range(3))
def test_a_list_is_in_the_order_of_the_letters(rotation: int) -> None:
    query = Query("list_all", "is", {"list": ("a bell", "a saw", "a duck")})
    answer = PHRASINGS.exchange(query, np.random.default_rng(0), 3, rotation).answer
    names = ["a bell", "a saw", "a duck"]
    expected = [names[(place - rotation) % 3] for place in range(3)]
    assert answer == " ".join(f"Clip {letter(place)}: {name}." for place, name in enumerate(expected))


# --- samples ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["base", "discriminative"])
def test_a_draw_depends_on_the_generator_alone(make: Make, stage: str) -> None:
    corpus = make(*KINDS)
    fresh = Corpus(corpus.folder, corpus.recordings, corpus.alike)
    first = np.random.default_rng(7)
    second = np.random.default_rng(7)
    samples = [draw(corpus, first, stage) for _ in range(25)]  # type: ignore[arg-type]
    assert samples == [draw(fresh, second, stage) for _ in range(25)]  # type: ignore[arg-type]
    assert len({sample.exchanges[0].question for sample in samples}) > 10


@pytest.mark.parametrize("stage", ["base", "discriminative"])
def test_samples_have_their_form(make: Make, stage: str) -> None:
    corpus, rng = make(*KINDS), np.random.default_rng(0)
    counts: Counter[int] = Counter()
    for _ in range(150):
        sample = draw(corpus, rng, stage)  # type: ignore[arg-type]
        counts[len(sample.clips)] += 1
        assert 1 <= len(sample.exchanges) <= 3
        assert len({exchange.task for exchange in sample.exchanges}) == len(sample.exchanges)
        for clip in sample.clips:
            assert 0.3 <= clip.seconds <= 7.2 and 0.0 < np.abs(clip.samples).max() <= 1.0
    assert set(counts) == {1, 2, 3, 4}


@pytest.mark.parametrize("task", EVALUATION_TASKS)
def test_an_evaluation_set_is_balanced_and_has_one_right_choice(make: Make, task: str) -> None:
    samples = evaluation_set(make(*KINDS), np.random.default_rng(0), task, 24)
    assert len(samples) == 24
    for sample in samples:
        (exchange,) = sample.exchanges
        assert exchange.answer in exchange.choices and len(set(exchange.choices)) == len(exchange.choices) > 1
    answers = Counter(sample.exchanges[0].answer for sample in samples)
    if set(answers) <= {"Yes", "No", *"ABCD"}:
        assert set(answers.values()) == {24 // len(samples[0].exchanges[0].choices)}
    else:
        assert len(samples[0].exchanges[0].choices) == 4


def test_every_scene_is_asked_in_every_order(make: Make) -> None:
    samples = evaluation_set(make("sound", "ambience"), np.random.default_rng(0), "odd_one_out", 30)
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


def test_only_the_named_tasks_lead_a_sample(make: Make) -> None:
    corpus = make("sound", "ambience")
    rng = np.random.default_rng(0)
    for _ in range(10):
        sample = draw(corpus, rng, "discriminative", PHRASINGS, ("caption", "same_kind"))
        assert sample.exchanges[0].task in ("caption", "same_kind")

"""Questions that compare sounds: what is said is what is to be heard, by the spectrum."""

from collections import Counter

import pytest

from core.training import questions_one
from tests.corpora import CorpusOf, sounding, strongest
from tests.scenes import ALL_SOUNDS, aimed_at, clips_of, having, scenes


@pytest.mark.parametrize("task", ["which_clip", "which_mixture"])
def test_the_clip_named_is_the_only_one_that_has_the_sound(corpus_of: CorpusOf, task: str) -> None:
    for scene in scenes(corpus_of("sound", "ambience"), task):
        expected = [] if aimed_at(scene) is None else [0]
        assert having(scene, str(scene.query.facts["label"])) == expected


def test_both_or_neither_is_true_of_each_clip(corpus_of: CorpusOf) -> None:
    outcomes: Counter[str] = Counter()
    for scene in scenes(corpus_of("sound", "ambience"), "both_or_neither"):
        expected = {"clip": [0], "other": [1], "both": [0, 1], "neither": []}[scene.query.outcome]
        assert having(scene, str(scene.query.facts["label"])) == expected
        outcomes[scene.query.outcome] += 1
    assert len(outcomes) == 4


def test_the_same_kind_is_the_same_tone_of_another_recording(corpus_of: CorpusOf) -> None:
    for scene in scenes(corpus_of("sound", "ambience"), "same_kind"):
        first, second = (strongest(clip, ALL_SOUNDS) for clip in clips_of(scene))
        assert (first == second) == (scene.query.outcome == "yes")
        assert (first, second) == (scene.query.facts["label"], scene.query.facts["other_label"])
        assert scene.heard[0].recording.recording != scene.heard[1].recording.recording


def test_the_odd_one_out_differs_and_the_rest_agree(corpus_of: CorpusOf) -> None:
    for scene in scenes(corpus_of("sound", "ambience"), "odd_one_out"):
        odd, *rest = (strongest(clip, ALL_SOUNDS) for clip in clips_of(scene))
        assert set(rest) == {scene.query.facts["other_label"]} and odd == scene.query.facts["label"] not in rest
        assert len({heard.recording.recording for heard in scene.heard}) == len(scene.heard)


def test_the_number_is_counted(corpus_of: CorpusOf) -> None:
    for scene in scenes(corpus_of("sound", "ambience"), "how_many"):
        assert len(having(scene, str(scene.query.facts["label"]))) == int(scene.query.outcome)


def test_the_added_event_and_the_background_are_as_told(corpus_of: CorpusOf) -> None:
    for scene in scenes(corpus_of("sound", "ambience"), "added_event"):
        place, label = str(scene.query.facts["place"]), str(scene.query.facts["label"])
        assert [sounding(clip, ALL_SOUNDS) for clip in clips_of(scene)] == [{label, place}, {place}]


def test_the_extra_event_is_in_the_clip_named_and_the_background_in_all(corpus_of: CorpusOf) -> None:
    for scene in scenes(corpus_of("sound", "ambience"), "extra_event_clip"):
        place, label = str(scene.query.facts["place"]), str(scene.query.facts["label"])
        extra = [index for index, clip in enumerate(clips_of(scene)) if sounding(clip, ALL_SOUNDS) == {label, place}]
        assert extra == ([] if aimed_at(scene) is None else [0])
        assert having(scene, place) == list(range(len(scene.heard)))


def test_the_difference_names_what_each_clip_has(corpus_of: CorpusOf) -> None:
    seen = set()
    for scene in scenes(corpus_of("sound", "ambience"), "difference"):
        facts, outcome = scene.query.facts, scene.query.outcome
        seen.add(outcome)
        shared = {facts["place"]} if outcome != "plain" else set()
        other = {facts["other_label"]} if outcome != "added" else set()
        assert [sounding(clip, ALL_SOUNDS) for clip in clips_of(scene)] == [{facts["label"]} | shared, other | shared]
    assert seen == {"plain", "shared", "added"}


def test_no_clip_is_asked_for_by_a_sound_that_two_clips_have(corpus_of: CorpusOf) -> None:
    corpus = corpus_of("sound", "ambience")
    fair: Counter[bool] = Counter()
    for scene in scenes(corpus, "how_many", 40) + scenes(corpus, "difference", 40):
        for index in range(len(scene.heard)):
            query = questions_one.which_has(corpus, scene.heard, index)
            alone = having(scene, scene.heard[index].labels[0]) == [index]
            assert (query is not None) == alone
            fair[alone] += 1
    assert min(fair[True], fair[False]) > 20

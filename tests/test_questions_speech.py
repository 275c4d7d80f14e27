"""Questions that compare voices and words, by the tones that stand for them."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.training.questions_speech import spoken_difference
from core.training.scene import Scene
from tests import corpora
from tests.corpora import VOICES, WORDS, CorpusOf, strongest
from tests.scenes import aimed_at, clips_of, scenes


def test_one_speaker_is_one_voice_whatever_is_said(corpus_of: CorpusOf) -> None:
    said = Counter()
    for scene in scenes(corpus_of("speech"), "same_speaker", 200):
        clips = clips_of(scene)
        same = strongest(clips[0], VOICES) == strongest(clips[1], VOICES)
        assert same == (scene.query.outcome == "yes")
        said[same, scene.heard[0].recording.transcript == scene.heard[1].recording.transcript] += 1
    for same in (True, False):
        assert said[same, True] / (said[same, True] + said[same, False]) == pytest.approx(0.25, abs=0.12)


def test_the_same_words_are_the_same_tone_whoever_speaks(corpus_of: CorpusOf) -> None:
    voices = Counter()
    for scene in scenes(corpus_of("speech"), "same_words", 200):
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


def test_the_words_asked_for_are_in_the_clip_named_alone(corpus_of: CorpusOf) -> None:
    for scene in scenes(corpus_of("speech"), "who_says"):
        words = [_spoken_tone(scene, index).rstrip(".") for index in range(len(scene.heard))]
        expected = [] if aimed_at(scene) is None else [0]
        assert [index for index, said in enumerate(words) if said == scene.query.facts["words"]] == expected


def test_the_voice_asked_for_is_in_the_clip_named_alone(corpus_of: CorpusOf) -> None:
    for scene in scenes(corpus_of("speech"), "which_voice"):
        genders = ["f" if strongest(clip, VOICES) in corpora.FEMALE else "m" for clip in clips_of(scene)]
        assert [index for index, gender in enumerate(genders) if gender == scene.query.facts["gender"]] == [0]


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

"""Questions about one clip: true, and asked of fitting clips only."""

from dataclasses import replace

import numpy as np

from core.training import questions_one
from core.training.corpus import KINDS, Corpus
from core.training.questions import BASE, COMPARING
from tests.corpora import CorpusOf
from tests.scenes import having, scenes


def test_presence_is_true_and_names_what_there_is(corpus_of: CorpusOf) -> None:
    for scene in scenes(corpus_of("sound", "ambience"), "presence"):
        asked, true = str(scene.query.facts["label"]), str(scene.query.facts["true_label"])
        assert (0 in having(scene, asked)) == (scene.query.outcome == "yes")
        assert 0 in having(scene, true)


def test_words_are_asked_of_whole_clips_only(corpus_of: CorpusOf) -> None:
    corpus, rng, asked = corpus_of(*KINDS), np.random.default_rng(0), 0
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


def test_recordings_too_long_to_be_heard_whole_are_not_asked_for_words(corpus_of: CorpusOf) -> None:
    spoken = corpus_of("speech").recordings
    long = {row.id for row in spoken if row.voice == "ann"}
    rows = tuple(replace(row, seconds=5.8) if row.id in long else row for row in spoken)
    corpus, rng = Corpus(corpus_of("speech").folder, rows), np.random.default_rng(0)
    asked = [BASE["spoken_word"].build(corpus, rng, 1).heard[0].recording.id for _ in range(100)]
    assert len(set(asked)) > 10 and not set(asked) & long

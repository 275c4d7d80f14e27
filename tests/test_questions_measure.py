"""Questions that compare measures, measured again on the clips."""

import numpy as np
import pytest

from core.training import questions_measure
from core.training.synthesis import level_db
from tests.corpora import CorpusOf
from tests.scenes import scenes


@pytest.mark.parametrize("task, sign", [("louder", 1), ("quieter", -1)])
def test_the_loudest_is_louder_by_4_db(corpus_of: CorpusOf, task: str, sign: int) -> None:
    for scene in scenes(corpus_of("sound", "ambience"), task):
        target, *rest = (sign * level_db(heard.samples) for heard in scene.heard)
        assert target >= max(rest) + questions_measure.GAPS_DB[0] - 0.01


@pytest.mark.parametrize("task, longest", [("longer", True), ("shorter", False)])
def test_the_longest_is_longer_by_its_factor(corpus_of: CorpusOf, task: str, longest: bool) -> None:
    for scene in scenes(corpus_of("sound", "ambience"), task):
        target, *rest = (heard.seconds if longest else 1 / heard.seconds for heard in scene.heard)
        assert target >= max(rest) * questions_measure.FACTORS[0] * 0.999


@pytest.mark.parametrize("task, sign", [("higher", 1), ("lower", -1)])
def test_the_highest_is_higher_by_two_semitones(corpus_of: CorpusOf, task: str, sign: int) -> None:
    for scene in scenes(corpus_of("instrument"), task):
        spectra = [np.abs(np.fft.rfft(heard.samples)) for heard in scene.heard]
        hz = [
            spectrum.argmax() * 16_000 / len(heard.samples)
            for spectrum, heard in zip(spectra, scene.heard, strict=True)
        ]
        target, *rest = (sign * 12 * np.log2(value) for value in hz)
        assert target >= max(rest) + questions_measure.SEMITONES - 0.25

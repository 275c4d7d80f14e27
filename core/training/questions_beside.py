"""Comparing questions that can be asked of any clips together, whatever they were drawn for.

What is true follows from what the clips were made of and from what is measured of them. A scene of two clips answers
half a dozen such questions; asked in few words about clips that are heard anyway, they cost little.
"""

from collections.abc import Sequence

import numpy as np

from core.measure import measure
from core.training.corpus import Corpus, plain_words
from core.training.phrasings import Facts, Query
from core.training.questions_one import at, which_has
from core.training.questions_speech import known_words, quoted
from core.training.scene import Heard, which, without_none, yes_no

LEAST_DB, LEAST_OCTAVES = 3.0, 0.3
"""Gaps of level, and of length or pitch, below which nobody is asked which is more."""
DIFFERENT_SHARE = 0.2
"""Most scenes are of different kinds: they are asked about it this seldom, or "no" would always be a good guess."""


def beside(corpus: Corpus, rng: np.random.Generator, heard: tuple[Heard, ...]) -> list[Query]:
    """The comparing questions of this module that the clips answer, in a drawn order."""
    if len(heard) == 1:
        return []
    found = [query for index in range(len(heard)) if (query := which_has(corpus, heard, index)) is not None]
    found += _extremes(heard)
    if len(heard) == 2:
        found += _alike(corpus, rng, *heard)
    return [found[index] for index in rng.permutation(len(found))]


def _extremes(heard: Sequence[Heard]) -> list[Query]:
    measures = [measure(clip.samples) for clip in heard]
    found = _most("louder", "quieter", [measured.level_lufs for measured in measures], LEAST_DB)
    found += _most("longer", "shorter", [float(np.log2(clip.seconds)) for clip in heard], LEAST_OCTAVES)
    pitches = [clip.recording.pitch_hz for clip in heard if len(clip.labels) == 1]
    known = [float(np.log2(pitch)) for pitch in pitches if pitch]
    return found + (_most("higher", "lower", known, LEAST_OCTAVES) if len(known) == len(heard) else [])


def _most(most: str, least: str, values: Sequence[float], gap: float) -> list[Query]:
    """The questions for the greatest and for the least, each where it stands out by the gap."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = []
    if values[order[-1]] - values[order[-2]] >= gap:
        found.append(at(without_none(which(most, len(values), {})), order[-1]))
    if values[order[1]] - values[order[0]] >= gap:
        found.append(at(without_none(which(least, len(values), {})), order[0]))
    return found


def _alike(corpus: Corpus, rng: np.random.Generator, one: Heard, other: Heard) -> list[Query]:
    """Same kind, same speaker, same words; never of two pieces of one recording."""
    a, b = one.recording, other.recording
    facts: Facts = {"clip": 0, "other": 1}
    if a.recording == b.recording:
        return []
    found = []
    plain = len(one.labels) == len(other.labels) == 1 and "speech" not in (a.kind, b.kind)
    if plain and (a.label == b.label or b.label not in corpus.near(a.label)):
        same = a.label == b.label
        kinds: Facts = {**facts, "label": a.label, "other_label": b.label}
        if same or rng.random() < DIFFERENT_SHARE:
            found.append(yes_no("same_kind", same, kinds))
    if a.kind == b.kind == "speech":
        if a.voice and b.voice:
            found.append(yes_no("same_speaker", a.voice == b.voice, facts))
        if one.whole and other.whole and known_words(a) and known_words(b):
            words: Facts = {**facts, "words": quoted(a), "other_words": quoted(b)}
            alike = plain_words(a.transcript or "") == plain_words(b.transcript or "")
            found.append(yes_no("same_words", alike, words))
    return found

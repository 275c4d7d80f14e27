"""Questions that compare measures: which clip is loudest, longest or highest, or the least of them.

The clip aimed at comes first and lies beyond all others by a gap that can be heard.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from core.errors import LoadError
from core.training.corpus import Corpus
from core.training.manifest import Recording
from core.training.phrasings import Query
from core.training.questions_sound import different
from core.training.scene import Heard, Scene, hear, hear_all, shared_conditions, which, without_none
from core.training.synthesis import LEVELS_DB, LONGEST_SECONDS, Conditions, drawn_conditions, treat

GAPS_DB = (4.0, 10.0)
FACTORS = (1.4, 3.0)
SEMITONES = 2.0

_BEYOND_DB = 2.0
_SHORT_SECONDS = 0.7
_TRIES = 100


def loudness(corpus: Corpus, rng: np.random.Generator, count: int, most: bool) -> Scene:
    """Which clip is loudest (or quietest): its active level is 4 dB at least beyond the others'."""
    recordings = different(corpus, rng, count)
    conditions = shared_conditions(corpus, rng, recordings)
    gap_db, sign = float(rng.uniform(*GAPS_DB)), 1.0 if most else -1.0
    low_db, high_db = LEVELS_DB[0] - 4.0, LEVELS_DB[1]
    room_db = GAPS_DB[1] + _BEYOND_DB
    target_db = float(rng.uniform(low_db + room_db, high_db) if most else rng.uniform(low_db, high_db - room_db))
    heard = [hear(corpus, rng, recordings[0], conditions, target_db)]
    for index, recording in enumerate(recordings[1:]):
        beyond_db = float(rng.uniform(0.0, _BEYOND_DB)) if index else 0.0
        heard.append(hear(corpus, rng, recording, conditions, target_db - sign * (gap_db + beyond_db)))
    return Scene(tuple(heard), _aimed("louder" if most else "quieter", count))


def length(corpus: Corpus, rng: np.random.Generator, count: int, most: bool) -> Scene:
    """Which clip is longest (or shortest): by a factor of 1.4 at least over the others."""
    factor = float(rng.uniform(*FACTORS))
    low, high = _SHORT_SECONDS, LONGEST_SECONDS
    aim = float(rng.uniform(low * factor, high) if most else rng.uniform(low, high / factor))
    conditions = drawn_conditions(rng, speeds=False, augment=corpus.augment)
    heard = []
    for index, recording in enumerate(different(corpus, rng, count)):
        bound = aim if index == 0 else aim / factor if most else aim * factor
        seconds = bound if index < 2 else float(rng.uniform(low, bound) if most else rng.uniform(bound, high))
        heard.append(_filling(corpus, rng, recording, replace(conditions, seconds=seconds)))
    return Scene(tuple(heard), _aimed("longer" if most else "shorter", count))


def _filling(corpus: Corpus, rng: np.random.Generator, recording: Recording, conditions: Conditions) -> Heard:
    """A recording that sounds through the whole length wanted, repeated where it is too short."""
    samples = corpus.samples(recording)
    assert conditions.seconds is not None
    looped = np.tile(samples, int(np.ceil(conditions.seconds / recording.seconds)))
    return Heard(treat(looped, rng, conditions), recording, (recording.label,))


def pitch(corpus: Corpus, rng: np.random.Generator, count: int, most: bool) -> Scene:
    """Which note is highest (or lowest): by two semitones at least; of one instrument in half of the scenes.

    Raises:
        LoadError: The corpus has too few notes of known pitch.
    """
    for _ in range(_TRIES):
        notes = [corpus.pick(rng, ("instrument",), where=_pitched)]
        label = notes[0].label if rng.random() < 0.5 else None
        where = partial(_pitched, label=label)
        notes += [corpus.pick(rng, ("instrument",), where=where) for _ in range(count - 1)]
        notes.sort(key=_hz, reverse=most)
        if 12.0 * abs(np.log2(_hz(notes[0]) / _hz(notes[1]))) >= SEMITONES:
            shortest = min(note.seconds for note in notes)
            heard = hear_all(corpus, rng, notes, drawn_conditions(rng, shortest, speeds=False, augment=corpus.augment))
            return Scene(heard, _aimed("higher" if most else "lower", count))
    raise LoadError(f"The notes in {corpus.folder} are too near one another: add some two semitones apart.")


def _pitched(row: Recording, label: str | None = None) -> bool:
    return row.pitch_hz is not None and label in (None, row.label)


def _hz(row: Recording) -> float:
    assert row.pitch_hz is not None
    return row.pitch_hz


def _aimed(task: str, count: int) -> Query:
    return without_none(which(task, count, {}))

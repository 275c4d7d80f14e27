"""Questions that compare sounds: which clip, same kind, what was added, odd one out, how many, louder, longer, higher.

Every builder takes the corpus, a generator and a number of clips, and gives a `Scene` whose question aims at the
first clip. Who draws a sample rotates the clips afterwards, so that the answers are even over the letters.
"""

import numpy as np

from core.training.corpus import NOT_SPEECH, SOUNDS, Corpus, Recording
from core.training.phrasings import Query
from core.training.scene import Heard, Scene, hear, hear_all, shared_conditions, which, yes_no
from core.training.synthesis import LEVELS_DB, LONGEST_SECONDS, Conditions, crop, drawn_conditions, mix, pad, treat

ANY_KIND = ("sound", "ambience", "sound", "instrument", "speech")
EVENTS = ("sound", "sound", "sound", "instrument")
NUMBERS = ("0", "1", "2", "3", "4")


def different(
    corpus: Corpus, rng: np.random.Generator, count: int, kinds: tuple[str, ...] = ANY_KIND
) -> list[Recording]:
    """Recordings of labels that are not alike, more often than not from one package or of one source rate."""
    recordings = [corpus.pick(rng, kinds)]
    while len(recordings) < count:
        like = recordings[0] if rng.random() < 0.6 else None
        recordings.append(corpus.pick(rng, kinds, [recording.label for recording in recordings], like))
    return recordings


def which_clip(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """Which clip has X, or none of them."""
    none = bool(rng.random() < 1.0 / (count + 1))
    recordings = different(corpus, rng, count + none)
    wanted = recordings.pop() if none else recordings[0]
    heard = hear_all(corpus, rng, recordings, shared_conditions(rng, recordings))
    return Scene(heard, which("which_clip", count, {"label": wanted.label}, none))


def both_or_neither(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """Whether A, B, both or neither of two clips has X."""
    outcome = ("clip", "other", "both", "neither")[rng.integers(4)]
    pair = corpus.several(rng, 2)
    rest = different_from(corpus, rng, pair, 2)
    chosen = {"clip": [pair[0], rest[0]], "other": [rest[0], pair[1]], "both": pair, "neither": rest}[outcome]
    facts = {"label": pair[0].label, "clip": 0, "other": 1}
    rivals = tuple((rival, facts) for rival in ("clip", "other", "both", "neither") if rival != outcome)
    heard = hear_all(corpus, rng, chosen, shared_conditions(rng, [*pair, *rest]))
    return Scene(heard, Query("both_or_neither", outcome, facts, rivals))


def different_from(corpus: Corpus, rng: np.random.Generator, series: list[Recording], count: int) -> list[Recording]:
    """Recordings of other labels, not alike among themselves, each near in origin to one of a series."""
    found: list[Recording] = []
    for index in range(count):
        avoid = [series[0].label, *(recording.label for recording in found)]
        kinds = ("instrument",) if series[0].kind == "instrument" else SOUNDS
        found.append(corpus.pick(rng, kinds, avoid, series[index % len(series)]))
    return found


def same_kind(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """Whether two recordings, never pieces of one, are the same kind of sound."""
    pair, same = corpus.several(rng, 2), bool(rng.random() < 0.5)
    if not same:
        pair[1] = different_from(corpus, rng, [pair[1]], 1)[0]
    heard = hear_all(corpus, rng, pair, shared_conditions(rng, pair, always=True))
    facts = {"clip": 0, "other": 1, "label": pair[0].label, "other_label": pair[1].label}
    return Scene(heard, yes_no("same_kind", same, facts))


def odd_one_out(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """Which of three or four clips is of another kind than the rest."""
    series = corpus.several(rng, count)
    odd = different_from(corpus, rng, [series[0]], 1)[0]
    recordings = [odd, *series[1:]]
    heard = hear_all(corpus, rng, recordings, shared_conditions(rng, recordings, always=True))
    facts = {"label": odd.label, "other_label": series[1].label}
    return Scene(heard, without_none(which("odd_one_out", count, facts)))


def without_none(query: Query) -> Query:
    """The query where "none of them" cannot be true."""
    return Query(query.task, query.outcome, query.facts, tuple(rival for rival in query.rivals if rival[0] != "none"))


def how_many(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """How many of two to four clips have X: every number is as likely."""
    having = int(rng.integers(count + 1))
    series = corpus.several(rng, max(having, 1))
    recordings = [*series[:having], *different_from(corpus, rng, series, count - having)]
    facts = {"label": series[0].label}
    rivals = tuple((NUMBERS[n], facts) for n in range(count + 1) if n != having)
    heard = hear_all(corpus, rng, recordings, shared_conditions(rng, recordings))
    order = rng.permutation(count)
    return Scene(tuple(heard[index] for index in order), Query("how_many", NUMBERS[having], facts, rivals))


def _backdrops(
    corpus: Corpus, rng: np.random.Generator, events: tuple[Recording | None, ...]
) -> tuple[Recording, list[Heard]]:
    """One place, heard once for each entry of `events`, with that event in it or nothing added."""
    names = [event.label for event in events if event is not None]
    place = corpus.pick(rng, ("ambience",), names)
    seconds = float(rng.uniform(2.5, min(place.seconds, LONGEST_SECONDS))) if place.seconds > 2.5 else place.seconds
    conditions = drawn_conditions(rng, seconds)
    again = bool(rng.random() < 0.5)  # the same stretch of the place in every clip, or another one
    stretch = crop(corpus.samples(place), seconds, rng)
    clips = []
    for event in events:
        samples = stretch if again else crop(corpus.samples(place), seconds, rng)
        labels: tuple[str, ...] = (place.label,)
        if event is not None:
            sound = crop(corpus.samples(event), float(rng.uniform(1.0, 0.8 * max(seconds, 1.25))), rng)
            samples = mix(samples, sound, float(rng.uniform(-5.0, 10.0)), rng)
            labels = (event.label, place.label)
        clips.append(Heard(treat(pad(samples, seconds, rng), rng, conditions), event or place, labels))
    return place, clips


def added_event(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """What one clip has over the other, both before the same background."""
    event = corpus.pick(rng, EVENTS)
    place, heard = _backdrops(corpus, rng, (event, None))
    rivals = _other_labels(corpus, rng, event, 3, place)
    facts = {"clip": 0, "other": 1, "label": event.label, "place": place.label}
    wrong = tuple(("is", {**facts, "label": label}) for label in rivals)
    return Scene(tuple(heard), Query("added_event", "is", facts, wrong))


def _other_labels(
    corpus: Corpus, rng: np.random.Generator, right: Recording, count: int, place: Recording | None = None
) -> list[str]:
    """Labels of the same kind that are wrong where `right` is right."""
    labels = [right.label, *([place.label] if place else [])]
    given = len(labels)
    while len(labels) < given + count:
        labels.append(corpus.pick(rng, (right.kind,), labels).label)
    return labels[given:]


def extra_event_clip(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """Which clip has a sound that the others, before the same background, have not; or none."""
    none = bool(rng.random() < 1.0 / (count + 1))
    event = corpus.pick(rng, EVENTS)
    place, heard = _backdrops(corpus, rng, (None if none else event, *[None] * (count - 1)))
    facts = {"label": event.label, "place": place.label}
    return Scene(tuple(heard), which("extra_event_clip", count, facts, none))


def difference(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """How two clips differ: two sounds, two sounds before one background, or a background with and without one."""
    outcome = ("plain", "shared", "added")[rng.integers(3)]
    if outcome == "plain":
        first, second = different(corpus, rng, 2)
        heard = list(hear_all(corpus, rng, [first, second], shared_conditions(rng, [first, second])))
        facts = {"label": first.label, "other_label": second.label}
    else:
        first, second = different(corpus, rng, 2, EVENTS)
        events = (first, second) if outcome == "shared" else (first, None)
        place, heard = _backdrops(corpus, rng, events)
        facts = {"label": first.label, "other_label": second.label, "place": place.label}
    return Scene(tuple(heard), Query("difference", outcome, {**facts, "clip": 0, "other": 1}))


def _extreme(task: str, opposite: str, count: int, most: bool) -> Query:
    return without_none(which(task if most else opposite, count, {}))


def loudness(corpus: Corpus, rng: np.random.Generator, count: int, most: bool) -> Scene:
    """Which clip is loudest (or quietest): its active level is 4 to 10 dB beyond the others'."""
    recordings = different(corpus, rng, count)
    conditions = shared_conditions(rng, recordings)
    gap_db, sign = float(rng.uniform(4.0, 10.0)), 1.0 if most else -1.0
    quietest_db, loudest_db = LEVELS_DB[0] - 4.0, LEVELS_DB[1]
    if most:
        target_db = float(rng.uniform(quietest_db + 12.0, loudest_db))
    else:
        target_db = float(rng.uniform(quietest_db, loudest_db - 12.0))
    heard = [hear(corpus, rng, recordings[0], conditions, target_db)]
    for index, recording in enumerate(recordings[1:]):
        beyond_db = float(rng.uniform(0.0, 2.0)) if index else 0.0
        heard.append(hear(corpus, rng, recording, conditions, target_db - sign * (gap_db + beyond_db)))
    return Scene(tuple(heard), _extreme("louder", "quieter", count, most))


def length(corpus: Corpus, rng: np.random.Generator, count: int, most: bool) -> Scene:
    """Which clip is longest (or shortest): by a factor of 1.4 to 3 at least over the others."""
    factor = float(rng.uniform(1.4, 3.0))
    low, high = (0.7, LONGEST_SECONDS)
    aim = float(rng.uniform(low * factor, high)) if most else float(rng.uniform(low, high / factor))
    recordings = different(corpus, rng, count)
    heard = []
    for index, recording in enumerate(recordings):
        bound = aim if index == 0 else aim / factor if most else aim * factor
        seconds = bound if index < 2 else float(rng.uniform(low, bound) if most else rng.uniform(bound, high))
        conditions = drawn_conditions(rng, seconds, speeds=False)
        heard.append(_filling(corpus, rng, recording, conditions))
    return Scene(tuple(heard), _extreme("longer", "shorter", count, most))


def _filling(corpus: Corpus, rng: np.random.Generator, recording: Recording, conditions: Conditions) -> Heard:
    """A recording that sounds through the whole length wanted, repeated where it is too short."""
    samples = corpus.samples(recording)
    assert conditions.seconds is not None
    repeats = int(np.ceil(conditions.seconds / recording.seconds))
    looped = np.tile(samples, repeats) if repeats > 1 else samples
    return Heard(treat(looped, rng, conditions), recording, (recording.label,))


def pitch(corpus: Corpus, rng: np.random.Generator, count: int, most: bool) -> Scene:
    """Which note is highest (or lowest): by two semitones at least."""
    first = corpus.pick(rng, ("instrument",), where=_pitched)
    alike = first.label if rng.random() < 0.5 else None

    def apart(row: Recording) -> bool:
        if row.pitch_hz is None or (alike is not None and row.label != alike):
            return False
        semitones = 12.0 * np.log2((row.pitch_hz or 0.0) / (first.pitch_hz or 1.0))
        return bool(semitones <= -2.0 if most else semitones >= 2.0)

    try:
        rest = [corpus.pick(rng, ("instrument",), where=apart) for _ in range(count - 1)]
    except LookupError:  # the lowest note of its instrument has none below it
        return pitch(corpus, rng, count, most)
    recordings = [first, *rest]
    seconds = min(recording.seconds for recording in recordings)
    heard = hear_all(corpus, rng, recordings, drawn_conditions(rng, max(seconds, 0.5), speeds=False))
    return Scene(heard, _extreme("higher", "lower", count, most))


def _pitched(row: Recording) -> bool:
    return row.pitch_hz is not None


assert set(EVENTS) <= set(NOT_SPEECH)

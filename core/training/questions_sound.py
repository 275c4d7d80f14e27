"""Questions that compare sounds: which clip, same kind, odd one out, how many, what was added, how they differ.

Every builder takes the corpus, a generator and a number of clips, and gives a `Scene` whose question aims at the
first clip. Who draws a sample rotates the clips afterwards, so that the answers are even over the letters.
"""

from collections.abc import Sequence

import numpy as np

from core.training.corpus import Corpus, one_of
from core.training.manifest import Recording
from core.training.phrasings import Facts, Query
from core.training.scene import Heard, Scene, hear_all, shared_conditions, which, without_none, yes_no
from core.training.synthesis import LONGEST_SECONDS, crop, drawn_conditions, mix, treat

ANY_KIND = ("sound", "ambience", "sound", "instrument", "speech")
SERIES = ("sound", "sound", "ambience", "instrument", "instrument")
EVENTS = ("sound", "sound", "instrument")
EVENTS_AND_VOICES = (*EVENTS, *EVENTS, "speech")
NUMBERS = ("0", "1", "2", "3", "4")
_TRIES = 20


def different(
    corpus: Corpus, rng: np.random.Generator, count: int, kinds: tuple[str, ...] = ANY_KIND
) -> list[Recording]:
    """Recordings of labels that are not alike, more often than not from one package or of one source rate."""
    recordings = [corpus.pick(rng, kinds)]
    while len(recordings) < count:
        like = recordings[0] if rng.random() < 0.6 else None
        recordings.append(corpus.pick(rng, kinds, [recording.label for recording in recordings], like))
    return [recordings[index] for index in rng.permutation(count)]


def which_clip(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """Which clip has X, or none of them."""
    none = bool(rng.random() < 1.0 / (count + 1))
    recordings = different(corpus, rng, count + none)
    wanted = recordings.pop() if none else recordings[0]
    heard = hear_all(corpus, rng, recordings, shared_conditions(corpus, rng, recordings))
    return Scene(heard, which("which_clip", count, {"label": wanted.label}, none))


def which_mixture(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """Which clip has X, each clip being another event before one and the same background; or none of them."""
    none = bool(rng.random() < 1.0 / (count + 1))
    events = different(corpus, rng, count + none, EVENTS_AND_VOICES)
    wanted = events.pop() if none else events[0]
    _, heard = _backdrops(corpus, rng, events, (wanted,))
    return Scene(heard, which("which_clip", count, {"label": wanted.label}, none))


def both_or_neither(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """Whether A, B, both or neither of two clips has X."""
    outcome = one_of(rng, ("clip", "other", "both", "neither"))
    pair, rest = series_and_others(corpus, rng, 2, 2)
    chosen = {"clip": [pair[0], rest[1]], "other": [rest[0], pair[1]], "both": pair, "neither": rest}[outcome]
    facts: Facts = {"label": pair[0].label, "clip": 0, "other": 1}
    rivals = tuple((rival, facts) for rival in ("clip", "other", "both", "neither") if rival != outcome)
    heard = hear_all(corpus, rng, chosen, shared_conditions(corpus, rng, [*pair, *rest]))
    return Scene(heard, Query("both_or_neither", outcome, facts, rivals))


def series_and_others(
    corpus: Corpus, rng: np.random.Generator, count: int, others: int
) -> tuple[list[Recording], list[Recording]]:
    """`count` recordings of one label, and recordings of other labels that may stand for the first `others` of them.

    Each comes from the package of the recording that it stands for and has its sampling rate, as far as the corpus
    has such, so that the origins of the clips are the same whatever the answer. Their labels have as many recordings
    as the series has, so that a rare label tells nothing, and are places as often as the series' are.
    """
    for _ in range(_TRIES):
        series, found = corpus.several(rng, count, SERIES), list[Recording]()
        music = series[0].kind == "instrument"
        kinds = [kind for kind in SERIES if (kind == "instrument") == music]
        for like in series[:others]:
            avoid = [series[0].label, *(recording.label for recording in found)]
            found.append(corpus.pick(rng, kinds, avoid, like, lambda row: corpus.takes(row.label) >= count))
        if [origin_of(other) for other in found] == [origin_of(replaced) for replaced in series[:others]]:
            break
    return series, found


def origin_of(row: Recording) -> tuple[str, int]:
    """Package and sampling rate, which a bandwidth or a noise floor may show."""
    return row.package, row.source_rate


def same_kind(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """Whether two recordings, never pieces of one, are the same kind of sound."""
    pair, other = series_and_others(corpus, rng, 2, 1)
    same = bool(rng.random() < 0.5)
    if not same:
        pair = [*other, pair[1]]
    heard = hear_all(corpus, rng, pair, shared_conditions(corpus, rng, pair, always=True))
    facts: Facts = {"clip": 0, "other": 1, "label": pair[0].label, "other_label": pair[1].label}
    return Scene(heard, yes_no("same_kind", same, facts))


def odd_one_out(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """Which of three or four clips is of another kind than the rest."""
    series, (odd,) = series_and_others(corpus, rng, count, 1)
    recordings = [odd, *series[1:]]
    heard = hear_all(corpus, rng, recordings, shared_conditions(corpus, rng, recordings, always=True))
    facts: Facts = {"label": odd.label, "other_label": series[1].label}
    return Scene(heard, without_none(which("odd_one_out", count, facts)))


def how_many(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """How many of two to four clips have X: every number is as likely."""
    having = int(rng.integers(count + 1))
    series, others = series_and_others(corpus, rng, count, count)
    recordings = [*series[:having], *others[having:]]
    facts: Facts = {"label": series[0].label}
    rivals = tuple((NUMBERS[number], facts) for number in range(count + 1) if number != having)
    heard = hear_all(corpus, rng, recordings, shared_conditions(corpus, rng, recordings))
    order = rng.permutation(count)
    return Scene(tuple(heard[index] for index in order), Query("how_many", NUMBERS[having], facts, rivals))


def _backdrops(
    corpus: Corpus, rng: np.random.Generator, events: Sequence[Recording | None], apart: Sequence[Recording] = ()
) -> tuple[Recording, tuple[Heard, ...]]:
    """One place, heard once for each entry of `events`, with that event in it or nothing added.

    The place is like none of the events, nor like those named `apart`.
    """
    place = corpus.pick(rng, ("ambience",), [event.label for event in (*events, *apart) if event is not None])
    seconds = float(rng.uniform(min(2.5, place.seconds), min(place.seconds, LONGEST_SECONDS)))
    conditions = drawn_conditions(rng, seconds, augment=corpus.augment)
    again = bool(rng.random() < 0.5)  # the same stretch of the place in every clip, or another one
    stretch = crop(corpus.samples(place), seconds, rng)
    clips = []
    for event in events:
        samples = stretch if again else crop(corpus.samples(place), seconds, rng)
        labels: tuple[str, ...] = (place.label,)
        if event is not None:
            sound = crop(corpus.samples(event), float(rng.uniform(0.4, 0.8)) * seconds, rng)
            samples = mix(samples, sound, float(rng.uniform(-5.0, 10.0)), rng)
            labels = (event.label, place.label)
        clips.append(Heard(treat(samples, rng, conditions), event or place, labels))
    return place, tuple(clips)


def added_event(
    corpus: Corpus, rng: np.random.Generator, count: int, kinds: tuple[str, ...] = EVENTS_AND_VOICES
) -> Scene:
    """What one clip has over the other, both before the same background."""
    event = corpus.pick(rng, kinds)
    place, heard = _backdrops(corpus, rng, (event, None))
    facts: Facts = {"clip": 0, "other": 1, "label": event.label, "place": place.label}
    kind = "sound" if event.kind == "speech" else event.kind
    others = corpus.rivals(rng, kind, (event.label, place.label), 3)
    wrong = tuple(("is", {**facts, "label": label}) for label in others)
    return Scene(heard, Query("added_event", "is", facts, wrong))


def extra_event_clip(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """Which clip has a sound that the others, before the same background, have not; or none."""
    none = bool(rng.random() < 1.0 / (count + 1))
    event = corpus.pick(rng, EVENTS_AND_VOICES)
    place, heard = _backdrops(corpus, rng, (None if none else event, *[None] * (count - 1)))
    facts: Facts = {"label": event.label, "place": place.label}
    return Scene(heard, which("extra_event_clip", count, facts, none))


def difference(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """How two clips differ: two sounds, two sounds before one background, or a background with and without one."""
    outcome = one_of(rng, ("plain", "shared", "added"))
    first, second = different(corpus, rng, 2, ANY_KIND if outcome == "plain" else EVENTS_AND_VOICES)
    facts: Facts = {"clip": 0, "other": 1, "label": first.label, "other_label": second.label}
    if outcome == "plain":
        heard = hear_all(corpus, rng, [first, second], shared_conditions(corpus, rng, [first, second], always=True))
    else:
        place, heard = _backdrops(corpus, rng, (first, second if outcome == "shared" else None))
        facts = {**facts, "place": place.label}
    return Scene(heard, Query("difference", outcome, facts))

"""Questions about one clip, alone or among others, and lists of all: what every listener must know before comparing.

Each entry of `ABOUT_ONE` says of which recordings it can be asked and what is true; answers are balanced by drawing
the outcome first and then a recording that fits it.
"""

from collections.abc import Callable

import numpy as np

from core.training.corpus import KINDS, Corpus, Recording
from core.training.phrasings import Query
from core.training.questions_sound import ANY_KIND, different
from core.training.questions_speech import known_words, quoted, words_of
from core.training.scene import Heard, Scene, hear_all, shared_conditions, which, yes_no
from core.training.synthesis import drawn_conditions

HIGH_HZ, LOW_HZ = 600.0, 170.0
LENGTHS_SECONDS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)

Ask = Callable[[Corpus, np.random.Generator, Heard], Query | None]


def caption(corpus: Corpus, rng: np.random.Generator, heard: Heard) -> Query:
    """What is to be heard."""
    recording = heard.recording
    kinds = KINDS if recording.kind == "speech" else (recording.kind,)
    labels = [*heard.labels]
    while len(labels) < len(heard.labels) + 3:
        labels.append(corpus.pick(rng, kinds, labels).label)
    facts = {"clip": 0, "label": recording.label}
    rivals = tuple(("is", {**facts, "label": label}) for label in labels[len(heard.labels) :])
    return Query("caption", "is", facts, rivals)


def presence(corpus: Corpus, rng: np.random.Generator, heard: Heard) -> Query:
    """Whether X is to be heard: no as often as yes, and X drawn alike for both."""
    yes = bool(rng.random() < 0.5)
    kinds = ("speech", "sound") if heard.recording.kind == "speech" else ANY_KIND
    asked = heard.recording.label if yes else corpus.pick(rng, kinds, heard.labels, heard.recording).label
    return yes_no("presence", yes, {"clip": 0, "label": asked, "true_label": heard.recording.label})


def kind(corpus: Corpus, rng: np.random.Generator, heard: Heard) -> Query:
    """Speech, a musical instrument, or another sound."""
    names = {"speech": "speech", "instrument": "instrument"}
    true = names.get(heard.recording.kind, "sound")
    facts = {"clip": 0, "label": heard.recording.label}
    return Query(
        "kind", true, facts, tuple((rival, facts) for rival in ("speech", "instrument", "sound") if rival != true)
    )


def spoken_word(corpus: Corpus, rng: np.random.Generator, heard: Heard) -> Query | None:
    """Which words are said."""
    row = heard.recording
    if not heard.whole or not known_words(row):
        return None
    texts = {words_of(row): quoted(row)}
    while len(texts) < 4:
        other = corpus.pick(
            rng, ("speech",), where=lambda rival: known_words(rival) and rival.utterance == row.utterance
        )
        texts.setdefault(words_of(other), quoted(other))
    task = "spoken_word" if row.utterance == "word" else "transcript"
    right, *wrong = texts.values()
    return Query(task, "is", {"clip": 0, "words": right}, tuple(("is", {"clip": 0, "words": text}) for text in wrong))


def gender(corpus: Corpus, rng: np.random.Generator, heard: Heard) -> Query | None:
    """Whether a man or a woman speaks."""
    true = heard.recording.gender
    if true is None:
        return None
    return Query("gender", true, {"clip": 0}, (("m" if true == "f" else "f", {"clip": 0}),))


def language(corpus: Corpus, rng: np.random.Generator, heard: Heard) -> Query | None:
    """Which language is spoken."""
    true = heard.recording.language
    if true is None:
        return None
    spoken = sorted({row.language for row in corpus.speech if row.language and row.language != true})
    chosen = rng.choice(len(spoken), size=min(3, len(spoken)), replace=False)
    facts = {"clip": 0, "language": true}
    return Query("language", "is", facts, tuple(("is", {**facts, "language": spoken[index]}) for index in chosen))


def register(corpus: Corpus, rng: np.random.Generator, heard: Heard) -> Query | None:
    """Whether a note is high or low; notes between are not asked about."""
    hz = heard.recording.pitch_hz
    if hz is None or LOW_HZ < hz < HIGH_HZ:
        return None
    high = hz >= HIGH_HZ
    facts = {"clip": 0}
    return Query("register", "high" if high else "low", facts, (("low" if high else "high", facts),))


def duration(corpus: Corpus, rng: np.random.Generator, heard: Heard) -> Query:
    """About how long the clip is."""
    nearest = min(LENGTHS_SECONDS, key=lambda seconds: abs(seconds - heard.seconds))
    facts = {"clip": 0, "length": f"{nearest:g}"}
    others = (("is", {**facts, "length": f"{seconds:g}"}) for seconds in LENGTHS_SECONDS if seconds != nearest)
    return Query("duration", "is", facts, tuple(others))


ABOUT_ONE: dict[str, Ask] = {
    "caption": caption,
    "presence": presence,
    "kind": kind,
    "spoken_word": spoken_word,
    "gender": gender,
    "language": language,
    "register": register,
    "duration": duration,
}

_FITTING: dict[str, tuple[tuple[str, ...], Callable[[np.random.Generator], Callable[[Recording], bool]]]] = {
    "caption": (ANY_KIND, lambda rng: lambda row: True),
    "presence": (ANY_KIND, lambda rng: lambda row: True),
    "kind": (("speech", "sound", "instrument"), lambda rng: lambda row: True),
    "spoken_word": (("speech",), lambda rng: _single_word if rng.random() < 0.6 else known_words),
    "gender": (("speech",), lambda rng: _of_gender("f" if rng.random() < 0.5 else "m")),
    "language": (("speech",), lambda rng: _english(bool(rng.random() < 0.35))),
    "register": (("instrument",), lambda rng: _high(bool(rng.random() < 0.5))),
    "duration": (ANY_KIND, lambda rng: lambda row: True),
}


def _single_word(row: Recording) -> bool:
    return known_words(row) and row.utterance == "word"


def _of_gender(wanted: str) -> Callable[[Recording], bool]:
    return lambda row: row.gender == wanted


def _english(wanted: bool) -> Callable[[Recording], bool]:
    return lambda row: (row.language == "en") == wanted


def _high(wanted: bool) -> Callable[[Recording], bool]:
    return lambda row: row.pitch_hz is not None and (row.pitch_hz >= HIGH_HZ if wanted else row.pitch_hz <= LOW_HZ)


def about_one(corpus: Corpus, rng: np.random.Generator, count: int, task: str) -> Scene:
    """A scene of `count` clips with a question about the first of them."""
    kinds, fit = _FITTING[task]
    target = corpus.pick(rng, kinds, where=fit(rng))
    recordings = [target, *(corpus.pick(rng, ANY_KIND) for _ in range(count - 1))]
    spoken = target.kind == "speech"  # cut to a common length, its words would be lost
    conditions = drawn_conditions(rng) if spoken else shared_conditions(rng, recordings)
    heard = hear_all(corpus, rng, recordings, conditions)
    query = ABOUT_ONE[task](corpus, rng, heard[0])
    assert query is not None, f"{task} was drawn for a recording it cannot be asked of"
    return Scene(heard, query)


def list_all(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """What is in each clip."""
    recordings = different(corpus, rng, count)
    heard = hear_all(corpus, rng, recordings, shared_conditions(rng, recordings))
    return Scene(heard, listing(heard))


def listing(heard: tuple[Heard, ...]) -> Query:
    """What is in each clip, as one answer."""
    return Query("list_all", "is", {"list": tuple(" and ".join(clip.labels) for clip in heard)})


def which_has(heard: tuple[Heard, ...], index: int) -> Query:
    """Which clip has the foreground of the clip at `index`."""
    facts = {"label": heard[index].labels[0]}
    return Query("which_clip", "clip", {**facts, "clip": index}, which("which_clip", len(heard), facts).rivals)


def at(query: Query, index: int) -> Query:
    """A question about the clip at index 0, asked of the clip at `index`."""
    facts = {key: index if key == "clip" else fact for key, fact in query.facts.items()}
    return Query(query.task, query.outcome, facts, query.rivals)

"""Questions about one clip, alone or among others, and lists of all: what every listener must know before comparing.

Answers are balanced by drawing the outcome first and then a recording that fits it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from core.training.corpus import Corpus, one_of
from core.training.manifest import Recording
from core.training.phrasings import Facts, Query
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
    facts: Facts = {"clip": 0, "label": recording.label}
    others = corpus.rivals(rng, "sound" if recording.kind == "speech" else recording.kind, heard.labels, 3)
    rivals = tuple(("is", {**facts, "label": label}) for label in others)
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
    facts: Facts = {"clip": 0, "label": heard.recording.label}
    return Query(
        "kind", true, facts, tuple((rival, facts) for rival in ("speech", "instrument", "sound") if rival != true)
    )


def spoken_word(corpus: Corpus, rng: np.random.Generator, heard: Heard) -> Query | None:
    """Which words are said."""
    row = heard.recording
    if not heard.whole or not known_words(row):
        return None
    others = sorted({quoted(rival) for rival in _same_sort(corpus, row)})
    chosen = rng.choice(len(others), size=min(3, len(others)), replace=False)
    task = "spoken_word" if row.utterance == "word" else "transcript"
    rivals = tuple(("is", {"clip": 0, "words": others[index]}) for index in chosen)
    return Query(task, "is", {"clip": 0, "words": quoted(row)}, rivals)


def _same_sort(corpus: Corpus, row: Recording) -> list[Recording]:
    """One recording of each other text that is the same sort of utterance: a word is set against words."""
    firsts = (rows[0] for words, rows in corpus.by_words.items() if words != words_of(row))
    return [rival for rival in firsts if known_words(rival) and rival.utterance == row.utterance]


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
    spoken = [code for code in corpus.languages if code != true]
    chosen = rng.choice(len(spoken), size=min(3, len(spoken)), replace=False)
    facts: Facts = {"clip": 0, "language": true}
    return Query("language", "is", facts, tuple(("is", {**facts, "language": spoken[index]}) for index in chosen))


def register(corpus: Corpus, rng: np.random.Generator, heard: Heard) -> Query | None:
    """Whether a note is high or low; notes between are not asked about."""
    hz = heard.recording.pitch_hz
    if hz is None or LOW_HZ < hz < HIGH_HZ:
        return None
    high = hz >= HIGH_HZ
    facts: Facts = {"clip": 0}
    return Query("register", "high" if high else "low", facts, (("low" if high else "high", facts),))


def duration(corpus: Corpus, rng: np.random.Generator, heard: Heard) -> Query:
    """About how long the clip is."""
    nearest = min(LENGTHS_SECONDS, key=lambda seconds: abs(seconds - heard.seconds))
    facts: Facts = {"clip": 0, "length": f"{nearest:g}"}
    others = (("is", {**facts, "length": f"{seconds:g}"}) for seconds in LENGTHS_SECONDS if seconds != nearest)
    return Query("duration", "is", facts, tuple(others))


Fit = Callable[[Recording], bool]


@dataclass(frozen=True)
class About:
    """A question about one clip.

    Attributes:
        ask: Words out what is true of a clip; None where it cannot be asked of it.
        kinds: Of recordings to ask it of.
        fit: Draws the outcome and gives the condition that the recording must meet; None where any will do.
        weight: How often it follows another question, relative to the other ones here.
    """

    ask: Ask
    kinds: tuple[str, ...] = ANY_KIND
    fit: Callable[[Corpus, np.random.Generator], Fit] | None = None
    weight: float = 1.0


def _of_gender(_: Corpus, rng: np.random.Generator) -> Fit:
    wanted = "f" if rng.random() < 0.5 else "m"
    return lambda row: row.gender == wanted


def _of_language(_: Corpus, rng: np.random.Generator) -> Fit:
    english = bool(rng.random() < 0.35)
    return lambda row: row.language is not None and (row.language == "en") == english


def _of_register(_: Corpus, rng: np.random.Generator) -> Fit:
    high = bool(rng.random() < 0.5)
    return lambda row: row.pitch_hz is not None and (row.pitch_hz >= HIGH_HZ if high else row.pitch_hz <= LOW_HZ)


def _with_words(corpus: Corpus, rng: np.random.Generator) -> Fit:
    """Every text is as likely, or the one said by most voices would mostly be the right one among the choices."""
    alone = bool(rng.random() < 0.6)
    fitting = {
        words: {row.id for row in rows if known_words(row) and (not alone or row.utterance == "word")}
        for words, rows in corpus.by_words.items()
    }
    said = [ids for ids in fitting.values() if ids]
    wanted = one_of(rng, said) if said else set[str]()
    return lambda row: row.id in wanted


ABOUT_ONE: Mapping[str, About] = {
    "caption": About(caption, weight=3.0),
    "presence": About(presence, weight=3.0),
    "kind": About(kind, ("speech", "sound", "instrument"), weight=0.5),
    "spoken_word": About(spoken_word, ("speech",), _with_words, weight=3.0),
    "gender": About(gender, ("speech",), _of_gender),
    "language": About(language, ("speech",), _of_language, weight=0.5),
    "register": About(register, ("instrument",), _of_register, weight=0.5),
    "duration": About(duration, weight=0.5),
}


def about_one(
    corpus: Corpus, rng: np.random.Generator, count: int, task: str, kinds: tuple[str, ...] | None = None
) -> Scene:
    """A scene of `count` clips with a question about the first of them.

    Args:
        corpus: Where recordings come from.
        rng: The only source of chance.
        count: How many clips.
        task: Key of `ABOUT_ONE`.
        kinds: Of the recording asked about; None takes those of the task.
    """
    about = ABOUT_ONE[task]
    where = about.fit(corpus, rng) if about.fit is not None else None
    target = corpus.pick(rng, kinds or about.kinds, where=where)
    recordings = [target, *(corpus.pick(rng, ANY_KIND) for _ in range(count - 1))]
    spoken = target.kind == "speech"  # cut to a common length, its words would be lost
    shared = drawn_conditions(rng, augment=corpus.augment) if spoken else shared_conditions(corpus, rng, recordings)
    heard = hear_all(corpus, rng, recordings, shared)
    query = about.ask(corpus, rng, heard[0])
    assert query is not None, f"{task} was drawn for a recording it cannot be asked of"
    return Scene(heard, query)


def further(corpus: Corpus, rng: np.random.Generator, scene: Scene, tries: int) -> list[Query]:
    """Up to `tries` more questions about the clips of a scene, no two of one task."""
    found: dict[str, Query] = {}
    for _ in range(tries):
        query = _another(corpus, rng, scene.heard)
        if query is not None and query.task != scene.query.task:
            found[query.task] = query
    return list(found.values())


def _another(corpus: Corpus, rng: np.random.Generator, heard: tuple[Heard, ...]) -> Query | None:
    index, chance = int(rng.integers(len(heard))), rng.random()
    if len(heard) > 1 and chance < 0.2:
        return listing(heard)
    if len(heard) > 1 and chance < 0.4:
        return which_has(corpus, heard, index)
    about = one_of(rng, list(ABOUT_ONE.values()), [about.weight for about in ABOUT_ONE.values()])
    query = about.ask(corpus, rng, heard[index])
    return None if query is None else at(query, index)


def list_all(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """What is in each clip."""
    recordings = different(corpus, rng, count)
    heard = hear_all(corpus, rng, recordings, shared_conditions(corpus, rng, recordings))
    return Scene(heard, listing(heard))


def listing(heard: tuple[Heard, ...]) -> Query:
    """What is in each clip, as one answer."""
    return Query("list_all", "is", {"list": tuple(" and ".join(clip.labels) for clip in heard)})


def which_has(corpus: Corpus, heard: tuple[Heard, ...], index: int) -> Query | None:
    """Which clip has the foreground of the clip at `index`; None where another clip has it, or nearly, as well."""
    wanted = heard[index].labels[0]
    others = {label for place, clip in enumerate(heard) for label in clip.labels if place != index}
    if others & corpus.near(wanted):
        return None
    return at(which("which_clip", len(heard), {"label": wanted}), index)


def at(query: Query, index: int) -> Query:
    """A question about the clip at index 0, asked of the clip at `index`; its rivals are left out."""
    facts = {key: index if key == "clip" else fact for key, fact in query.facts.items()}
    return Query(query.task, query.outcome, facts)

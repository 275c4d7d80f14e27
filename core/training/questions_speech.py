"""Questions that compare voices and words: same speaker, same words, what differs, who says it, which voice."""

import difflib
from collections.abc import Sequence

import numpy as np

from core.training.corpus import Corpus, Recording, plain_words
from core.training.phrasings import Query
from core.training.scene import Heard, Scene, hear, spoken_conditions, which, yes_no

TREATED_AGAIN = 0.25
"""Share of scenes with the same words (or the same voice) on both sides of the answer."""


def known_words(row: Recording) -> bool:
    """Whether the words of a recording are known and English."""
    return row.transcript is not None and row.language == "en" and row.utterance != "letter"


def words_of(row: Recording) -> str:
    """The words of a recording that has them."""
    assert row.transcript is not None
    return plain_words(row.transcript)


def quoted(row: Recording) -> str:
    """The words as they are written, without the stop at the end."""
    assert row.transcript is not None
    return row.transcript.rstrip(". ")


def _one(rng: np.random.Generator, rows: Sequence[Recording]) -> Recording:
    return rows[rng.integers(len(rows))]


def _elsewhere(corpus: Corpus, row: Recording) -> list[Recording]:
    """The same words in other voices of the same package."""
    found = corpus.by_words.get(words_of(row), ())
    return [other for other in found if other.voice != row.voice and other.package == row.package]


def _first(corpus: Corpus, rng: np.random.Generator) -> Recording:
    """A recording whose words another voice of its package says as well."""
    while True:
        row = corpus.pick(rng, ("speech",), where=known_words)
        if _elsewhere(corpus, row):
            return row


def second(corpus: Corpus, rng: np.random.Generator, first: Recording, same_voice: bool, same_words: bool) -> Recording:
    """A recording to go with `first`: of the same package and sort of utterance.

    The same words in the same voice are the recording itself, to be treated anew: no voice says a thing twice here.
    """
    if same_voice and same_words:
        return first
    if same_words:
        return _one(rng, _elsewhere(corpus, first))
    voice = first.voice if same_voice else _one(rng, _elsewhere(corpus, first)).voice
    rows = [
        row
        for row in corpus.by_voice[voice or ""]
        if row.utterance == first.utterance and known_words(row) and words_of(row) != words_of(first)
    ]
    return _one(rng, rows) if rows else second(corpus, rng, _first(corpus, rng), same_voice, same_words)


def same_speaker(corpus: Corpus, rng: np.random.Generator, count: int, again: float = TREATED_AGAIN) -> Scene:
    """Whether two clips have one speaker; whether their words are the same is drawn apart and tells nothing."""
    same, same_words = bool(rng.random() < 0.5), bool(rng.random() < again)
    first = _first(corpus, rng)
    pair = [first, second(corpus, rng, first, same, same_words)]
    conditions = spoken_conditions(rng, pair, speeds=False)
    heard = tuple(hear(corpus, rng, row, conditions) for row in pair)
    return Scene(heard, yes_no("same_speaker", same, {"clip": 0, "other": 1}))


def same_words(corpus: Corpus, rng: np.random.Generator, count: int, again: float = TREATED_AGAIN) -> Scene:
    """Whether two clips say the same; whether the voice is the same is drawn apart and tells nothing."""
    same, same_voice = bool(rng.random() < 0.5), bool(rng.random() < again)
    pair = _words_pair(corpus, rng, same, same_voice)
    facts = {"clip": 0, "other": 1, "words": quoted(pair[0]), "other_words": quoted(pair[1])}
    return Scene(_spoken(corpus, rng, pair), yes_no("same_words", same, facts))


def _words_pair(corpus: Corpus, rng: np.random.Generator, same: bool, same_voice: bool) -> list[Recording]:
    if same_voice and not same and corpus.pairs and rng.random() < 0.5:
        return list(corpus.pairs[rng.integers(len(corpus.pairs))])
    first = _first(corpus, rng)
    return [first, second(corpus, rng, first, same_voice, same)]


def _spoken(corpus: Corpus, rng: np.random.Generator, rows: Sequence[Recording]) -> tuple[Heard, ...]:
    conditions = spoken_conditions(rng, rows)
    return tuple(hear(corpus, rng, row, conditions) for row in rows)


def words_difference(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """What differs between the words of two clips: nothing, one word, or everything."""
    if rng.random() < 0.5 and corpus.pairs:
        pair = list(corpus.pairs[rng.integers(len(corpus.pairs))])
        if rng.random() < 0.5:
            pair.reverse()
    else:
        pair = _words_pair(corpus, rng, bool(rng.random() < 0.4), bool(rng.random() < 0.3))
    outcome, here, there = spoken_difference(quoted(pair[0]), quoted(pair[1]))
    facts = {"clip": 0, "other": 1, "words": here, "other_words": there}
    return Scene(_spoken(corpus, rng, pair), Query("words_difference", outcome, facts))


def spoken_difference(here: str, there: str) -> tuple[str, str, str]:
    """How two transcripts differ, by difflib over words.

    Returns:
        An outcome and the words on each side: `same` with the whole text twice; `substituted` where one stretch
        stands for another; `more` or `less` where this side has a stretch that the other has not, or the reverse
        (the stretch on one side, the whole of the shorter text on the other); `other` with both whole texts.
    """
    ours, theirs = plain_words(here).split(), plain_words(there).split()
    if ours == theirs:
        return "same", here, there
    changes = [
        change
        for change in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
        if change[0] != "equal"
    ]
    shared = len(ours) - sum(change[2] - change[1] for change in changes)
    if len(changes) != 1 or shared < 2:
        return "other", here, there
    kind, start, stop, their_start, their_stop = changes[0]
    if kind == "delete":
        return "more", " ".join(ours[start:stop]), there
    if kind == "insert":
        return "less", here, " ".join(theirs[their_start:their_stop])
    return "substituted", " ".join(ours[start:stop]), " ".join(theirs[their_start:their_stop])


def who_says(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """Which clip says given words, or none of them; all are the same sort of utterance."""
    none = bool(rng.random() < 1.0 / (count + 1))
    rows = [corpus.pick(rng, ("speech",), where=known_words)]
    while len(rows) < count + none:
        said = {words_of(row) for row in rows}

        def other(row: Recording, said: set[str] = said) -> bool:
            return known_words(row) and row.utterance == rows[0].utterance and words_of(row) not in said

        rows.append(corpus.pick(rng, ("speech",), like=rows[0], where=other))
    wanted = rows.pop() if none else rows[0]
    return Scene(_spoken(corpus, rng, rows), which("who_says", count, {"words": quoted(wanted)}, none))


def which_voice(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """In which clip a woman (or a man) speaks, the others being of the other gender."""
    wanted, rest = ("f", "m") if rng.random() < 0.5 else ("m", "f")
    rows = [corpus.pick(rng, ("speech",), where=lambda row: row.gender == wanted)]
    for _ in range(count - 1):
        rows.append(corpus.pick(rng, ("speech",), like=rows[0], where=lambda row: row.gender == rest))
    query = which("which_voice", count, {"gender": wanted})
    query = Query(query.task, query.outcome, query.facts, query.rivals[:-1])
    return Scene(_spoken(corpus, rng, rows), query)

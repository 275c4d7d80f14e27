"""Questions that compare voices and words: same speaker, same words, what differs, who says it, which voice."""

import difflib
from collections.abc import Sequence

import numpy as np

from core.errors import LoadError
from core.training.corpus import Corpus, one_of, plain_words
from core.training.manifest import Recording
from core.training.phrasings import Facts, Query
from core.training.scene import Heard, Scene, hear_all, spoken_conditions, which, without_none, yes_no
from core.training.synthesis import LONGEST_SECONDS, SPEEDS

SHARED = 0.25
"""How often two clips share what is not asked for: their words in a question on voices, their voice in one on words."""

_TRIES = 100


def known_words(row: Recording) -> bool:
    """Whether the words of a recording are known and English, and it is short enough to be heard whole."""
    spoken = row.transcript is not None and row.language == "en" and row.utterance != "letter"
    return spoken and row.seconds <= SPEEDS[0] * LONGEST_SECONDS


def words_of(row: Recording) -> str:
    """The words of a recording that has them, without case and stops."""
    assert row.transcript is not None
    return plain_words(row.transcript)


def quoted(row: Recording) -> str:
    """The words as they are written, without the stop at the end."""
    assert row.transcript is not None
    return row.transcript.rstrip(". ")


def spoken_pair(
    corpus: Corpus, rng: np.random.Generator, same_voice: bool, same_words: bool
) -> tuple[Recording, Recording]:
    """Two recordings of one package and one sort of utterance (a word is set against a word).

    The same words in the same voice are one recording twice, each time treated anew: no voice here says a thing twice.

    Raises:
        LoadError: The corpus has no such pair.
    """
    for _ in range(_TRIES):
        first = corpus.pick(rng, ("speech",), where=lambda row: known_words(row) and row.id in corpus.echoed)
        if same_voice and same_words:
            return first, first
        echoes = [
            row
            for row in corpus.by_words[words_of(first)]
            if row.voice != first.voice and row.package == first.package and row.utterance == first.utterance
        ]
        if not echoes:
            continue
        echo = one_of(rng, echoes)
        if same_words:
            return first, echo
        voice = first.voice if same_voice else echo.voice
        others = [
            row
            for row in corpus.by_voice.get(voice or "", ())
            if row.utterance == first.utterance and known_words(row) and words_of(row) != words_of(first)
        ]
        if others:
            return first, one_of(rng, others)
    raise LoadError(f"Too few words in {corpus.folder} are said by two voices: add transcripts of more speakers.")


def same_speaker(corpus: Corpus, rng: np.random.Generator, count: int, shared: float = SHARED) -> Scene:
    """Whether two clips have one speaker; whether their words are the same is drawn apart and tells nothing."""
    same, same_words = bool(rng.random() < 0.5), bool(rng.random() < shared)
    pair = spoken_pair(corpus, rng, same, same_words)
    heard = hear_all(corpus, rng, pair, spoken_conditions(corpus, rng, pair, speeds=False))
    return Scene(heard, yes_no("same_speaker", same, {"clip": 0, "other": 1}))


def same_words(corpus: Corpus, rng: np.random.Generator, count: int, shared: float = SHARED) -> Scene:
    """Whether two clips say the same; whether the voice is the same is drawn apart and tells nothing."""
    same, same_voice = bool(rng.random() < 0.5), bool(rng.random() < shared)
    if same_voice and not same and corpus.pairs and rng.random() < 0.5:
        pair = one_of(rng, corpus.pairs)
    else:
        pair = spoken_pair(corpus, rng, same_voice, same)
    facts: Facts = {"clip": 0, "other": 1, "words": quoted(pair[0]), "other_words": quoted(pair[1])}
    return Scene(_spoken(corpus, rng, pair), yes_no("same_words", same, facts))


def words_difference(corpus: Corpus, rng: np.random.Generator, count: int) -> Scene:
    """What differs between the words of two clips: nothing, one place, or everything."""
    if corpus.pairs and rng.random() < 0.5:
        first, second = one_of(rng, corpus.pairs)
        pair = (first, second) if rng.random() < 0.5 else (second, first)
    else:
        pair = spoken_pair(corpus, rng, bool(rng.random() < 0.3), bool(rng.random() < 0.4))
    outcome, here, there = spoken_difference(quoted(pair[0]), quoted(pair[1]))
    facts: Facts = {"clip": 0, "other": 1, "words": here, "other_words": there}
    return Scene(_spoken(corpus, rng, pair), Query("words_difference", outcome, facts))


def spoken_difference(here: str, there: str) -> tuple[str, str, str]:
    """How two transcripts differ, by difflib over words.

    Returns:
        An outcome and the words to name on each side. `same`, and `other` where they share too little: both whole
        texts. `substituted`: the stretch here that stands for the stretch there. `more`: the stretch that only this
        side has, and the whole text there; `less` the reverse.
    """
    ours, theirs = plain_words(here).split(), plain_words(there).split()
    if ours == theirs:
        return "same", here, there
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    changes = [change for change in matcher.get_opcodes() if change[0] != "equal"]
    shared = sum(block.size for block in matcher.get_matching_blocks())
    if len(changes) != 1 or shared < 2:
        return "other", here, there
    kind, start, stop, their_start, their_stop = changes[0]
    our_stretch, their_stretch = " ".join(ours[start:stop]), " ".join(theirs[their_start:their_stop])
    if kind == "delete":
        return "more", our_stretch, there
    if kind == "insert":
        return "less", here, their_stretch
    return "substituted", our_stretch, their_stretch


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
    packages = [{row.package for row in corpus.recordings if row.gender == gender} for gender in (wanted, rest)]
    both = packages[0] & packages[1] or packages[0]  # else the sampling rate may tell the gender
    rows = [corpus.pick(rng, ("speech",), where=lambda row: row.gender == wanted and row.package in both)]
    for _ in range(count - 1):
        rows.append(corpus.pick(rng, ("speech",), like=rows[0], where=lambda row: row.gender == rest))
    return Scene(_spoken(corpus, rng, rows), without_none(which("which_voice", count, {"gender": wanted})))


def _spoken(corpus: Corpus, rng: np.random.Generator, rows: Sequence[Recording]) -> tuple[Heard, ...]:
    return hear_all(corpus, rng, rows, spoken_conditions(corpus, rng, rows))

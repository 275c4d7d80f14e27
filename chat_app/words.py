"""The words of one answer and where the model looked for each: a `Trace` in, packed rows of numbers out."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

import numpy as np
from numpy.typing import NDArray

from chat_app.trace import Trace
from chat_app.waveform import SHADES
from core.summary import SINK, is_clip

Numbers = NDArray[np.float64]

_DIGITS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)


@dataclass(frozen=True, eq=False)
class Rows:
    """Where the model looked: row 0 is the whole answer, row n its n-th word. A row is the mean over its tokens' rows.

    Attributes:
        words: Texts of the words; together they are the answer.
        shares: Share of attention on each clip as applied, shape (1 + words, clips).
        lifts: The same over the clip's share of the tokens, shape (1 + words, clips).
        natural: Share before the boost, shape (1 + words, clips).
        levels: For each clip its attention per second by time bin, 0 to 1, relative to the row's highest of all clips,
            shape (1 + words, bins).
    """

    words: tuple[str, ...]
    shares: Numbers
    lifts: Numbers
    natural: Numbers
    levels: tuple[Numbers, ...]


def word_starts(texts: Sequence[str]) -> tuple[int, ...]:
    """Place of the first token of each word; the first is 0.

    White space ends a word and belongs to one of its neighbours. A wide character (Chinese, Japanese, Korean) is a word
    of its own, or as much as its token holds: these scripts have no spaces. A text is empty while its character is
    incomplete; such tokens belong to the word of the text that completes it.

    Args:
        texts: Of the tokens, at least one.
    """
    starts, word, incomplete = [0], "", None
    for place, text in enumerate(texts):
        if not text:
            incomplete = place if incomplete is None else incomplete
            continue
        first = place if incomplete is None else incomplete
        if word.strip() and text.strip() and (_parts(word[-1]) or _parts(text[0])):
            starts.append(first)
            word = ""
        word, incomplete = word + text, None
    return tuple(starts)


def words_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Tokens joined to words."""
    starts = word_starts(texts)
    return tuple("".join(texts[start:stop]) for start, stop in zip(starts, [*starts[1:], len(texts)], strict=True))


def _parts(character: str) -> bool:
    return character.isspace() or east_asian_width(character) in "WF"


def rows_of(trace: Trace, seconds: Sequence[float], most_words: int) -> Rows:
    """The rows of an answer and of its words.

    Args:
        trace: Of the answer.
        seconds: Length of each clip.
        most_words: Of how many words; those after them have no row of their own.
    """
    starts = np.array(word_starts(trace.texts))
    lengths = np.diff([*starts, trace.steps])

    def means(steps: NDArray[np.float32]) -> Numbers:
        """By token to by row, shape (steps, n) to (1 + words, n)."""
        exact = steps.astype(np.float64)
        words = np.add.reduceat(exact, starts, axis=0) / lengths[:, None]
        return np.concatenate([exact.mean(axis=0, keepdims=True), words[:most_words]])

    clips = [place for place, source in enumerate(trace.sources) if is_clip(source)]
    heard = [place for place, source in enumerate(trace.sources) if source != SINK]

    def shares(numbers: Numbers) -> Numbers:
        return _over(numbers[:, clips], numbers[:, heard].sum(axis=1, keepdims=True))

    applied = shares(means(trace.weights.mean(axis=1)))
    densities = [
        means(profile) * (profile.shape[1] / length) for profile, length in zip(trace.profiles, seconds, strict=True)
    ]
    peaks = np.max([density.max(axis=1, initial=0.0) for density in densities], axis=0)[:, None]
    return Rows(
        words=words_of(trace.texts)[:most_words],
        shares=applied,
        lifts=_over(applied, shares(means(trace.tokens))),
        natural=shares(means(trace.natural.mean(axis=1))),
        levels=tuple(_over(density, peaks) for density in densities),
    )


def _over(numbers: Numbers, by: Numbers) -> Numbers:
    """The quotient; 0 where there is nothing to divide by."""
    return np.divide(numbers, by, out=np.zeros_like(numbers), where=by > 0)


def packed_numbers(*kinds: Numbers) -> str:
    """Base64 of the numbers one kind after the other, row by row, as little-endian float32."""
    return b64encode(np.stack(kinds).astype("<f4").tobytes()).decode("ascii")


def packed_levels(levels: Sequence[Numbers]) -> str:
    """One base64 character for each level, row by row, clip by clip: A is 0 and / is 1."""
    shades = np.rint(np.concatenate(levels, axis=1) * (SHADES - 1)).astype(np.intp)
    return _DIGITS[shades].tobytes().decode("ascii")

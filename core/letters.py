"""The letters of clips in what people and models write: found among articles and pronouns, and exchanged for others."""

import re
from collections.abc import Iterator, Sequence

from core.types import letter

CLIP_WORD = r"\b(?:clip|recording|audio|sample|track|sound|file)s?"
"""What may stand before a letter, in any case."""

# One letter by itself: of no abbreviation (e.g., U.S.), contraction (I'm), note (C#) or compound (B-flat).
_LETTER = re.compile(r"(?<![\w#♯♭-])(?<!\w['’.])([A-Za-z])(?![\w#♯♭])(?!['’](?!s\b)\w)(?!-\w)(?!\.\w\b)")
_AFTER_CLIP = re.compile(CLIP_WORD + r"\s+[\"“'(*_]{0,3}$", re.IGNORECASE)
_LIST = re.compile(
    rf"['’]?s?[\"”')*_]*\s*(?:,|/|(?:,\s*)?\b(?:and|or|nor|vs)\b|&)\s*(?:{CLIP_WORD}\s+)?[\"“'(*_]*", re.I
)
_LETTERS_ALONE = re.compile(r"\W*[a-z](?:\W+(?:(?:and|or|nor)\W+)?[a-z])*\W*", re.IGNORECASE)
_QUOTED = re.compile(r"\"[^\"\n]{0,1000}\"|“[^”\n]{0,1000}”")  # bounded, so that odd texts take no time
_QUOTED_NAME = re.compile(rf"\W*(?:{CLIP_WORD}\s+)?[A-Za-z]\W*", re.IGNORECASE)
_NOTE = re.compile(r"\b(?:notes?|key of|middle)\s+[\"“'*_]*$", re.IGNORECASE)
_SCALE = re.compile(r"\s+(?:major|minor|flat|sharp)\b", re.IGNORECASE)

_SENTENCE_START = re.compile(r"(?:^|[.!?:;\n…\"“(\[]|\d\)|[-–—•*]\s)[\s\"“'‘(\[*_]*$")
_NEXT_WORD = re.compile(r"[^\S\n]+([\w'’-]+)")
# No article stands before these, nor before a verb in -s: "A is", "A barks", but "A glass", "A bus".
_AFTER_A = re.compile(
    r"and|n?or|(?:is|has|was|did)(?:n['’]t)?|are|have|were|had|will|would|must|may|might|should|could"
    r"|because|since|than|then|but|also|alone|too|in|with|at|from|vs",
    re.IGNORECASE,
)
_VERB = re.compile(r"(?!(?:species|series|lens|news)$)\w*[^\Wsuiao]s|does(?:n['’]t)?", re.IGNORECASE)
_AFTER_I = frozenset({"is", "are", "has"})


def named(text: str, count: int) -> Iterator[tuple[int, int]]:
    """Where a text names one of the first `count` clips by its letter: place of the letter, index of the clip.

    A capital by itself is a name; a small letter is one after "clip" or where nothing but letters is written. "A" is
    the article where a noun may follow at the start of a sentence ("A dog barks", not "A is", "A barks" or "(A)") or
    a capital one within; "I" is the pronoun unless "clip" stands before it. Keys and notes ("in A minor", "the note C")
    and what is quoted, unless it is a name alone, name no clip. Letters beyond Z are not looked for.
    """
    quoted = [match for match in _QUOTED.finditer(text) if not _QUOTED_NAME.fullmatch(match[0][1:-1])]
    alone = _LETTERS_ALONE.fullmatch(text) is not None
    last_stop = -1  # of a name that "clip" made one
    for match in _LETTER.finditer(text):
        index = ord(match[1].upper()) - ord("A")
        if index >= count or any(span.start() < match.start() < span.end() for span in quoted):
            continue
        before, after = text[max(match.start() - 40, 0) : match.start()], text[match.end() : match.end() + 40]
        direct = _AFTER_CLIP.search(before) is not None
        listed = last_stop >= 0 and _LIST.fullmatch(text, last_stop, match.start()) is not None
        if alone or _names(match[1], before, after, direct, listed):
            last_stop = match.end() if direct or listed else -1
            yield match.start(), index


def renamed(text: str, order: Sequence[int]) -> str:
    """The text with the letter of clip i, wherever it is named, replaced by that of clip `order[i]`.

    An answer about clips in another order is so told of the clips as they were; the way back is the inverse order.
    """
    letters = list(text)
    for place, index in named(text, len(order)):
        new = letter(order[index])
        letters[place] = new if letters[place].isupper() else new.lower()
    return "".join(letters)


def _names(char: str, before: str, after: str, direct: bool, listed: bool) -> bool:
    """Whether a letter by itself is the name of a clip."""
    if char == "a":
        return (direct or listed) and not _noun_may_follow(after)
    if char == "I" and not direct:
        word = _NEXT_WORD.match(after)
        return listed and (word is None or word[1] in _AFTER_I)
    if direct or listed:
        return True
    if char.islower() or _NOTE.search(before) or _SCALE.match(after):
        return False
    if char != "A" or not _noun_may_follow(after):
        return True
    word = _NEXT_WORD.match(after)
    assert word is not None
    return not _SENTENCE_START.search(before) and word[1][0].islower()


def _noun_may_follow(after: str) -> bool:
    """Whether "A" may be an article, by the word after it."""
    word = _NEXT_WORD.match(after)
    if word is None or word[1] in set("BCDEFGHJKLMNOPQRSTUVWXYZ"):
        return False
    return _AFTER_A.fullmatch(word[1]) is None and _VERB.fullmatch(word[1]) is None

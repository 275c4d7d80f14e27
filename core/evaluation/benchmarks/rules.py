"""How an answer in free words is read as one of several choices; each rule as its source has it."""

import re
from collections.abc import Sequence

from core.evaluation.item import Item, Verdict
from core.letters import CLIP_WORD, named
from core.types import letter

_WORD = re.compile(r"\b\w+\b")
_SIGNS = r"[\s\"'“”‘’*_`]*"
_LEAD = re.compile(
    rf"{_SIGNS}(?:(?:so|thus|therefore|hence)\b[\s,]*)?"
    rf"(?:(?:the|my)\s+)?(?:(?:correct|right|final|best)\s+)?(?:answer|option|choice)\b(?:\s+is\b)?{_SIGNS}:?{_SIGNS}",
    re.IGNORECASE,
)
_BEFORE = " \t\n\"'“”‘’*_`"
_BRACKETED = re.compile(r"[(\[{<]\s*([A-Za-z])\s*[)\]}>]")
_BARE = re.compile(r"([A-Za-z])(?![\w'’-])(?=([*_]*(?:[.):]|\s*$))?)")
_NUMBERS = {word: number for number, word in enumerate(("one", "two", "three", "four", "five", "six"), start=1)}
_ORDINALS = {
    word: number for number, word in enumerate(("first", "second", "third", "fourth", "fifth", "sixth"), start=1)
} | {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "6th": 6}
_NUMBER = rf"(?:\d{{1,3}}(?!\d)|(?:{'|'.join(_NUMBERS)})\b)"
_JOIN = r"(?:,\s*and|,\s*or|,|and|or|nor|&|/)"
_LINK = rf"\s*{_JOIN}\s*"
_NEXT = re.compile(rf"{_SIGNS}{_JOIN}{_SIGNS}([A-Za-z])(?![\w'’-])")
_COUNTED = re.compile(
    rf"(?:{CLIP_WORD}|\boptions?)\s*(?:no\.?|number|\#)?\s*"
    rf"({_NUMBER}(?:{_LINK}{_NUMBER})*)(?![\w.]*\s*(?:s|sec|seconds?|ms|hz|khz|db)\b)",
    re.IGNORECASE,
)
_ORDINAL = re.compile(
    rf"\b({'|'.join(_ORDINALS)})\b(?=\s+(?:{CLIP_WORD}|one\b|option\b)|{_LINK}(?:the\s+)?(?:{'|'.join(_ORDINALS)})\b"
    rf"\s+(?:{CLIP_WORD}|one\b|option\b))",
    re.IGNORECASE,
)
_ORDINAL_ALONE = re.compile(
    rf"(?:^\W*|\b(?:the|is|answer:?)\s{{1,3}}\W{{0,5}})({'|'.join(_ORDINALS)})\W*$", re.IGNORECASE
)
_NUMBER_ALONE = re.compile(r"\W*(\d)\W*")


def tokens(text: str) -> frozenset[str]:
    """The words of a text in small letters, as a set: their order and number are lost."""
    return frozenset(_WORD.findall(text.lower()))


def by_tokens(answer: str, gold: str, choices: Sequence[str]) -> bool:
    """Whether an answer has every word of the right choice, and none that only other choices have.

    The rule of MMAU (arXiv 2410.19168) and MMAR (arXiv 2505.13032), whose published scripts it matches. It is blind to
    order ("A before B" and "B before A" are one) and to denial ("not a man" is a man). A letter alone is never right:
    put `spelt` before it.
    """
    said, wanted = tokens(answer), tokens(gold)
    others = frozenset[str]().union(*map(tokens, choices)) - wanted
    return bool(said) and wanted <= said and not said & others


def spelt(answer: str, choices: Sequence[str]) -> str:
    """The answer with letters of choices replaced by the words they stand for.

    That is letters in brackets wherever they are, and the one that the answer begins with: "B.", "b", "**B**",
    "Answer: B", "The answer is B, because ...", "B or C". Of "(A) the text" the text stays, so that a letter that
    contradicts it names two choices. An answer may begin with an article: a letter is one before a stop or colon, one
    by itself, or one that `core.letters` reads as a name. An answer that is a choice word by word stays as it is.
    """
    if any(answer.strip().casefold() == choice.strip().casefold() for choice in choices):
        return answer
    found = {match.start(1): match.span() for match in _BRACKETED.finditer(answer)}
    lead = _LEAD.match(answer)
    names = {place for place, _ in named(answer, len(choices))}
    bare = _BARE.match(answer, lead.end() if lead else len(answer) - len(answer.lstrip(_BEFORE)))
    while bare and (bare.start(1) in names or (bare.re is _BARE and bare[2] is not None)):
        found[bare.start(1)] = bare.span(1)
        bare = _NEXT.match(answer, bare.end(1))
    parts, stop = [], 0
    for place, (start, end) in sorted(found.items()):
        index = ord(answer[place].upper()) - ord("A")
        if index < len(choices):
            parts += [answer[stop:start], f" {choices[index]} "]
            stop = end
    return " ".join("".join([*parts, answer[stop:]]).split())


def token_verdict(item: Item, answer: str) -> Verdict:
    """The verdict by `by_tokens`, letters spelt."""
    words = spelt(answer, item.choices)
    held = [choice for choice in item.choices if by_tokens(words, choice, item.choices)]
    right = [choice for choice in held if choice in item.answers]
    return Verdict(bool(right), next(iter(right or held), None))


def named_clips(answer: str, count: int) -> frozenset[str]:
    """The letters of the clips that an answer names, whatever it says of them.

    By letter ("(B)", "clip b", "B is louder", see `core.letters`), by number ("audio 2", "Audio2", "clip two", or a
    digit that is the whole answer) or by place ("the second clip", or "the second" at the end). "A" and "I" are words
    where they may be, and what is quoted names no clip.
    """
    found = {index + 1 for _, index in named(answer, count)}
    for match in _COUNTED.finditer(answer):
        words = re.findall(_NUMBER, match[1].lower())
        found |= {int(word) if word.isdigit() else _NUMBERS[word] for word in words}
    found |= {_ORDINALS[match[1].lower()] for match in _ORDINAL.finditer(answer)}
    if alone := _ORDINAL_ALONE.search(answer):
        found.add(_ORDINALS[alone[1].lower()])
    if alone := _NUMBER_ALONE.fullmatch(answer):
        found.add(int(alone[1]))
    return frozenset(letter(number - 1) for number in found if 1 <= number <= count)


def named_choices(answer: str, choices: Sequence[str]) -> frozenset[str]:
    """The choices whose words stand in an answer one after the other, in any case.

    A choice within the words of a longer one does not count there: "an old man" names that and not "man".
    """
    text = " ".join(_WORD.findall(answer.casefold()))
    found = set()
    for choice in sorted(choices, key=len, reverse=True):
        words = " ".join(_WORD.findall(choice.casefold()))
        text, times = re.subn(rf"(?<!\w){re.escape(words)}(?!\w)", "\0", text) if words else (text, 0)
        if times:
            found.add(choice)
    return frozenset(found)


def exactly_one(item: Item, answer: str) -> Verdict:
    """Right where an answer names one admissible choice and no other: none, two or a hedge are wrong.

    Clips by `named_clips`, texts by `named_choices`. Stricter than a reader: "B, for A is silent" names
    two. Where clips are chosen among, what is no choice (a reference) may be named beside.
    """
    if item.options == "clips":
        found = named_clips(answer, len(item.sounds)) & set(item.choices)
    else:
        found = named_choices(answer, item.choices)
    choice = next(iter(found)) if len(found) == 1 else None
    return Verdict(choice in item.answers, choice)


def lettered(choices: Sequence[str]) -> str:
    """The choices as lines "(A) text"."""
    return "\n".join(f"({letter(index)}) {choice}" for index, choice in enumerate(choices))


def called(word: str, count: int) -> str:
    """One sentence that gives the clips, which the prompt announces by letters, the names that a question uses."""
    names = [f"clip {letter(index)} is {word} {index + 1}" for index in range(count)]
    return f"C{', '.join(names)[1:]}." if count > 1 else ""

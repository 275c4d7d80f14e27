"""What an answer says, short enough to be compared with another answer to the same question."""

import re

from core.letters import CLIP_WORD, named
from core.types import letter

# A named clip is one private-use character while an answer is read: no word, and it needs no escaping.
_FIRST_MARK = 0xE000
_NAME = "[\ue000-\uf8ff]"
_SIGNS = r"[^\w\ue000-\uf8ff]*"
_CLIP_NAME = re.compile(
    rf"(?:\bthe\s+)?(?:{CLIP_WORD}\s+)?[\"“'(*_]{{0,3}}({_NAME})(?:['’]s\b)?[\"”')*_]*", re.IGNORECASE
)
_NAMES = re.compile(
    rf"{_NAME}(?:\s*,\s*{_NAME}){{0,26}},?\s*(?:\b(?:and|or|nor)\b|&|/)\s*{_NAME}"
    rf"|{_NAME}(?:\s*,\s*{_NAME}){{1,26}}(?=\s*(?:[.;!?)]|$))",
    re.IGNORECASE | re.MULTILINE,
)

_YES = re.compile(rf"{_SIGNS}(?:yes|yeah|yep)\b(?!\s+(?:and|or)\s+no\b)", re.IGNORECASE)
_NO = re.compile(
    rf"{_SIGNS}(?:no|nope)(?:{_SIGNS}$|[*_]*\s*[,.;:!\n–—]|\s+-|\s+(?:there|it|they|he|she|the|this|that|these|those|i)\b"
    rf"|\s+{_NAME})",
    re.IGNORECASE,
)
_NONE = re.compile(
    r"\b(?:none|neither|nothing|nobody|no one|no (?:clips?|recordings?))\b|\b(?:not|n['’]t)\b.{0,200}\b(?:any|either)\b"
    r"|\bi (?:(?:do|did|can|could)(?: ?not|n['’]t)) (?:hear|find|detect)\b",
    re.IGNORECASE,
)
_ALL = re.compile(
    r"\ball(?:\s+of)?(?:\s+(?:the|these|those|two|three|four|five|six|seven|eight|\d+))*\s+(?:clips|recordings)\b"
    r"|\ball of them\b|\b(?:every|each) (?:clip|recording)\b|^\W*(?:in )?all\W*$",
    re.IGNORECASE,
)
_BOTH = re.compile(r"\bboth (?:of |the |these )*(?:clips|recordings|them)\b|\bin both\b|^\W*both\W*$", re.IGNORECASE)

_SENTENCE = re.compile(r"[.!?](?!\w)|[;\n]")
_CLAUSE = re.compile(rf"[.!?](?!\w)|[;,\n]|(?<!{_NAME})\s?:|\b(?:and|but|while|whereas)\b", re.IGNORECASE)
_STATEMENT = re.compile(rf"{_SIGNS}(?:(?:in|on|for|only)\s+)?({_NAME}+)\W*\w", re.IGNORECASE)

_LABEL = re.compile(rf"^[^\w\n\ue000-\uf8ff]*({_NAME}+)[*_]*\s?:", re.MULTILINE)

_PIECE = re.compile(r"[,:]|\bbut\b|\band(?=\s+not\b)", re.IGNORECASE)
_DENIED = re.compile(r"\b(?:do|does|did|is|are|was|were|has|have|can|could)(?:\s+not|n['’]t)\b.*", re.IGNORECASE)
_BESIDE = re.compile(
    r"\b(?:not|neither|than|unlike|rather|instead|because|since|between|compar(?:ed|ing)|as opposed to)\b.*",
    re.IGNORECASE,
)
_TOGETHER = re.compile(r"\b(?:both|all|every|each)\b", re.IGNORECASE)

_ASKS_WHICH = re.compile(
    r"\bwhich\b(?! (?:words?|sounds?|instruments?|languages?|differences?)\b)"
    r"|\bwhat (?:clip|one|recording) (?:is|has|sounds)\b|\b(?:who|where|letter|odd one)\b",
    re.IGNORECASE,
)
_ASKS_WHAT = re.compile(r"\b(?:what|how|describe|compare|differ|differences?)\b|\bwhich\b", re.IGNORECASE)


def verdict(answer: str, count: int, question: str = "") -> str:
    """What an answer about `count` clips comes to: "yes", "no", "none", letters ("A" or "A, C"), or its words.

    An answer that begins with yes or no is that, whatever reason follows: "No. Clip B is a cat" is a "no". Otherwise
    the first sentence that chooses decides: the clips it names, without those it only sets them against ("B is louder
    than A", "in A, not in B"), both, all or none of them. Where two or more clips have a statement each ("A is a dog,
    B is a cat") no clip is chosen, and the words are compared clause by clause, in whatever order they come; if the
    question asks which, this holds only within one sentence, for in "B is louder. A is a whisper" the rest is a reason.
    Where it asks what or how, or names no other clip than the answer does, to name a clip is no choice, and the words
    are compared too. What says the same in other words is not seen: such answers count as different.

    Args:
        answer: In the letters of the conversation as it was (`core.letters.renamed`).
        count: Clips of the conversation.
        question: As it was asked, in the same letters. Where it is empty, clips that are named count as chosen.
    """
    text = _marked(answer, count)
    if _YES.match(text):
        return "yes"
    if _NO.match(text):
        return "no"
    which = _ASKS_WHICH.search(question) is not None
    bare = not re.search(r"\w", text)
    if not which and not bare and (_ASKS_WHAT.search(question) or _describes(text)):
        return _words(text)
    labelled = len(set(_LABEL.findall(text))) > 1
    about = {letter(index) for _, index in named(question, count)} or set(map(letter, range(count)))
    for sentence in _SENTENCE.split(text):
        if which and (_describes(sentence) or (labelled and _LABEL.match(sentence))):
            break
        found = _chosen(sentence, count)
        if found and not (which or bare or _TOGETHER.search(sentence)) and about <= set(found.split(", ")):
            break
        if found:
            return found
    return _words(text)


def _marked(answer: str, count: int) -> str:
    """Each named clip as its mark, "the clip" before it and the commas between several left out."""
    chars = list(re.sub(_NAME, "", answer))
    for place, index in named("".join(chars), count):
        chars[place] = chr(_FIRST_MARK + index)
    text = _CLIP_NAME.sub(r"\1", "".join(chars))
    return _NAMES.sub(lambda match: "".join(re.findall(_NAME, match[0])), text)


def _named_in(text: str) -> list[str]:
    """The letters in a marked text, in order of the alphabet."""
    return [letter(ord(mark) - _FIRST_MARK) for mark in sorted(set(re.findall(_NAME, text)))]


def _describes(text: str) -> bool:
    """Whether two or more clips have a clause each that begins with them."""
    subjects = {found[1] for clause in _CLAUSE.split(text) if (found := _STATEMENT.match(clause))}
    return len(subjects) > 1


def _chosen(sentence: str, count: int) -> str:
    """The clips that a sentence names as its answer, "none", or nothing."""
    kept = []
    for piece in _PIECE.split(sentence):
        denied = _DENIED.search(piece)
        if denied is None or not _named_in(piece[: denied.start()]):
            kept.append(_BESIDE.sub("", piece))
    if letters := _named_in(" ".join(kept)):
        return ", ".join(letters)
    if _named_in(sentence) and not re.search(r"\bneither\b", sentence, re.IGNORECASE):
        return ""
    if _NONE.search(sentence):
        return "none"
    if count > 1 and (_ALL.search(sentence) or (count == 2 and _BOTH.search(sentence))):
        return ", ".join(map(letter, range(count)))
    return ""


def _words(text: str) -> str:
    """The clauses in small letters, names of clips in capitals, sorted."""
    spelt = (
        re.sub(_NAME, lambda mark: f" {letter(ord(mark[0]) - _FIRST_MARK)} ", clause.casefold())
        for clause in _CLAUSE.split(text)
    )
    clauses = (" ".join(re.findall(r"[\w'’]+(?:[.-]\w+)*", clause)) for clause in spelt)
    return "; ".join(sorted(filter(None, clauses)))

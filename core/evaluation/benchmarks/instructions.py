"""The rules by which MMAU-Pro (arXiv 2508.13992) judges whether an answer follows an instruction about its form.

Each is that of the published script, except for sentences: there a trained splitter (nltk's punkt) counts them, here a
sentence ends at ".", "!" or "?" before a blank or the end, and "e.g. this" makes one too many.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Facts = Mapping[str, Any]
"""`kwargs` of a row: N, N1, N2, keyword, keywords, forbidden_words, section_splitter and so on."""


def follows(task: str, answer: str, facts: Facts, question: str) -> bool | None:
    """Whether an answer does what the instruction asks.

    Args:
        task: `task_identifier` of the row.
        answer: As the model wrote it.
        facts: `kwargs` of the row.
        question: To be repeated, where that is the instruction.

    Returns:
        None where the published script has no such task.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: The facts are not those that the instruction needs.
    """
    if task == "Repeat Prompt":
        return answer.strip().lower().startswith(question.strip().lower())
    rule = RULES.get(task)
    return None if rule is None else rule(answer, facts)


def sentences(text: str) -> int:
    """How many sentences: stretches with a letter or digit, up to a closing stop."""
    return sum(bool(re.search(r"\w", part)) for part in re.split(r"(?<=[.!?])[\"'”’)\]*_]*(?:\s+|$)", text))


def _letters(text: str, kept: str = "") -> str:
    """ASCII letters in small form, and the characters of `kept`."""
    return re.sub(rf"[^a-zA-Z{kept}]", "", text).lower()


def _whole(text: str, word: str) -> int:
    return len(re.findall(rf"\b{re.escape(word.lower())}\b", text.lower()))


def _listed(text: str, names: str) -> list[bool]:
    return [name.lower() in text.lower() for name in names.split(", ")]


def _paragraphs(text: str) -> int:
    return sum(bool(part.strip()) for part in text.split("***"))


def _sections(text: str, splitter: str) -> int:
    return sum(bool(part.strip()) for part in text.strip().split(splitter)) if splitter else 0


def _capitals(text: str) -> int:
    return sum(word.isupper() for word in text.split())


def _two_parts(text: str) -> bool:
    parts = [part.strip().lower() for part in text.split("******")]
    return len(parts) == 2 and parts[0] != parts[1]


def _bounded(count: Callable[[str], int], name: str) -> dict[str, Callable[[str, Facts], bool]]:
    """The three forms of a rule about a number."""
    return {
        f"{name} (at least)": lambda text, facts: count(text) >= int(facts["N"]),
        f"{name} (at most)": lambda text, facts: count(text) <= int(facts["N"]),
        f"{name} (range)": lambda text, facts: int(facts["N1"]) <= count(text) <= int(facts["N2"]),
    }


RULES: Mapping[str, Callable[[str, Facts], bool]] = {
    "Include Keywords": lambda text, facts: all(_listed(text, facts["keywords"])),
    "Keyword Frequency": lambda text, facts: _whole(text, facts["keyword"]) == int(facts["N"]),
    "Forbidden Words": lambda text, facts: not any(_listed(text, facts["forbidden_words"])),
    "Number Paragraphs": lambda text, facts: _paragraphs(text) == int(facts["N"]),
    **_bounded(lambda text: len(text.split()), "Number Words"),
    **_bounded(sentences, "Number Sentences"),
    "Postscript": lambda text, facts: _letters(facts["postscript_marker"]) in _letters(text),
    "Number Placeholder": lambda text, facts: len(re.findall(r"\[[^\]]+\]", text)) >= int(facts["N"]),
    "Number Bullets": lambda text, facts: len(re.findall(r"(?:^|\n)\s*\*\s+", text)) == int(facts["N"]),
    "Title": lambda text, facts: re.search(r"<<[^>]+>>", text) is not None,
    "Minimum Number Highlighted Section": lambda text, facts: len(re.findall(r"\*([^*]+)\*", text)) >= int(facts["N"]),
    "Multiple Sections": lambda text, facts: _sections(text, facts["section_splitter"]) == int(facts["N"]),
    "Two Responses": lambda text, facts: _two_parts(text),
    "All Uppercase": lambda text, facts: text.isupper(),
    "All Lowercase": lambda text, facts: text.islower(),
    **_bounded(_capitals, "All-capital Words"),
    "Start Checker": lambda text, facts: _letters(text, " ").startswith(_letters(facts["start_phrase"], " ")),
    "End Checker": lambda text, facts: _letters(text, " ").endswith(_letters(facts["end_phrase"], " ")),
    "Quotation": lambda text, facts: text.strip().startswith('"') and text.strip().endswith('"'),
    "No Commas": lambda text, facts: "," not in text,
}
"""Task of the published script -> whether an answer follows it; "Repeat Prompt" is in `follows`, for its question."""

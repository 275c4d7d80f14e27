"""What each benchmark's rule makes of answers of every style: expected verdicts, and the tables of docs/evaluation.md.

`python -m tests.verdict_table` writes the tables into the docs.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from core.evaluation.benchmarks import BENCHMARKS
from core.evaluation.item import Item, Options, Sound
from core.types import Clip

DOCS = Path(__file__).parent.parent / "docs" / "evaluation.md"
MARKS = {True: "right", False: "wrong", None: "not judged"}


def unread() -> Clip:
    """The sound of an item that no rule listens to."""
    raise AssertionError("a rule reads words, not sounds")


def item(options: Options, choices: Sequence[str], answers: Sequence[str], sounds: int = 1, **row: object) -> Item:
    """An item without sounds, for rules."""
    clips = tuple(Sound(f"{index}.wav", unread) for index in range(sounds))
    return Item("1", "task", clips, "Which?", options, tuple(choices), tuple(answers), row=row)


VOICES = ("A man", "A woman", "A child", "A robot")
TEXT = item("texts", VOICES, ["A woman"])
"""The right one is (B)."""

# answer -> (MMAU, MMAR and closed MMAU-Pro; STAR-Bench)
TEXTS: dict[str, tuple[bool, bool]] = {
    "A woman": (True, False),
    "a WOMAN.": (True, False),
    "**A woman**": (True, False),
    "It is a woman.": (True, True),
    "B": (True, True),
    "b": (True, False),
    "(B)": (True, True),
    "B.": (True, True),
    "<B>": (True, True),
    "**B**": (True, True),
    "Answer: B": (True, True),
    "answer: b": (True, False),
    "The answer is (B).": (True, True),
    "The correct answer is B, because of the pitch.": (True, True),
    "(B) A woman": (True, True),
    "B. A woman": (True, True),
    "B, a woman": (True, True),
    "(A) A woman": (False, False),
    "(A)": (False, False),
    "A": (False, False),
    "Answer: (C)": (False, False),
    "A man": (False, False),
    "(E)": (False, False),
    "A man or a woman": (False, True),
    "(A) or (B)": (False, True),
    "(B) or (A)": (False, False),
    "B or C": (False, False),
    "Not a man but a woman.": (False, True),
    "It is not a woman.": (True, True),
    "Woman": (False, False),
    "It is a female voice.": (False, False),
    "I cannot tell.": (False, False),
    "": (False, False),
}

FIVE = item("clips", "ABCDE", "B", 5)
TWO = item("clips", "AB", "B", 2)

# answer -> (MUGEN, of five clips; MAE, of two)
CLIPS: dict[str, tuple[bool, bool]] = {
    "(B)": (True, True),
    "B": (True, True),
    "b": (True, True),
    "**(B)**": (True, True),
    "Clip B.": (True, True),
    "Audio 2": (True, True),
    "audio2": (True, True),
    "2": (True, True),
    "The second audio.": (True, True),
    "It is the second.": (True, True),
    "The 2nd clip has the dog.": (True, True),
    "Clip two": (True, True),
    "A dog barks in clip B.": (True, True),
    "B, for its voice is angrier.": (True, True),
    "A": (False, False),
    "The first clip": (False, False),
    "Audio 1 and audio 2": (False, False),
    "(A) or (B)": (False, False),
    "B, not A": (False, False),
    "First I thought of A, but it is B.": (False, False),
    "(C)": (False, False),
    "The last one": (False, False),
    "Both": (False, False),
    "A dog barks.": (False, False),
    "I cannot tell.": (False, False),
    "": (False, False),
}

NO = item("texts", ("yes", "no"), ["no"], 2)

# answer -> right, where "no" is
YES_NO: dict[str, bool] = {
    "No": True,
    "no.": True,
    "**No**": True,
    "No, they are two voices.": True,
    "The answer is no.": True,
    "Yes": False,
    "Yes and no": False,
    "Yes, no doubt.": False,
    "They are not the same.": False,
    "nothing": False,
    "": False,
}

# instruction, facts, an answer that follows it, one that does not
INSTRUCTIONS: tuple[tuple[str, dict[str, object], str, str], ...] = (
    ("Include Keywords", {"keywords": "dog, rain"}, "A Dog in the RAIN.", "A dog."),
    ("Keyword Frequency", {"keyword": "dog", "N": 2}, "Dog, dog. Dogs?", "dog"),
    ("Forbidden Words", {"forbidden_words": "cat, cow"}, "A dog.", "A Cat."),
    ("Number Paragraphs", {"N": 2}, "one *** two", "one"),
    ("Number Words (at least)", {"N": 3}, "one two three", "one two"),
    ("Number Words (at most)", {"N": 2}, "one two", "one two three"),
    ("Number Words (range)", {"N1": 2, "N2": 3}, "one two", "one"),
    ("Number Sentences (at least)", {"N": 2}, "One. Two!", "One, two"),
    ("Number Sentences (at most)", {"N": 1}, "One, two.", "One. Two."),
    ("Number Sentences (range)", {"N1": 2, "N2": 2}, "Is it? It is.", "It is."),
    ("Postscript", {"postscript_marker": "P.S."}, "A dog. PS: a big one", "A dog."),
    ("Number Placeholder", {"N": 1}, "Dear [name]", "Dear Ann"),
    ("Number Bullets", {"N": 2}, "* one\n* two", "* one"),
    ("Title", {}, "<<Rain>> It rains.", "Rain"),
    ("Minimum Number Highlighted Section", {"N": 2}, "*one* and *two*", "*one*"),
    ("Multiple Sections", {"section_splitter": "Part:", "N": 2}, "Part: one Part: two", "Part: one"),
    ("Repeat Prompt", {}, "which? This one.", "This one."),
    ("Two Responses", {}, "one ****** two", "one ****** One"),
    ("All Uppercase", {}, "A DOG.", "A dog."),
    ("All Lowercase", {}, "a dog.", "A dog."),
    ("All-capital Words (at least)", {"N": 1}, "A dog", "a dog"),
    ("All-capital Words (at most)", {"N": 0}, "a dog", "A DOG"),
    ("All-capital Words (range)", {"N1": 1, "N2": 1}, "BIG dog", "BIG DOG"),
    ("Start Checker", {"start_phrase": "I hear"}, '"I hear, a dog', "A dog, I hear"),
    ("End Checker", {"end_phrase": "That's it."}, "A dog. That's it", "That's it. A dog"),
    ("Quotation", {}, '"A dog"', "A dog"),
    ("No Commas", {}, "a dog and rain", "a dog, rain"),
)


def instruction(task: str, facts: dict[str, object]) -> Item:
    """An item of MMAU-Pro whose answer has to follow an instruction."""
    free = item("open", (), (), task_identifier=task, kwargs=facts)
    return Item("1", "instruction following", free.sounds, free.question, "open", (), (), row=free.row)


def verdict(name: str, of: Item, answer: str) -> bool | None:
    """Whether a benchmark counts an answer."""
    return BENCHMARKS[name].judge(of, answer).right


def _cell(text: str) -> str:
    return f"`{text}`".replace("\n", "⏎") if text else "(empty)"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables() -> str:
    """The tables as the docs have them, with the verdicts that the rules give now."""
    texts = [
        (_cell(answer), MARKS[verdict("mmau", TEXT, answer)], MARKS[verdict("star-bench", TEXT, answer)])
        for answer in TEXTS
    ]
    clips = [(_cell(said), MARKS[verdict("mugen", FIVE, said)], MARKS[verdict("mae", TWO, said)]) for said in CLIPS]
    yes_no = [(_cell(answer), MARKS[verdict("mae", NO, answer)]) for answer in YES_NO]
    following = [
        (
            f"{task} {', '.join(f'{key}={value}' for key, value in facts.items())}".strip(),
            *(f"{_cell(said)}: {MARKS[verdict('mmau-pro', instruction(task, facts), said)]}" for said in (does, not_)),
        )
        for task, facts, does, not_ in INSTRUCTIONS
    ]
    choices = ", ".join(f"({letter}) {voice}" for letter, voice in zip("ABCD", VOICES, strict=True))
    return "\n\n".join(
        [
            f"Of {choices} the second is right:",
            _table(("answer", "MMAU, MMAR, closed MMAU-Pro", "STAR-Bench"), texts),
            "Of several clips B is right:",
            _table(("answer", "MUGEN and pairs, five clips", "MAE, two clips"), clips),
            'Of yes and no "no" is right:',
            _table(("answer", "MAE and pairs"), yes_no),
            "Instructions of MMAU-Pro (the question is `Which?`):",
            _table(("instruction", "an answer that follows it", "one that does not"), following),
        ]
    )


BLOCK = re.compile(r"(?<=<!-- verdicts -->\n\n).*?(?=\n\n<!-- end of verdicts -->)", re.DOTALL)
"""Where the tables stand in the docs."""

if __name__ == "__main__":
    DOCS.write_text(BLOCK.sub(lambda _: tables(), DOCS.read_text(encoding="utf-8")), encoding="utf-8")

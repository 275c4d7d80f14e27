"""Wordings of questions and answers: read from TOML, chosen by chance, filled with facts.

A `Query` is a question before it is worded: its task, the outcome that is true, and facts. Whole numbers among the
facts are clips, by index; they become "clip B" here, once the order of the clips is known.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from core.texts import PROMPTS
from core.training.corpus import one_of
from core.types import letter

Fact = str | int | tuple[str, ...]
Facts = Mapping[str, Fact]
Answer = tuple[str, Facts]


@dataclass(frozen=True)
class Exchange:
    """A question about the clips of a sample and its answer.

    Attributes:
        task: Table of the phrasings it was worded from.
        choices: Admissible short answers, the right one among them; empty for answers in free words.
    """

    task: str
    question: str
    answer: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Query:
    """A question before it is worded.

    Attributes:
        task: Table of the phrasings.
        outcome: Which of the task's answers is true.
        facts: What the wording may name; a whole number is a clip's index, a tuple one text a clip.
        rivals: Every other admissible answer, as outcome and facts.
    """

    task: str
    outcome: str
    facts: Facts
    rivals: tuple[Answer, ...] = ()


@dataclass(frozen=True)
class Phrasing:
    """The wordings of one task.

    Attributes:
        free: Questions that leave the form of the answer open.
        short: Questions that ask for a word, a letter or a few words.
        full_answers: Outcome -> whole sentences.
        short_answers: Outcome -> the short form.
    """

    free: tuple[str, ...]
    short: tuple[str, ...]
    full_answers: Mapping[str, tuple[str, ...]]
    short_answers: Mapping[str, str]


@dataclass(frozen=True)
class Phrasings:
    """All tasks' wordings, and names for values that manifests abbreviate ("nl": "Dutch")."""

    tasks: Mapping[str, Phrasing]
    names: Mapping[str, Mapping[str, str]]

    def exchange(
        self,
        query: Query,
        rng: np.random.Generator,
        clips: int,
        rotation: int = 0,
        short: bool | None = None,
        choices: bool = False,
    ) -> Exchange:
        """Words a query.

        Args:
            query: What is asked.
            rng: Chooses the wording.
            clips: How many clips the question is about.
            rotation: Places by which every clip was moved on (the last ones come to the front).
            short: Whether a short answer is asked for, where the task has one; None leaves it to chance.
            choices: Whether to name the admissible short answers.
        """
        phrasing = self.tasks[query.task]
        if short is None:
            short = not phrasing.free or bool(rng.random() < 0.5)
        short = short and bool(phrasing.short)

        def filled(template: str, facts: Facts) -> str:
            return template.format(**self.words(facts, clips, rotation))

        question = _capitalised(filled(one_of(rng, phrasing.short if short else phrasing.free), query.facts))
        if not short:
            answer = _capitalised(filled(one_of(rng, phrasing.full_answers[query.outcome]), query.facts))
            return Exchange(query.task, question, answer)
        # A name stays as it is within a sentence: so it is nearer to the words the clips' tokens are made of.
        answer = filled(phrasing.short_answers[query.outcome], query.facts)
        if not choices:
            return Exchange(query.task, question, answer)
        others = {filled(phrasing.short_answers[outcome], facts) for outcome, facts in query.rivals}
        assert answer not in others, f"{query.task}: the right answer {answer!r} is among the wrong ones"
        return Exchange(query.task, question, answer, tuple(sorted({answer, *others})))

    def words(self, facts: Facts, clips: int, rotation: int) -> dict[str, str]:
        """The texts that stand for the facts in a wording: a clip's index becomes its name and its letter."""
        words: dict[str, str] = {}
        for key, fact in facts.items():
            if isinstance(fact, int):
                name = letter((fact + rotation) % clips)
                words[key] = f"clip {name}" if clips > 1 else "the clip"
                words[f"{key}_letter"] = name
            elif isinstance(fact, tuple):
                placed = [fact[(index - rotation) % clips] for index in range(clips)]
                words[key] = " ".join(f"Clip {letter(index)}: {text}." for index, text in enumerate(placed))
            else:
                words[key] = self.names.get(key, {}).get(fact, fact)
        return words


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def read_phrasings(folder: Path = PROMPTS) -> Phrasings:
    """The wordings of `training.toml` and `discriminative.toml`."""
    tasks: dict[str, Phrasing] = {}
    names: Mapping[str, Mapping[str, str]] = {}
    for file in ("training.toml", "discriminative.toml"):
        tables = tomllib.loads((folder / file).read_text(encoding="utf-8"))
        names = {**names, **tables.get("names", {})}
        for task, table in tables.get("task", {}).items():
            answers = {outcome: tuple(texts) for outcome, texts in table.get("answers", {}).items()}
            phrasing = Phrasing(
                tuple(table.get("free", ())), tuple(table.get("short", ())), answers, table.get("short_answers", {})
            )
            tasks[task] = phrasing
    return Phrasings(tasks, names)

"""One question of a benchmark, and what a benchmark is: where its questions come from and how an answer is judged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from core.types import Clip

Options = Literal["texts", "clips", "open"]
"""What is chosen among: texts; the clips themselves; nothing, the answer is free."""


@dataclass(frozen=True)
class Sound:
    """A sound that is read when it is needed.

    Attributes:
        name: As a person knows it. Hostile text.
        read: Gives the clip; raises `AudioError`.
    """

    name: str
    read: Callable[[], Clip] = field(compare=False)


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        key: Tells it from all others of the benchmark, and stays the same from run to run.
        task: Subset, task or category it is counted under.
        sounds: In the order of their letters.
        question: The words, options not among them.
        options: What is chosen among.
        choices: Admissible answers as texts; of `clips` the letters of the clips that may be chosen; of `open` none.
        answers: Those of `choices` that are right, or of `open` reference answers; at least one.
        movable: Whether the clips may be put into another order: letters in question, choices and answers follow them.
        seen: Whether training had all that the question is about, in other recordings; None where that is not known.
    """

    key: str
    task: str
    sounds: tuple[Sound, ...]
    question: str
    options: Options
    choices: tuple[str, ...]
    answers: tuple[str, ...]
    movable: bool = False
    seen: bool | None = None

    def __post_init__(self) -> None:
        assert self.answers, "a question has a right answer"
        assert self.options == "open" or (len(self.choices) > 1 and set(self.answers) <= set(self.choices))


@dataclass(frozen=True)
class Verdict:
    """What an answer in free words comes to.

    Attributes:
        right: Whether it counts, by the benchmark's rule.
        choice: What it was read as; None where it chose nothing, or several.
    """

    right: bool
    choice: str | None


@dataclass(frozen=True)
class Anchor:
    """A figure that others published: shown beside ours and never mixed with it."""

    model: str
    percent: float
    source: str


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: On the command line.
        title: In a report, with its version.
        source: arXiv id or address of the paper and of the data.
        items: Reads a folder in the published layout; where None, the data hub. Raises `LoadError`.
        prompt: The words that the model is asked: question, options, how to answer.
        judge: Judges an answer in free words.
        anchors: What others published.
        folder: What the folder should hold, in one sentence, for the error that says it does not.
    """

    name: str
    title: str
    source: str
    items: Callable[[Path | None], Iterator[Item]]
    prompt: Callable[[Item], str]
    judge: Callable[[Item, str], Verdict]
    anchors: tuple[Anchor, ...] = ()
    folder: str = ""

"""One question of a benchmark, and what a benchmark is: where its questions come from and how an answer is judged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from core.letters import renamed
from core.orders import Order, inverse
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
        answers: Those of `choices` that are right, at least one; of `open` reference answers, if there are any.
        movable: How many of the first clips may change places among themselves (`moved`); 0 where order matters.
        seen: Whether training had everything that the question is about; None where that is not known.
        row: The published row, for those who judge by more than the above or write predictions in its layout.
    """

    key: str
    task: str
    sounds: tuple[Sound, ...]
    question: str
    options: Options
    choices: tuple[str, ...]
    answers: tuple[str, ...]
    movable: int = 0
    seen: bool | None = None
    row: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.options == "open":
            assert not self.choices, "a free answer has no choices"
        else:
            assert len(self.choices) > 1 and set() < set(self.answers) <= set(self.choices), "one choice is right"
        assert self.movable != 1 and self.movable <= len(self.sounds)


def moved(item: Item, order: Order) -> Item:
    """The same question with its movable clips in another order; letters in question, choices and answers follow.

    Args:
        item: Its key stays as it is.
        order: Of the movable clips: at place i stands the one that was at `order[i]`.
    """
    assert sorted(order) == list(range(item.movable)), "an order has each movable clip once"
    whole = (*order, *range(item.movable, len(item.sounds)))
    choices = {choice: renamed(choice, inverse(whole)) for choice in item.choices}
    return replace(
        item,
        sounds=tuple(item.sounds[index] for index in whole),
        question=renamed(item.question, inverse(whole)),
        choices=tuple(sorted(choices.values()) if item.options == "clips" else choices.values()),
        answers=tuple(choices.get(answer, answer) for answer in item.answers),
    )


@dataclass(frozen=True)
class Verdict:
    """What an answer in free words comes to.

    Attributes:
        right: Whether it counts, by the benchmark's rule; None where no rule of ours can tell (an open answer), which
            is counted as not judged and is neither right nor wrong.
        choice: What it was read as; None where it chose nothing, or several.
    """

    right: bool | None
    choice: str | None = None


NOT_JUDGED = Verdict(None)


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
        items: Reads a folder in the published layout; where None, the data hub. Raises `LoadError`. An item may hold
            the bytes of its sounds: take one after the other rather than all at once.
        prompt: The words that the model is asked: question, options, how to answer.
        judge: Judges an answer in free words.
        anchors: What others published.
        folder: What the folder should hold, in one sentence, for the error that says it does not.
        predictions: Writes answers in free words into a folder, as the published judge takes them; None where there
            is none to run.
        published: The benchmark's own figures, by their names, from whether each item is right; None where they are no
            others than the report has.
    """

    name: str
    title: str
    source: str
    items: Callable[[Path | None], Iterator[Item]]
    prompt: Callable[[Item], str]
    judge: Callable[[Item, str], Verdict]
    anchors: tuple[Anchor, ...] = ()
    folder: str = ""
    predictions: Callable[[Path, Sequence[tuple[Item, str]]], None] | None = None
    published: Callable[[Sequence[tuple[Item, bool]]], Mapping[str, Mapping[str, str]]] | None = None

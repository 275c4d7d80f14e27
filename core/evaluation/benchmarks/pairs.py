"""Our own: the questions of the gates about the held-out clips of a corpus (docs/evaluation.md)."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from core.errors import LoadError
from core.evaluation.benchmarks.rules import exactly_one
from core.evaluation.item import Benchmark, Item, Sound
from core.training.corpus import Corpus, plain_words
from core.training.gates import EVALUATION_TASKS, Asked, gate_questions, seeded
from core.training.manifest import Recording, read_manifest
from core.types import Clip, letter

QUESTIONS = 60
"""Of each gate."""


def items(folder: Path | None) -> Iterator[Item]:
    """The questions of every gate that the corpus has enough held-out clips for.

    Args:
        folder: A corpus (`core.training.manifest`).

    Raises:
        LoadError: There is none, or no gate can be asked of it.
    """
    if folder is None:
        raise LoadError(f"The pairs are made of your own clips: {BENCHMARK.folder}")
    corpus, count = Corpus.read(folder, "dev"), 0
    known = known_names(row for row in read_manifest(folder) if row.split == "train")
    for task in EVALUATION_TASKS:
        try:
            questions = gate_questions(corpus, seeded(task), task, QUESTIONS)
        except LoadError:
            continue  # too few clips for this one
        for number, asked in enumerate(questions, start=1):
            count += 1
            yield _item(task, number, asked, names_of(asked) <= known)
    if not count:
        raise LoadError(f"None of the gates can be asked of {folder}: it has too few held-out clips; add some.")


def _item(task: str, number: int, asked: Asked, seen: bool) -> Item:
    clips, exchange = asked.clips, asked.exchange
    letters = {letter(index) for index in range(len(clips))}
    return Item(
        key=f"{task}/{number}",
        task=task,
        sounds=tuple(map(_made, clips)),
        question=exchange.question,
        options="clips" if len(clips) > 1 and letters >= set(exchange.choices) else "texts",
        choices=exchange.choices,
        answers=(exchange.answer,),
        movable=0 if asked.swapped is None else len(clips),
        seen=seen,
    )


def known_names(recordings: Iterable[Recording]) -> frozenset[str]:
    """Labels, words and voices of recordings, as `names_of` compares them."""
    names = (name for row in recordings for name in (row.label, row.transcript, row.voice) if name)
    return frozenset(plain_words(name) for name in names)


def names_of(asked: Asked) -> frozenset[str]:
    """What a question is about: labels of its clips, labels and words among its facts; the voices if it asks for them.

    A question counts as seen when training had every one of them, be it in other recordings.
    """
    names = {label for heard in asked.heard for label in heard.labels}
    names |= {fact for fact in asked.facts.values() if isinstance(fact, str)}
    if asked.exchange.task == "same_speaker":
        names |= {heard.recording.voice for heard in asked.heard if heard.recording.voice}
    return frozenset(plain_words(name) for name in names)


def _made(clip: Clip) -> Sound:
    return Sound(clip.label, lambda: clip)


def prompt(item: Item) -> str:
    """The question alone: it says how to answer."""
    return item.question


BENCHMARK = Benchmark(
    name="pairs",
    title="Pairs",
    source="core/training/gates.py",
    items=items,
    prompt=prompt,
    judge=exactly_one,
    folder="give a folder with manifest.jsonl or clips.csv (docs/training.md).",
)

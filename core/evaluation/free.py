"""Comparing questions in free words, with what is true and what the model says: to be read, not counted."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.errors import LoadError
from core.evaluation.arms import settings_of
from core.lalm import Lalm
from core.training.corpus import Corpus
from core.training.phrasings import read_phrasings
from core.training.questions import COMPARING
from core.training.scene import Heard, clips_of, rotated
from core.types import Conversation, Token, Turn, letter

ANSWER_TOKENS = 80


def free_answers(lalm: Lalm, folder: Path, adapters: Sequence[str], count: int) -> Iterator[str]:
    """`count` questions, the tasks in turn, each as a few lines of Markdown with the model's greedy answers.

    Args:
        lalm: The model.
        folder: Of the corpus.
        adapters: `on`, `off` or both.
        count: How many questions.
    """
    corpus, rng, phrasings = Corpus.read(folder, "dev"), np.random.default_rng(1), read_phrasings()
    tasks, made = dict(COMPARING), 0
    while made < count and tasks:
        for name, task in list(tasks.items()):
            if made == count:
                return
            try:
                scene = task.build(corpus, rng, task.counts[0])
            except LoadError:
                del tasks[name]  # the corpus has too little for it
                continue
            if not phrasings.tasks[scene.query.task].free:
                del tasks[name]
                continue
            rotation = int(rng.integers(len(scene.heard)))
            exchange = phrasings.exchange(scene.query, rng, len(scene.heard), rotation, short=False)
            made += 1
            truth = [
                f"{letter(place)}: {heard_as(heard)}" for place, heard in enumerate(rotated(scene.heard, rotation))
            ]
            turn = Turn("user", (*clips_of(scene.heard, rotation), exchange.question))
            lines = [f"**{made}. {exchange.question}**", *truth, f"right: {exchange.answer}"]
            for adapter in adapters:
                settings = replace(settings_of(lalm, adapter), temperature=0.0, max_tokens=ANSWER_TOKENS)
                events = lalm.stream(Conversation((turn,)), settings)
                said = "".join(event.text for event in events if isinstance(event, Token))
                lines.append(f"adapter {adapter}: {' '.join(said.split())}")
            yield "  \n".join(lines)


def heard_as(heard: Heard) -> str:
    """What is in a clip, in a few words."""
    row = heard.recording
    said = f' ({row.voice or "a voice"}: "{row.transcript}")' if row.transcript else ""
    return " and ".join(heard.labels) + said + f", {heard.seconds:.1f} s"

"""What a run is about: which questions, of which data, asked of which model in which settings."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import LoadError
from core.evaluation.arms import default_adapter, settings_of
from core.evaluation.item import Benchmark, Item, Sound
from core.evaluation.scoring import forced, likelihoods
from core.lalm import Lalm
from core.types import SAMPLING_RATE_HZ, Clip


@dataclass(frozen=True)
class Survey:
    """The questions of a benchmark, looked through once before any is asked.

    Attributes:
        items: Those that are asked, by their keys, without their sounds.
        digest: Of the words of ALL questions and what is right, asked or not: so a run can be widened later.
    """

    items: Mapping[str, Item]
    digest: str

    @classmethod
    def of(cls, benchmark: Benchmark, folder: Path | None, tasks: Sequence[str] = (), per_task: int = 0) -> "Survey":
        """Looks through a benchmark.

        Args:
            benchmark: Which.
            folder: Of its data; None for the hub.
            tasks: Those to be asked; all where empty.
            per_task: Of each task the first so many; all where 0.

        Raises:
            LoadError: It cannot be read, or has no such task.
        """
        asked, kept, counts = hashlib.sha256(), dict[str, Item](), Counter[str]()
        for item in benchmark.items(folder):
            words = (item.key, item.task, benchmark.prompt(item), item.choices, item.answers, item.movable)
            asked.update(repr(words).encode())
            counts[item.task] += 1
            if (not tasks or item.task in tasks) and (not per_task or counts[item.task] <= per_task):
                assert item.key not in kept, "a key tells an item from all others"
                # the bytes of its sounds are let go of: all together they may be more than the machine holds
                kept[item.key] = replace(item, sounds=tuple(Sound(sound.name, _gone) for sound in item.sounds))
        if missing := [task for task in tasks if task not in counts]:
            raise LoadError(
                f"{benchmark.title} has no task {', '.join(missing)} here: name some of {', '.join(counts)}."
            )
        return cls(kept, asked.hexdigest()[:16])

    def asked(self, benchmark: Benchmark, folder: Path | None) -> Iterator[Item]:
        """The questions with their sounds, one after the other."""
        return (item for item in benchmark.items(folder) if item.key in self.items)


def _gone() -> Clip:
    raise AssertionError("the survey keeps no sound")


def header(lalm: Lalm, benchmark: Benchmark, digest: str, effects: bool = False) -> dict[str, Any]:
    """All that answers depend on, as JSON holds it: one log never has answers of two models, settings or wordings.

    A model and its adapters are told from others, retrained ones too, by what they make of a fixed noise; rounded, for
    the last digits depend on how many threads add up.

    Args:
        lalm: The model.
        benchmark: What is asked.
        digest: Of the survey.
        effects: Whether the effect of the clips is asked for each answer.
    """
    noise = np.random.default_rng(0).standard_normal((2, SAMPLING_RATE_HZ)).astype(np.float32) / 10
    clips = [Clip(samples, "noise") for samples in noise]
    made: dict[str, list[float]] = {}
    prompts = hashlib.sha256()
    for adapter in ("on", "off") if lalm.info.adapters else ("off",):
        settings = settings_of(lalm, adapter)
        case = forced(lalm, clips, "Which?", ("A", "B"), settings)
        prompts.update(repr((case.prompt.ids, case.answers)).encode())
        made[adapter] = [round(nats, 3) for nats in likelihoods(lalm, case, settings)[0]]
    default = lalm.info.default
    return {
        "format": 1,
        "benchmark": benchmark.title,
        "questions": digest,
        "model": lalm.info.name,
        "precision": lalm.info.precision,
        "adapter": settings_of(lalm, "on").adapter if lalm.info.adapters else None,
        "default_adapter": default_adapter(lalm),
        "system": default.system,
        "facts": default.facts,
        "max_tokens": default.max_tokens,
        "effects": effects,
        "prompt": prompts.hexdigest()[:16],
        "noise": made,
    }

"""How often the likeliest of the choices is the right answer, by task, on held-out clips."""

import zlib
from collections.abc import Sequence

import numpy as np
import torch

from core.training.corpus import Corpus
from core.training.questions import EVALUATION_TASKS, evaluation_set
from core.training.trainee import Trainee


@torch.inference_mode()
def accuracy(
    trainee: Trainee, corpus: Corpus, questions: int, tasks: Sequence[str] = EVALUATION_TASKS
) -> dict[str, object]:
    """{task: [right, asked]} for seeded questions of each task."""
    results: dict[str, object] = {}
    for task in tasks:
        rng = np.random.default_rng(zlib.crc32(task.encode()))
        right = 0
        samples = evaluation_set(corpus, rng, task, questions)
        for sample in samples:
            (exchange,) = sample.exchanges
            asked = trainee.sample(sample.clips, [(exchange.question, choice) for choice in exchange.choices])
            best = int(trainee.log_likelihoods(trainee.batch([asked])).argmax())
            right += exchange.choices[best] == exchange.answer
        results[task] = [right, len(samples)]
        print(f"dev {task}: {right}/{len(samples)}", flush=True)
    return results

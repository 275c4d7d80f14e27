"""How often the likeliest of the choices is the right answer, by task, on held-out clips."""

from collections.abc import Sequence

import torch

from core.errors import LoadError
from core.training.corpus import Corpus
from core.training.gates import EVALUATION_TASKS, evaluation_set, seeded
from core.training.trainee import Trainee


@torch.inference_mode()
def accuracy(
    trainee: Trainee, corpus: Corpus, questions: int, tasks: Sequence[str] = EVALUATION_TASKS
) -> dict[str, object]:
    """{task: [right, asked]} for seeded questions of each task that the corpus has clips for."""
    results: dict[str, object] = {}
    for task in tasks:
        right = 0
        try:
            samples = evaluation_set(corpus, seeded(task), task, questions)
        except LoadError:
            continue  # a corpus of one kind has no clips for some of the tasks
        for sample in samples:
            (exchange,) = sample.exchanges
            asked = trainee.sample(sample.clips, [(exchange.question, choice) for choice in exchange.choices])
            best = int(trainee.log_likelihoods(trainee.batch([asked])).argmax())
            right += exchange.choices[best] == exchange.answer
        results[task] = [right, len(samples)]
        print(f"dev {task}: {right}/{len(samples)}", flush=True)
    return results

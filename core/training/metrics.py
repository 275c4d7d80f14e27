"""How often the likeliest of the choices is the right answer, by task, on held-out clips."""

import zlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from core.families.embedded import FAMILY
from core.families.family import EncodedClip
from core.training.batches import Batch, collate, conversation_of
from core.training.corpus import Corpus
from core.training.questions import EVALUATION_TASKS, evaluation_set
from core.types import Clip


class Model(Protocol):
    """What is asked of the model under test."""

    tokenizer: PreTrainedTokenizerBase

    def encode(self, clip: Clip) -> EncodedClip:
        """Rows of one clip."""
        ...

    def embed_tokens(self, ids: Sequence[int]) -> Tensor:
        """Input embeddings."""
        ...

    def log_likelihoods(self, batch: Batch) -> Tensor:
        """Mean log-probability of each sample's answer, shape (samples,)."""
        ...


@torch.inference_mode()
def accuracy(
    model: Model, corpus: Corpus, questions: int, tasks: Sequence[str] = EVALUATION_TASKS
) -> dict[str, object]:
    """{task: [right, asked]} for seeded questions of each task."""
    results: dict[str, object] = {}
    for task in tasks:
        rng = np.random.default_rng(zlib.crc32(task.encode()))
        right = 0
        samples = evaluation_set(corpus, rng, task, questions)
        for sample in samples:
            (exchange,) = sample.exchanges
            encoded = {clip: model.encode(clip) for clip in sample.clips}
            asked = [conversation_of(sample.clips, [(exchange.question, choice)]) for choice in exchange.choices]
            batch = collate(asked, encoded.__getitem__, FAMILY, model.tokenizer, model.embed_tokens)
            best = int(model.log_likelihoods(batch).argmax())
            right += exchange.choices[best] == exchange.answer
        results[task] = [right, len(samples)]
        print(f"dev {task}: {right}/{len(samples)}", flush=True)
    return results

"""Stage 1 for event tokens: projector rows against the embeddings of the words they should stand for. No LM runs.

Each clip's rows are scored against every word of the corpus by the largest cosine over time (a soft maximum); the
words of the clip's label are the positives of a softmax over all words. It costs less than a minute.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from core.embedded.ears import Heard
from core.embedded.joiner import Joiner

SHARPNESS = 8.0
LAST_STEPS = 50
WORD = re.compile(r"[a-z']+")
STOP_WORDS = frozenset(["a", "an", "the", "of", "on", "in", "to", "is", "at", "and", "or", "with", "my", "for", "i"])


def align_events(
    joiner: Joiner,
    labelled: Sequence[tuple[Heard, str]],
    word_row: Callable[[str], Tensor],
    rng: np.random.Generator,
    steps: int,
    batch: int,
    learning_rate: Callable[[int], float],
) -> float:
    """Trains the residual of the event tokens in place.

    Args:
        joiner: Its event tokens learn.
        labelled: Clips as they were heard, with their labels.
        word_row: A word -> its embedding, shape (hidden,).
        rng: Chooses the clips of a step.
        steps: Optimiser steps.
        batch: Clips a step.
        learning_rate: Of each step.

    Returns:
        Mean loss of the last steps; guessing evenly costs the logarithm of the number of words.
    """
    clips = [(heard, words) for heard, label in labelled if (words := words_of(label))]
    vocabulary = sorted({word for _, words in clips for word in words})
    index = {word: place for place, word in enumerate(vocabulary)}
    center = joiner.center.clone()
    targets = torch.nn.functional.normalize(torch.stack([word_row(word) for word in vocabulary]) - center, dim=1)
    optimizer = torch.optim.AdamW([joiner.event_residual.weight, joiner.whole_clip], weight_decay=0.01)
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        chosen = [clips[place] for place in rng.integers(len(clips), size=batch)]
        rows = [joiner.event_tokens(heard) for heard, _ in chosen]
        loss = alignment_loss(rows, [[index[word] for word in words] for _, words in chosen], targets, center)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return float(np.mean(losses[-LAST_STEPS:]))


def words_of(text: str) -> list[str]:
    """Lower-case words that carry meaning."""
    return [word for word in WORD.findall(text.lower()) if word not in STOP_WORDS]


def alignment_loss(rows: Sequence[Tensor], positives: Sequence[Sequence[int]], words: Tensor, center: Tensor) -> Tensor:
    """Mean negative log-likelihood of the words of each clip.

    Args:
        rows: Of each clip, shape (tokens, hidden).
        positives: Indices into `words` for each clip; at least one.
        words: Unit rows, shape (words, hidden).
        center: Mean embedding, shape (hidden,).
    """
    losses = []
    for clip, indices in zip(rows, positives, strict=True):
        cosines = torch.nn.functional.normalize(clip - center, dim=1) @ words.T
        scores = torch.logsumexp(SHARPNESS * cosines, dim=0)
        losses.append(-scores.log_softmax(0)[list(indices)].mean())
    return torch.stack(losses).mean()

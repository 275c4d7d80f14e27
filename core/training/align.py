"""Stage 1: projector tokens against the embeddings of the words they should stand for. No language model runs.

Each clip's rows are scored against every word of the corpus by the largest cosine over time (a soft maximum); the
words of the clip's label or transcript are the positives of a softmax over all words. It costs about a minute and
gives the speech projector a start from which words are learnt.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

SHARPNESS = 8.0
WORD = re.compile(r"[a-z']+")
STOP_WORDS = frozenset(["a", "an", "the", "of", "on", "in", "to", "is", "at", "and", "or", "with", "my", "for", "i"])


def words_of(text: str) -> list[str]:
    """Lower-case words that carry meaning."""
    return [word for word in WORD.findall(text.lower()) if word not in STOP_WORDS]


def word_rows(words: Sequence[str], embeddings: Tensor, center: Tensor, token_ids: Sequence[list[int]]) -> Tensor:
    """Unit rows of the words around the mean embedding, shape (words, hidden)."""
    assert len(words) == len(token_ids)
    rows = torch.stack([embeddings[ids].mean(0) - center for ids in token_ids])
    return torch.nn.functional.normalize(rows, dim=1)


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

"""From samples to tensors: the same prompt as in the app, padded to a batch, with the answers as targets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from core.families.family import EncodedClip, Family
from core.prompt import EmbedTokens, Prompt, build
from core.types import Clip, Conversation, Turn

Encode = Callable[[Clip], EncodedClip]


@dataclass(frozen=True, eq=False)
class Batch:
    """Right-padded rows and the places where answers are learnt.

    Attributes:
        rows: Decoder input, shape (samples, tokens, hidden).
        mask: 1 where a token is real, shape (samples, tokens).
        sample: Row of each target, shape (targets,).
        position: Position whose output predicts the target, shape (targets,).
        target: Token ids, shape (targets,).
        weight: Weight of each target in the loss, shape (targets,).
    """

    rows: Tensor
    mask: Tensor
    sample: Tensor
    position: Tensor
    target: Tensor
    weight: Tensor


def conversation_of(clips: Sequence[Clip], exchanges: Sequence[tuple[str, str]]) -> Conversation:
    """Questions and answers about some clips as one conversation; the first turn brings the clips."""
    turns: list[Turn] = []
    for index, (question, answer) in enumerate(exchanges):
        turns.append(Turn("user", (*clips, question) if index == 0 else (question,)))
        turns.append(Turn("assistant", (answer,)))
    return Conversation(tuple(turns))


def collate(
    conversations: Sequence[Conversation],
    encode: Encode,
    family: Family,
    tokenizer: PreTrainedTokenizerBase,
    embed_tokens: EmbedTokens,
) -> Batch:
    """One batch of whole conversations."""
    prompts = [build(c, [encode(clip) for clip in c.clips], family, tokenizer) for c in conversations]
    rows = [prompt.embed(embed_tokens)[0] for prompt in prompts]
    targets = [target for index, prompt in enumerate(prompts) for target in _targets(index, prompt)]
    sample, position, target, weight = zip(*targets, strict=True)
    return Batch(
        rows=torch.nn.utils.rnn.pad_sequence(rows, batch_first=True),
        mask=torch.nn.utils.rnn.pad_sequence(
            [torch.ones(len(row), dtype=torch.long) for row in rows], batch_first=True
        ),
        sample=torch.tensor(sample),
        position=torch.tensor(position),
        target=torch.tensor(target),
        weight=torch.tensor(weight),
    )


def _targets(index: int, prompt: Prompt) -> list[tuple[int, int, int, float]]:
    """(sample, position before, token, weight) for each token of each answer and the token that ends it.

    An answer of n tokens weighs sqrt(n) in all: long captions shall not drown answers of one letter.
    """
    found, start = [], 0
    for segment, after in zip(prompt.segments, (*prompt.segments[1:], None), strict=True):
        if segment.role == "assistant":
            ids = (*segment.ids, *(after.ids[:1] if after else ()))
            weight = len(ids) ** -0.5
            found += [(index, start + offset - 1, token, weight) for offset, token in enumerate(ids)]
        start += len(segment.ids)
    return found

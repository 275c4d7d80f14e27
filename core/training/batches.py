"""From samples to tensors: the same prompts as in the app, the answers as targets.

Several questions about the same clips share the prompt up to their own words: a sample is one row of tokens, the shared
beginning and then one branch a question. A branch sees the beginning and itself, at the positions it would have had
alone, so each question costs only its own words and gets exactly what it would get alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor

from core.prompt import EmbedTokens, Prompt
from core.types import Clip, Conversation, Turn

Sample = Sequence[Prompt]
"""Prompts that end with an answer each and begin alike; at least one."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Right-padded rows and the places where answers are learnt.

    Attributes:
        rows: Decoder input, shape (samples, tokens, hidden).
        mask: True where a row may see a key, shape (samples, 1, tokens, tokens).
        positions: Of each token in its own prompt, shape (samples, tokens).
        sample: Row of each target, shape (targets,).
        place: Token whose output predicts the target, shape (targets,).
        target: Token ids, shape (targets,).
        weight: Weight of each target in the loss, shape (targets,).
        answer: To which answer a target belongs, counted over the batch, shape (targets,).
        chat: Whether it belongs to a chat without any clip, shape (targets,).
    """

    rows: Tensor
    mask: Tensor
    positions: Tensor
    sample: Tensor
    place: Tensor
    target: Tensor
    weight: Tensor
    answer: Tensor
    chat: Tensor


def conversation_of(clips: Sequence[Clip], exchanges: Sequence[tuple[str, str]]) -> Conversation:
    """Questions and answers about some clips as one conversation; the first turn brings the clips."""
    turns: list[Turn] = []
    for index, (question, answer) in enumerate(exchanges):
        turns.append(Turn("user", (*clips, question) if index == 0 else (question,)))
        turns.append(Turn("assistant", (answer,)))
    return Conversation(tuple(turns))


def collate(samples: Sequence[Sample], embed_tokens: EmbedTokens) -> Batch:
    """One batch of samples."""
    rows, positions, branches = [], [], []
    targets: list[tuple[int, int, int, float, int, bool]] = []
    answers = 0
    for index, prompts in enumerate(samples):
        shared = shared_tokens(prompts)
        pieces, places, branch = [], [torch.arange(shared)], [torch.zeros(shared, dtype=torch.long)]
        length = shared
        for number, prompt in enumerate(prompts):
            embedded = prompt.embed(embed_tokens)[0]
            pieces.append(embedded if number == 0 else embedded[shared:])
            own = len(embedded) - shared
            places.append(torch.arange(shared, len(embedded)))
            branch.append(torch.full((own,), number + 1))
            for place, token, weight in answer_targets(prompt):
                # Where prompts differ in their answers alone, the shared beginning predicts the first token of each.
                moved = place if place < shared else place + length - shared
                targets.append((index, moved, token, weight, answers, not prompt.clips))
            length += own
            answers += 1
        rows.append(torch.cat(pieces))
        positions.append(torch.cat(places))
        branches.append(torch.cat(branch))
    samples_of, places_of, tokens, weights, answers_of, chat = zip(*targets, strict=True)
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return Batch(
        rows=padded,
        mask=_mask(torch.nn.utils.rnn.pad_sequence(branches, batch_first=True, padding_value=-1)).to(padded.device),
        positions=torch.nn.utils.rnn.pad_sequence(positions, batch_first=True).to(padded.device),
        sample=torch.tensor(samples_of, device=padded.device),
        place=torch.tensor(places_of, device=padded.device),
        target=torch.tensor(tokens, device=padded.device),
        weight=torch.tensor(weights, device=padded.device),
        answer=torch.tensor(answers_of, device=padded.device),
        chat=torch.tensor(chat, device=padded.device),
    )


def shared_tokens(prompts: Sample) -> int:
    """Tokens of the segments in which all prompts begin alike; a prompt alone shares nothing."""
    if len(prompts) == 1:
        return 0
    alike = takewhile(
        lambda column: all(segment == column[0] for segment in column),
        zip(*(prompt.segments for prompt in prompts), strict=False),
    )
    return sum(len(column[0].ids) for column in alike)


def _mask(branches: Tensor) -> Tensor:
    """Branch of each token (samples, tokens), 0 for the shared beginning, -1 for padding -> who may see whom.

    Padding sees itself, so that no row of the softmax is empty.
    """
    mine, theirs = branches[:, :, None], branches[:, None, :]
    visible = ((theirs == 0) | (theirs == mine)).tril()
    return visible[:, None]


def answer_targets(prompt: Prompt) -> list[tuple[int, int, float]]:
    """(place before, token, weight) for each token of each answer and the token that ends it.

    Every answer weighs as much: long captions shall not drown answers of one letter.
    """
    found, start = [], 0
    for segment, after in zip(prompt.segments, (*prompt.segments[1:], None), strict=True):
        if segment.role == "assistant":
            ids = (*segment.ids, *(after.ids[:1] if after else ()))
            weight = 1.0 / len(ids)
            found += [(start + offset - 1, token, weight) for offset, token in enumerate(ids)]
        start += len(segment.ids)
    return found

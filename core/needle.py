"""Did it matter? A finished answer is forced once with the clips as they were and once with their sound silenced.

What is given is the difference of two log-likelihoods: the causal question, where the meter only says where the model
looked (docs/attention.md).
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers.decoders import DecodeStream

from core.types import Clip, Conversation, Effect, Part, Settings, Turn

if TYPE_CHECKING:  # `core.lalm` asks here
    from core.lalm import Lalm


def effects(lalm: "Lalm", conversation: Conversation, answer: str, settings: Settings) -> Iterator[Effect]:
    """Yields what is known so far: all clips silenced together, then clip A alone, clip B alone ...

    A clip that is silent already has an effect of exactly 0, and of one clip alone nothing is read twice.

    Args:
        lalm: The model. Between two yields it is as it was found.
        conversation: As it was answered; its last turn is the user's, and it has clips.
        answer: The words of the answer, which are no mere white space.
        settings: As it was answered with; sampling and the token limit play no part.

    Raises:
        ConversationError: Prompt and answer are more than the model can hold.
    """
    ids = answer_ids(lalm, answer, settings)
    text = DecodeStream(skip_special_tokens=True)
    tokens = tuple(text.step(lalm.loaded.tokenizer._tokenizer, token) or "" for token in ids)
    heard = log_likelihoods(lalm, conversation, ids, settings, kept=True)
    known = {conversation: heard}
    places = range(len(conversation.clips))
    found: list[tuple[float, ...]] = []
    for silenced in (places, *((place,) for place in places)):
        other = with_silence(conversation, silenced)
        if other not in known:
            known[other] = log_likelihoods(lalm, other, ids, settings, kept=False)
        found.append(tuple(one - two for one, two in zip(heard, known[other], strict=True)))
        yield Effect(tokens, found[0], tuple(found[1:]))


def answer_ids(lalm: "Lalm", answer: str, settings: Settings) -> tuple[int, ...]:
    """Token ids of an answer's words, shape (tokens,): `forced_ids` without the token that ends it."""
    ids = forced_ids(lalm, answer, settings)[:-1]
    assert ids, "an empty answer is refused before"
    return ids


def forced_ids(lalm: "Lalm", answer: str, settings: Settings) -> tuple[int, ...]:
    """Token ids of an answer and of the token by which the model ends it, as `core.prompt` has them.

    The words are tokenised anew, without white space around them, so that a model that wrote them in an unusual
    spelling is asked about the usual one.
    """
    # without clips: the ids of an answer are the same after any question, and nothing has to be heard for them
    turns = (Turn("user", ("?",)), Turn("assistant", (answer,)))
    segments = lalm.prompt(Conversation(turns), settings).segments
    place = next(index for index, segment in enumerate(segments) if segment.role == "assistant")
    return (*segments[place].ids, *segments[place + 1].ids[:1])


def log_likelihoods(
    lalm: "Lalm", conversation: Conversation, ids: tuple[int, ...], settings: Settings, kept: bool
) -> tuple[float, ...]:
    """Log-probability of each token of an answer after those before it, in nats, shape (tokens,).

    It goes token by token through the decoder, as answering did: each token was chosen by the last row of its step,
    and a boost acts on that row alone. One forward over all rows would be quicker, but a decoder gives the logits of
    the last row only, and boosts no other.

    Args:
        lalm: The model.
        conversation: Its last turn is the user's.
        ids: What is forced.
        settings: Adapter, system prompt, facts and boost.
        kept: Whether to take keys and values from the engine's shelf and to leave them there.
    """
    built = lalm.prompt(conversation, settings)
    limit = lalm.limit(built, len(ids))
    names = built.names
    memory = (lalm.shelf.take(names, settings.adapter) if kept else None) or lalm.decoder.memory()
    found = []
    with torch.inference_mode():
        observation = lalm.observation(built, settings, limit, meter=False)
        rows = built.embed(lalm.loaded.embed_tokens)[:, memory.tokens :]
        for token in ids:
            logits, _ = lalm.decoder.step(rows, memory, settings.adapter, observation)
            found.append(logits.log_softmax(-1)[token])
            rows = lalm.loaded.embed_tokens([token])[None]
        numbers: list[float] = torch.stack(found).tolist()
    if kept:
        lalm.keep([*names, *ids], len(names), memory, settings.adapter, observation)
    return tuple(numbers)


def with_silence(conversation: Conversation, places: Collection[int]) -> Conversation:
    """The conversation with some clips silenced, by their places among all; each keeps its letter and its length."""
    turns, place = [], 0
    for turn in conversation.turns:
        parts: list[Part] = []
        for part in turn.parts:
            if isinstance(part, Clip):
                parts.append(silent(part) if place in places else part)
                place += 1
            else:
                parts.append(part)
        turns.append(replace(turn, parts=tuple(parts)))
    return Conversation(tuple(turns))


def silent(clip: Clip) -> Clip:
    """Digital silence of a clip's length."""
    return Clip(np.zeros_like(clip.samples), clip.label, clip.source_hz)

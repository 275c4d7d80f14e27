"""The decoding loop: prompt rows in, tokens with their readings out.

Greedy decoding gives what `generate` gives; sampling uses transformers' own warpers. Between two yields the model is
as it was found: the boost, the meter and the adapter are chosen anew for every forward, under the lens' lock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from tokenizers.decoders import DecodeStream
from torch import Tensor
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

from core.decoder import Decoder, Memory
from core.families.family import Loaded
from core.look import Look
from core.observation import Observation
from core.types import AttentionReading, Settings


@dataclass(frozen=True)
class Written:
    """One token of the answer: its id, the text that became whole with it, and where the model looked."""

    id: int
    text: str
    reading: AttentionReading | None


@dataclass(frozen=True)
class End:
    """Why the loop ended, for `Done`."""

    reason: Literal["stop", "length"]


@torch.inference_mode()
def steps(
    loaded: Loaded, decoder: Decoder, rows: Tensor, memory: Memory, observation: Observation, settings: Settings
) -> Iterator[Written | End]:
    """Yields a `Written` per generated token, then one `End`.

    Args:
        loaded: The model, for its tokens.
        decoder: Runs it.
        rows: The prompt, shape (1, tokens, hidden); what `memory` holds is its beginning.
        memory: Of this decoder. Grows by the rest of the prompt, and by the answer.
        observation: Spans, boost and meter of this turn.
        settings: Sampling, adapter and the token limit.
    """
    stops = stop_ids(loaded)
    choose = Chooser(settings, rows.device)
    # All of a chat's control tokens are invisible; a piece of text appears once its bytes are whole.
    text = DecodeStream(skip_special_tokens=True)
    rows = rows[:, memory.tokens :]
    for _ in range(settings.max_tokens):
        logits, look = decoder.step(rows, memory, settings.adapter, observation)
        token, reading = on_host(choose(logits), look)
        if token in stops:
            yield End("stop")
            return
        yield Written(token, text.step(loaded.tokenizer._tokenizer, token) or "", reading)
        rows = loaded.embed_tokens([token])[None]
    yield End("length")


def on_host(token: Tensor, look: AttentionReading | Look | None) -> tuple[int, AttentionReading | None]:
    """A token's id, and where the model looked: in one copy where both are on the device.

    Args:
        token: Its id, a whole number of shape ().
        look: Of the step that gave it.
    """
    if not isinstance(look, Look):
        return int(token), look
    # a float32 holds every whole number below 2**24, and no vocabulary is as large
    number, *numbers = torch.cat([token.view(1).float(), look.numbers]).tolist()
    return int(number), look.reading(numbers)


def stop_ids(loaded: Loaded) -> frozenset[int]:
    """Tokens that end an answer, by the model's generation config; by the tokenizer where that names none."""
    ids: int | Sequence[int] | None = loaded.model.generation_config.eos_token_id
    if ids is None:
        ids = loaded.tokenizer.eos_token_id
    return frozenset([ids] if isinstance(ids, int) else ids or ())


class Chooser:
    """Greedy at temperature 0, else nucleus sampling from a seeded generator of its own."""

    def __init__(self, settings: Settings, device: torch.device):
        """Args: settings: temperature, top_p and seed; device: of the logits."""
        self.greedy = settings.temperature == 0.0
        if not self.greedy:
            self.warpers = LogitsProcessorList(
                [TemperatureLogitsWarper(settings.temperature), TopPLogitsWarper(settings.top_p)]
            )
            self.generator = torch.Generator(device).manual_seed(settings.seed)

    def __call__(self, logits: Tensor) -> Tensor:
        """One token id, shape (), from logits of shape (vocabulary,); both are where the logits are."""
        if self.greedy:
            return logits.argmax()
        warped = self.warpers(torch.empty(0, dtype=torch.long), logits[None])  # type: ignore[arg-type]
        return torch.multinomial(warped.softmax(-1), 1, generator=self.generator)[0, 0]

"""Running a text backbone: rows in, logits of the last one out, with its attention boosted and read.

`Decoder` is the seam. `TorchDecoder` serves every family; a family may have a faster one (`core.families.Family`).
"""

from typing import Protocol

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel

from core.adapter import Adapters
from core.attention import Lens
from core.families.family import Loaded
from core.look import Look
from core.observation import Observation
from core.types import AttentionReading

ROWS_AT_ONCE = 2048
"""Of a prompt; bounds the memory for what lies between two layers."""


class Memory(Protocol):
    """Keys and values of the rows a decoder has read."""

    @property
    def tokens(self) -> int:
        """How many rows."""
        ...

    def crop(self, tokens: int) -> None:
        """Forgets all behind the first `tokens` rows."""
        ...


class Decoder(Protocol):
    """A text backbone under the lens. It holds no conversation; several may be in work at once, each in its memory."""

    def memory(self) -> Memory:
        """An empty memory."""
        ...

    def step(
        self, rows: Tensor, memory: Memory, adapter: str | None, observation: Observation
    ) -> tuple[Tensor, AttentionReading | Look | None]:
        """Reads rows, the last of them under the lens.

        Args:
            rows: What comes next, shape (1, rows, hidden).
            memory: Of this decoder; the rows are added to it.
            adapter: The adapter at work, or None.
            observation: What to boost and to read.

        Returns:
            Logits behind the last row, float32 of shape (vocabulary,), and where it looked; None without a meter. A
            look is copied to the host by whoever wants to read it, who may copy more with it.
        """
        ...


class TorchMemory:
    """A `DynamicCache`: a plain one, which can be cropped behind a sliding window too."""

    def __init__(self) -> None:
        self.cache = DynamicCache()

    @property
    def tokens(self) -> int:
        """How many rows."""
        return self.cache.get_seq_length()

    def crop(self, tokens: int) -> None:
        """Forgets all behind the first `tokens` rows."""
        assert tokens <= self.tokens, f"{self.tokens} rows cannot be cropped to {tokens}"
        self.cache.crop(tokens - self.tokens)


class TorchDecoder:
    """Any transformers model with a lens on it."""

    def __init__(self, loaded: Loaded, lens: Lens, adapters: Adapters):
        """Args: loaded: the model; lens, adapters: its own."""
        self.loaded, self.lens, self.adapters = loaded, lens, adapters

    def memory(self) -> TorchMemory:
        """An empty memory."""
        return TorchMemory()

    @torch.inference_mode()
    def step(
        self, rows: Tensor, memory: Memory, adapter: str | None, observation: Observation
    ) -> tuple[Tensor, AttentionReading | None]:
        """Reads rows, the last piece of them under the lens; see `Decoder.step`."""
        assert isinstance(memory, TorchMemory), "the memory of another decoder"
        return self.read(rows, memory.cache, adapter, observation)

    def read(
        self, rows: Tensor, cache: Cache, adapter: str | None, observation: Observation
    ) -> tuple[Tensor, AttentionReading | None]:
        """As `step`, into a cache that says its length without asking the device."""
        *pieces, last = rows.split(ROWS_AT_ONCE, dim=1)
        for piece in pieces:
            with self.lens.alone():
                self.adapters.select(adapter)
                last_hidden(self.loaded, piece, cache)
        with self.lens.observed(observation, keys=cache.get_seq_length() + last.shape[1]) as probe:
            self.adapters.select(adapter)
            logits = last_logits(self.loaded, last, cache)
        return logits, probe.reading()


def last_logits(loaded: Loaded, rows: Tensor, cache: Cache) -> Tensor:
    """Logits of the last position, float32, shape (vocabulary,); the head runs on that position alone."""
    logits: Tensor = loaded.model.get_output_embeddings()(last_hidden(loaded, rows, cache))[0, 0]
    return finished(loaded.model, logits.float())


def last_hidden(loaded: Loaded, rows: Tensor, cache: Cache) -> Tensor:
    """What the decoder makes of the last row, shape (1, 1, hidden)."""
    output = loaded.model.get_decoder()(inputs_embeds=rows, past_key_values=cache, use_cache=True)
    hidden: Tensor = output.last_hidden_state[:, -1:]
    return hidden


def finished(model: PreTrainedModel, logits: Tensor) -> Tensor:
    """What a model makes of its head's logits: Gemma squeezes them (arXiv 2408.00118), Granite divides them.

    Granite as transformers' `GraniteForCausalLM` does; its `GraniteSpeechForConditionalGeneration` leaves it out, which
    sampling and likelihoods would feel, though not greedy answers.
    """
    text = model.config.get_text_config()
    cap: float | None = getattr(text, "final_logit_softcapping", None)
    squeezed = logits if cap is None else cap * torch.tanh(logits / cap)
    return squeezed / getattr(text, "logits_scaling", 1.0)

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
from transformers import (
    DynamicCache,
    LogitsProcessorList,
    PreTrainedModel,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from core.adapter import Adapters
from core.attention import Lens
from core.families.family import Loaded
from core.observation import Observation
from core.types import Settings, Token


@dataclass(frozen=True)
class End:
    """Why the loop ended, for `Done`."""

    reason: Literal["stop", "length"]


@torch.inference_mode()
def steps(
    loaded: Loaded,
    lens: Lens,
    adapters: Adapters,
    rows: Tensor,
    observation: Observation,
    settings: Settings,
) -> Iterator[Token | End]:
    """Yields a `Token` per generated token, then one `End`.

    Args:
        loaded: The model.
        lens: Its attention.
        adapters: Its adapters.
        rows: The prompt, shape (1, tokens, hidden).
        observation: Spans, boost and meter of this turn.
        settings: Sampling, adapter and the token limit.
    """
    stops = stop_ids(loaded)
    choose = Chooser(settings, rows.device)
    # All of a chat's control tokens are invisible; a piece of text appears once its bytes are whole.
    text = DecodeStream(skip_special_tokens=True)
    cache, total = DynamicCache(), 0
    for _ in range(settings.max_tokens):
        total += rows.shape[1]
        with lens.observed(observation, keys=total) as probe:
            adapters.select(settings.adapter)
            logits = last_logits(loaded, rows, cache)
        reading = probe.reading()
        token = choose(logits)
        if token in stops:
            yield End("stop")
            return
        yield Token(text.step(loaded.tokenizer._tokenizer, token) or "", reading)
        rows = loaded.embed_tokens([token])[None]
    yield End("length")


def last_logits(loaded: Loaded, rows: Tensor, cache: DynamicCache) -> Tensor:
    """Logits of the last position, float32, shape (vocabulary,); the head runs on that position alone."""
    output = loaded.model.get_decoder()(inputs_embeds=rows, past_key_values=cache, use_cache=True)
    head = loaded.model.get_output_embeddings()
    logits: Tensor = head(output.last_hidden_state[:, -1:])[0, 0]
    return finished(loaded.model, logits.float())


def finished(model: PreTrainedModel, logits: Tensor) -> Tensor:
    """What a model makes of its head's logits: Gemma squeezes them (arXiv 2408.00118), Granite divides them.

    Granite as transformers' `GraniteForCausalLM` does; its `GraniteSpeechForConditionalGeneration` leaves it out, which
    sampling and likelihoods would feel, though not greedy answers.
    """
    text = model.config.get_text_config()
    cap: float | None = getattr(text, "final_logit_softcapping", None)
    squeezed = logits if cap is None else cap * torch.tanh(logits / cap)
    return squeezed / getattr(text, "logits_scaling", 1.0)


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

    def __call__(self, logits: Tensor) -> int:
        """One token id from logits of shape (vocabulary,)."""
        if self.greedy:
            return int(logits.argmax())
        warped = self.warpers(torch.empty(0, dtype=torch.long), logits[None])  # type: ignore[arg-type]
        return int(torch.multinomial(warped.softmax(-1), 1, generator=self.generator))

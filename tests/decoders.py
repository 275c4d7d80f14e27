"""Small random decoders of four families, a prompt of two clips, and the greedy answer to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import (
    Cache,
    DynamicCache,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    Gemma4UnifiedForCausalLM,
    Gemma4UnifiedTextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2AudioConfig,
    Qwen2AudioEncoderConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2Config,
)

from core.attention import Lens
from core.observation import Observation
from core.types import AttentionReading, Boost, Span

VOCABULARY, PROMPT, STEPS = 64, 24, 5
# text stands between the clips, and clip A comes in two pieces
SPANS = (
    Span(0, 2, "template"),
    Span(2, 6, "clip A"),
    Span(6, 8, "question"),
    Span(8, 10, "clip A"),
    Span(10, 12, "template"),
    Span(12, 19, "clip B"),
    Span(19, 24, "question"),
)
BOOSTS = (
    Boost(),
    Boost("mata", 0.5),
    Boost("mata", -0.5, (0.0, 1.0)),
    Boost("pai", 0.5, clip_weights=(1.5, 0.5)),
    Boost("bias", 1.5, clip_weights=(0.0, 2.0)),
    Boost("target", 0.7),
)


def text_sizes() -> dict[str, int | float]:
    """Of a decoder whose scores are some units wide, so that a boost has something to move."""
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "initializer_range": 0.15,
    }


def llama() -> PreTrainedModel:
    return LlamaForCausalLM(LlamaConfig(**text_sizes()))


def gemma3() -> PreTrainedModel:
    """A sliding window of 9 keys in every second layer: shorter than the prompt."""
    kinds = ["sliding_attention", "full_attention"] * 2
    config = Gemma3TextConfig(**text_sizes(), head_dim=8, sliding_window=9, layer_types=kinds, query_pre_attn_scalar=8)
    return Gemma3ForCausalLM(config)


def gemma4_unified() -> PreTrainedModel:
    """Fewer and wider key heads in every second layer, where keys are values too; scores are not scaled down."""
    config = Gemma4UnifiedTextConfig(
        **(text_sizes() | {"initializer_range": 0.1}),
        head_dim=4,
        global_head_dim=8,
        num_global_key_value_heads=1,
        attention_k_eq_v=True,
        sliding_window=9,
        layer_types=["sliding_attention", "full_attention"] * 2,
    )
    return Gemma4UnifiedForCausalLM(config)


def qwen2_audio() -> PreTrainedModel:
    text = Qwen2Config(**text_sizes())
    tower = Qwen2AudioEncoderConfig(
        num_mel_bins=8,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=32,
        d_model=16,
        max_source_positions=20,
    )
    config = Qwen2AudioConfig(audio_config=tower, text_config=text, audio_token_index=VOCABULARY - 1)
    return Qwen2AudioForConditionalGeneration(config)


FAMILIES = (llama, gemma3, gemma4_unified, qwen2_audio)


def made(build: Callable[[], PreTrainedModel], attention: str = "sdpa") -> PreTrainedModel:
    """The same random model at every call."""
    torch.manual_seed(0)
    model = build().eval()
    model.set_attn_implementation(attention)
    return model


def prompt_ids(seed: int = 1) -> Tensor:
    return torch.randint(0, VOCABULARY - 1, (1, PROMPT), generator=torch.Generator().manual_seed(seed))


def planned(boost: Boost, meter: bool = True, max_keys: int = PROMPT + STEPS) -> Observation:
    starts = torch.arange(0.0, 12.0, 2.0)
    times = (torch.stack([starts, starts + 2.0], 1), torch.tensor([[0.0, 3.5]] * 7))
    return Observation.of(SPANS, times, (12.0, 3.5), boost, max_keys, meter=meter)


@dataclass(frozen=True)
class Step:
    logits: Tensor
    reading: AttentionReading | None


def steps(
    model: PreTrainedModel, lens: Lens, observation: Observation, seed: int = 1, cache: Cache | None = None
) -> Iterator[Step]:
    """The greedy answer, each forward observed, yielded between the forwards."""
    fed, keys = prompt_ids(seed), 0
    cache = DynamicCache(config=model.config) if cache is None else cache
    for _ in range(STEPS):
        keys += fed.shape[1]
        with torch.no_grad(), lens.observed(observation, keys) as probe:
            logits = model(input_ids=fed, past_key_values=cache).logits[0, -1]
        yield Step(logits, probe.reading())
        fed = logits.argmax().view(1, 1)


def plain_steps(model: PreTrainedModel, seed: int = 1) -> Iterator[Tensor]:
    """The greedy answer of the model as it is: logits of the last row."""
    fed, cache = prompt_ids(seed), DynamicCache(config=model.config)
    for _ in range(STEPS):
        with torch.no_grad():
            logits = model(input_ids=fed, past_key_values=cache).logits[0, -1]
        yield logits
        fed = logits.argmax().view(1, 1)

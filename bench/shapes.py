"""The shapes of real checkpoints, without their weights.

    python -m bench.shapes

prints how many weights each has and what a token's keys and values take, counted on torch's meta device: the figures of
`core/catalogue.py`. The shapes are from the makers' config files as far as they are known; a total that is the
published one says they are right.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3ForConditionalGeneration,
    Gemma3nConfig,
    Gemma3nForConditionalGeneration,
    GraniteSpeechConfig,
    GraniteSpeechForConditionalGeneration,
    MusicFlamingoConfig,
    MusicFlamingoForConditionalGeneration,
    Phi4MultimodalConfig,
    Phi4MultimodalForCausalLM,
    PreTrainedModel,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen3OmniMoeThinkerConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
    VoxtralConfig,
    VoxtralForConditionalGeneration,
)

from core.catalogue import CHECKPOINTS
from core.families.gemma3n import closed_eyes
from core.footprint import Footprint

WHISPER_LARGE = {
    "d_model": 1280,
    "encoder_layers": 32,
    "encoder_attention_heads": 20,
    "encoder_ffn_dim": 5120,
    "num_mel_bins": 128,
}
QWEN2_5_7B = {
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
}
QWEN2_5_3B = {
    "hidden_size": 2048,
    "num_hidden_layers": 36,
    "intermediate_size": 11008,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
}
QWEN_7B = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "intermediate_size": 11008,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
}
QWEN3_30B_A3B = {
    "hidden_size": 2048,
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 768,
}
MISTRAL_SMALL = {
    "hidden_size": 5120,
    "num_hidden_layers": 40,
    "intermediate_size": 32768,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
}
GRANITE_2B = {
    "hidden_size": 2048,
    "num_hidden_layers": 40,
    "intermediate_size": 8192,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
GRANITE_8B = GRANITE_2B | {"hidden_size": 4096, "intermediate_size": 12800}
GEMMA_3N_E2B = {
    "num_hidden_layers": 30,
    "intermediate_size": 8192,
    "activation_sparsity_pattern": [0.95] * 10 + [0.0] * 20,
    "num_kv_shared_layers": 10,
}


def qwen2_audio() -> PreTrainedModel:
    text, tower = {"model_type": "qwen2", "vocab_size": 156032}, {"model_type": "qwen2_audio_encoder"}
    config = Qwen2AudioConfig(text_config=text | QWEN_7B, audio_config=tower | WHISPER_LARGE)
    return Qwen2AudioForConditionalGeneration(config)


def qwen2_5_omni(vocabulary: int, text: dict[str, Any]) -> PreTrainedModel:
    width = text["hidden_size"]
    return Qwen2_5OmniThinkerForConditionalGeneration(
        Qwen2_5OmniThinkerConfig(
            text_config=text | {"vocab_size": vocabulary},
            audio_config={"output_dim": width},
            vision_config={"hidden_size": 1280, "out_hidden_size": width},
        )
    )


def qwen3_omni() -> PreTrainedModel:
    config = Qwen3OmniMoeThinkerConfig(text_config=QWEN3_30B_A3B | {"vocab_size": 152064})
    return Qwen3OmniMoeThinkerForConditionalGeneration(config)


def voxtral_small() -> PreTrainedModel:
    text = {"model_type": "llama", "vocab_size": 131072} | MISTRAL_SMALL
    return VoxtralForConditionalGeneration(VoxtralConfig(text_config=text))


def flamingo(config: type[Any], model: type[Any]) -> PreTrainedModel:
    built: PreTrainedModel = model(config(text_config={"model_type": "qwen2", "vocab_size": 151672} | QWEN2_5_7B))
    return built


def gemma3n(**text: Any) -> PreTrainedModel:
    config = Gemma3nConfig(text_config=text)
    config.vision_config = closed_eyes(config.vision_config)
    return Gemma3nForConditionalGeneration(config)


def granite(text: dict[str, int]) -> PreTrainedModel:
    config = GraniteSpeechConfig(text_config={"model_type": "granite", "vocab_size": 49160} | text)
    return GraniteSpeechForConditionalGeneration(config)


SHAPES: dict[str, Callable[[], PreTrainedModel]] = {
    "Qwen/Qwen3-Omni-30B-A3B-Instruct": qwen3_omni,
    "Qwen/Qwen2.5-Omni-7B": lambda: qwen2_5_omni(152064, QWEN2_5_7B),
    "Qwen/Qwen2.5-Omni-3B": lambda: qwen2_5_omni(151936, QWEN2_5_3B),
    "Qwen/Qwen2-Audio-7B-Instruct": qwen2_audio,
    "mistralai/Voxtral-Mini-3B-2507": lambda: VoxtralForConditionalGeneration(VoxtralConfig()),
    "mistralai/Voxtral-Small-24B-2507": voxtral_small,
    "nvidia/audio-flamingo-3-hf": lambda: flamingo(AudioFlamingo3Config, AudioFlamingo3ForConditionalGeneration),
    "nvidia/music-flamingo-2601-hf": lambda: flamingo(MusicFlamingoConfig, MusicFlamingoForConditionalGeneration),
    "google/gemma-3n-E4B-it": gemma3n,
    "google/gemma-3n-E2B-it": lambda: gemma3n(**GEMMA_3N_E2B),
    "microsoft/Phi-4-multimodal-instruct": lambda: Phi4MultimodalForCausalLM(Phi4MultimodalConfig()),
    "ibm-granite/granite-speech-3.3-8b": lambda: granite(GRANITE_8B),
    "ibm-granite/granite-speech-3.3-2b": lambda: granite(GRANITE_2B),
}


def counted(name: str) -> Footprint:
    """Weights of a checkpoint, from its shape alone."""
    with torch.device("meta"):
        model = SHAPES[name]()
    return Footprint.of({tensor: tuple(weight.shape) for tensor, weight in model.named_parameters()})


def token_bytes(name: str) -> int:
    """Bytes of a token's keys and values in bf16; of a sliding window as if it were whole."""
    with torch.device("meta"):
        text = SHAPES[name]().config.get_text_config()
    layers = text.num_hidden_layers - (getattr(text, "num_kv_shared_layers", None) or 0)
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    total: int = 2 * layers * text.num_key_value_heads * size * torch.bfloat16.itemsize
    return total


def main() -> None:
    for checkpoint in CHECKPOINTS:
        if checkpoint.name in SHAPES:
            found = counted(checkpoint.name)
            print(
                f"{checkpoint.name}: Footprint({found.weights:_}, {found.linear:_}), {token_bytes(checkpoint.name):_}"
            )


if __name__ == "__main__":
    main()

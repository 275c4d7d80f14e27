"""Qwen3-Omni's thinker, tiny, random and offline."""

import torch
from transformers import (
    Qwen3OmniMoeThinkerConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
    WhisperFeatureExtractor,
)

from core.families import Loaded
from core.families.qwen3_omni_moe import AudioProcessor
from tests import tiny
from tests.tiny_qwen2_5_omni import speaking


def qwen3_omni_moe() -> Loaded:
    """The thinker with two layers in its tower, three of four experts in its decoder and a blind eye of one layer."""
    torch.manual_seed(0)
    control = ["<|audio_pad|>", "<|audio_start|>", "<|audio_end|>", "<|vision_start|>"]
    words = speaking("<|audio_start|><|audio_pad|><|audio_end|>", "<|audio_pad|>", control)
    processor = AudioProcessor(WhisperFeatureExtractor(feature_size=16), words, words.chat_template)
    config = Qwen3OmniMoeThinkerConfig(
        audio_config={
            "num_mel_bins": 16,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "d_model": 16,
            "output_dim": 64,
            "downsample_hidden_size": 16,
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 64,
            "deepstack_visual_indexes": [],
        },
        text_config={
            "vocab_size": len(words),
            "hidden_size": 64,
            "moe_intermediate_size": 64,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 2, 2]},
        },
        audio_token_id=words.convert_tokens_to_ids("<|audio_pad|>"),
        audio_start_token_id=words.convert_tokens_to_ids("<|audio_start|>"),
        vision_start_token_id=words.convert_tokens_to_ids("<|vision_start|>"),
    )
    model = tiny.opinionated(Qwen3OmniMoeThinkerForConditionalGeneration(config), words)
    for conv in (model.model.audio_tower.conv2d1, model.model.audio_tower.conv2d2, model.model.audio_tower.conv2d3):
        torch.nn.init.normal_(conv.weight, std=0.3)  # three in a row as they come would leave nothing of the sound
    return Loaded(model, words, processor)

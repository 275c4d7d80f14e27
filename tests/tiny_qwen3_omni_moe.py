"""Qwen3-Omni's thinker, tiny, random and offline."""

import torch
from transformers import (
    PreTrainedTokenizerFast,
    Qwen3OmniMoeThinkerConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
    WhisperFeatureExtractor,
)

from core.families import Loaded
from core.families.qwen3_omni_moe import AudioProcessor
from tests import tiny

# The audio and text parts of the checkpoint's template.
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'audio' %}<|audio_start|><|audio_pad|><|audio_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def qwen3_omni_moe() -> Loaded:
    """The thinker with two layers in its tower, three of four experts in its decoder and a blind eye of one layer."""
    torch.manual_seed(0)
    words = tiny.tokenizer([*tiny.CONTROL, "<|audio_pad|>", "<|audio_start|>", "<|audio_end|>", "<|vision_start|>"])
    words = PreTrainedTokenizerFast(
        tokenizer_object=words.backend_tokenizer,
        eos_token=words.eos_token,
        pad_token=words.pad_token,
        chat_template=TEMPLATE,
        extra_special_tokens={"audio_token": "<|audio_pad|>"},
    )
    processor = AudioProcessor(WhisperFeatureExtractor(feature_size=16), words, TEMPLATE)
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
    model = tiny._opinionated(Qwen3OmniMoeThinkerForConditionalGeneration(config))
    for conv in (model.model.audio_tower.conv2d1, model.model.audio_tower.conv2d2, model.model.audio_tower.conv2d3):
        torch.nn.init.normal_(conv.weight, std=0.3)  # three in a row as they come would leave nothing of the sound
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    return Loaded(model, words, processor)

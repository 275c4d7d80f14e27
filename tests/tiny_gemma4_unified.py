"""Gemma 4 without towers, tiny, random and offline."""

import torch
from transformers import (
    Gemma4UnifiedAudioConfig,
    Gemma4UnifiedAudioFeatureExtractor,
    Gemma4UnifiedConfig,
    Gemma4UnifiedForConditionalGeneration,
    Gemma4UnifiedTextConfig,
)

from core.families import Loaded
from core.families.gemma4_unified import AudioProcessor
from core.families.hub import embed_by_model
from tests import tiny
from tests.tiny_gemma4 import TEMPLATE, tokenizer


def gemma4_unified() -> Loaded:
    """Samples straight into a decoder of three; sliding windows, and full layers whose keys are their values."""
    torch.manual_seed(3)
    words = tokenizer()
    processor = AudioProcessor(Gemma4UnifiedAudioFeatureExtractor(), words, TEMPLATE)
    text = Gemma4UnifiedTextConfig(
        **tiny.DECODER,
        vocab_size=len(words),
        num_global_key_value_heads=1,
        head_dim=16,
        global_head_dim=32,
        attention_k_eq_v=True,
        sliding_window=64,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        final_logit_softcapping=30.0,
        pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
        bos_token_id=words.bos_token_id,
    )
    config = Gemma4UnifiedConfig(
        text_config=text,
        audio_config=Gemma4UnifiedAudioConfig(),
        vision_config=None,
        audio_token_id=words.audio_token_id,
        image_token_id=words.convert_tokens_to_ids("<|image|>"),
        video_token_id=words.convert_tokens_to_ids("<|video|>"),
    )
    model = tiny.opinionated(Gemma4UnifiedForConditionalGeneration(config), words)
    return Loaded(model, words, processor, embed_by_model)

"""Music Flamingo, tiny, random and offline."""

import torch
from transformers import (
    MusicFlamingoConfig,
    MusicFlamingoForConditionalGeneration,
    MusicFlamingoProcessor,
    WhisperFeatureExtractor,
)

from core.families import Loaded
from tests import tiny
from tests.tiny_audioflamingo3 import TEMPLATE, TOWER, text


def musicflamingo() -> Loaded:
    """Audio Flamingo 3's tower and decoder with rotary times between them, and a real processor of its own."""
    torch.manual_seed(0)
    words = tiny.tokenizer([*tiny.CONTROL, "<sound>", "<|sound_bos|>", "<|sound_eos|>"])
    features = WhisperFeatureExtractor(feature_size=16, return_attention_mask=True)
    processor = MusicFlamingoProcessor(features, words, chat_template=TEMPLATE)
    words.chat_template = processor.chat_template
    config = MusicFlamingoConfig(
        audio_config=TOWER.to_dict(),
        text_config=text(len(words)),
        audio_token_id=processor.audio_token_id,
        audio_bos_token_id=processor.audio_bos_token_id,
        audio_eos_token_id=processor.audio_eos_token_id,
        rope_parameters={"rope_type": "default", "rope_theta": 1200},
        partial_rotary_factor=0.5,
    )
    model = tiny.opinionated(MusicFlamingoForConditionalGeneration(config), words)
    return Loaded(model, words, processor)

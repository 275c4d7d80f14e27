"""Audio Flamingo 3, tiny, random and offline."""

import torch
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3EncoderConfig,
    AudioFlamingo3ForConditionalGeneration,
    AudioFlamingo3Processor,
    Qwen2Config,
    WhisperFeatureExtractor,
)

from core.families import Loaded
from tests import tiny

# as the checkpoint's: of typed parts it draws one clip, and before all text
TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for m in messages if m['content'] is not none %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% set found = namespace(audio=False, text='') %}"
    "{% for c in m['content'] %}{% if c.get('type') == 'audio' %}{% set found.audio = True %}"
    "{% elif c.get('type') == 'text' %}{% set found.text = found.text + c['text'] %}{% endif %}{% endfor %}"
    "{% if found.audio %}<sound>{% endif %}{{ found.text }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOWER = AudioFlamingo3EncoderConfig(
    num_mel_bins=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    hidden_size=16,
    max_source_positions=1500,
)


def text(vocabulary: int) -> Qwen2Config:
    """Three decoder layers with grouped queries."""
    return Qwen2Config(
        **tiny.DECODER,
        vocab_size=vocabulary,
    )


def audioflamingo3() -> Loaded:
    """Two layers in the tower, three in the decoder, and a real processor of its own."""
    torch.manual_seed(0)
    words = tiny.tokenizer([*tiny.CONTROL, "<sound>"])
    features = WhisperFeatureExtractor(feature_size=16, return_attention_mask=True)
    processor = AudioFlamingo3Processor(features, words, chat_template=TEMPLATE)
    words.chat_template = processor.chat_template
    config = AudioFlamingo3Config(
        audio_config=TOWER.to_dict(), text_config=text(len(words)), audio_token_id=processor.audio_token_id
    )
    model = tiny.opinionated(AudioFlamingo3ForConditionalGeneration(config), words)
    return Loaded(model, words, processor)

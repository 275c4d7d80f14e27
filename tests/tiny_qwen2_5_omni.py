"""Qwen2.5-Omni's thinker, tiny, random and offline."""

import torch
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    WhisperFeatureExtractor,
)

from core.families import Loaded
from core.families.qwen2_5_omni import AudioProcessor
from tests import tiny


def speaking(clip: str, audio: str, control: list[str]) -> PreTrainedTokenizerFast:
    """A tokenizer with the audio and text parts of the thinkers' template.

    Args:
        clip: How the template writes a clip.
        audio: The token that stands for its audio.
        control: Further control tokens.
    """
    template = (
        "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
        "{% for part in message['content'] %}{% if part['type'] == 'audio' %}"
        + clip
        + "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    words = tiny.tokenizer([*tiny.CONTROL, *control])
    return PreTrainedTokenizerFast(
        tokenizer_object=words.backend_tokenizer,
        eos_token=words.eos_token,
        pad_token=words.pad_token,
        chat_template=template,
        extra_special_tokens={"audio_token": audio},
    )


def qwen2_5_omni() -> Loaded:
    """The thinker with two layers in its tower, three in its decoder and a blind eye of one layer."""
    torch.manual_seed(0)
    control = ["<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "<|vision_bos|>"]
    words = speaking("<|audio_bos|><|AUDIO|><|audio_eos|>", "<|AUDIO|>", control)
    # the real one pads every clip to 300 s
    processor = AudioProcessor(WhisperFeatureExtractor(feature_size=16, chunk_length=30), words, words.chat_template)
    config = Qwen2_5OmniThinkerConfig(
        audio_config={
            "num_mel_bins": 16,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "d_model": 16,
            "output_dim": 64,
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 64,
        },
        text_config={
            **tiny.DECODER,
            "vocab_size": len(words),
            "tie_word_embeddings": False,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
        },
        audio_token_index=words.convert_tokens_to_ids("<|AUDIO|>"),
        audio_start_token_id=words.convert_tokens_to_ids("<|audio_bos|>"),
        audio_end_token_id=words.convert_tokens_to_ids("<|audio_eos|>"),
        vision_start_token_id=words.convert_tokens_to_ids("<|vision_bos|>"),
    )
    model = tiny.opinionated(Qwen2_5OmniThinkerForConditionalGeneration(config), words)
    return Loaded(model, words, processor)

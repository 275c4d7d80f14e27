"""Gemma 4, tiny, random and offline."""

import torch
from transformers import (
    Gemma4AudioConfig,
    Gemma4AudioFeatureExtractor,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    Gemma4TextConfig,
    PreTrainedTokenizerFast,
)

from core.families import Loaded
from core.families.gemma4 import AudioProcessor
from core.families.hub import embed_by_model, widen
from tests import tiny

# as the checkpoint's, without tools and thoughts
TEMPLATE = (
    "{{ bos_token }}{%- for message in messages -%}"
    "{{ '<|turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' }}"
    "{%- if message['content'] is string -%}{{ message['content'] | trim }}{%- else -%}"
    "{%- for part in message['content'] -%}{%- if part['type'] == 'audio' -%}{{ '<|audio|>' }}"
    "{%- else -%}{{ part['text'] | trim }}{%- endif -%}{%- endfor -%}{%- endif -%}{{ '<turn|>\n' }}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|turn>model\n' }}{%- endif -%}"
)
CONTROL = ["<pad>", "<eos>", "<bos>", "<|turn>", "<turn|>", "<|image|>", "<|video|>"]
AUDIO = {"audio_token": "<|audio|>", "boa_token": "<|audio>", "eoa_token": "<audio|>"}


def tokenizer() -> PreTrainedTokenizerFast:
    """With Gemma 4's control tokens and template."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tiny.tokenizer([*CONTROL, *AUDIO.values(), "<|endoftext|>", "<|im_end|>"]).backend_tokenizer,
        bos_token="<bos>",
        eos_token="<turn|>",
        pad_token="<pad>",
        chat_template=TEMPLATE,
        extra_special_tokens=AUDIO,
    )


def gemma4() -> Loaded:
    """Two layers in the tower; sliding windows, shared keys and per-layer embeddings in a decoder of three."""
    torch.manual_seed(3)
    words = tokenizer()
    processor = AudioProcessor(Gemma4AudioFeatureExtractor(feature_size=16), words, TEMPLATE)
    text = Gemma4TextConfig(
        **tiny.DECODER,
        vocab_size=len(words),
        vocab_size_per_layer_input=len(words),
        hidden_size_per_layer_input=64,
        head_dim=16,
        global_head_dim=32,
        sliding_window=64,
        layer_types=["sliding_attention", "full_attention", "full_attention"],
        num_kv_shared_layers=1,
        final_logit_softcapping=30.0,
        pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
        bos_token_id=words.bos_token_id,
    )
    audio = Gemma4AudioConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        subsampling_conv_channels=(16, 4),
        output_proj_dims=48,
    )
    config = Gemma4Config(
        text_config=text,
        audio_config=audio,
        vision_config=None,
        audio_token_id=words.audio_token_id,
        image_token_id=words.convert_tokens_to_ids("<|image|>"),
        video_token_id=words.convert_tokens_to_ids("<|video|>"),
    )
    model = tiny.opinionated(Gemma4ForConditionalGeneration(config), words)
    widen(model)
    return Loaded(model, words, processor, embed_by_model)

"""Gemma 3n, tiny, random and offline."""

import torch
from transformers import (
    Gemma3nAudioConfig,
    Gemma3nAudioFeatureExtractor,
    Gemma3nConfig,
    Gemma3nForConditionalGeneration,
    Gemma3nTextConfig,
    Gemma3nVisionConfig,
    PreTrainedTokenizerFast,
)

from core.families import Loaded
from core.families.gemma3n import AudioProcessor, closed_eyes
from core.families.hub import embed_by_model, widen
from tests import tiny

# as the checkpoint's: spaces around typed texts go, the system prompt stands in the first turn
TEMPLATE = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- set prefix = messages[0]['content'] + '\n\n' -%}"
    "{%- set turns = messages[1:] -%}{%- else -%}{%- set prefix = '' -%}{%- set turns = messages -%}{%- endif -%}"
    "{%- for turn in turns -%}{{ '<start_of_turn>' + ('model' if turn['role'] == 'assistant' else turn['role']) "
    "+ '\n' + (prefix if loop.first else '') }}{%- if turn['content'] is string -%}{{ turn['content'] | trim }}"
    "{%- else -%}{%- for part in turn['content'] -%}{%- if part['type'] == 'audio' -%}{{ '<audio_soft_token>' }}"
    "{%- else -%}{{ part['text'] | trim }}{%- endif -%}{%- endfor -%}{%- endif -%}{{ '<end_of_turn>\n' }}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)
CONTROL = ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>", "<start_of_audio>"]
BEHIND = ["<image_soft_token>", "<end_of_audio>", "<audio_soft_token>"]
"""Tokens of the tables that eyes and ears have of their own."""


def gemma3n() -> Loaded:
    """Two layers in the tower; sliding windows, shared keys and per-layer embeddings in a decoder of three."""
    torch.manual_seed(3)
    bpe = tiny.tokenizer([*CONTROL, "<|endoftext|>", "<|im_end|>"]).backend_tokenizer
    text_tokens = bpe.get_vocab_size()
    bpe.add_special_tokens(BEHIND)
    words = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<bos>",
        eos_token="<end_of_turn>",
        pad_token="<pad>",
        chat_template=TEMPLATE,
        extra_special_tokens={"audio_token": "<audio_soft_token>"},
    )
    processor = AudioProcessor(Gemma3nAudioFeatureExtractor(feature_size=16), words, TEMPLATE)
    text = Gemma3nTextConfig(
        **tiny.DECODER,
        vocab_size=len(words),
        vocab_size_per_layer_input=text_tokens,
        hidden_size_per_layer_input=64,
        head_dim=16,
        sliding_window=64,
        layer_types=["sliding_attention", "full_attention", "full_attention"],
        num_kv_shared_layers=1,
        altup_num_inputs=2,
        laurel_rank=64,
        pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
        bos_token_id=words.bos_token_id,
    )
    audio = Gemma3nAudioConfig(
        vocab_size=2,
        vocab_offset=text_tokens + 1,
        input_feat_size=16,
        hidden_size=32,
        conf_num_attention_heads=2,
        conf_num_hidden_layers=2,
        sscp_conv_channel_size=(4, 4),
    )
    eyes = Gemma3nVisionConfig(hidden_size=16, vocab_size=1, vocab_offset=text_tokens)
    config = Gemma3nConfig(
        text_config=text,
        audio_config=audio,
        vision_config=closed_eyes(eyes),
        audio_token_id=words.audio_token_id,
        image_token_id=words.convert_tokens_to_ids("<image_soft_token>"),
    )
    model = tiny.opinionated(Gemma3nForConditionalGeneration(config), words)
    widen(model)
    return Loaded(model, words, processor, embed_by_model)

"""Granite Speech, tiny, random and offline."""

import torch
from transformers import GraniteSpeechConfig, GraniteSpeechForConditionalGeneration, PreTrainedTokenizerFast
from transformers.models.granite_speech.processing_granite_speech import GraniteSpeechProcessor

from core.families import Loaded
from core.families.granite_speech import AUDIO_TOKEN, LogMel
from tests import tiny

# as the checkpoints', without today's date, documents, tools and thinking
TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}"
    "{% set loop_messages = messages[1:] %}"
    "{% else %}{% set system = 'You are Granite, developed by IBM.' %}{% set loop_messages = messages %}{% endif %}"
    "{{ '<|start_of_role|>system<|end_of_role|>' + system + '<|end_of_text|>\n' }}"
    "{% for message in loop_messages %}"
    "{{ '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}"
)
CONTROL = ["<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>", "<|endoftext|>", "<|im_end|>", AUDIO_TOKEN]


def granite_speech() -> Loaded:
    """Two blocks in the tower, a Q-former of one layer, three decoder layers, and Granite's four multipliers."""
    torch.manual_seed(0)
    words = PreTrainedTokenizerFast(
        tokenizer_object=tiny.tokenizer(CONTROL).backend_tokenizer,
        eos_token="<|end_of_text|>",
        pad_token="<|end_of_text|>",
        chat_template=TEMPLATE,
    )
    processor = GraniteSpeechProcessor(LogMel(), words)
    config = GraniteSpeechConfig(
        text_config={
            **tiny.DECODER,
            "model_type": "granite",
            "vocab_size": len(words),
            "embedding_multiplier": 2.0,
            "attention_multiplier": 0.2,
            "residual_multiplier": 0.7,
            "logits_scaling": 4.0,
            "pad_token_id": words.pad_token_id,
            "bos_token_id": words.eos_token_id,
            "eos_token_id": words.eos_token_id,
        },
        encoder_config={"num_layers": 2, "hidden_dim": 16, "num_heads": 2, "context_size": 40, "max_pos_emb": 64}
        | {"output_dim": 8, "conv_kernel_size": 5},
        projector_config={
            "model_type": "blip_2_qformer",
            "hidden_size": 16,
            "encoder_hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "cross_attention_frequency": 1,
            "use_qformer_text_input": False,
        },
        audio_token_index=words.convert_tokens_to_ids(AUDIO_TOKEN),
        has_lora_adapter=False,
    )
    model = tiny.opinionated(GraniteSpeechForConditionalGeneration(config), words)
    return Loaded(model, words, processor)

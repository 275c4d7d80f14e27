"""Voxtral, tiny, random and offline."""

import torch
from transformers import (
    PreTrainedTokenizerFast,
    VoxtralConfig,
    VoxtralForConditionalGeneration,
    WhisperFeatureExtractor,
)

from core.families import Loaded
from core.families.voxtral import TEMPLATE, AudioProcessor
from tests import tiny

NAMED = {
    1: "<s>",
    2: "</s>",
    3: "[INST]",
    4: "[/INST]",
    11: "<pad>",
    17: "[SYSTEM_PROMPT]",
    18: "[/SYSTEM_PROMPT]",
    24: "[AUDIO]",
    25: "[BEGIN_AUDIO]",
}


def voxtral() -> Loaded:
    """Two layers in its tower, three in its decoder; control tokens have the checkpoints' numbers."""
    torch.manual_seed(0)
    words = PreTrainedTokenizerFast(
        tokenizer_object=tiny.tokenizer([NAMED.get(i, f"<SPECIAL_{i}>") for i in range(26)]).backend_tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        chat_template=TEMPLATE,
    )
    processor = AudioProcessor(WhisperFeatureExtractor(feature_size=16), words)
    config = VoxtralConfig(
        audio_config={
            "model_type": "voxtral_encoder",
            "num_mel_bins": 16,
            "hidden_size": 16,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
        },
        text_config={
            **tiny.DECODER,
            "model_type": "llama",
            "vocab_size": len(words),
            "head_dim": 16,
        },
        audio_token_id=words.convert_tokens_to_ids("[AUDIO]"),
    )
    model = tiny.opinionated(VoxtralForConditionalGeneration(config), words)
    return Loaded(model, words, processor)

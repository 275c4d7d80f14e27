"""Phi-4-multimodal, tiny, random and offline."""

import torch
from transformers import (
    Phi4MultimodalConfig,
    Phi4MultimodalFeatureExtractor,
    Phi4MultimodalForCausalLM,
    PreTrainedTokenizerFast,
)

from core.families import Loaded
from core.families.phi4_multimodal import AUDIO_TOKEN, AudioProcessor
from tests import tiny

# as the checkpoint's, without tools
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)
CONTROL = ["<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|endoftext10|>", AUDIO_TOKEN]


def phi4_multimodal() -> Loaded:
    """Two blocks in the tower, three fused layers in the decoder, eyes of two layers that see nothing."""
    torch.manual_seed(3)
    words = PreTrainedTokenizerFast(
        tokenizer_object=tiny.tokenizer([*CONTROL, "<|im_end|>"]).backend_tokenizer,
        eos_token="<|end|>",
        pad_token="<|endoftext|>",
        chat_template=TEMPLATE,
        extra_special_tokens={"image_token": "<|endoftext10|>", "audio_token": AUDIO_TOKEN},
    )
    processor = AudioProcessor(Phi4MultimodalFeatureExtractor(feature_size=16), words, TEMPLATE)
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    config = Phi4MultimodalConfig(
        **tiny.DECODER,
        vocab_size=len(words),
        pad_token_id=words.pad_token_id,
        bos_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4},
        vision_config=tower
        | {"num_hidden_layers": 2, "image_size": 28, "patch_size": 14}
        | {"image_token_id": words.image_token_id},
        audio_config=tower
        | {"num_blocks": 2, "ext_pw_out_channel": 16, "depthwise_separable_out_channel": 16}
        | {"nemo_conv_channels": 16, "input_size": 16, "audio_token_id": words.audio_token_id},
    )
    model = tiny.opinionated(Phi4MultimodalForCausalLM(config), words)
    return Loaded(model, words, processor)

"""Phi-4-multimodal (arXiv 2503.01743): 5.6B, MIT, 12.5 audio tokens a second, hears half an hour of a clip.

For a checkpoint in transformers' own layout (`model_type` "phi4_multimodal"; that of "phi4mm" brings code of its own,
which is never run). Its ears were trained with the LoRA in its folder `speech-lora`.
"""

from collections.abc import Sequence
from typing import Any

from transformers import (
    Phi4MultimodalForCausalLM,
    Phi4MultimodalProcessor,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    SequenceFeatureExtractor,
)

from core.families.family import EncodedClip, Family, Loaded
from core.families.hub import encode_by_stub
from core.types import Clip

AUDIO_TOKEN = "<|endoftext11|>"
"""As transformers' conversion names it."""


class AudioProcessor(Phi4MultimodalProcessor):
    """`Phi4MultimodalProcessor` for text and sound: its image processor would need torchvision."""

    def __init__(
        self,
        audio_processor: SequenceFeatureExtractor,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | None = None,
    ):
        """Args: audio_processor, tokenizer: both parts; chat_template: of the checkpoint."""
        ProcessorMixin.__init__(self, audio_processor, tokenizer, chat_template=chat_template)
        self.audio_token, self.audio_token_id = tokenizer.audio_token, tokenizer.audio_token_id


def content(parts: Sequence[str | None]) -> str:
    """The template takes one string."""
    return "".join(AUDIO_TOKEN if part is None else part for part in parts)


def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Through the model's own tower and the projector for speech and sound."""
    return encode_by_stub(loaded, clip, AUDIO_TOKEN, loaded.model.config.audio_config.audio_token_id)


def load(checkpoint: str, **options: Any) -> Loaded:
    """From the hub or a folder; the chat template lives with the processor, or with the tokenizer alone."""
    processor = AudioProcessor.from_pretrained(checkpoint)
    if processor.audio_token != AUDIO_TOKEN:
        raise ValueError(f"its audio token is {processor.audio_token}, not {AUDIO_TOKEN}")
    processor.tokenizer.chat_template = processor.chat_template or processor.tokenizer.chat_template
    model = Phi4MultimodalForCausalLM.from_pretrained(checkpoint, use_safetensors=True, **options)
    return Loaded(model.eval(), processor.tokenizer, processor)


FAMILY = Family(
    model_type="phi4_multimodal",
    audio_token=AUDIO_TOKEN,
    tokens_per_second=12.5,
    window_seconds=1800.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=131072,
    own_adapter="speech-lora",
)

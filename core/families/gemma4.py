"""Gemma 4 (transformers' `Gemma4ForConditionalGeneration`): E2B and E4B, 25 audio tokens a second, 30 s at a time.

Apache-2.0. Loaded without its eyes, and so without torchvision; its larger siblings have no ears.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from transformers import (
    AutoConfig,
    Gemma4ForConditionalGeneration,
    Gemma4Processor,
    PreTrainedTokenizerBase,
    SequenceFeatureExtractor,
)

from core.families.family import EncodedClip, Family, Loaded
from core.families.hub import AudioOnly, embed_by_model, encode_by_stub, load_from_hub, widen
from core.types import Clip

AUDIO_TOKEN = "<|audio|>"
FRAMED = f"<|audio>{AUDIO_TOKEN}<audio|>"
"""A clip as the processor writes it where the template has the audio token alone."""


class Framed(AudioOnly):
    """`AudioOnly` for processors that write a token before and one after a clip."""

    def __init__(
        self,
        feature_extractor: SequenceFeatureExtractor,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | None = None,
    ):
        """Args: as of `AudioOnly`."""
        super().__init__(feature_extractor, tokenizer, chat_template)
        self.boa_token, self.eoa_token = tokenizer.boa_token, tokenizer.eoa_token


class AudioProcessor(Framed, Gemma4Processor):
    """`Gemma4Processor` for text and sound."""


def content(parts: Sequence[str | None]) -> str:
    """One string: of typed parts the template takes away the spaces around each text."""
    return "".join(FRAMED if part is None else part for part in parts)


def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Through the model's own tower."""
    return encode_by_stub(loaded, clip, AUDIO_TOKEN, loaded.model.config.audio_token_id)


def load_without_eyes(checkpoint: str, processors: Any, models: Any, **options: Any) -> Loaded:
    """A model that also sees, without its eyes. Its table of embeddings is scaled, so the model itself embeds text.

    Args:
        checkpoint: Id or folder.
        processors: Class of the processor, for text and sound.
        models: Class of the model.
        options: For the model's `from_pretrained`.

    Raises:
        ValueError: The checkpoint has no ears.
    """
    config = AutoConfig.from_pretrained(checkpoint)
    if config.audio_config is None:
        raise ValueError("this checkpoint has no ears")
    config.vision_config = None
    return replace(load_from_hub(checkpoint, processors, models, config=config, **options), embed=embed_by_model)


def load(checkpoint: str, **options: Any) -> Loaded:
    """From the hub or a folder, without eyes."""
    loaded = load_without_eyes(checkpoint, AudioProcessor, Gemma4ForConditionalGeneration, **options)
    widen(loaded.model)
    return loaded


FAMILY = Family(
    model_type="gemma4",
    audio_token=AUDIO_TOKEN,
    tokens_per_second=25.0,
    window_seconds=30.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=131072,
    longest_seconds=600.0,
)

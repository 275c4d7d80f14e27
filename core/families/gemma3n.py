"""Gemma 3n (transformers' `Gemma3nForConditionalGeneration`): E2B and E4B, under the Gemma terms.

188 rows a clip, however short, of 160 ms each; it hears 30 s at a time. Loaded without its eyes, which need timm.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    Gemma3nForConditionalGeneration,
    Gemma3nProcessor,
    Gemma3nVisionConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    SequenceFeatureExtractor,
)

from core.families.family import EncodedClip, Family, Loaded
from core.families.hub import AudioOnly, embed_by_model, encode_by_stub, load_from_hub, widen
from core.types import Clip

AUDIO_TOKEN = "<audio_soft_token>"
FRAMED = f"\n\n<start_of_audio>{AUDIO_TOKEN}<end_of_audio>\n\n"
"""A clip as the processor writes it where the template has the audio token alone."""
ROW_SECONDS = 0.16


class ClosedEyesConfig(Gemma3nVisionConfig):
    """What the rest of the model reads of its vision tower."""

    model_type = "gemma3n_closed_eyes"


class ClosedEyes(PreTrainedModel):
    """Stands for the vision tower: no weights, and never called."""

    config_class = ClosedEyesConfig

    def __init__(self, config: ClosedEyesConfig):
        """Args: config: of the tower it stands for."""
        super().__init__(config)
        self.post_init()  # type: ignore[no-untyped-call]


AutoModel.register(ClosedEyesConfig, ClosedEyes)


class AudioProcessor(AudioOnly, Gemma3nProcessor):
    """`Gemma3nProcessor` for text and sound."""

    def __init__(
        self,
        feature_extractor: SequenceFeatureExtractor,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | None = None,
        audio_seq_length: int = 188,
    ):
        """Args: as of `AudioOnly`; audio_seq_length: rows of every clip."""
        super().__init__(feature_extractor, tokenizer, chat_template)
        self.audio_seq_length = audio_seq_length
        self.full_audio_sequence = FRAMED.replace(AUDIO_TOKEN, AUDIO_TOKEN * audio_seq_length)


def content(parts: Sequence[str | None]) -> str:
    """One string: of typed parts the template takes away the spaces around each text."""
    return "".join(FRAMED if part is None else part for part in parts)


def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Through the model's own tower; rows behind the clip's end are the tower's padding and stand for no time."""
    encoded = encode_by_stub(loaded, clip, AUDIO_TOKEN, loaded.model.config.audio_token_id)
    edges = (ROW_SECONDS * torch.arange(len(encoded.rows) + 1)).clamp(max=clip.seconds)
    return replace(encoded, seconds=torch.stack([edges[:-1], edges[1:]], dim=1))


def load(checkpoint: str, **options: Any) -> Loaded:
    """From the hub or a folder, with closed eyes."""
    config = AutoConfig.from_pretrained(checkpoint)
    config.vision_config = closed_eyes(config.vision_config)
    loaded = load_from_hub(checkpoint, AudioProcessor, Gemma3nForConditionalGeneration, config=config, **options)
    widen(loaded.model)
    return replace(loaded, embed=embed_by_model)


def closed_eyes(eyes: Gemma3nVisionConfig) -> ClosedEyesConfig:
    """The config that stands for `eyes`; image tokens keep their embeddings."""
    return ClosedEyesConfig(
        hidden_size=eyes.hidden_size,
        vocab_size=eyes.vocab_size,
        vocab_offset=eyes.vocab_offset,
        rms_norm_eps=eyes.rms_norm_eps,
    )


FAMILY = Family(
    model_type="gemma3n",
    audio_token=AUDIO_TOKEN,
    tokens_per_second=188 / 30,
    window_seconds=30.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=32768,
    longest_seconds=600.0,
)

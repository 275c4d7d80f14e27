"""Gemma 4 12B, which has no towers: 25 audio tokens a second, 30 s at a time.

Transformers' `Gemma4UnifiedForConditionalGeneration`: a norm and one linear layer turn 640 samples into a token.
Template and frame are Gemma 4's, and nothing goes to the decoder beside embeddings. Loaded without its eyes.
"""

from typing import Any

from transformers import Gemma4UnifiedForConditionalGeneration, Gemma4UnifiedProcessor

from core.families.family import EncodedClip, Family, Loaded
from core.families.gemma4 import AUDIO_TOKEN, Framed, content, load_without_eyes
from core.families.hub import encode_by_stub
from core.types import Clip

ROW_SECONDS = 640 / 16000
"""Of a token, as `Gemma4UnifiedAudioFeatureExtractor` cuts."""


class AudioProcessor(Framed, Gemma4UnifiedProcessor):
    """`Gemma4UnifiedProcessor` for text and sound."""


def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Through the model's own projection; silence fills the last token."""
    return encode_by_stub(loaded, clip, AUDIO_TOKEN, loaded.model.config.audio_token_id, ROW_SECONDS)


def load(checkpoint: str, **options: Any) -> Loaded:
    """From the hub or a folder, without eyes."""
    return load_without_eyes(checkpoint, AudioProcessor, Gemma4UnifiedForConditionalGeneration, **options)


FAMILY = Family(
    model_type="gemma4_unified",
    audio_token=AUDIO_TOKEN,
    tokens_per_second=25.0,
    # the processor's `audio_seq_length` of 750 tokens, which nothing in it enforces
    window_seconds=30.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=262144,
    longest_seconds=600.0,
)

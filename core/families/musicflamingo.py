"""Music Flamingo (arXiv 2511.10289): 8B, for research only, 25 audio tokens a second, hears 20 minutes of a clip."""

from collections.abc import Sequence
from typing import Any

from transformers import AutoProcessor, MusicFlamingoForConditionalGeneration

from core.families.family import EncodedClip, Family, Loaded
from core.families.hub import encode_by_stub, load_from_hub
from core.types import Clip

AUDIO_TOKEN = "<sound>"
FRAMED = f"<|sound_bos|>{AUDIO_TOKEN}<|sound_eos|>"
"""A clip as the processor writes it where the template has the audio token alone."""


def content(parts: Sequence[str | None]) -> str:
    """One string: of typed parts the template draws one clip a turn, before all text, however many there are."""
    return "".join(FRAMED if part is None else part for part in parts)


def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Through the model's own tower, rotary times and projector; times count from the start of each clip."""
    return encode_by_stub(loaded, clip, AUDIO_TOKEN, loaded.model.config.audio_token_id)


def load(checkpoint: str, **options: Any) -> Loaded:
    """From the hub or a folder."""
    return load_from_hub(checkpoint, AutoProcessor, MusicFlamingoForConditionalGeneration, **options)


FAMILY = Family(
    model_type="musicflamingo",
    audio_token=AUDIO_TOKEN,
    tokens_per_second=25.0,
    window_seconds=1200.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=32768,
)

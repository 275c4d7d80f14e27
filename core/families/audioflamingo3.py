"""Audio Flamingo 3 (arXiv 2507.08128): 8B, for research only, 25 audio tokens a second, hears ten minutes of a clip."""

from collections.abc import Sequence
from typing import Any

from transformers import AudioFlamingo3ForConditionalGeneration, AutoProcessor

from core.families.family import EncodedClip, Family, Loaded
from core.families.hub import encode_by_stub, load_from_hub
from core.types import Clip

AUDIO_TOKEN = "<sound>"


def content(parts: Sequence[str | None]) -> str:
    """One string: of typed parts the template draws one clip a turn, before all text, however many there are."""
    return "".join(AUDIO_TOKEN if part is None else part for part in parts)


def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Through the model's own tower and projector, in windows of 30 s; several clips a turn are no matter here."""
    return encode_by_stub(loaded, clip, AUDIO_TOKEN, loaded.model.config.audio_token_id)


def load(checkpoint: str, **options: Any) -> Loaded:
    """From the hub or a folder."""
    return load_from_hub(checkpoint, AutoProcessor, AudioFlamingo3ForConditionalGeneration, **options)


FAMILY = Family(
    model_type="audioflamingo3",
    audio_token=AUDIO_TOKEN,
    tokens_per_second=25.0,
    window_seconds=600.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=32768,
)

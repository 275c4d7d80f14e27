"""Qwen3-Omni (arXiv 2509.17765), its thinker: 30B with 3B at work, Apache-2.0, 13 audio tokens a second.

Nothing cuts a clip; 40 min is what its makers say it hears. Talker and vocoder, which speak, are never loaded.
"""

from collections.abc import Sequence
from typing import Any

from transformers import Qwen3OmniMoeProcessor, Qwen3OmniMoeThinkerForConditionalGeneration

from core.families.family import EncodedClip, Family, Loaded
from core.families.hub import AudioOnly, encode_by_stub, load_from_hub
from core.types import Clip

AUDIO_TOKEN = "<|audio_pad|>"


class AudioProcessor(AudioOnly, Qwen3OmniMoeProcessor):
    """`Qwen3OmniMoeProcessor` for text and sound."""


def content(parts: Sequence[str | None]) -> list[dict[str, Any]]:
    """The template takes typed parts."""
    return [{"type": "audio", "audio": ""} if part is None else {"type": "text", "text": part} for part in parts]


def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Through the model's own tower."""
    stub = f"<|audio_start|>{AUDIO_TOKEN}<|audio_end|>"
    return encode_by_stub(loaded, clip, stub, loaded.model.config.audio_token_id)


def load(checkpoint: str, **options: Any) -> Loaded:
    """From the hub or a folder with the full model."""
    return load_from_hub(checkpoint, AudioProcessor, Qwen3OmniMoeThinkerForConditionalGeneration, **options)


FAMILY = Family(
    model_type="qwen3_omni_moe",
    audio_token=AUDIO_TOKEN,
    tokens_per_second=13.0,
    window_seconds=2400.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=32768,
    prefix="thinker.",
)

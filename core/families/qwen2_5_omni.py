"""Qwen2.5-Omni (arXiv 2503.20215), its thinker: 25 audio tokens a second, hears up to 300 s of a clip.

The 7B checkpoint is Apache-2.0, the 3B one is for research only. Talker and vocoder, which speak, are never loaded.
"""

from collections.abc import Sequence
from typing import Any

from transformers import Qwen2_5OmniProcessor, Qwen2_5OmniThinkerForConditionalGeneration

from core.families.family import EncodedClip, Family, Loaded
from core.families.hub import AudioOnly, encode_by_stub, load_from_hub
from core.types import Clip

AUDIO_TOKEN = "<|AUDIO|>"


class AudioProcessor(AudioOnly, Qwen2_5OmniProcessor):
    """`Qwen2_5OmniProcessor` for text and sound."""


def content(parts: Sequence[str | None]) -> list[dict[str, Any]]:
    """The template takes typed parts."""
    return [{"type": "audio", "audio": ""} if part is None else {"type": "text", "text": part} for part in parts]


def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Through the model's own tower."""
    return encode_by_stub(loaded, clip, f"<|audio_bos|>{AUDIO_TOKEN}<|audio_eos|>", loaded.model.config.audio_token_id)


def load(checkpoint: str, **options: Any) -> Loaded:
    """From the hub or a folder with the full model."""
    return load_from_hub(checkpoint, AudioProcessor, Qwen2_5OmniThinkerForConditionalGeneration, **options)


FAMILY = Family(
    model_type="qwen2_5_omni",
    audio_token=AUDIO_TOKEN,
    tokens_per_second=25.0,
    window_seconds=300.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=32768,
    prefix="thinker.",
)

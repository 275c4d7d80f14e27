"""Qwen2-Audio (arXiv 2407.10759): 8.4B, Apache-2.0, 25 audio tokens a second, hears 30 s at a time."""

from collections.abc import Sequence
from typing import Any

from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

from core.families.family import EncodedClip, Family, Loaded
from core.families.hub import encode_by_stub, load_from_hub
from core.types import Clip

AUDIO_TOKEN = "<|AUDIO|>"


def content(parts: Sequence[str | None]) -> list[dict[str, Any]]:
    """The template takes typed parts and numbers the clips itself ("Audio 1:"), after our letters."""
    return [{"type": "audio", "audio_url": ""} if part is None else {"type": "text", "text": part} for part in parts]


def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Through the model's own tower and projector."""
    return encode_by_stub(loaded, clip, f"<|audio_bos|>{AUDIO_TOKEN}<|audio_eos|>", loaded.model.config.audio_token_id)


def load(checkpoint: str, **options: Any) -> Loaded:
    """From the hub or a folder."""
    return load_from_hub(checkpoint, AutoProcessor, Qwen2AudioForConditionalGeneration, **options)


FAMILY = Family(
    model_type="qwen2_audio",
    audio_token=AUDIO_TOKEN,
    tokens_per_second=25.0,
    window_seconds=30.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=8192,
    longest_seconds=300.0,
)

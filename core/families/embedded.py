"""The built-in model: SmolLM2 with the ears of `core.embedded` (docs/embedded.md)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from core.embedded.assembly import load_embedded
from core.embedded.ears import Ears
from core.embedded.joiner import Joiner, token_seconds
from core.embedded.parts import Progress
from core.families.family import EncodedClip, Family, Loaded
from core.types import Clip

AUDIO_TOKEN = "<file_sep>"
"""A control token that SmolLM2 has and a chat never uses."""


@dataclass(frozen=True, eq=False)
class EmbeddedHearing:
    """The ears and the projectors behind them."""

    ears: Ears
    joiner: Joiner


def content(parts: Sequence[str | None]) -> str:
    """SmolLM2's template takes one string."""
    return "".join(AUDIO_TOKEN if part is None else part for part in parts)


@torch.inference_mode()
def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Both ears, then the projectors."""
    hearing: EmbeddedHearing = loaded.hearing
    heard = hearing.ears.hear(clip)
    return EncodedClip(hearing.joiner(heard), token_seconds(heard, clip.seconds), clip.seconds)


def load(_checkpoint: str, progress: Progress = print) -> Loaded:
    """The assembled model; parts are fetched and cached on first use."""
    model, tokenizer, ears, joiner = load_embedded(progress)
    return Loaded(model, tokenizer, EmbeddedHearing(ears, joiner))


FAMILY = Family(
    model_type="embedded",
    audio_token=AUDIO_TOKEN,
    window_seconds=120.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=8192,
)

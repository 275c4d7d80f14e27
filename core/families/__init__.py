"""The registry: one table, HF `config.model_type` -> `Family`. A new family is one file here and one line below."""

from core.families import (
    audioflamingo3,
    embedded,
    gemma3n,
    gemma4,
    gemma4_unified,
    granite_speech,
    musicflamingo,
    phi4_multimodal,
    qwen2_5_omni,
    qwen2_audio,
    qwen3_omni_moe,
    voxtral,
)
from core.families.family import EncodedClip, Family, Loaded

FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (
        embedded.FAMILY,
        qwen2_audio.FAMILY,
        qwen2_5_omni.FAMILY,
        qwen3_omni_moe.FAMILY,
        voxtral.FAMILY,
        audioflamingo3.FAMILY,
        musicflamingo.FAMILY,
        gemma3n.FAMILY,
        gemma4.FAMILY,
        gemma4_unified.FAMILY,
        phi4_multimodal.FAMILY,
        granite_speech.FAMILY,
    )
}

__all__ = ["FAMILIES", "EncodedClip", "Family", "Loaded"]

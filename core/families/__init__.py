"""The registry: one table, HF `config.model_type` -> `Family`. A new family is one file here and one line below."""

from core.families import audioflamingo3, embedded, gemma3n, gemma4, musicflamingo, phi4_multimodal, qwen2_audio
from core.families.family import EncodedClip, Family, Loaded

FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (
        embedded.FAMILY,
        qwen2_audio.FAMILY,
        audioflamingo3.FAMILY,
        musicflamingo.FAMILY,
        gemma3n.FAMILY,
        gemma4.FAMILY,
        phi4_multimodal.FAMILY,
    )
}

__all__ = ["FAMILIES", "EncodedClip", "Family", "Loaded"]

"""The registry: one table, HF `config.model_type` -> `Family`. A new family is one file here and one line below."""

from core.families import audioflamingo3, embedded, musicflamingo, qwen2_audio
from core.families.family import EncodedClip, Family, Loaded

FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (
        embedded.FAMILY,
        qwen2_audio.FAMILY,
        audioflamingo3.FAMILY,
        musicflamingo.FAMILY,
    )
}

__all__ = ["FAMILIES", "EncodedClip", "Family", "Loaded"]

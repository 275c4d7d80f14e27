"""Checkpoints a person may want, and what each asks of a machine.

Licences are as their makers give them: read one before you rely on it. Sizes are counted from shapes by
`python -m bench.shapes`; what is loaded is always measured on the checkpoint's own files (`core.footprint`).
"""

from dataclasses import dataclass

from core.families import FAMILIES
from core.footprint import BYTES, RESERVE_GIB, Footprint

APACHE = "Apache-2.0"


@dataclass(frozen=True)
class Checkpoint:
    """One line of the list.

    Attributes:
        name: On the hub.
        family: Key of the registry.
        licence: In short, by its maker's word.
        size: Weights; None where its shape is not known here.
        token_bytes: Keys and values of a token in bf16; None likewise.
    """

    name: str
    family: str
    licence: str
    size: Footprint | None = None
    token_bytes: int | None = None


CHECKPOINTS = (
    Checkpoint(
        "Qwen/Qwen3-Omni-30B-A3B-Instruct", "qwen3_omni_moe", APACHE, Footprint(31_749_490_800, 1_468_035_072), 98_304
    ),
    Checkpoint("Qwen/Qwen2.5-Omni-7B", "qwen2_5_omni", APACHE, Footprint(8_931_813_888, 7_199_817_728), 57_344),
    Checkpoint(
        "Qwen/Qwen2.5-Omni-3B",
        "qwen2_5_omni",
        "Qwen research, not commercial",
        Footprint(4_703_464_448, 3_441_197_056),
        36_864,
    ),
    Checkpoint("Qwen/Qwen2-Audio-7B-Instruct", "qwen2_audio", APACHE, Footprint(8_397_094_912, 6_476_005_376), 524_288),
    Checkpoint(
        "mistralai/Voxtral-Small-24B-2507", "voxtral", APACHE, Footprint(24_261_800_960, 22_229_811_200), 163_840
    ),
    Checkpoint("mistralai/Voxtral-Mini-3B-2507", "voxtral", APACHE, Footprint(4_676_271_104, 3_208_642_560), 122_880),
    Checkpoint(
        "nvidia/audio-flamingo-3-hf",
        "audioflamingo3",
        "NVIDIA, not commercial",
        Footprint(8_267_215_360, 6_525_288_448),
        57_344,
    ),
    Checkpoint(
        "nvidia/music-flamingo-2601-hf",
        "musicflamingo",
        "NVIDIA, not commercial",
        Footprint(8_267_215_360, 6_525_288_448),
        57_344,
    ),
    Checkpoint("google/gemma-4-12B-it", "gemma4_unified", "not checked"),
    Checkpoint("google/gemma-4-E4B-it", "gemma4", APACHE),
    Checkpoint("google/gemma-4-E2B-it", "gemma4", APACHE),
    Checkpoint("google/gemma-3n-E4B-it", "gemma3n", "Gemma terms", Footprint(7_524_390_160, 3_948_150_784), 40_960),
    Checkpoint("google/gemma-3n-E2B-it", "gemma3n", "Gemma terms", Footprint(5_124_337_280, 1_883_766_784), 40_960),
    Checkpoint(
        "microsoft/Phi-4-multimodal-instruct", "phi4_multimodal", "MIT", Footprint(5_308_268_992, 3_170_893_824), 98_304
    ),
    Checkpoint(
        "ibm-granite/granite-speech-3.3-8b", "granite_speech", APACHE, Footprint(8_553_966_634, 7_969_177_600), 163_840
    ),
    Checkpoint(
        "ibm-granite/granite-speech-3.3-2b", "granite_speech", APACHE, Footprint(2_915_064_874, 2_432_696_320), 81_920
    ),
)

PREFERRED = (
    "Qwen/Qwen3-Omni-30B-A3B-Instruct",
    "Qwen/Qwen2.5-Omni-7B",
    "mistralai/Voxtral-Mini-3B-2507",
)
"""What a machine with a GPU is offered when no model is named: the first that fits. All may be used for any purpose and
were trained on sound and speech, the last mostly on speech."""

NOTE = f"""
Memory with {RESERVE_GIB:g} GiB for prompt, keys and values, which take MiB/min for a minute of audio;
? is not known here, and read off the files when the model is loaded.
A clip longer than the window is heard in parts. Licences as their makers give them: read one before you rely on it."""
BUILT_IN = ("1.1", "1.3", "-", "-")
"""As measured, all of it (bench/RESULTS.md)."""
HEADINGS = (
    "checkpoint",
    "family",
    "licence",
    *(f"{name} GiB" for name in BYTES),
    "MiB/min",
    "tokens/s",
    "window",
    "longest",
)


def table() -> str:
    """The list as text: memory in GiB at each precision, tokens for a second of audio, seconds heard at a time."""
    rows = [HEADINGS, ("embedded", "embedded", APACHE, *BUILT_IN, *_hearing("embedded"))]
    for one in CHECKPOINTS:
        memory = ("?" if one.size is None else f"{one.size.gib(precision):.1f}" for precision in BYTES)
        minute = "?"
        if one.token_bytes is not None:
            minute = f"{60 * FAMILIES[one.family].tokens_per_second * one.token_bytes / 2**20:.0f}"
        rows.append((one.name, one.family, one.licence, *memory, minute, *_hearing(one.family)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(lines)


def _hearing(model_type: str) -> tuple[str, str, str]:
    """Tokens a second, window and longest clip of a family."""
    family = FAMILIES[model_type]
    return f"{family.tokens_per_second:.3g}", f"{family.window_seconds:.0f} s", f"{family.limit_seconds:.0f} s"

"""The built-in model: SmolLM2 with the ears of `core.embedded` (docs/embedded.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from core.embedded.assembly import load_embedded
from core.embedded.comparer import Comparer
from core.embedded.ears import Ears, Heard
from core.embedded.joiner import Joiner, token_seconds
from core.embedded.onnx_decoder import OnnxDecoder
from core.embedded.pairs import beyond_each, only_rows
from core.embedded.question import Likeness
from core.embedded.store import Progress
from core.errors import LoadError, first_line
from core.families.family import NOTHING_BESIDE, Beside, EncodedClip, Family, Loaded
from core.types import Clip, letter

AUDIO_TOKEN = "<file_sep>"
"""A control token that SmolLM2 has and a chat never uses."""


COMPARER = "comparer.safetensors"
"""In an adapter's folder: pair tokens and hint, which belong to it."""


@dataclass(frozen=True, eq=False)
class EmbeddedHearing:
    """The ears, the projectors behind them, and what each adapter has beside its LoRA, by its name."""

    ears: Ears
    joiner: Joiner
    comparers: dict[str, Comparer] = field(default_factory=dict)


def content(parts: Sequence[str | None]) -> str:
    """SmolLM2's template takes one string."""
    return "".join(AUDIO_TOKEN if part is None else part for part in parts)


def word_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """A word as it stands within a sentence."""
    ids: list[int] = tokenizer.encode(" " + text, add_special_tokens=False, split_special_tokens=True)
    return ids


def encoded(loaded: Loaded, heard: Heard, seconds: float) -> EncodedClip:
    """What the ears heard, as rows."""
    joiner: Joiner = loaded.hearing.joiner
    rows = joiner(heard, lambda text: loaded.embed_tokens(word_ids(loaded.tokenizer, text)))
    times = token_seconds(heard, seconds, lambda word: len(word_ids(loaded.tokenizer, word.text)))
    return EncodedClip(rows, times, seconds, heard)


@torch.inference_mode()
def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Both ears, then the projectors."""
    return encoded(loaded, loaded.hearing.ears.hear(clip), clip.seconds)


@torch.no_grad()
def beside(loaded: Loaded, adapter: str, clips: Sequence[EncodedClip], questions: Sequence[str]) -> Beside:
    """The adapter's pair tokens, and its hint for each question; nothing where it has none."""
    hearing: EmbeddedHearing = loaded.hearing
    comparer = hearing.comparers.get(adapter)
    if comparer is None:
        return NOTHING_BESIDE
    joiner, heard = hearing.joiner, [clip.heard for clip in clips]
    likeness = likeness_of(loaded)
    letters = [text_row(loaded, letter(place)) for place in range(len(clips))]
    more = beyond_each(joiner, heard, likeness.word_rows)
    hints = comparer.hints(joiner, heard, [clip.rows[-1] for clip in clips], more, questions, likeness, letters)
    return Beside(only_rows(joiner, more), hints)


def likeness_of(loaded: Loaded) -> Likeness:
    """How much words are like event classes, by the model's own token embeddings."""

    def word_rows(text: str) -> Tensor:
        return loaded.embed_tokens(word_ids(loaded.tokenizer, text))

    return Likeness(loaded.hearing.joiner, word_rows, loaded.embed_tokens)


def text_row(loaded: Loaded, text: str) -> Tensor:
    """Mean embedding of a text as it stands, shape (hidden,)."""
    return loaded.embed_tokens(loaded.tokenizer.encode(text, add_special_tokens=False)).mean(0)


def load_beside(loaded: Loaded, adapter: str, folder: Path) -> None:
    """Reads what an adapter's folder holds beside its LoRA, where it holds anything.

    Raises:
        LoadError: It is of another model.
    """
    if not (folder / COMPARER).exists():
        return
    comparer = Comparer(len(loaded.hearing.joiner.center))
    try:
        comparer.load_state_dict(load_file(folder / COMPARER))
    except (RuntimeError, SafetensorError) as error:
        raise LoadError(
            f"{COMPARER} in {folder.name} does not fit this model ({first_line(error)}): give an adapter that was "
            f"trained on it."
        ) from error
    loaded.hearing.comparers[adapter] = comparer.eval()


def fast_decoder(loaded: Loaded, adapters: Mapping[str, Path], progress: Progress) -> OnnxDecoder:
    """The language model in int8 by ONNX Runtime, exported into the cache once for every adapter."""
    model = loaded.model
    assert isinstance(model, LlamaForCausalLM) and model.name_or_path, "it was loaded from the cache"
    folder = Path(model.name_or_path)

    @cache
    def bare() -> LlamaForCausalLM:
        progress("Quantising the language model, once ...")
        again: LlamaForCausalLM = LlamaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
        return again

    return OnnxDecoder.of(bare, model.config, adapters, folder, torch.get_num_threads(), progress=progress)


def load(_checkpoint: str, progress: Progress = print) -> Loaded:
    """The assembled model; parts are fetched and cached on first use."""
    model, tokenizer, ears, joiner = load_embedded(progress)
    return Loaded(model, tokenizer, EmbeddedHearing(ears, joiner))


FAMILY = Family(
    model_type="embedded",
    audio_token=AUDIO_TOKEN,
    tokens_per_second=1.0,
    window_seconds=120.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=8192,
    fast_decoder=fast_decoder,
    load_beside=load_beside,
    beside=beside,
)

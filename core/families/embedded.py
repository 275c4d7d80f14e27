"""The built-in model: SmolLM2 with the ears of `core.embedded` (docs/embedded.md)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from core.embedded.assembly import load_embedded
from core.embedded.ears import Ears, Heard
from core.embedded.joiner import Joiner, token_seconds
from core.embedded.pairs import PairJoiner
from core.embedded.parts import Progress
from core.errors import LoadError, first_line
from core.families.family import EncodedClip, Family, Loaded
from core.types import Clip, letter

AUDIO_TOKEN = "<file_sep>"
"""A control token that SmolLM2 has and a chat never uses."""


PAIRS = "pairs.safetensors"
"""In an adapter's folder: the pair tokens that were trained with it."""


@dataclass(frozen=True, eq=False)
class EmbeddedHearing:
    """The ears, the projectors behind them, and the pair tokens of each adapter by its name."""

    ears: Ears
    joiner: Joiner
    pairs: dict[str, PairJoiner] = field(default_factory=dict)


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
def pair(loaded: Loaded, adapter: str, clips: Sequence[EncodedClip], places: tuple[int, int]) -> Tensor | None:
    """The adapter's pair tokens of two of the clips."""
    hearing: EmbeddedHearing = loaded.hearing
    pairs = hearing.pairs.get(adapter)
    if pairs is None:
        return None
    first, second = (clips[place].heard for place in places)
    letters = [text_row(loaded, letter(place)) for place in places]
    rows: Tensor = pairs(
        hearing.joiner, first, second, lambda text: loaded.embed_tokens(word_ids(loaded.tokenizer, text)), letters
    )
    return rows


def text_row(loaded: Loaded, text: str) -> Tensor:
    """Mean embedding of a text as it stands, shape (hidden,)."""
    return loaded.embed_tokens(loaded.tokenizer.encode(text, add_special_tokens=False)).mean(0)


def load_pairs(loaded: Loaded, adapter: str, folder: Path) -> None:
    """Reads the pair tokens of an adapter's folder, where it has any.

    Raises:
        LoadError: They are of another model.
    """
    if not (folder / PAIRS).exists():
        return
    joiner: Joiner = loaded.hearing.joiner
    pairs = PairJoiner(len(joiner.center))
    try:
        pairs.load_state_dict(load_file(folder / PAIRS))
    except (RuntimeError, SafetensorError) as error:
        raise LoadError(
            f"The pair tokens in {folder.name} do not fit this model ({first_line(error)}): give an adapter that was "
            f"trained on it."
        ) from error
    loaded.hearing.pairs[adapter] = pairs.to(joiner.center.dtype).eval()


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
    load_pairs=load_pairs,
    pair=pair,
)

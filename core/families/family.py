"""What one model family does differently: data and two functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from core.types import Clip


@dataclass(frozen=True, eq=False)
class EncodedClip:
    """A clip as the text backbone takes it.

    Attributes:
        rows: Embeddings, shape (tokens, hidden).
        seconds: Start and end of what each row stands for, shape (tokens, 2). Rows may overlap in time.
        clip_seconds: Length of the clip.
        heard: What a family keeps to compare the clip with others; None where it compares nothing.
    """

    rows: Tensor
    seconds: Tensor
    clip_seconds: float
    heard: Any = None


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model in memory.

    Attributes:
        model: Has `get_decoder()`, input and output embeddings; the text backbone or a model around it.
        tokenizer: With a chat template that knows audio (or plain text, for the embedded model).
        hearing: Whatever the family's `encode` needs beside the model: a processor, or ears and joiner.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    hearing: Any

    def embed_tokens(self, ids: Sequence[int]) -> Tensor:
        """Input embeddings of tokens, shape (tokens, hidden)."""
        table: Tensor = self.model.get_input_embeddings().weight  # type: ignore[assignment]
        return table[list(ids)]


@dataclass(frozen=True)
class Family:
    """One model family, keyed in the registry by HF `config.model_type`.

    Attributes:
        model_type: Of the config.
        audio_token: What stands for a clip's audio in the rendered chat template, once per clip.
        window_seconds: The longest clip that is heard whole.
        content: Parts of one message -> what the chat template takes as "content"; None stands for a clip.
        encode: A clip -> its rows in the text backbone.
        load: A checkpoint or folder and keyword arguments of `from_pretrained` -> the model in memory.
        context_tokens: Tokens of one conversation.
        load_pairs: Reads what an adapter's folder holds for pair tokens, under the adapter's name; None where adapters
            are LoRA alone.
        pair: Two clips and their places -> the adapter's rows about them, or None where this adapter has none.
    """

    model_type: str
    audio_token: str
    window_seconds: float
    content: Callable[[Sequence[str | None]], Any]
    encode: Callable[[Loaded, Clip], EncodedClip]
    load: Callable[..., Loaded]
    context_tokens: int
    load_pairs: Callable[[Loaded, str, Path], None] | None = None
    pair: Callable[[Loaded, str, Sequence[EncodedClip], tuple[int, int]], Tensor | None] | None = None


def pair_rows(
    family: Family, loaded: Loaded, adapter: str | None, clips: Sequence[EncodedClip]
) -> dict[tuple[int, int], Tensor]:
    """What an adapter says of every two clips, by their places; empty with it off, or where it is LoRA alone."""
    if adapter is None or family.pair is None:
        return {}
    rows = {places: family.pair(loaded, adapter, clips, places) for places in combinations(range(len(clips)), 2)}
    return {places: found for places, found in rows.items() if found is not None}

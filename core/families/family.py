"""What one model family does differently: data and two functions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from core.types import SAMPLING_RATE_HZ, Clip

if TYPE_CHECKING:  # `core.decoder` runs what is loaded here
    from core.decoder import Decoder


@dataclass(frozen=True, eq=False)
class EncodedClip:
    """A clip as the text backbone takes it.

    Attributes:
        rows: Embeddings, shape (tokens, hidden).
        seconds: Start and end of what each row stands for, shape (tokens, 2). Rows may overlap in time.
        clip_seconds: Length of the clip.
        heard: What a family keeps to compare the clip with others; None where it compares nothing.
        parts: Rows of each part of a clip longer than the family's window, in order; empty where it was heard in one.
    """

    rows: Tensor
    seconds: Tensor
    clip_seconds: float
    heard: Any = None
    parts: tuple[int, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        return self.rows.nbytes + self.seconds.nbytes + getattr(self.heard, "nbytes", 0)

    def part_rows(self) -> tuple[Tensor, ...]:
        """The rows part by part, each (tokens, hidden)."""
        return self.rows.split(list(self.parts)) if self.parts else (self.rows,)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model in memory.

    Attributes:
        model: Has `get_decoder()`, input and output embeddings; the text backbone or a model around it.
        tokenizer: With a chat template that knows audio (or plain text, for the embedded model).
        hearing: Whatever the family's `encode` needs beside the model: a processor, or ears and joiner.
        embed: How the model turns ids into rows; None where its table of input embeddings says it all.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    hearing: Any
    embed: Callable[[PreTrainedModel, Sequence[int]], Tensor] | None = None

    def embed_tokens(self, ids: Sequence[int]) -> Tensor:
        """Input rows of tokens, shape (tokens, hidden)."""
        if self.embed is not None:
            return self.embed(self.model, ids)
        table: Tensor = self.model.get_input_embeddings().weight  # type: ignore[assignment]
        return table[list(ids)]


@dataclass(frozen=True, eq=False)
class Beside:
    """Rows that an adapter puts beside the clips and the questions.

    Attributes:
        pairs: About every two clips, by their places, each (tokens, hidden).
        hints: One of each question, each (tokens, hidden); or none at all.
    """

    pairs: Mapping[tuple[int, int], Tensor]
    hints: tuple[Tensor, ...]


NOTHING_BESIDE = Beside(MappingProxyType({}), ())


@dataclass(frozen=True)
class Family:
    """One model family, keyed in the registry by HF `config.model_type`.

    Attributes:
        model_type: Of the config.
        audio_token: What stands for a clip's audio in the rendered chat template, once per clip.
        tokens_per_second: Rows of a second of audio, in a clip of 30 s.
        window_seconds: What its ears take at a time.
        content: Parts of one message -> what the chat template takes as "content"; None stands for a clip.
        encode: A clip -> its rows in the text backbone.
        load: A checkpoint or folder and keyword arguments of `from_pretrained` -> the model in memory.
        context_tokens: Tokens of one conversation.
        longest_seconds: The longest clip, heard in parts of at most the window; None where that is the window. Ask
            `limit_seconds`.
        own_adapter: The folder inside a checkpoint that holds the LoRA it was trained with, "" being the checkpoint's
            own; None in a family whose checkpoints bring none.
        prefix: Of the tensors' names that are loaded, where a checkpoint holds other models too.
        fast_decoder: A model, folders of the adapters it has loaded, what is told of the progress -> a decoder in
            int8, faster than torch's; None where there is none.
        load_beside: Reads what an adapter's folder holds beside its LoRA, under the adapter's name; None where adapters
            are LoRA alone.
        beside: An adapter's name, clips, and questions about them -> the rows it puts beside them.
    """

    model_type: str
    audio_token: str
    tokens_per_second: float
    window_seconds: float
    content: Callable[[Sequence[str | None]], Any]
    encode: Callable[[Loaded, Clip], EncodedClip]
    load: Callable[..., Loaded]
    context_tokens: int
    longest_seconds: float | None = None
    own_adapter: str | None = None
    prefix: str = ""
    fast_decoder: "Callable[[Loaded, Mapping[str, Path], Callable[[str], None]], Decoder] | None" = None
    load_beside: Callable[[Loaded, str, Path], None] | None = None
    beside: Callable[[Loaded, str, Sequence[EncodedClip], Sequence[str]], Beside] | None = None

    @property
    def limit_seconds(self) -> float:
        """The longest clip."""
        return self.longest_seconds or self.window_seconds


def hear(family: Family, loaded: Loaded, clip: Clip) -> EncodedClip:
    """Rows of a clip; one longer than the family's window is heard in equal parts, each as if it were a clip."""
    parts = math.ceil(clip.seconds / family.window_seconds)
    if parts <= 1:
        return family.encode(loaded, clip)
    assert family.beside is None, "what compares clips hears each in one"
    start, rows, seconds = 0, [], []
    for samples in np.array_split(clip.samples, parts):
        heard = family.encode(loaded, Clip(samples, clip.label))
        rows.append(heard.rows)
        seconds.append(heard.seconds + start / SAMPLING_RATE_HZ)
        start += len(samples)
    return EncodedClip(torch.cat(rows), torch.cat(seconds), clip.seconds, parts=tuple(map(len, rows)))


def rows_beside(
    family: Family, loaded: Loaded, adapter: str | None, clips: Sequence[EncodedClip], questions: Sequence[str]
) -> Beside:
    """What an adapter puts beside clips and questions; nothing with it off, without clips or where it is LoRA alone."""
    if adapter is None or family.beside is None or not clips:
        return NOTHING_BESIDE
    return family.beside(loaded, adapter, clips, questions)

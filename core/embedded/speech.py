"""The speech ear: words with their times, and what the voice is like."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv1d, gelu
from transformers import PreTrainedTokenizerFast, WhisperFeatureExtractor

from core.embedded.ct2 import read_convolutions
from core.types import SAMPLING_RATE_HZ

FRAME_SECONDS = 0.02
"""Of the encoder's frames: two mel frames of 10 ms."""
WINDOW_SECONDS = 30
"""Whisper's positions end there; a longer clip is heard window by window."""
SHORTEST_WINDOW_SECONDS = 8
"""Shorter clips are padded with silence to this. Whisper was trained on windows of 30 s: unpadded, it repeats its words
to no end; at 8 s it makes hardly more errors than at 30 s, in a fifth of the time (docs/log.md)."""
TOKENS_A_SECOND = 8
"""No one speaks faster; a bound on what a loop in the decoder can cost."""
MOST_TOKENS = 448
"""Whisper's positions for text."""
SPEECH_WIDTH = 384
"""Of Whisper tiny."""
PUNCTUATION = '.,!?;:"()[]-…♪*'


@dataclass(frozen=True)
class Word:
    """A word and when it was said, in seconds from the start of the clip."""

    text: str
    start: float
    stop: float


@dataclass(frozen=True, eq=False)
class Speech:
    """What the speech ear makes of a clip.

    Attributes:
        words: In order; empty where nothing was understood.
        timbre: Mean and standard deviation over the clip of what Whisper's two convolutions give, shape (768,). Who
            speaks is told best from there: the layers above it forget voices (docs/log.md).
        manner: The same of the encoder's last layer, shape (768,).
    """

    words: tuple[Word, ...]
    timbre: Tensor
    manner: Tensor


class SpeechEar:
    """A Whisper model of CTranslate2, English only."""

    def __init__(self, folder: Path):
        """Args: folder: holds `model.bin`, `config.json`, `tokenizer.json` and `vocabulary.txt`."""
        threads = torch.get_num_threads()
        self.model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="int8", intra_threads=threads)
        self.convolutions = read_convolutions(folder / "model.bin")
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
        self.features = WhisperFeatureExtractor(feature_size=self.model.n_mels)
        vocabulary = self.tokenizer.get_vocab()
        self.start: int = vocabulary["<|startoftranscript|>"]
        self.prompt = [self.start, vocabulary["<|notimestamps|>"]]
        # Numbers are written out, as the words of a question are; -1 stands for the tokens Whisper itself suppresses.
        self.suppressed = [
            -1,
            *(i for text, i in vocabulary.items() if any(c.isdigit() for c in text) and "<|" not in text),
        ]

    @torch.inference_mode()
    def __call__(self, samples: NDArray[np.float32]) -> Speech:
        """Samples (n,) at 16 kHz -> words and voice."""
        window = WINDOW_SECONDS * SAMPLING_RATE_HZ
        words: list[Word] = []
        below, above = [], []
        for start in range(0, len(samples), window):
            part = samples[start : start + window]
            seconds = len(part) / SAMPLING_RATE_HZ
            frames = max(2, round(seconds / FRAME_SECONDS))  # two, for their deviation
            mel = self._mel(part)
            encoded = self.model.encode(ctranslate2.StorageView.from_array(mel))
            words += self._words(encoded, seconds, start / SAMPLING_RATE_HZ)
            below.append(self._convolved(mel)[:frames])
            above.append(torch.from_numpy(np.array(encoded)[0, :frames]))
        return Speech(tuple(words), _moments(torch.cat(below)), _moments(torch.cat(above)))

    def _mel(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-mel frames of at least the shortest window, shape (1, bands, frames)."""
        padded = np.pad(samples, (0, max(0, SHORTEST_WINDOW_SECONDS * SAMPLING_RATE_HZ - len(samples))))
        found = self.features(
            padded, sampling_rate=SAMPLING_RATE_HZ, padding="longest", truncation=False, return_tensors="np"
        )
        return np.ascontiguousarray(found["input_features"], np.float32)

    def _convolved(self, mel: NDArray[np.float32]) -> Tensor:
        """Whisper's convolutions alone, shape (frames of 20 ms, width)."""
        hidden = torch.from_numpy(mel)
        for stride, (weight, bias) in zip((1, 2), self.convolutions, strict=True):
            hidden = gelu(conv1d(hidden, weight, bias, stride, padding=1))
        return hidden[0].T

    def _words(self, encoded: ctranslate2.StorageView, seconds: float, offset: float) -> Iterator[Word]:
        limit = min(MOST_TOKENS, len(self.prompt) + 4 + round(seconds * TOKENS_A_SECOND))
        (result,) = self.model.generate(
            encoded, [self.prompt], beam_size=1, max_length=limit, suppress_tokens=self.suppressed
        )
        ids = result.sequences_ids[0]
        if not ids:
            return
        (alignment,) = self.model.align(encoded, [self.start], [ids], 2 * encoded.shape[1])
        starts: dict[int, float] = {}
        for token, frame in alignment.alignments:
            starts.setdefault(token, frame * FRAME_SECONDS)
        groups = self._grouped(ids)
        begins = [min(starts.get(group[0], 0.0), seconds) for group in groups]
        ends = [*begins[1:], seconds]
        texts = [self._text([ids[index] for index in group]).strip().strip(PUNCTUATION) for group in groups]
        said = [
            Word(text, offset + begin, offset + max(begin, end))
            for text, begin, end in zip(texts, begins, ends, strict=True)
            if text and begin < seconds  # what is said in the silence after the clip is not in it
        ]
        yield from said[: period([word.text for word in said])]

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids)))

    def _grouped(self, ids: Sequence[int]) -> list[list[int]]:
        """Places of the tokens of each word: a word begins with a space."""
        groups: list[list[int]] = []
        for place, token in enumerate(ids):
            if not groups or self._text([token]).startswith(" "):
                groups.append([])
            groups[-1].append(place)
        return groups


def period(words: Sequence[str]) -> int:
    """Length of the shortest stretch that the words only repeat; all of them where they do not.

    Whisper repeats what it heard to fill its window; who says "no no no" is heard to say "no".
    """
    folded = [word.lower() for word in words]
    for length in range(1, len(folded)):
        if all(word == folded[place % length] for place, word in enumerate(folded)) and len(folded) >= 2 * length:
            return length
    return len(folded)


def _moments(frames: Tensor) -> Tensor:
    """Mean and standard deviation over the frames (n, width), shape (2 * width,)."""
    return torch.cat([frames.mean(0), frames.std(0, correction=0)])

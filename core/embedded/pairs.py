"""What the ears say of every two clips (docs/embedded.md): rows beside the clips, and six facts for the hint.

They belong to the discriminative adapter and are there only while it is on. ADIFF's cross-projection of two clips
(arXiv 2502.04476) is the precedent.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, gelu

from core.embedded.ears import EVENT_WIDTH, Heard
from core.embedded.joiner import Joiner, WordRows
from core.embedded.speech import SPEECH_WIDTH

FACTS = ("kind", "voice", "words", "level", "length", "pitch")
"""What two clips are compared by, each a number: positive for "the same" or for "the first is more"."""
SPOKEN = ("voice", "words")
"""Facts that are said only where both clips have a voice."""

EVENT_SIDE, VOICE_SIDE, WIDTH = 128, 64, 256
MEASURED = 12
DB = 6.0
"""Differences of level come in this unit, those of length and pitch in octaves ..."""
STEEPNESS = 4.0
"""... and all of them once more cut off at a quarter of their unit: which is more, whatever by how much."""


class PairFacts(nn.Module):
    """Two clips as they were heard -> logits of `FACTS`."""

    def __init__(self) -> None:
        super().__init__()
        self.event_norm = nn.LayerNorm(EVENT_WIDTH, elementwise_affine=False)
        self.voice_norm = nn.LayerNorm(2 * SPEECH_WIDTH, elementwise_affine=False)
        self.event = nn.Linear(EVENT_WIDTH, EVENT_SIDE)
        self.voice = nn.Linear(2 * SPEECH_WIDTH, VOICE_SIDE)
        self.compare_in = nn.Linear(3 * (EVENT_SIDE + VOICE_SIDE) + 2 + MEASURED, WIDTH)
        self.compare_out = nn.Linear(WIDTH, len(FACTS))

    def forward(self, first: Heard, second: Heard) -> Tensor:
        """Shape (facts,): positive for "the same" or "the first is more", 0 where nothing can be said."""
        pair = (first, second)
        pooled = torch.stack([heard.pooled.mean(0) for heard in pair])
        timbre = torch.stack([heard.timbre for heard in pair])
        events = self.event(self.event_norm(pooled))
        voices = self.voice(self.voice_norm(timbre))
        features = torch.cat([_compared(*events), _compared(*voices), torch.tensor(measured_facts(first, second))])
        spoken = first.speech is not None and second.speech is not None
        sayable = torch.tensor([spoken or fact not in SPOKEN for fact in FACTS])
        logits: Tensor = self.compare_out(gelu(self.compare_in(features))) * sayable
        return logits


def beyond_each(joiner: Joiner, heard: Sequence[Heard], word_rows: WordRows) -> dict[tuple[int, int], Tensor]:
    """What each clip has over each other one, by their places, (hidden,) each; see `beyond`."""
    places = permutations(range(len(heard)), 2)
    return {(i, j): beyond(joiner, heard[i], heard[j], word_rows) for i, j in places}


def only_rows(joiner: Joiner, more: Mapping[tuple[int, int], Tensor]) -> dict[tuple[int, int], Tensor]:
    """Pair tokens of every two clips, from `beyond_each`: what only the first has, and only the second, (2, hidden)."""
    return {(i, j): joiner.center + torch.stack([row, more[j, i]]) for (i, j), row in more.items() if i < j}


def beyond(joiner: Joiner, one: Heard, other: Heard, word_rows: WordRows) -> Tensor:
    """What one clip has over the other, around the mean embedding, shape (hidden,); zeros for nothing."""
    more = (joiner.shares(one.logits.amax(0)) - joiner.shares(other.logits.amax(0))).clamp(min=0.0)
    row = more @ joiner.classes
    if words := more_words(texts(one), texts(other)):
        row = row + torch.cat([word_rows(word) for word in words]).mean(0).to(row) - joiner.center
    return row


def measured_facts(first: Heard, second: Heard) -> Sequence[float]:
    """Words, level, length and pitch of two clips as `MEASURED` numbers about 1 in size."""
    ours, theirs = texts(first), texts(second)
    both = bool(ours and theirs)
    a, b = first.measures, second.measures
    measured = (
        (a.level_lufs - b.level_lufs) / DB,
        math.log2(a.seconds / b.seconds),
        math.log2(a.pitch_hz / b.pitch_hz) if a.pitch_hz and b.pitch_hz else 0.0,
    )
    return [
        float(first.speech is not None),
        float(second.speech is not None),
        float(both),
        float(both and ours == theirs),
        _ratio(ours, theirs) if both else 0.0,
        _ratio(" ".join(ours), " ".join(theirs)) if both else 0.0,
        *measured,
        *(max(-1.0, min(1.0, STEEPNESS * value)) for value in measured),
    ]


def texts(heard: Heard) -> list[str]:
    """The words of a clip, lower case."""
    return [] if heard.speech is None else [word.text.lower() for word in heard.speech.words]


def more_words(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """Our words that difflib does not find among theirs in the same order."""
    changes = difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    return [word for kind, start, stop, _, _ in changes if kind in ("replace", "delete") for word in ours[start:stop]]


def _ratio(ours: Sequence[str], theirs: Sequence[str]) -> float:
    return difflib.SequenceMatcher(None, ours, theirs, autojunk=False).ratio()


def _compared(ours: Tensor, theirs: Tensor) -> Tensor:
    """Difference, its size, product and cosine of two vectors (width,), shape (3 * width + 1,)."""
    cosine = cosine_similarity(ours, theirs, dim=0)[None]
    return torch.cat([ours - theirs, (ours - theirs).abs(), ours * theirs / len(ours) ** 0.5, cosine])

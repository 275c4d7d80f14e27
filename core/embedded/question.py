"""What a question has to do with each clip, word by word: what the hint is made from (docs/embedded.md).

Every word of the question is set beside every clip: how much the classes heard there sound like the word, whether it
was said there, whether it is the clip's letter. No matching is learnt, so a sound that no training clip contained is
found as well as any other; the late interaction of words is that of ColBERT (arXiv 2004.12832).
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, layer_norm, normalize, pad
from torch.nn.utils.rnn import pad_sequence

from core.embedded.ears import EVENT_WIDTH, Heard
from core.embedded.joiner import Joiner, WordRows
from core.embedded.pairs import DB, FACTS, MEASURED, PairFacts, measured_facts, texts
from core.embedded.speech import SPEECH_WIDTH
from core.types import letter

WORD = re.compile(r"[^\W_]+(?:'[a-z]+)?")
MOST_WORDS = 64
"""Of a longer question the last words count."""

MATCHES = 5
SCALARS = 6
CLIP_WIDTH = EVENT_WIDTH + 2 * SPEECH_WIDTH + SCALARS
PAIR_WIDTH = len(FACTS) + MEASURED + 3
SHARPER = 4
"""Power of a cosine between two words: only near ones count."""
USUAL_LUFS, USUAL_HZ = -30.0, 300.0


@dataclass(frozen=True, eq=False)
class Scene:
    """What is compared, whatever is asked of it.

    Attributes:
        heard: The clips, in order of their letters.
        clips: Embedding, voice and measures of each, shape (clips, CLIP_WIDTH).
        classes: Shares of the event classes, plain, sharper and each by itself, shape (clips, 3, classes).
        pairs: Facts and likeness of every two, shape (clips, clips, PAIR_WIDTH).
    """

    heard: tuple[Heard, ...]
    clips: Tensor
    classes: Tensor
    pairs: Tensor

    def ordered(self, order: Sequence[int]) -> "Scene":
        """The same clips in another order: the indices of those to stand first, second and so on."""
        places = list(order)
        heard = tuple(self.heard[place] for place in places)
        return Scene(heard, self.clips[places], self.classes[places], self.pairs[places][:, places])


@dataclass(frozen=True, eq=False)
class Questions:
    """Questions as tensors, padded to the most words and clips among them.

    Attributes:
        words: Mean embedding of each word around the mean of all, shape (questions, words, hidden).
        written: Where there is a word, shape (questions, words).
        matches: Of each word with each clip, shape (questions, clips, words, MATCHES).
        clips: Shape (questions, clips, CLIP_WIDTH).
        present: Where there is a clip, shape (questions, clips).
        spoken: Where words are heard, shape (questions, clips).
        pairs: Shape (questions, clips, clips, PAIR_WIDTH).
    """

    words: Tensor
    written: Tensor
    matches: Tensor
    clips: Tensor
    present: Tensor
    spoken: Tensor
    pairs: Tensor


class Likeness:
    """How much a word is like the names of the event classes, by the cosines of token embeddings."""

    @torch.no_grad()
    def __init__(self, joiner: Joiner, word_rows: WordRows, class_rows: Callable[[Sequence[int]], Tensor]):
        """Args: joiner: of the model; word_rows: a word -> its embeddings; class_rows: token ids -> embeddings."""
        self.word_rows, self.center = word_rows, joiner.center.float()
        tokens, self.parts = joiner.class_tokens.unique(return_inverse=True)
        self.missing = joiner.class_tokens < 0
        self.unit = normalize(class_rows(tokens.clamp(min=0).tolist()).float() - self.center, dim=1)
        self._known: dict[str, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def __call__(self, word: str) -> tuple[Tensor, Tensor]:
        """The mean embedding of a word around the mean of all, (hidden,), and its likeness to classes, (classes,)."""
        if word not in self._known:
            rows = self.word_rows(word).float() - self.center
            cosines = (normalize(rows, dim=1) @ self.unit.T)[:, self.parts].masked_fill(self.missing, 0.0)
            self._known[word] = rows.mean(0), cosines.amax(-1).clamp(min=0.0).pow(SHARPER).mean(0)
        return self._known[word]


def scene_of(joiner: Joiner, facts: PairFacts, heard: Sequence[Heard]) -> Scene:
    """What the clips are compared by."""
    count = len(heard)
    clips = torch.stack([_clip(clip) for clip in heard])
    peaks = torch.stack([clip.logits.amax(0).float() for clip in heard])
    lifted = peaks + joiner.offsets.float()
    classes = torch.stack([joiner.shares(peaks).float(), lifted.softmax(-1), peaks.sigmoid()], 1)
    pairs = torch.zeros(count, count, PAIR_WIDTH)
    for i, j in ((i, j) for i in range(count) for j in range(count) if i != j):
        alike = cosine_similarity(clips[i, :EVENT_WIDTH], clips[j, :EVENT_WIDTH], dim=0)
        shared = cosine_similarity(classes[i, 0], classes[j, 0], dim=0)
        more = (classes[i, 0] - classes[j, 0]).clamp(min=0.0).sum()
        numbers = torch.tensor(measured_facts(heard[i], heard[j]))
        pairs[i, j] = torch.cat([facts(heard[i], heard[j]).tanh(), numbers, torch.stack([alike, shared, more])])
    return Scene(tuple(heard), clips, classes, pairs)


def questions_of(asked: Sequence[tuple[Scene, str]], likeness: Likeness) -> Questions:
    """Scenes and what is asked about them, as tensors."""
    most = max(len(scene.heard) for scene, _ in asked)
    missing = [most - len(scene.heard) for scene, _ in asked]
    rows = [_question(scene, text, likeness) for scene, text in asked]
    words, written, matches = (list(column) for column in zip(*rows, strict=True))
    matches = [pad(found, (0, 0, 0, more)) for found, more in zip(matches, missing, strict=True)]
    return Questions(
        words=pad_sequence(words, batch_first=True),
        written=pad_sequence(written, batch_first=True),
        matches=pad_sequence(matches, batch_first=True).transpose(1, 2),
        clips=torch.stack([pad(scene.clips, (0, 0, 0, more)) for (scene, _), more in zip(asked, missing, strict=True)]),
        present=torch.tensor([[place < len(scene.heard) for place in range(most)] for scene, _ in asked]),
        spoken=torch.tensor([_spoken(scene, most) for scene, _ in asked]),
        pairs=torch.stack(
            [pad(scene.pairs, (0, 0, 0, more, 0, more)) for (scene, _), more in zip(asked, missing, strict=True)]
        ),
    )


def _question(scene: Scene, text: str, likeness: Likeness) -> tuple[Tensor, Tensor, Tensor]:
    """Words (words, hidden), ones (words,), matches (words, clips, MATCHES); an empty question has one word."""
    found = WORD.findall(text)[-MOST_WORDS:] or ["?"]
    rows, like = (torch.stack(column) for column in zip(*(likeness(word.lower()) for word in found), strict=True))
    shares = torch.einsum("wc,ksc->wks", like, scene.classes[:, :2])
    single = (like[:, None] * scene.classes[None, :, 2]).amax(-1, keepdim=True)
    named = torch.tensor(
        [[_named(found, place, index) for index in range(len(scene.heard))] for place in range(len(found))]
    )
    said = [set(texts(heard)) for heard in scene.heard]
    spoken = torch.tensor([[word.lower() in words for words in said] for word in found])
    matches = torch.cat([SHARPER * shares, SHARPER * single, spoken[..., None], named[..., None]], -1)
    return rows, torch.ones(len(found), dtype=torch.bool), matches


def _named(words: Sequence[str], place: int, index: int) -> bool:
    """Whether the word at `place` is the letter of the clip at `index`: "A", or any case right after "clip"."""
    after_clip = place > 0 and words[place - 1].lower() in ("clip", "clips")
    word = words[place].upper() if after_clip else words[place]
    return word == letter(index)


def _clip(heard: Heard) -> Tensor:
    """One clip, shape (CLIP_WIDTH,)."""
    speech, measures = heard.speech, heard.measures
    pooled = layer_norm(heard.pooled.mean(0).float(), (EVENT_WIDTH,))
    timbre = layer_norm(heard.timbre.float(), (2 * SPEECH_WIDTH,))
    scalars = [
        float(speech is not None),
        float(bool(texts(heard))),
        math.log2(measures.seconds) / 2.0,
        (measures.level_lufs - USUAL_LUFS) / DB,
        math.log2(measures.pitch_hz / USUAL_HZ) if measures.pitch_hz else 0.0,
        float(bool(measures.pitch_hz)),
    ]
    return torch.cat([pooled, timbre, torch.tensor(scalars)])


def _spoken(scene: Scene, most: int) -> list[bool]:
    return [place < len(scene.heard) and bool(texts(scene.heard[place])) for place in range(most)]

"""What the discriminative adapter of the embedded model learns beside its LoRA: facts of two clips, and the hint."""

from collections.abc import Mapping, Sequence
from itertools import product

import torch
from torch import Tensor, nn

from core.embedded.ears import Heard
from core.embedded.hint import Hint, row
from core.embedded.joiner import Joiner, WordRows
from core.embedded.pairs import PairFacts, texts
from core.embedded.question import Likeness, questions_of, scene_of


class Comparer(nn.Module):
    """Always in float32 and on the CPU, like the ears."""

    def __init__(self, hidden: int):
        """Args: hidden: width of the language model."""
        super().__init__()
        self.facts, self.hint = PairFacts(), Hint(hidden)

    def hints(
        self,
        joiner: Joiner,
        heard: Sequence[Heard],
        sounds: Sequence[Tensor],
        more: Mapping[tuple[int, int], Tensor],
        questions: Sequence[str],
        likeness: Likeness,
        letters: Sequence[Tensor],
    ) -> tuple[Tensor, ...]:
        """The hint of each question, each (1, hidden).

        Args:
            joiner: Of the model.
            heard: What the ears made of each clip.
            sounds: The row of each whole clip, (hidden,) each.
            more: What each clip has over each other one, from `beyond_each`.
            questions: At least one.
            likeness: Of words and classes.
            letters: The embedding of each clip's letter, (hidden,) each.
        """
        scene = scene_of(joiner, self.facts, heard)
        logits = self.hint(questions_of([(scene, question) for question in questions], likeness))
        rows = self._pointed_at(joiner, heard, sounds, more, likeness.word_rows, letters)
        return tuple(row(one, rows) for one in logits)

    def _pointed_at(
        self,
        joiner: Joiner,
        heard: Sequence[Heard],
        sounds: Sequence[Tensor],
        more: Mapping[tuple[int, int], Tensor],
        word_rows: WordRows,
        letters: Sequence[Tensor],
    ) -> Tensor:
        """One row for each logit of the hint, shape (answers, hidden)."""
        center = joiner.center.float()
        said = [_mean_row(texts(clip), word_rows, center) for clip in heard]
        nothing, every = torch.zeros_like(center), range(len(heard))
        only = [center + more.get(places, nothing).float() for places in product(every, every)]
        return torch.stack([*self.hint.answers, *(found.float() for found in (*letters, *sounds)), *said, *only])


def _mean_row(words: Sequence[str], word_rows: WordRows, center: Tensor) -> Tensor:
    return torch.cat([word_rows(word) for word in words]).float().mean(0) if words else center

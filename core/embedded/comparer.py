"""What the discriminative adapter of the embedded model has beside its LoRA: pair tokens and the hint."""

from collections.abc import Sequence
from itertools import combinations, product

import torch
from torch import Tensor, nn

from core.embedded.ears import Heard
from core.embedded.hint import Hint, row
from core.embedded.joiner import Joiner, WordRows
from core.embedded.pairs import PairFacts, beyond, only_rows, texts
from core.embedded.question import Likeness, questions_of, scene_of


class Comparer(nn.Module):
    """Always in float32 and on the CPU, like the ears."""

    def __init__(self, hidden: int):
        """Args: hidden: width of the language model."""
        super().__init__()
        self.facts, self.hint = PairFacts(), Hint(hidden)

    def pairs(self, joiner: Joiner, heard: Sequence[Heard], word_rows: WordRows) -> dict[tuple[int, int], Tensor]:
        """Pair tokens of every two clips by their places, each (2, hidden)."""
        places = combinations(range(len(heard)), 2)
        return {(i, j): only_rows(joiner, heard[i], heard[j], word_rows) for i, j in places}

    def hints(
        self,
        joiner: Joiner,
        heard: Sequence[Heard],
        sounds: Sequence[Tensor],
        questions: Sequence[str],
        likeness: Likeness,
        letters: Sequence[Tensor],
    ) -> tuple[Tensor, ...]:
        """The hint of each question, each (1, hidden).

        Args:
            joiner: Of the model.
            heard: What the ears made of each clip.
            sounds: The row of each whole clip, (hidden,) each.
            questions: At least one.
            likeness: Of words and classes.
            letters: The embedding of each clip's letter, (hidden,) each.
        """
        scene = scene_of(joiner, self.facts, heard)
        logits = self.hint(questions_of([(scene, question) for question in questions], likeness))
        rows = self._pointed_at(joiner, heard, sounds, likeness.word_rows, letters)
        return tuple(row(one, rows) for one in logits)

    def _pointed_at(
        self,
        joiner: Joiner,
        heard: Sequence[Heard],
        sounds: Sequence[Tensor],
        word_rows: WordRows,
        letters: Sequence[Tensor],
    ) -> Tensor:
        """One row for each logit of the hint, shape (answers, hidden)."""
        center = joiner.center.float()
        said = [_mean_row(texts(clip), word_rows, center) for clip in heard]
        only = [center + beyond(joiner, one, other, word_rows).float() for one, other in product(heard, heard)]
        return torch.stack([*self.hint.answers, *(found.float() for found in (*letters, *sounds)), *said, *only])


def _mean_row(words: Sequence[str], word_rows: WordRows, center: Tensor) -> Tensor:
    return torch.cat([word_rows(word) for word in words]).float().mean(0) if words else center

"""The hint: one row that answers the question as far as the ears can tell, right before the language model answers.

It reads the question beside each clip, lets clips and pairs of clips exchange what they found, and points: at a word
like "Yes", at a clip's letter, at what is heard or said in a clip, or at what only one of two clips has. The row is the
mean of what it points at, by its certainty; the language model has only to copy it or to put it into words. Precedents
are the question-aware transformer of InstructBLIP (arXiv 2305.06500) and pointer networks (arXiv 1506.03134).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from core.embedded.ears import EVENT_WIDTH
from core.embedded.question import MATCHES, MOST_WORDS, PAIR_WIDTH, SCALARS, Questions
from core.embedded.speech import SPEECH_WIDTH

ANSWERS = (
    *("", "Yes", "No", "None", "Both", "Neither", "0", "1", "2", "3", "4"),
    *("Man", "Woman", "High", "Low", "Speech", "Instrument", "Sound"),
)
"""Answers that are the same whatever the clips. The first is for questions to which the ears alone know none."""
BY_CLIP = ("letter", "sound", "words")
"""What of a clip may be pointed at; after these come what only the first of every two clips has, by clip and clip."""

WIDTH, HEADS, ROUNDS = 128, 4, 2
SOUND_SIDE, VOICE_SIDE = 64, 32
MOST_PLACES = 8
"""Clips that are told apart by their place ("the second one"); later ones count as the last of these."""


class Hint(nn.Module):
    """What is learnt of the hint; `answers` are from the vocabulary and stay frozen."""

    answers: Tensor

    def __init__(self, hidden: int):
        """Args: hidden: width of the language model."""
        super().__init__()
        self.register_buffer("answers", torch.zeros(len(ANSWERS), hidden))
        self.word = nn.Linear(hidden, WIDTH)
        self.place_of_word = nn.Parameter(0.02 * torch.randn(MOST_WORDS, WIDTH))
        self.match = nn.Linear(MATCHES + 1, WIDTH)
        # a likeness of words and sounds that is learnt, beside the one that is not
        self.word_side = nn.Linear(hidden, SOUND_SIDE, bias=False)
        self.sound_side = nn.Linear(EVENT_WIDTH, SOUND_SIDE, bias=False)
        self.sound, self.voice = nn.Linear(EVENT_WIDTH, SOUND_SIDE), nn.Linear(2 * SPEECH_WIDTH, VOICE_SIDE)
        self.forget = nn.Dropout(0.3)
        self.clip = nn.Linear(SOUND_SIDE + VOICE_SIDE + SCALARS, WIDTH)
        self.place_of_clip = nn.Parameter(0.02 * torch.randn(MOST_PLACES, WIDTH))
        self.readers = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.1, "gelu", batch_first=True, norm_first=True)
            for _ in range(ROUNDS)
        )
        self.question = nn.Linear(WIDTH, WIDTH)
        self.pair = nn.Linear(PAIR_WIDTH + 3 * SOUND_SIDE, WIDTH)
        self.to_pairs, self.to_clips, self.to_question = (
            nn.ModuleList(_step(width * WIDTH) for _ in range(ROUNDS)) for width in (4, 3, 3)
        )
        self.norm = nn.LayerNorm(WIDTH)
        self.of_answers, self.of_clips = nn.Linear(WIDTH, len(ANSWERS)), nn.Linear(WIDTH, len(BY_CLIP))
        self.of_pairs = nn.Linear(WIDTH, 1)

    def name(self, row_of: Callable[[str], Tensor], center: Tensor) -> None:
        """Takes the answers from the vocabulary.

        Args:
            row_of: A text -> its mean embedding, shape (hidden,).
            center: Mean of all embeddings, which says nothing.
        """
        self.answers.copy_(torch.stack([row_of(answer) if answer else center for answer in ANSWERS]))

    def forward(self, asked: Questions) -> Tensor:
        """Logits of what may be pointed at, shape (questions, answers + clips * 3 + clips * clips)."""
        clips, sounds = self._read(asked)
        present = asked.present
        both = present[:, :, None] & present[:, None] & ~torch.eye(present.shape[1], dtype=torch.bool)
        read = _mean(clips[:, :, 1:], (present[:, :, None] & asked.written[:, None])[..., None], (1, 2))
        question, clips = self.question(read), clips[:, :, 0]
        count = present.shape[1]
        clips = clips + self.place_of_clip[torch.arange(count).clamp(max=MOST_PLACES - 1)]
        ours, theirs = _every_two(sounds)
        compared = [asked.pairs, ours - theirs, (ours - theirs).abs(), ours * theirs / SOUND_SIDE**0.5]
        pairs = self.pair(torch.cat(compared, -1))
        for to_pairs, to_clips, to_question in zip(self.to_pairs, self.to_clips, self.to_question, strict=True):
            told = question[:, None].expand_as(clips)
            pairs = pairs + to_pairs(torch.cat([pairs, *_every_two(clips), _every_two(told)[0]], -1))
            seen = _mean(pairs, both[..., None], 2)
            all_clips, all_pairs = _mean(clips, present[..., None], 1), _mean(pairs, both[..., None], (1, 2))
            clips = clips + to_clips(torch.cat([clips, seen, told], -1))
            question = question + to_question(torch.cat([question, all_clips, all_pairs], -1))
        by_clip = self.of_clips(self.norm(clips)).masked_fill(~present[..., None], -torch.inf)
        silent = torch.stack([torch.zeros_like(present), torch.zeros_like(present), ~asked.spoken], -1)
        by_clip = by_clip.masked_fill(silent, -torch.inf).transpose(1, 2).flatten(1)
        by_pair = self.of_pairs(self.norm(pairs))[..., 0].masked_fill(~both, -torch.inf).flatten(1)
        return torch.cat([self.of_answers(self.norm(question)), by_clip, by_pair], 1)

    def _read(self, asked: Questions) -> tuple[Tensor, Tensor]:
        """The question as read beside each clip, shape (questions, clips, 1 + words, width), and the clips' sounds."""
        pooled, timbre, scalars = asked.clips.split((EVENT_WIDTH, 2 * SPEECH_WIDTH, SCALARS), -1)
        words = nn.functional.normalize(self.word_side(asked.words), dim=-1)
        learnt = torch.einsum("qwd,qcd->qcw", words, nn.functional.normalize(self.sound_side(pooled), dim=-1))
        matches = self.match(torch.cat([asked.matches, learnt[..., None]], -1))
        length = asked.words.shape[1]
        beside = (self.word(asked.words) + self.place_of_word[:length])[:, None] + matches
        sounds = self.forget(self.sound(pooled))
        heads = self.clip(torch.cat([sounds, self.forget(self.voice(timbre)), scalars], -1))
        rows = torch.cat([heads[:, :, None], beside], 2)
        missing = torch.cat([torch.zeros_like(asked.written[:, :1]), ~asked.written], 1)
        flat, hidden = rows.flatten(0, 1), missing.repeat_interleave(rows.shape[1], 0)
        for reader in self.readers:
            flat = reader(flat, src_key_padding_mask=hidden)
        return flat.view_as(rows), sounds


def answer_places(clips: int) -> dict[tuple[str | int, ...], int]:
    """Where the logits of a scene of so many clips stand: by ("Yes",), ("letter", 0), ("sound", 0), ("only", 0, 1)."""
    keys: list[tuple[str | int, ...]] = [(answer,) for answer in ANSWERS]
    keys += [(kind, place) for kind in BY_CLIP for place in range(clips)]
    keys += [("only", one, other) for one in range(clips) for other in range(clips)]
    return {key: place for place, key in enumerate(keys)}


def row(logits: Tensor, pointed_at: Tensor) -> Tensor:
    """The hint, shape (1, hidden): the mean of the rows (logits, hidden), by the softmax of their logits (logits,)."""
    return logits.softmax(-1)[None] @ pointed_at


def _step(width: int) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))


def _every_two(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(questions, clips, width) -> that of the first and of the second clip of every two."""
    count = rows.shape[1]
    return rows[:, :, None].expand(-1, -1, count, -1), rows[:, None].expand(-1, count, -1, -1)


def _mean(rows: Tensor, there: Tensor, over: int | tuple[int, ...]) -> Tensor:
    """Mean of the rows that are there, zeros where none is."""
    return (rows * there).sum(over) / there.sum(over).clamp(min=1)

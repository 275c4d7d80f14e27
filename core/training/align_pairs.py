"""Stage 1 for pairs of clips: what two have in common, learnt from what the ears say. No language model.

Six questions of fact about two clips, by cross entropy. It costs a minute, where the same through the language model
would take hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from core.embedded.ears import Heard
from core.embedded.pairs import FACTS, PairFacts
from core.training.corpus import Corpus, one_of, plain_words
from core.training.manifest import Recording

UNKNOWN = float("nan")
LEAST_DB, LEAST_OCTAVES = 1.5, 0.12
"""Smaller differences of level, and of length or pitch, are not asked about."""


@dataclass(frozen=True, eq=False)
class Known:
    """A clip as it was heard, and what it was made from."""

    heard: Heard
    recording: Recording


def truths(corpus: Corpus, first: Known, second: Known) -> list[float]:
    """`FACTS` of a pair: 1, 0, or not a number where it cannot be said."""
    a, b = first.recording, second.recording
    speech = a.kind == b.kind == "speech"
    kind, speaker, words, higher = UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN
    if not speech and (a.label == b.label or b.label not in corpus.near(a.label)):
        kind = float(a.label == b.label)
    if speech and a.voice and b.voice:
        speaker = float(a.voice == b.voice)
    if speech and a.transcript and b.transcript and a.language == b.language == "en":
        words = float(plain_words(a.transcript) == plain_words(b.transcript))
    if a.pitch_hz and b.pitch_hz:
        higher = _more(float(np.log2(a.pitch_hz / b.pitch_hz)), LEAST_OCTAVES)
    measures = first.heard.measures, second.heard.measures
    louder = _more(measures[0].level_lufs - measures[1].level_lufs, LEAST_DB)
    longer = _more(float(np.log2(measures[0].seconds / measures[1].seconds)), LEAST_OCTAVES)
    return [kind, speaker, words, louder, longer, higher]


def _more(difference: float, least: float) -> float:
    return UNKNOWN if abs(difference) < least else float(difference > 0.0)


def draw_pair(
    rng: np.random.Generator, by_group: dict[tuple[str, str], list[Known]], known: Sequence[Known]
) -> tuple[Known, Known]:
    """Two clips that share a label, a voice or their words in half of the draws, and else a package or nothing."""
    first = one_of(rng, known)
    keys = _groups(first.recording)
    key = one_of(rng, keys[:-1]) if rng.random() < 0.5 else keys[-1]
    group = by_group[key] if rng.random() < 0.9 else known
    return first, one_of(rng, group)


def _groups(row: Recording) -> list[tuple[str, str]]:
    """What a recording may share with another one; the package comes last."""
    keys = [("label", row.label)] if row.kind != "speech" else []
    if row.voice:
        keys.append(("voice", row.voice))
    if row.transcript:
        keys.append(("words", plain_words(row.transcript)))
    return [*(keys or [("label", row.label)]), ("package", f"{row.package} {row.kind == 'speech'}")]


def align_pairs(
    corpus: Corpus,
    known: Sequence[Known],
    facts: PairFacts,
    rng: np.random.Generator,
    steps: int,
    batch: int,
    learning_rate: float,
) -> dict[str, float]:
    """Trains `facts` in place.

    Returns:
        Share of right answers to each of `FACTS` over the last tenth of the steps, on clips it was trained on.
    """
    by_group: dict[tuple[str, str], list[Known]] = {}
    for clip in known:
        for key in _groups(clip.recording):
            by_group.setdefault(key, []).append(clip)
    optimizer = torch.optim.AdamW(facts.parameters(), learning_rate, weight_decay=0.01)
    right, asked = torch.zeros(len(FACTS)), torch.zeros(len(FACTS))
    for step in range(steps):
        drawn = [draw_pair(rng, by_group, known) for _ in range(batch)]
        drawn = [(a, b) for a, b in drawn if a.recording.recording != b.recording.recording]
        answers = torch.tensor([truths(corpus, a, b) for a, b in drawn])
        logits = torch.stack([facts(a.heard, b.heard) for a, b in drawn])
        sayable = ~answers.isnan()
        loss = binary_cross_entropy_with_logits(logits[sayable], answers[sayable])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step >= steps * 0.9:
            right += (((logits > 0) == (answers > 0.5)) & sayable).sum(0)
            asked += sayable.sum(0)
    return dict(zip(FACTS, (right / asked).tolist(), strict=True))

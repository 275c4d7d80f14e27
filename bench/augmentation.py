"""Whether augmentation helps: names of held-out sounds by a linear head on the event ear, clean and disturbed.

`python -m bench.augmentation runs/corpus` trains a softmax over the labels that both splits have, on the mean of the
event ear's 1024-wide embeddings, once on the recordings as they are and once on augmented copies; both get as many
copies and steps. It prints the share of held-out clips named right, as a table and as one JSON line. A share is the
mean over the seeds; its interval (95 %) and that of the difference are bootstrapped over recordings, because pieces of
one recording and seeds are not independent.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.embedded.assembly import untrained
from core.embedded.ears import EventEar
from core.training.corpus import NOT_SPEECH, Corpus
from core.training.manifest import Recording
from core.training.synthesis import Conditions, Room, drawn_conditions, noise, treat

PLAIN = Conditions(speeds=False, swing_db=0.0, noises=False)
HEARD_IN: Mapping[str, Conditions] = {
    "clean": PLAIN,
    "noise, 10 dB": PLAIN,
    "room, RT60 0.5 s": replace(PLAIN, room=Room(0.5, 0.0, 1)),
    "mp3": replace(PLAIN, codec="mp3"),
    "mu-law": replace(PLAIN, codec="mu_law"),
    "telephone": replace(PLAIN, low_pass_hz=3_600.0),
}
"""The room's response, by its seed, is one that training does not draw but by chance."""


def embedded(
    ear: EventEar,
    corpus: Corpus,
    row: Recording,
    conditions: Conditions,
    rng: np.random.Generator,
    snr_db: float | None,
) -> torch.Tensor:
    """Mean embedding of a treated recording, shape (1024,)."""
    samples = treat(corpus.samples(row), rng, conditions)
    return ear(samples if snr_db is None else noise(samples, snr_db, rng))[0].mean(0)


def head(rows: torch.Tensor, labels: torch.Tensor, classes: int, seed: int, steps: int) -> torch.nn.Linear:
    """Softmax regression: AdamW, a cosine from 1e-3 to 0, batches of 128."""
    torch.manual_seed(seed)
    linear = torch.nn.Linear(rows.shape[1], classes)
    optimizer = torch.optim.AdamW(linear.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        chosen = torch.randint(len(rows), (128,))
        loss = torch.nn.functional.cross_entropy(linear(rows[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return linear


def interval(right: NDArray[np.float64], groups: Sequence[str]) -> tuple[float, float, float]:
    """Mean and its 95 % interval, whole groups drawn again 2000 times."""
    _, group = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(group, right), np.bincount(group)
    again = np.random.default_rng(0).integers(len(sums), size=(2000, len(sums)))
    means = sums[again].sum(1) / counts[again].sum(1)
    return float(right.mean()), *(float(edge) for edge in np.quantile(means, [0.025, 0.975]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1500)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    began, ear = time.monotonic(), untrained()[2].event
    train, dev = (Corpus.read(arguments.corpus, split) for split in ("train", "dev"))
    sounds = [[row for row in corpus.recordings if row.kind in NOT_SPEECH] for corpus in (train, dev)]
    names = sorted({row.label for row in sounds[0]} & {row.label for row in sounds[1]})
    learnt, asked = ([row for row in rows if row.label in names] for rows in sounds)
    rng = np.random.default_rng(0)
    copies: dict[str, list[torch.Tensor]] = {"as recorded": [], "augmented": []}
    for augment, rows in zip((False, True), copies.values(), strict=True):
        for _ in range(arguments.copies):
            for row in learnt:
                rows.append(embedded(ear, train, row, drawn_conditions(rng, augment=augment), rng, None))
    heard = {
        place: torch.stack([embedded(ear, dev, row, shared, rng, 10.0 if "dB" in place else None) for row in asked])
        for place, shared in HEARD_IN.items()
    }
    learnt_labels = torch.tensor([names.index(row.label) for row in learnt] * arguments.copies)
    asked_labels = np.array([names.index(row.label) for row in asked])
    right: dict[str, dict[str, list[NDArray[np.float64]]]] = {way: {place: [] for place in HEARD_IN} for way in copies}
    for way, rows in copies.items():
        stacked = torch.stack(rows)
        for seed in range(arguments.seeds):
            linear = head(stacked, learnt_labels, len(names), seed, arguments.steps)
            for place, features in heard.items():
                right[way][place].append((linear(features).argmax(1).numpy() == asked_labels).astype(float))
    groups, results = [row.recording for row in asked], {}
    print(
        f"{len(names)} labels, {len(learnt)} clips to learn from, {len(asked)} held out ({len(set(groups))} recordings)"
    )
    print("| held-out clips | as recorded | augmented | difference |\n|---|---|---|---|")
    for place in HEARD_IN:
        plain, augmented = (np.mean(right[way][place], axis=0) for way in copies)
        told = [interval(values, groups) for values in (plain, augmented, augmented - plain)]
        cells = [
            f"{mean:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
            for (mean, low, high), sign in zip(told, ["", "", "+"], strict=True)
        ]
        print(f"| {place} | {' | '.join(cells)} |", flush=True)
        results[place] = {
            way: [round(value, 4) for value in one] for way, one in zip((*copies, "difference"), told, strict=True)
        }
    print(json.dumps({"seconds": round(time.monotonic() - began), **vars(arguments), "corpus": "", "right": results}))


if __name__ == "__main__":
    main()

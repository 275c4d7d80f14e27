"""What a single cue tells of an answer: nothing it should not.

`python -m bench.cues runs/corpus` draws questions of every comparing task and prints, for each cue, the share of right
answers it alone gives, as a table and as one JSON line. Every rule is fitted on the first half of the scenes and tried
on the second, so chance shows as chance; each share comes with the share that guessing gives and the standard
deviations (binomial) it lies above.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.training.corpus import Corpus
from core.training.questions import BASE, COMPARING, Task
from core.training.scene import Heard, Scene
from core.training.synthesis import level_db
from core.types import SAMPLING_RATE_HZ

Cue = Callable[[Heard], float]
Row = tuple[float, ...]
"""One cue of each clip of a scene, the clip aimed at first."""

FRAME = SAMPLING_RATE_HZ // 50
TASKS: Mapping[str, Task] = {**COMPARING, "presence": BASE["presence"]}
BINS = 4


def frame_powers(heard: Heard) -> NDArray[np.float64]:
    """Power of each 20 ms, shape (frames,)."""
    frames = heard.samples[: len(heard.samples) // FRAME * FRAME].reshape(-1, FRAME)
    return np.asarray(np.square(frames.astype(np.float64)).mean(axis=1) + 1e-14)


def centroid_hz(heard: Heard, quiet: bool = False) -> float:
    """Centre of the power spectrum in hertz, of all frames or of the quietest fifth that is not digital silence."""
    powers = frame_powers(heard)
    frames = heard.samples[: len(powers) * FRAME].reshape(-1, FRAME)
    if quiet:
        sounding = powers > 1e-12
        frames = frames[sounding & (powers <= np.quantile(powers[sounding], 0.2))]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1))).sum(axis=0)
    return float((power * np.fft.rfftfreq(FRAME, 1 / SAMPLING_RATE_HZ)).sum() / power.sum())


def _quiet_seconds(powers: NDArray[np.float64]) -> float:
    return float((powers > powers.max() * 1e-3).argmax()) * FRAME / SAMPLING_RATE_HZ


CUES: Mapping[str, Cue] = {
    "level": lambda heard: level_db(heard.samples),
    "power": lambda heard: float(10 * np.log10(np.square(heard.samples).mean())),
    "peak": lambda heard: float(np.abs(heard.samples).max()),
    "length": lambda heard: heard.seconds,
    "silence before": lambda heard: _quiet_seconds(frame_powers(heard)),
    "silence after": lambda heard: _quiet_seconds(frame_powers(heard)[::-1]),
    "noise floor": lambda heard: float(10 * np.log10(np.quantile(frame_powers(heard), 0.05))),
    "centroid": centroid_hz,
    "background's centroid": lambda heard: centroid_hz(heard, quiet=True),
}


@dataclass(frozen=True)
class Told:
    """How far a cue leads.

    Attributes:
        right: Right answers on the second half of the scenes.
        asked: Scenes of the second half.
        chance: Share that guessing gives.
    """

    right: float
    asked: int
    chance: float

    @property
    def share(self) -> float:
        """Right answers of those asked."""
        return self.right / self.asked

    @property
    def deviations(self) -> float:
        """Standard deviations of a fair guess that the share lies above chance."""
        return (self.share - self.chance) / (self.chance * (1 - self.chance) / self.asked) ** 0.5


def pointing(rows: Sequence[Row]) -> Told:
    """How often the clip with the most (or the least) of a cue is the first; equals share the point."""

    def right(row: Row, sign: int) -> float:
        extreme = max(sign * value for value in row)
        return (sign * row[0] == extreme) / sum(sign * value == extreme for value in row)

    first, second = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    sign = max((1, -1), key=lambda sign: sum(right(row, sign) for row in first))
    chance = float(np.mean([1 / len(row) for row in second]))
    return Told(sum(right(row, sign) for row in second), len(second), chance)


def telling(values: Sequence[float], outcomes: Sequence[str]) -> Told:
    """How often the commonest outcome among scenes of like value (quarters of the first half) is true."""
    half = len(values) // 2
    edges = np.unique(np.quantile(values[:half], np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, values, side="left")
    usual = Counter(outcomes[:half]).most_common(1)[0][0]
    guess = {}
    for place in set(bins.tolist()):
        counted = Counter(outcome for outcome, bin_ in zip(outcomes[:half], bins, strict=False) if bin_ == place)
        guess[place] = counted.most_common(1)[0][0] if counted else usual
    right = sum(guess[place] == outcome for place, outcome in zip(bins[half:].tolist(), outcomes[half:], strict=True))
    commonest = max(Counter(outcomes[half:]).values()) / (len(values) - half)
    return Told(right, len(values) - half, commonest)


def origin(scene: Scene) -> Row:
    """Of each clip, how many others come from its package: what sticks out by its origin has the least."""
    packages = [heard.recording.package for heard in scene.heard]
    return tuple(float(packages.count(package) - 1) for package in packages)


def rows_of(scenes: Sequence[Scene], cue: str) -> list[Row]:
    """One cue of every clip of every scene."""
    if cue == "package":
        return [origin(scene) for scene in scenes]
    return [tuple(CUES[cue](heard) for heard in scene.heard) for scene in scenes]


def told_by(scenes: Sequence[Scene], cue: str) -> dict[str, Told]:
    """What a cue tells of the scenes of one task.

    Returns:
        `points`: of the clip aimed at, in scenes that aim at one. `tells`: of the outcome (yes or no, how many, none
        of them), by how far apart the clips lie; of a single clip by the cue itself. A key is left out where the task
        has no such answer.
    """
    found, rows = {}, rows_of(scenes, cue)
    outcomes = [scene.query.outcome for scene in scenes]
    aimed = [row[::-1] if outcome == "other" else row for row, outcome in zip(rows, outcomes, strict=True)]
    aimed = [row for row, outcome in zip(aimed, outcomes, strict=True) if outcome in ("clip", "other", "added")]
    if aimed and len(aimed[0]) > 1:
        found["points"] = pointing(aimed)
    if len(set(outcomes)) > 1:
        values = [max(row) - min(row) if len(row) > 1 else row[0] for row in rows]
        merged = ["clip" if outcome == "other" else outcome for outcome in outcomes]  # told by `points`
        found["tells"] = telling(values, merged)
    return found


def drawn(corpus: Corpus, task: str, count: int, rounds: int, seed: int = 0) -> list[Scene]:
    """`rounds` scenes of a task with `count` clips."""
    rng = np.random.default_rng(seed)
    return [TASKS[task].build(corpus, rng, count) for _ in range(rounds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--split", choices=("train", "dev"), default="dev")
    parser.add_argument("--rounds", type=int, default=800)
    parser.add_argument("--plain", action="store_true", help="recordings without augmentation")
    arguments = parser.parse_args()
    corpus = replace(Corpus.read(arguments.corpus, arguments.split), augment=not arguments.plain)
    began, results = time.monotonic(), {}
    names = [*CUES, "package"]
    print(f"| task | answer | chance | {' | '.join(names)} |\n|{'---|' * (len(names) + 3)}")
    for task, made in TASKS.items():
        scenes = drawn(corpus, task, min(made.counts), arguments.rounds)
        told = {name: told_by(scenes, name) for name in names}
        for reading in told[names[0]]:
            by_cue = {name: told[name][reading] for name in names}
            cells = [f"**{one.share:.2f}**" if one.deviations > 3 else f"{one.share:.2f}" for one in by_cue.values()]
            print(f"| {task} | {reading} | {by_cue[names[0]].chance:.2f} | {' | '.join(cells)} |", flush=True)
            results[f"{task} {reading}"] = {name: round(one.share, 3) for name, one in by_cue.items()}
    print(json.dumps({"seconds": round(time.monotonic() - began), "rounds": arguments.rounds, "right": results}))


if __name__ == "__main__":
    main()

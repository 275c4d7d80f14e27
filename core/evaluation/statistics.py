"""Figures that keep a count of right answers honest: intervals, and a paired test."""

import math
from collections.abc import Sequence

import numpy as np

Z_95 = 1.959963984540054
"""The normal distribution holds 95 % within so many standard deviations."""


def wilson(right: int, total: int) -> tuple[float, float]:
    """Wilson's score interval of 95 % for a share (doi:10.1080/01621459.1927.10502953).

    Args:
        right: Successes.
        total: Trials; with none the share may be anything.

    Returns:
        Lower and upper bound, within 0..1.
    """
    if total == 0:
        return 0.0, 1.0
    share, spread = right / total, Z_95**2 / total
    middle = share + spread / 2
    half = Z_95 * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def mcnemar(only_first: int, only_second: int) -> float:
    """McNemar's exact test of two treatments of the same questions (doi:10.1007/BF02295996).

    Questions both answer alike say nothing of which is better; of the others each is a fair coin if neither is.

    Args:
        only_first: Questions that only the first answers rightly.
        only_second: Questions that only the second answers rightly.

    Returns:
        The two-sided p of the binomial test at one half.
    """
    split = only_first + only_second
    tail = sum(math.comb(split, count) for count in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / float(2**split))


def mean_over_tasks(right: Sequence[Sequence[bool]], draws: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """Mean of the tasks' shares, each counting the same, with the percentile bootstrap's interval of 95 %.

    Questions are drawn anew within each task (doi:10.1214/aos/1176344552); the tasks stay, for they were chosen.

    Args:
        right: For each task, whether each of its answers was right; no task is empty.
        draws: Of the bootstrap.
        seed: Of the draws.

    Returns:
        Mean, lower and upper bound, within 0..1.
    """
    rng = np.random.default_rng(seed)
    tasks = [np.asarray(one, dtype=float) for one in right]
    drawn = np.mean([rng.choice(one, (draws, len(one))).mean(axis=1) for one in tasks], axis=0)
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    return float(np.mean([one.mean() for one in tasks])), low, high

"""Two figures that keep a count of right answers honest: an interval, and a paired test."""

import math

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

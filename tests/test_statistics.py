"""The figures that keep counts honest, against scipy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from core.evaluation.statistics import mcnemar, mean_over_tasks, wilson


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_is_that_of_scipy(right: int, total: int) -> None:
    right = min(right, total)
    interval = binomtest(right, total).proportion_ci(0.95, "wilson")
    assert wilson(right, total) == pytest.approx((interval.low, interval.high), abs=1e-9)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test_of_the_discordant_pairs(off: int, on: int) -> None:
    expected = binomtest(on, off + on).pvalue if off + on else 1.0
    assert mcnemar(off, on) == pytest.approx(expected, rel=1e-6)


def test_known_figures() -> None:
    assert mcnemar(1, 9) == pytest.approx(22 / 1024)
    low, high = wilson(14, 24)
    assert (round(low, 3), round(high, 3)) == (0.388, 0.755)


@settings(max_examples=15)
@given(st.lists(st.lists(st.booleans(), min_size=2, max_size=40), min_size=1, max_size=6), st.integers(0, 99))
def test_the_interval_of_a_mean_over_tasks_is_scipys_bootstrap(tasks: list[list[bool]], seed: int) -> None:
    mean, low, high = mean_over_tasks(tasks, draws=4000, seed=seed)
    assert mean == pytest.approx(np.mean([np.mean(right) for right in tasks]))

    def statistic(*samples: np.ndarray, axis: int) -> np.ndarray:
        return np.mean([sample.mean(axis=axis) for sample in samples], axis=0)

    samples = [np.asarray(right, float) for right in tasks]
    rng = np.random.default_rng(seed)
    found = bootstrap(samples, statistic, n_resamples=4000, method="percentile", vectorized=True, rng=rng)
    # both are drawn: their bounds differ by chance, and by a step of the share
    step = 1 / (len(tasks) * min(map(len, tasks)))
    assert (low, high) == pytest.approx(tuple(found.confidence_interval), abs=max(0.03, step))


def test_more_questions_narrow_the_interval_of_a_mean() -> None:
    widths = []
    for count in (10, 100, 1000):
        _, low, high = mean_over_tasks([[True, False] * (count // 2)] * 3)
        widths.append(high - low)
    # of n coins a share spreads by 1 / (2 sqrt(n)), of the mean of three tasks by that over sqrt(3)
    expected = [2 * 1.96 / (2 * np.sqrt(3 * count)) for count in (10, 100, 1000)]
    assert widths == pytest.approx(expected, rel=0.1)


def test_a_task_that_is_always_right_has_no_width() -> None:
    assert mean_over_tasks([[True] * 5, [False] * 7]) == (0.5, 0.5, 0.5)

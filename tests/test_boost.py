import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from core.boost import FORMULAS
from core.types import Method

HEADS, KEYS = 3, 12
CLIP = torch.tensor([0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0], dtype=torch.bool)
seeds = st.integers(0, 2**31)


def row(seed: int, size: float = 2.0) -> Tensor:
    return torch.randn(HEADS, KEYS, generator=torch.Generator().manual_seed(seed)) * size


def boosted(method: Method, scores: Tensor, gain: Tensor, alpha: float, hidden: Tensor | None = None) -> Tensor:
    masked = scores if hidden is None else scores.masked_fill(hidden, -math.inf)
    return torch.softmax(FORMULAS[method](scores, masked, gain, alpha), -1)


def share(weights: Tensor) -> Tensor:
    return weights[:, CLIP].sum(-1)


def test_every_method_has_a_formula() -> None:
    assert set(FORMULAS) == set(get_args(Method))


@given(seeds, st.sampled_from(["off", "mata", "pai", "bias"]))
def test_alpha_zero_is_off(seed: int, method: Method) -> None:
    scores = row(seed)
    assert torch.equal(FORMULAS[method](scores, scores, CLIP.float(), 0.0), scores)


@given(seeds, st.floats(-1.0, 3.0), st.floats(0.0, 3.0))
def test_mata_scales_the_clip_scores(seed: int, alpha: float, weight: float) -> None:
    scores = row(seed)
    scaled = torch.where(CLIP, scores * (1 + alpha * weight), scores)
    torch.testing.assert_close(boosted("mata", scores, CLIP * weight, alpha), torch.softmax(scaled, -1))


@given(seeds)
def test_a_negative_score_falls_with_mata_and_rises_with_pai(seed: int) -> None:
    scores = -row(seed).abs() - 0.1
    now = share(torch.softmax(scores, -1))
    assert (share(boosted("mata", scores, CLIP.float(), 0.5)) < now).all()
    assert (share(boosted("pai", scores, CLIP.float(), 0.5)) > now).all()


@given(seeds)
def test_mata_and_pai_agree_on_positive_scores(seed: int) -> None:
    scores = row(seed).abs()
    assert torch.equal(boosted("mata", scores, CLIP.float(), 0.3), boosted("pai", scores, CLIP.float(), 0.3))


@given(seeds, st.floats(-5.0, 5.0))
def test_bias_moves_each_heads_share_as_the_formula_says(seed: int, alpha: float) -> None:
    scores = row(seed)
    now = share(torch.softmax(scores, -1))
    wanted = now * math.exp(alpha) / (1 - now + now * math.exp(alpha))
    torch.testing.assert_close(share(boosted("bias", scores, CLIP.float(), alpha)), wanted, rtol=1e-5, atol=1e-6)


@given(seeds, st.floats(0.01, 0.99), st.floats(0.1, 30.0))
def test_target_is_met_by_every_head(seed: int, alpha: float, size: float) -> None:
    weights = boosted("target", row(seed, size), CLIP.float(), alpha)
    torch.testing.assert_close(share(weights), torch.full((HEADS,), alpha), rtol=1e-4, atol=1e-5)


def test_target_is_met_where_the_share_rounds_to_zero_or_one() -> None:
    for sign in (-1.0, 1.0):
        scores = torch.where(CLIP, sign * 60.0, 0.0).expand(HEADS, KEYS)
        natural = share(torch.softmax(scores, -1))
        assert ((natural < 1e-20) | (natural > 1 - 1e-7)).all()
        torch.testing.assert_close(share(boosted("target", scores, CLIP.float(), 0.4)), torch.full((HEADS,), 0.4))


def test_target_counts_only_the_keys_that_may_be_seen() -> None:
    hidden = torch.tensor([False] * 2 + [True] * 4 + [False] * 6)
    weights = boosted("target", row(1), CLIP.float(), 0.7, hidden)
    torch.testing.assert_close(share(weights), torch.full((HEADS,), 0.7))
    assert not weights[:, hidden].any()


@pytest.mark.parametrize("hidden", [CLIP, ~CLIP])
def test_target_leaves_a_head_alone_that_cannot_reach_it(hidden: Tensor) -> None:
    scores = row(2)
    natural = torch.softmax(scores.masked_fill(hidden, -math.inf), -1)
    assert torch.equal(boosted("target", scores, CLIP.float(), 0.7, hidden), natural)


@given(seeds, st.sampled_from(["mata", "pai", "bias", "target"]), st.floats(0.1, 0.9))
def test_keys_without_gain_keep_their_proportions(seed: int, method: Method, alpha: float) -> None:
    scores = row(seed)
    before, after = torch.softmax(scores, -1)[:, ~CLIP], boosted(method, scores, CLIP.float(), alpha)[:, ~CLIP]
    torch.testing.assert_close(after / after.sum(-1, True), before / before.sum(-1, True))


@given(seeds, st.sampled_from(["mata", "pai", "bias", "target"]), st.floats(0.1, 0.9))
def test_a_clip_of_weight_zero_counts_as_text(seed: int, method: Method, alpha: float) -> None:
    scores, gain = row(seed), CLIP.float()
    gain[7:9] = 0.0
    assert torch.equal(FORMULAS[method](scores, scores, gain, alpha)[:, 7:9], scores[:, 7:9])


@given(seeds, st.sampled_from(["mata", "pai", "bias"]), st.floats(-10.0, 10.0), st.floats(0.0, 10.0))
def test_a_masked_key_stays_masked_at_any_strength(seed: int, method: Method, alpha: float, weight: float) -> None:
    hidden = torch.arange(KEYS) % 3 == 2
    weights = boosted(method, row(seed), CLIP * weight, alpha, hidden)
    assert not weights[:, hidden].any()
    torch.testing.assert_close(weights.sum(-1), torch.ones(HEADS))

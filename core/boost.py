"""The attention boosts as pure functions of one row of scores (docs/attention.md).

Every formula changes the keys whose gain is not zero and no other. It takes the scores (after the 1/sqrt(d) scale,
before the mask) and gives masked scores, ready for the softmax.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from core.types import Method

Formula = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""Of scores (..., keys), masked scores (..., keys), gain (keys,) and alpha; gives masked scores (..., keys).

All fp32. Masked keys hold -inf in the second argument, their plain score in the first; where nothing is masked the two
are one tensor. Gain is a clip's weight w on its keys and 0 on all others.
"""


def _off(scores: Tensor, masked: Tensor, gain: Tensor, alpha: float) -> Tensor:
    """Leaves the row as it is."""
    return masked


def _mata(scores: Tensor, masked: Tensor, gain: Tensor, alpha: float) -> Tensor:
    """Relative: s' = (1 + alpha w) s, MATA (arXiv 2509.18816) read as multiplicative. Lowers a negative score."""
    return torch.addcmul(masked, scores, gain, value=alpha)


def _pai(scores: Tensor, masked: Tensor, gain: Tensor, alpha: float) -> Tensor:
    """Relative and upwards: s' = s + alpha w |s|, as PAI does for image tokens (arXiv 2407.21771)."""
    return torch.addcmul(masked, scores.abs(), gain, value=alpha)


def _bias(scores: Tensor, masked: Tensor, gain: Tensor, alpha: float) -> Tensor:
    """Additive: s' = s + alpha w. With w = 1 a head's share s becomes s e^alpha / (1 - s + s e^alpha)."""
    return torch.add(masked, gain, alpha=alpha)


def _target(scores: Tensor, masked: Tensor, gain: Tensor, alpha: float) -> Tensor:
    """Additive, by head: s' = s + b w with the b that brings the share of the keys with gain to alpha if w = 1.

    With s the share now and t the one wanted, b = ln(t (1 - s) / (s (1 - t))) = logit(t) - logit(s). As the difference
    of two log-sum-exps logit(s) stays exact where s itself would round to 0 or 1. A head that sees only boosted keys,
    or none of them, is left alone: no b could bring it to t.
    """
    return toward(masked, gain, logit(alpha))


def logit(share: float) -> float:
    """Of a share between 0 and 1."""
    return math.log(share / (1 - share))


def toward(masked: Tensor, gain: Tensor, wanted: float | Tensor) -> Tensor:
    """The formula of `target` by the logit of the wanted share."""
    boosted = gain != 0
    inside = masked.masked_fill(~boosted, -math.inf).logsumexp(-1, keepdim=True)
    outside = masked.masked_fill(boosted, -math.inf).logsumexp(-1, keepdim=True)
    bias = wanted - (inside - outside)
    return torch.addcmul(masked, bias.where(bias.isfinite(), 0.0), gain)


FORMULAS: dict[Method, Formula] = {"off": _off, "mata": _mata, "pai": _pai, "bias": _bias, "target": _target}

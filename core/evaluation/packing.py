"""Many continuations of one prompt in one forward: where each row stands, what it sees, and how it is boosted."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from core.attention import UNKNOWN, Lens
from core.boost import FORMULAS
from core.observation import Observation


@dataclass(frozen=True, eq=False)
class Layout:
    """Rows: the prompt without its last token, then for each group that last token and the answers but their ends.

    Attributes:
        shared: Rows that all groups have in common.
        group: Group of each row behind them, shape (rows - shared,).
        positions: For the rotary embedding, shape (rows,).
        mask: True where a row may see a row, shape (rows, rows).
        predicting: Row whose output predicts each token of each answer of each group.
    """

    shared: int
    group: Tensor
    positions: Tensor
    mask: Tensor
    predicting: list[int]

    @classmethod
    def of(cls, prompt_tokens: int, answers: Sequence[Sequence[int]], groups: int) -> "Layout":
        """Plans one forward.

        Args:
            prompt_tokens: Length of the prompt, one at least.
            answers: Token ids, the token that ends the answer last.
            groups: How often the answers are scored, each time apart.
        """
        shared = prompt_tokens - 1
        each = 1 + sum(len(answer) - 1 for answer in answers)
        mask = torch.ones(shared + groups * each, shared + groups * each, dtype=torch.bool).tril()
        positions, predicting = list(range(shared)), []
        for first in range(shared, len(mask), each):
            mask[first : first + each, shared:first] = False
            positions.append(shared)
            start = first + 1
            for answer in answers:
                stop = start + len(answer) - 1
                mask[start:stop, first + 1 : start] = False
                positions += range(prompt_tokens, prompt_tokens + stop - start)
                predicting += [first, *range(start, stop)]
                start = stop
        group = torch.arange(groups).repeat_interleave(each)
        return cls(shared, group, torch.tensor(positions), mask, predicting)

    def masks(self, text: PreTrainedConfig, device: torch.device) -> Tensor | dict[str, Tensor]:
        """What a decoder takes as its mask; one for each kind of layer where some see a sliding window only."""
        mask = self.mask[None, None].to(device)
        if "sliding_attention" not in (getattr(text, "layer_types", None) or ()):
            return mask
        near = self.positions[:, None] - self.positions < text.sliding_window
        return {"full_attention": mask, "sliding_attention": mask & near.to(device)}


class BoostedRows:
    """Attends in one forward of a `Layout`: stock SDPA for the shared rows, each later one with its group's boost."""

    def __init__(self, lens: Lens, layout: Layout, plans: Sequence[Observation]):
        """Args: lens: of the model; layout: of the forward; plans: the boost of each group."""
        self.thread = threading.get_ident()
        self._layout = layout
        methods = {plan.boost.method for plan in plans if plan.acts}
        assert len(methods) == 1 and "target" not in methods, "one formula, and one of alpha times gain"
        self._formula = FORMULAS[methods.pop()]
        # alpha times gain of each row, shape (rows, keys), for the layers where any group's boost acts
        self._gain: dict[int, Tensor] = {}
        for layer in lens.layers:
            acting = [plan.acts and layer in plan.boost.layers(lens.depth) for plan in plans]
            if any(acting):
                gains = [plan.gain * (plan.boost.alpha * on) for plan, on in zip(plans, acting, strict=True)]
                self._gain[layer] = torch.stack(gains)[layout.group]

    def attend(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
    ) -> Tensor:
        """The attention of one layer; shapes as for `core.attention.Probe.attend`."""
        assert mask is not None and query.shape[0] == 1 and query.shape[2] == key.shape[2], "one whole forward"
        assert not any(options.get(name) is not None for name in UNKNOWN), f"one of {UNKNOWN} changes the scores"
        shared, heads, head_dim = self._layout.shared, query.shape[1], query.shape[3]
        rows = query.shape[2] - shared
        first, keys, values = (tensor[:, :, :shared] for tensor in (query, key, value))
        before, _ = sdpa_attention_forward(module, first, keys, values, mask[:, :, :shared, :shared], **options)
        scaling = options.get("scaling") or head_dim**-0.5
        # (kv_heads, heads of a group times rows, head_dim): heads that share a key head are one matrix product
        late = (query[0, :, shared:].float() * scaling).reshape(key.shape[1], -1, head_dim)
        scores = torch.bmm(late, key[0].float().transpose(1, 2)).view(heads, rows, -1)
        masked = scores.masked_fill(~mask[0, :, shared:], -torch.inf)
        gain = self._gain.get(module.layer_idx)  # type: ignore[call-overload]
        applied = masked if gain is None else self._formula(scores, masked, gain, 1.0)
        weights = applied.softmax(-1).view(key.shape[1], -1, key.shape[2])
        after = torch.bmm(weights, value[0].float()).view(heads, rows, -1).transpose(0, 1)
        return torch.cat([before, after[None].to(query.dtype)], dim=1)

"""The lens on a model's attention: boosts the last query row, and reads where that row looked (docs/attention.md).

One attention function serves both. It is installed once, on the attention modules of the text decoder, and is stock
SDPA except during a forward inside `Lens.observed`. Knows nothing of prompts, tokens or families.
"""

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from core.boost import FORMULAS
from core.look import reading_of
from core.observation import Observation
from core.types import AttentionReading

ATTENTION = "sdpa_lens"
"""Name of the attention function; transformers asks for "sdpa" in it when it checks what a model can do."""

LENS = "_lens"
"""Attribute by which an attention module knows its lens."""

UNKNOWN = ("softcap", "position_bias", "s_aux")
"""Options of other attention functions that change the scores in ways the lens does not know."""


class Attention(Protocol):
    """Attends in place of the stock function, in the forward of one thread."""

    thread: int

    def attend(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
    ) -> Tensor:
        """The attention of one layer; see `Probe.attend`."""
        ...


Attends = TypeVar("Attends", bound=Attention)


class Lens:
    """The attention function on the text decoder of one model.

    Attributes:
        layers: Indices of the decoder layers that have attention, ascending.
        depth: All decoder layers, those without attention too.
        heads: Query heads of a layer.
    """

    def __init__(self, model: PreTrainedModel):
        """Installs the function. Only the decoder's attention changes: an audio tower keeps its own.

        Args:
            model: Any transformers model whose `get_decoder()` says which modules attend.
        """
        decoder: PreTrainedModel = model.get_decoder()
        recorded = (decoder._can_record_outputs or {}).get("attentions")
        assert recorded is not None, f"{type(decoder).__name__} does not say which of its modules attend"
        attention = getattr(recorded, "target_class", recorded)
        self._modules = {module.layer_idx: module for module in decoder.modules() if isinstance(module, attention)}
        assert self._modules, f"{type(decoder).__name__} has no {attention.__name__}"
        self.layers: tuple[int, ...] = tuple(sorted(self._modules))
        self._config = self._modules[self.layers[0]].config
        assert all(module.config is self._config for module in self._modules.values()), "the config is not shared"
        assert not any(hasattr(module, LENS) for module in self._modules.values()), "this model has a lens already"
        self.depth: int = self._config.num_hidden_layers
        self.heads: int = self._config.num_attention_heads
        self._lock = threading.Lock()
        self._probe: Attention | None = None
        self._before = self._config._attn_implementation
        self._choose(ATTENTION)
        for module in self._modules.values():
            setattr(module, LENS, self)

    def remove(self) -> None:
        """Gives the model back the attention it had."""
        self._choose(self._before)
        for module in self._modules.values():
            delattr(module, LENS)

    def _choose(self, name: str) -> None:
        # the dict form sets this one config: a plain name would go down to the configs of the towers inside it
        self._config._attn_implementation = {"": name}

    @contextmanager
    def observed(self, observation: Observation, keys: int) -> Iterator["Probe"]:
        """Boosts and reads the ONE forward made inside, and no other thread's.

        Leave before yielding anything to a caller: between forwards the model is as it was.

        Args:
            observation: What to boost and what to read.
            keys: True number of keys of this forward: those cached and those fed, without a static cache's free slots.
        """
        assert observation.prompt_tokens <= keys <= observation.max_keys, f"{keys} keys do not fit the observation"
        with self.lent(Probe(self, observation, keys)) as probe:
            yield probe

    @contextmanager
    def lent(self, probe: Attends) -> Iterator[Attends]:
        """Lets `probe` attend in the ONE forward made inside, and in no other thread's; see `observed`."""
        assert self._probe is None or self._probe.thread != threading.get_ident(), "one forward at a time: leave first"
        with self._lock:
            self._probe = probe
            try:
                yield probe
            finally:
                self._probe = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other thread's forward runs under the lens while inside, so nobody else chooses an adapter meanwhile."""
        with self._lock:
            yield

    def probe_of_this_thread(self) -> "Attention | None":
        """The probe of the forward now running in this thread."""
        probe = self._probe
        if torch.compiler.is_compiling():  # only ever traced under `lent`; a thread would become part of the graph
            return probe
        return probe if probe is not None and probe.thread == threading.get_ident() else None


class Probe:
    """One forward under observation: attends in its place, keeps its last rows, then reduces them."""

    def __init__(self, lens: Lens, observation: Observation, keys: int):
        self.thread = threading.get_ident()
        self._layers = lens.layers
        self._observation = observation
        self._keys = keys
        self._band = observation.boost.layers(lens.depth) if observation.acts else range(0)
        self._formula = FORMULAS[observation.boost.method]
        self._weights: dict[int, Tensor] = {}
        self._natural: dict[int, Tensor] = {}

    def attend(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
    ) -> Tensor:
        """The attention of one layer: SDPA for all rows but the last, the last one here.

        Args:
            module: The attention module; its `layer_idx` says which layer this is.
            query: (1, heads, queries, head_dim).
            key: (1, kv_heads, keys, head_dim): all keys, the last ones of a sliding window, or a static cache with
                free slots behind.
            value: (1, kv_heads, keys, value_dim).
            mask: Boolean (1, 1 or heads, queries, keys), True where a key may be seen, or None.
            options: As transformers passes them on to an attention function.

        Returns:
            (1, queries, heads, value_dim) in the dtype of the query.
        """
        layer: int = module.layer_idx  # type: ignore[assignment]
        batch, heads, queries, _ = query.shape
        assert batch == 1, "a lens observes one conversation at a time"
        assert layer not in self._weights, "a lens observes one forward at a time"
        known(options)
        boosted = layer in self._band
        output: Tensor | None = None
        if queries > 1:
            output, _ = sdpa_attention_forward(module, query, key, value, mask, **options)
            if not boosted and not self._observation.meter:
                return output

        # a sliding window keeps only the last keys, a static cache has free slots behind them
        stop = min(key.shape[2], self._keys)
        start = self._keys - stop
        assert start == 0 or options.get("sliding_window"), f"{key.shape[2]} keys where {self._keys} were announced"
        free = key.shape[2] - stop
        assert free == 0 or mask is not None or queries == stop, f"{free} keys more than the {stop} announced"
        if free:
            key, value = key[:, :, :stop], value[:, :, :stop]
        scores = scores_of_last(query, key, options.get("scaling"))
        masked = scores
        if mask is not None:
            unseen = ~mask[0, :, -1, :stop].expand(heads, stop)
            masked = scores.masked_fill(unseen.view(scores.shape), -math.inf)
        applied = masked
        if boosted:
            gain = self._observation.gain[start : self._keys]
            applied = self._formula(scores, masked, gain, self._observation.boost.alpha)
            if self._observation.meter:
                self._natural[layer] = torch.softmax(masked, -1)
        self._weights[layer] = weights = torch.softmax(applied, -1)
        if output is not None and not boosted:
            return output
        last = torch.bmm(weights, value[0].float()).view(1, 1, heads, -1).to(query.dtype)
        if output is None:
            return last
        output[:, -1:] = last
        return output

    def reading(self) -> AttentionReading | None:
        """Reduces the rows kept, with one copy to the host; None where the observation has no meter."""
        if not self._observation.meter:
            return None
        assert tuple(self._weights) == self._layers, "no whole forward was observed"
        rows = torch.stack([self._padded(row) for row in (*self._weights.values(), *self._natural.values())])
        return reading_of(rows, self._layers, tuple(self._natural), self._observation)

    def _padded(self, row: Tensor) -> Tensor:
        """(kv_heads, heads of a group, keys) to (heads, keys): layers may differ in key heads and in keys.

        A sliding window ends where the others do, with 0 before it.
        """
        row = row.flatten(0, 1)
        missing = self._keys - row.shape[-1]
        return nn.functional.pad(row, (missing, 0)) if missing else row


def known(options: Mapping[str, Any]) -> None:
    """Asserts that no option of the attention function changes the weights in a way the lens does not know."""
    assert not options.get("dropout"), "a lens observes no training"
    assert not any(options.get(name) is not None for name in UNKNOWN), f"one of {UNKNOWN} changes the scores"


def scores_of_last(query: Tensor, key: Tensor, scaling: float | None) -> Tensor:
    """Scores of the last query row, fp32, shape (kv_heads, heads of a group, keys).

    Heads that share a key head are one matrix product, with nothing repeated.

    Args:
        query: (1, heads, queries, head_dim).
        key: (1, kv_heads, keys, head_dim).
        scaling: What scores are multiplied with; None stands for 1/sqrt(head_dim).
    """
    head_dim = query.shape[-1]
    row = (query[0, :, -1].float() * (scaling or head_dim**-0.5)).view(key.shape[1], -1, head_dim)
    return torch.bmm(row, key[0].float().transpose(1, 2))


def lens_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Attention function of transformers' `AttentionInterface`: SDPA, or the probe's where one is at work."""
    lens: Lens | None = getattr(module, LENS, None)
    probe = None if lens is None else lens.probe_of_this_thread()
    if probe is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return probe.attend(module, query, key, value, attention_mask, **options), None


AttentionInterface.register(ATTENTION, lens_attention)
# without a mask function of the same name transformers silently drops every mask
AttentionMaskInterface.register(ATTENTION, sdpa_mask)

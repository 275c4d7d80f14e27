"""A device without values, which stands for a GPU, and a watch on what goes between it and the host."""

import threading

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from core.graph import Step
from core.lalm import Lalm


class HostWatch(TorchDispatchMode):
    """Notes what goes between the host and a device without values, which stands for a GPU here."""

    def __init__(self) -> None:
        super().__init__()
        self.crossed: set[str] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        output = function(*args, **(kwargs or {}))
        where = [
            {leaf.device.type for leaf in tree_leaves(side) if isinstance(leaf, Tensor)}
            for side in ((args, kwargs), output)
        ]
        if "meta" in set.union(*where) and "cpu" in set.union(*where):
            self.crossed.add(str(function))
        return output


def without_values(engine: Lalm, step: Step) -> None:
    """Moves a model and a step of it to where tensors are shapes alone, in bf16 as on a GPU."""

    def moved(tensor: Tensor) -> Tensor:
        return tensor.to("meta", torch.bfloat16 if tensor.dtype == torch.float32 else tensor.dtype)

    engine.loaded.model.to("meta", torch.bfloat16)
    step.row, step.position = moved(step.row), step.position.to("meta")
    for layer in step.cache.layers:
        layer.key_slots, layer.value_slots = moved(layer.key_slots), moved(layer.value_slots)
        layer.cumulative_length = step.position
    probe = step.probe
    probe.gain, probe.wanted, probe.band = (tensor.to("meta") for tensor in (probe.gain, probe.wanted, probe.band))
    probe.thread = threading.get_ident()

"""Nodes and constants of an ONNX graph, products with int8 weights among them."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

BLOCK = 32
"""Weights in a row that share a scale. An activation has a scale for every as many values."""
ZERO = 128
"""The code of a weight of 0: MatMulNBits' default for 8 bits."""

Activations = Literal["int8", "float32"]
"""What the matrix products make of their inputs: `int8` is fast, `float32` exact and slow, for comparison."""
ACCURACY_LEVEL: dict[Activations, int] = {"int8": 4, "float32": 1}

Shape = tuple[str, list[int | str]]
"""Name of a tensor, and its sizes: numbers, or names of what varies."""

MICROSOFT = "com.microsoft"
IR_VERSION = 10
OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid(MICROSOFT, 1)]


def quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric int8 by blocks of a row.

    Args:
        weight: (outputs, inputs), any float type.

    Returns:
        Codes, uint8 of shape (outputs, blocks, BLOCK), and scales, fp32 of shape (outputs, blocks). The last block is
        filled up with zeros.
    """
    outputs, inputs = weight.shape
    blocks = torch.nn.functional.pad(weight.detach().float(), (0, -inputs % BLOCK)).view(outputs, -1, BLOCK)
    scales = blocks.abs().amax(-1) / (ZERO - 1)
    codes = (blocks / scales.clamp(min=torch.finfo(torch.float32).tiny)[..., None]).round() + ZERO
    return codes.to(torch.uint8), scales


def dequantised(weight: Tensor) -> Tensor:
    """The weights that the codes stand for, fp32 of the same shape."""
    codes, scales = quantised(weight)
    return ((codes.float() - ZERO) * scales[..., None]).flatten(1)[:, : weight.shape[1]]


def floats(shapes: Sequence[Shape]) -> list[onnx.ValueInfoProto]:
    """Inputs or outputs of a graph, fp32."""
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]


class Graph:
    """Nodes and constants, collected in order."""

    def __init__(self, activations: Activations = "float32", prefix: str = ""):
        """Args: activations: of its matrix products; prefix: of its names, for a branch."""
        self._accuracy_level = ACCURACY_LEVEL[activations]
        self._prefix = prefix
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def append(self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """One node with outputs of given names."""
        self._nodes.append(helper.make_node(operator, inputs, outputs, **attributes))

    def nodes(self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """One node; gives the names of its outputs."""
        names = [f"{self._prefix}{operator.lower()}{len(self._nodes)}_{index}" for index in range(outputs)]
        self.append(operator, inputs, names, **attributes)
        return names

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """One node of one output; gives its name."""
        return self.nodes(operator, inputs, 1, **attributes)[0]

    def constant(self, name: str, value: Tensor) -> str:
        """A constant; gives its name."""
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value.detach().numpy()), name))
        return name

    def linear(self, rows: str, weight: Tensor, scale: Tensor | None = None) -> str:
        """`rows @ weight.T`, times `scale` (outputs,) where one is given, with int8 weights."""
        codes, scales = quantised(weight)
        if scale is not None:
            scales = scales * scale[:, None]
        name = f"weight{len(self._nodes)}"
        codes_name, scales_name = self.constant(name, codes), self.constant(f"{name}_scales", scales.contiguous())
        outputs, inputs = weight.shape
        sizes = {"K": inputs, "N": outputs, "bits": 8, "block_size": BLOCK, "accuracy_level": self._accuracy_level}
        return self.node("MatMulNBits", rows, codes_name, scales_name, domain=MICROSOFT, **sizes)

    def norm(self, residual: str, delta: str | None, norm: Any) -> tuple[str, str]:
        """Adds `delta` to the residual stream; gives the normalised rows and the stream."""
        weight = self.constant(f"norm{len(self._nodes)}", norm.weight.float())
        if delta is None:
            options = {"axis": -1, "epsilon": norm.variance_epsilon, "stash_type": 1}
            return self.node("SimplifiedLayerNormalization", residual, weight, **options), residual
        name = f"norm{len(self._nodes)}"
        outputs = [f"{name}_normed", "", "", f"{name}_sum"]
        inputs = [residual, delta, weight]
        epsilon = norm.variance_epsilon
        self.append("SkipSimplifiedLayerNormalization", inputs, outputs, domain=MICROSOFT, epsilon=epsilon)
        return outputs[0], outputs[3]

    def branch(self, *outputs: str) -> onnx.GraphProto:
        """The nodes as a branch of an `If`. What they read from outside, they read by name."""
        made = [onnx.ValueInfoProto(name=output) for output in outputs]
        for output in made:
            output.type.tensor_type.elem_type = TensorProto.FLOAT
        return helper.make_graph(self._nodes, "branch", [], made)

    def made(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """The whole model."""
        graph = helper.make_graph(self._nodes, name, inputs, outputs, self._constants)
        return helper.make_model(graph, opset_imports=OPSETS, ir_version=IR_VERSION)

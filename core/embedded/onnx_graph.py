"""The language model's decoder as two ONNX graphs with int8 weights, for ONNX Runtime on a CPU.

`body_graph` goes from embedding rows to the last row's hidden state, `head_graph` from there to logits. Attention is
spelt out in plain operators, so that the boost of core/boost.py can act on the scores and the rows can be read.

Beside plain ONNX the graphs use operators of ONNX Runtime's own (domain com.microsoft, its ContribOperators.md).
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

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


def body_graph(model: LlamaForCausalLM, activations: Activations = "int8") -> onnx.ModelProto:
    """The decoder's layers. T is the room for keys and values, n the rows fed.

    Inputs:
        rows (1, n, hidden); positions (n, 1) int64, where in the room these rows go;
        mask (n, T): 0, or -inf where a row may not look, and behind the last key;
        key0, value0, ... (T, key heads, 1, head size): the room; bind each to the output of the same number, in place;
        boosted (layers,) bool, and of the boost: relative, absolute, added (T,), by_target () bool, logit ().

    Outputs:
        hidden (1, 1, hidden) of the last row, after the final norm;
        applied and natural (layers * key heads, heads of a group, 1, T): the last row's weights, with and without the
        layer's boost; and the room with this call's keys and values.

    The boost acts on every row fed: a prompt's last row is fed by itself. A score becomes
    `s + relative s + absolute |s| + added`, or by target `s + b added`, where each head's `b` is found as
    `core.boost` does.
    """
    config = model.config
    assert isinstance(config, LlamaConfig) and config.hidden_act == "silu", "the graph is a plain Llama"
    assert not config.attention_bias and not config.mlp_bias, "the graph has no biases"
    graph = _Graph(activations)
    heads, (kv_heads, head_dim) = config.num_attention_heads, key_sizes(config)
    group, wide, narrow = heads // kv_heads, heads * head_dim, kv_heads * head_dim
    decoder = model.model

    everywhere = torch.arange(config.max_position_embeddings)[None]
    cos, sin = decoder.rotary_emb(torch.zeros(1), everywhere)
    graph.constant("cos", cos[0, :, : head_dim // 2])
    graph.constant("sin", sin[0, :, : head_dim // 2])
    graph.constant("split_qk_v", torch.tensor([wide + narrow, narrow]))
    graph.constant("split_q_k", torch.tensor([wide, narrow]))
    graph.constant("split_gate_up", torch.tensor([config.intermediate_size] * 2))
    graph.constant("by_token", torch.tensor([-1, kv_heads, group, head_dim]))
    graph.constant("as_row", torch.tensor([1, -1, wide]))
    graph.constant("as_keys", torch.tensor([-1, kv_heads, 1, head_dim]))
    graph.constant("one_row", torch.tensor([1, -1]))
    graph.constant("last", torch.tensor([-1]))
    graph.constant("end", torch.tensor([2**31 - 1]))
    graph.constant("axis_1", torch.tensor([1]))
    graph.constant("axis_2", torch.tensor([2]))
    graph.constant("axis_last", torch.tensor([-1]))
    graph.constant("never", torch.tensor(-torch.inf))
    graph.constant("nothing", torch.tensor(0.0))
    graph.constant("largest", torch.tensor(torch.finfo(torch.float32).max))

    position_row = graph.node("Reshape", "positions", "one_row")
    flags = graph.nodes("Split", ["boosted"], config.num_hidden_layers, axis=0, num_outputs=config.num_hidden_layers)
    residual = "rows"
    delta: str | None = None
    applied, natural = [], []
    for index, layer in enumerate(decoder.layers):
        attention, mlp = layer.self_attn, layer.mlp
        normed, residual = graph.norm(residual, delta, layer.input_layernorm)
        # the scale of the scores goes into the query's weights, whose codes it leaves as they are
        scale = torch.ones(wide + 2 * narrow)
        scale[:wide] = attention.scaling
        projections = [attention.q_proj, attention.k_proj, attention.v_proj]
        qkv = graph.linear(normed, torch.cat([part.weight for part in projections]), scale)
        qk, value = graph.nodes("Split", [qkv, "split_qk_v"], 2, axis=-1)
        turned = graph.node("RotaryEmbedding", qk, position_row, "cos", "sin", domain=MICROSOFT)
        query, key = graph.nodes("Split", [turned, "split_q_k"], 2, axis=-1)
        for name, fresh in (("key", key), ("value", value)):
            fresh = graph.node("Reshape", fresh, "as_keys")
            graph.append("ScatterND", [f"{name}{index}", "positions", fresh], [f"{name}{index}_out"])
        # (key heads, heads of a group, rows, head size): heads of a group share a key head by broadcasting
        query = graph.node("Transpose", graph.node("Reshape", query, "by_token"), perm=[1, 2, 0, 3])
        scores = graph.node("FusedMatMul", query, f"key{index}_out", domain=MICROSOFT, transB=1, transBatchB=1)
        masked = graph.node("Add", scores, "mask")
        weights, before = graph.nodes(
            "If", [flags[index]], 2, then_branch=_boosted(scores, masked), else_branch=_plain(masked)
        )
        applied.append(graph.node("Slice", weights, "last", "end", "axis_2"))
        natural.append(before)
        mixed = graph.node("FusedMatMul", weights, f"value{index}_out", domain=MICROSOFT, transBatchB=1)
        mixed = graph.node("Transpose", mixed, perm=[2, 0, 1, 3])
        delta = graph.linear(graph.node("Reshape", mixed, "as_row"), attention.o_proj.weight)

        normed, residual = graph.norm(residual, delta, layer.post_attention_layernorm)
        both = graph.linear(normed, torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]))
        gate, up = graph.nodes("Split", [both, "split_gate_up"], 2, axis=-1)
        gated = graph.node("Mul", graph.node("QuickGelu", gate, domain=MICROSOFT, alpha=1.0), up)
        delta = graph.linear(gated, mlp.down_proj.weight)

    normed, _ = graph.norm(residual, delta, decoder.norm)
    graph.append("Slice", [normed, "last", "end", "axis_1"], ["hidden"])
    graph.append("Concat", applied, ["applied"], axis=0)
    graph.append("Concat", natural, ["natural"], axis=0)

    layers = range(config.num_hidden_layers)
    room: list[Shape] = [
        (f"{name}{index}", ["T", kv_heads, 1, head_dim]) for index in layers for name in ("key", "value")
    ]
    read: list[int | str] = [kv_heads * len(layers), group, 1, "T"]
    inputs: list[Shape] = [("rows", [1, "n", config.hidden_size]), ("mask", ["n", "T"]), ("logit", []), *room]
    inputs += [(name, ["T"]) for name in ("relative", "absolute", "added")]
    outputs: list[Shape] = [("hidden", [1, 1, config.hidden_size]), ("applied", read), ("natural", read)]
    outputs += [(f"{name}_out", shape) for name, shape in room]
    others = [
        helper.make_tensor_value_info("positions", TensorProto.INT64, ["n", 1]),
        helper.make_tensor_value_info("boosted", TensorProto.BOOL, [len(layers)]),
        helper.make_tensor_value_info("by_target", TensorProto.BOOL, []),
    ]
    return graph.made("decoder", [*_floats(inputs), *others], _floats(outputs))


def head_graph(model: LlamaForCausalLM, activations: Activations = "int8") -> onnx.ModelProto:
    """From `hidden` (1, 1, hidden) to `logits` (1, 1, vocabulary)."""
    graph = _Graph(activations)
    logits = graph.linear("hidden", model.lm_head.weight)
    config = model.config
    return graph.made(
        "head", _floats([("hidden", [1, 1, config.hidden_size])]), _floats([(logits, [1, 1, config.vocab_size])])
    )


def key_sizes(config: LlamaConfig) -> tuple[int, int]:
    """Number of key heads, and size of a head."""
    heads = config.num_attention_heads
    return config.num_key_value_heads or heads, config.head_dim or config.hidden_size // heads


def _floats(shapes: Sequence[Shape]) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]


class _Graph:
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


def _plain(masked: str) -> onnx.GraphProto:
    """Weights without a boost, and those of the last row again."""
    branch = _Graph(prefix=f"{masked}_plain_")
    weights = branch.node("Softmax", masked, axis=-1)
    return branch.branch(weights, branch.node("Slice", weights, "last", "end", "axis_2"))


def _boosted(scores: str, masked: str) -> onnx.GraphProto:
    """Weights with the boost, and the last row's without."""
    branch = _Graph(prefix=f"{masked}_boosted_")
    [applied] = branch.nodes(
        "If", ["by_target"], 1, then_branch=_by_target(masked), else_branch=_by_formula(scores, masked)
    )
    natural = branch.node("Softmax", masked, axis=-1)
    weights = branch.node("Softmax", applied, axis=-1)
    return branch.branch(weights, branch.node("Slice", natural, "last", "end", "axis_2"))


def _by_formula(scores: str, masked: str) -> onnx.GraphProto:
    branch = _Graph(prefix=f"{masked}_formula_")
    change = branch.node("Add", branch.node("Mul", scores, "relative"), "added")
    change = branch.node("Add", change, branch.node("Mul", branch.node("Abs", scores), "absolute"))
    return branch.branch(branch.node("Add", masked, change))


def _by_target(masked: str) -> onnx.GraphProto:
    branch = _Graph(prefix=f"{masked}_target_")
    other = branch.node("Equal", "added", "nothing")
    inside, outside = (
        branch.node("ReduceLogSumExp", branch.node("Where", other, *kept), "axis_last", keepdims=1)
        for kept in (("never", masked), (masked, "never"))
    )
    bias = branch.node("Sub", "logit", branch.node("Sub", inside, outside))
    # neither an infinity nor a NaN: such a head sees only boosted keys, or none of them
    finite = branch.node("LessOrEqual", branch.node("Abs", bias), "largest")
    bias = branch.node("Where", finite, bias, "nothing")
    return branch.branch(branch.node("Add", masked, branch.node("Mul", bias, "added")))

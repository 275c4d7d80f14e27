"""The language model's decoder as two ONNX graphs with int8 weights, for ONNX Runtime on a CPU.

`body_graph` goes from embedding rows to the last row's hidden state, `head_graph` from there to logits. Attention is
spelt out in plain operators, so that the boost of core/boost.py can act on the scores and the rows can be read.

Beside plain ONNX the graphs use operators of ONNX Runtime's own (domain com.microsoft, its ContribOperators.md).
"""

import onnx
import torch
from onnx import TensorProto, helper
from transformers import LlamaConfig, LlamaForCausalLM

from core.embedded.onnx_nodes import MICROSOFT, Activations, Graph, Shape, floats


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
    graph = Graph(activations)
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
    return graph.made("decoder", [*floats(inputs), *others], floats(outputs))


def head_graph(model: LlamaForCausalLM, activations: Activations = "int8") -> onnx.ModelProto:
    """From `hidden` (1, 1, hidden) to `logits` (1, 1, vocabulary)."""
    graph = Graph(activations)
    logits = graph.linear("hidden", model.lm_head.weight)
    config = model.config
    return graph.made(
        "head", floats([("hidden", [1, 1, config.hidden_size])]), floats([(logits, [1, 1, config.vocab_size])])
    )


def key_sizes(config: LlamaConfig) -> tuple[int, int]:
    """Number of key heads, and size of a head."""
    heads = config.num_attention_heads
    return config.num_key_value_heads or heads, config.head_dim or config.hidden_size // heads


def _plain(masked: str) -> onnx.GraphProto:
    """Weights without a boost, and those of the last row again."""
    branch = Graph(prefix=f"{masked}_plain_")
    weights = branch.node("Softmax", masked, axis=-1)
    return branch.branch(weights, branch.node("Slice", weights, "last", "end", "axis_2"))


def _boosted(scores: str, masked: str) -> onnx.GraphProto:
    """Weights with the boost, and the last row's without."""
    branch = Graph(prefix=f"{masked}_boosted_")
    [applied] = branch.nodes(
        "If", ["by_target"], 1, then_branch=_by_target(masked), else_branch=_by_formula(scores, masked)
    )
    natural = branch.node("Softmax", masked, axis=-1)
    weights = branch.node("Softmax", applied, axis=-1)
    return branch.branch(weights, branch.node("Slice", natural, "last", "end", "axis_2"))


def _by_formula(scores: str, masked: str) -> onnx.GraphProto:
    branch = Graph(prefix=f"{masked}_formula_")
    change = branch.node("Add", branch.node("Mul", scores, "relative"), "added")
    change = branch.node("Add", change, branch.node("Mul", branch.node("Abs", scores), "absolute"))
    return branch.branch(branch.node("Add", masked, change))


def _by_target(masked: str) -> onnx.GraphProto:
    branch = Graph(prefix=f"{masked}_target_")
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

"""Reads a Llama-shaped language model and its tokenizer from a GGUF file with the `gguf` package.

transformers can read GGUF too, but takes four times as long and needs the file under a hub's layout.
"""

from pathlib import Path
from typing import Any

import gguf
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, PreTrainedTokenizerFast

BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL = 3  # gguf.TokenType.CONTROL: tokens such as <|im_start|>


def read_config(reader: gguf.GGUFReader) -> LlamaConfig:
    """The architecture, from the file's metadata."""

    def value(key: str) -> Any:
        return reader.fields[f"llama.{key}"].contents()

    return LlamaConfig(
        vocab_size=value("vocab_size"),
        hidden_size=value("embedding_length"),
        intermediate_size=value("feed_forward_length"),
        num_hidden_layers=value("block_count"),
        num_attention_heads=value("attention.head_count"),
        num_key_value_heads=value("attention.head_count_kv"),
        rms_norm_eps=value("attention.layer_norm_rms_epsilon"),
        max_position_embeddings=value("context_length"),
        rope_parameters={"rope_type": "default", "rope_theta": float(value("rope.freq_base"))},
        tie_word_embeddings=True,
        bos_token_id=reader.fields["tokenizer.ggml.bos_token_id"].contents(),
        eos_token_id=reader.fields["tokenizer.ggml.eos_token_id"].contents(),
        pad_token_id=reader.fields["tokenizer.ggml.unknown_token_id"].contents(),
    )


def read_state(reader: gguf.GGUFReader, config: LlamaConfig) -> dict[str, torch.Tensor]:
    """State dict of `LlamaForCausalLM`, float32, without the tied head.

    llama.cpp stores q and k with the halves of each head interleaved for its rotary embedding; that is undone here.
    """
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads or config.num_attention_heads}
    state = {}
    for tensor in reader.tensors:
        weight = torch.tensor(gguf.quants.dequantize(tensor.data, tensor.tensor_type), dtype=torch.float32)
        first, *rest = tensor.name.split(".")
        if first == "blk":
            index, kind = rest[0], rest[1]
            if kind in heads:
                rows, columns = weight.shape
                weight = weight.reshape(heads[kind], rows // heads[kind] // 2, 2, columns).transpose(1, 2)
                weight = weight.reshape(rows, columns)
            state[f"model.layers.{index}.{BLOCK_NAMES[kind]}.weight"] = weight.contiguous()
        else:
            state[{"token_embd": "model.embed_tokens.weight", "output_norm": "model.norm.weight"}[first]] = weight
    return state


def read_tokenizer(reader: gguf.GGUFReader) -> PreTrainedTokenizerFast:
    """The byte-level BPE tokenizer with its chat template ("smollm" pre-tokenizer: digits one by one)."""
    tokens: list[str] = reader.fields["tokenizer.ggml.tokens"].contents()
    kinds: list[int] = reader.fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ")) for merge in reader.fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    eos = tokens[reader.fields["tokenizer.ggml.eos_token_id"].contents()]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens[reader.fields["tokenizer.ggml.bos_token_id"].contents()],
        eos_token=eos,
        pad_token=tokens[reader.fields["tokenizer.ggml.unknown_token_id"].contents()],
        chat_template=reader.fields["tokenizer.chat_template"].contents(),
        clean_up_tokenization_spaces=False,
    )


def open_gguf(path: Path) -> gguf.GGUFReader:
    """Maps the file into memory."""
    return gguf.GGUFReader(path)

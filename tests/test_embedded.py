"""The embedded model's readers, ears and joiner, each against an independent oracle."""

import hashlib
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from core.embedded import assembly, ct2, gguf_llm, joiner, parts
from core.embedded.ears import Heard, SpeechEar
from core.embedded.joiner import Joiner, by_token, class_rows, token_seconds
from core.errors import LoadError
from tests import tiny


def tiny_whisper() -> WhisperEncoder:
    torch.manual_seed(0)
    config = WhisperConfig(
        num_mel_bins=8, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=12, d_model=8,
        max_source_positions=1500,
    )  # fmt: skip
    return WhisperEncoder(config).eval()


def write_ct2(path: Path, encoder: WhisperEncoder, version: int = 6) -> None:
    """CTranslate2's layout, written by its description: q, k and v of an attention are one matrix."""
    state = {name: value.detach().numpy().astype(np.float16) for name, value in encoder.state_dict().items()}
    tensors = {"encoder/position_encodings/encodings": state["embed_positions.weight"]}
    for conv in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            tensors[f"encoder/{conv}/{kind}"] = state[f"{conv}.{kind}"]

    def norm(target: str, source: str) -> None:
        tensors[f"{target}/gamma"], tensors[f"{target}/beta"] = state[f"{source}.weight"], state[f"{source}.bias"]

    norm("encoder/layer_norm", "layer_norm")
    for index in range(2):
        ours, theirs = f"encoder/layer_{index}", f"layers.{index}"
        attention = [state[f"{theirs}.self_attn.{name}_proj.weight"] for name in "qkv"]
        biases = [state[f"{theirs}.self_attn.{name}_proj.bias"] for name in "qv"]
        tensors[f"{ours}/self_attention/linear_0/weight"] = np.concatenate(attention)
        tensors[f"{ours}/self_attention/linear_0/bias"] = np.concatenate(
            [biases[0], np.zeros(8, np.float16), biases[1]]
        )
        for kind in ("weight", "bias"):
            tensors[f"{ours}/self_attention/linear_1/{kind}"] = state[f"{theirs}.self_attn.out_proj.{kind}"]
            tensors[f"{ours}/ffn/linear_0/{kind}"] = state[f"{theirs}.fc1.{kind}"]
            tensors[f"{ours}/ffn/linear_1/{kind}"] = state[f"{theirs}.fc2.{kind}"]
        norm(f"{ours}/self_attention/layer_norm", f"{theirs}.self_attn_layer_norm")
        norm(f"{ours}/ffn/layer_norm", f"{theirs}.final_layer_norm")

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    data = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(tensors))
    for name, value in tensors.items():
        data += text(name) + struct.pack("<B", value.ndim) + struct.pack(f"<{value.ndim}I", *value.shape)
        data += struct.pack("<BI", 4, value.nbytes) + value.tobytes()
    path.write_bytes(data + struct.pack("<I", 0))


def test_whisper_comes_back_from_ctranslate2(tmp_path: Path) -> None:
    encoder = tiny_whisper().half().float()
    write_ct2(tmp_path / "model.bin", encoder)
    state = ct2.whisper_encoder_state(tmp_path / "model.bin")
    other = WhisperEncoder(encoder.config)
    other.load_state_dict(state, strict=True)
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)


@pytest.mark.parametrize("damage", ["cut", "version"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "model.bin"
    write_ct2(path, tiny_whisper(), version=5 if damage == "version" else 6)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(LoadError, match="remove it and start again"):
        ct2.whisper_encoder_state(path)


def test_the_speech_ear_on_30_seconds_equals_whispers_encoder() -> None:
    ear = SpeechEar(tiny_whisper().config).eval()
    samples = tiny.noise(0, 30.0).samples
    mel = ear.features(samples, sampling_rate=16_000, return_tensors="pt")["input_features"]
    with torch.inference_mode():
        expected = ear.encoder(mel).last_hidden_state[0]
    torch.testing.assert_close(ear(samples), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seconds", [0.05, 1.0, 31.0])
def test_the_speech_ear_takes_any_length(seconds: float) -> None:
    ear = SpeechEar(tiny_whisper().config).eval()
    frames = ear(tiny.noise(0, seconds).samples)
    assert abs(len(frames) - seconds * 50) <= 2 and frames.isfinite().all()


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


def heard(patches: int = 5, frames: int = 100, voice: bool = True) -> Heard:
    torch.manual_seed(patches)
    logits = torch.randn(patches, 521) - 5
    logits[0, 0] = 5.0 if voice else -5.0
    return Heard(torch.randn(frames, 384), torch.randn(patches, 1024).relu(), logits)


def test_a_clip_without_voice_has_no_speech_tokens() -> None:
    join = Joiner(16).eval()
    with_voice, without = join(heard()), join(heard(voice=False))
    assert len(with_voice) == 13 + 3 + 1 and len(without) == 3 + 1
    for one in (heard(), heard(voice=False)):
        assert len(token_seconds(one, 2.0)) == len(join(one))


def test_an_untrained_event_token_names_the_class_it_hears() -> None:
    torch.manual_seed(0)
    embeddings = torch.randn(40, 16)
    names = [f"class {index}" for index in range(521)]
    ids = {name: [index % 40] for index, name in enumerate(names)}
    rows, center = class_rows(names, embeddings, ids)
    assert torch.allclose(rows.norm(dim=1), torch.full((521,), joiner.ROW_NORM))
    join = Joiner(16)
    join.load_state_dict({**join.state_dict(), "classes": rows, "center": center})
    logits = torch.full((2, 521), -20.0)
    logits[:, 7] = 10
    token = join.event_tokens(Heard(torch.zeros(0, 384), torch.zeros(2, 1024), logits))[0]
    assert int(torch.cosine_similarity(token - center, embeddings - center).argmax()) == 7


def test_patches_are_taken_in_pairs() -> None:
    patches = torch.tensor([[1.0], [3.0], [5.0]])
    assert by_token(patches, "max").tolist() == [[3.0], [5.0]]
    assert by_token(patches, "mean").tolist() == [[2.0], [5.0]]


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
    assert not list((tmp_path / "cache" / "parts").iterdir())


def test_a_download_that_fails_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EARSHOT_PARTS", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(LoadError, match="EARSHOT_PARTS"):
        parts.unpacked(parts.EVENT, progress=lambda line: None)


def test_a_checkout_without_weights_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "WEIGHTS", tmp_path)
    with pytest.raises(LoadError, match="check Earshot out again"):
        assembly.load_embedded()

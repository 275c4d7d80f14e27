"""From a name to an engine: what is loaded, in which precision, with which adapters, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import bitsandbytes
import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from core import footprint
from core.adapter import Adapters
from core.errors import LoadError, SettingsError
from core.families import FAMILIES
from core.lalm import Lalm
from core.load import load
from core.types import Boost, Conversation, Done, Settings, Token, Turn
from tests import tiny
from tests.folders import save

ASKED = Conversation((Turn("user", (tiny.tone(440), tiny.noise(1), "Which clip has the dog?")),))
QUANTISED = {"int8": bitsandbytes.nn.Linear8bitLt, "nf4": bitsandbytes.nn.Linear4bit}


def silent(line: str) -> None:
    """Progress nobody reads."""


def test_the_fake_engine_needs_nothing() -> None:
    assert load("fake", progress=silent).info.family == "fake"


def test_a_model_that_cannot_be_found_points_to_the_embedded_one(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="--model embedded"):
        load(str(tmp_path / "nowhere"), progress=silent)


@pytest.mark.parametrize("precision", ["bf16", "int8", "nf4"])
@pytest.mark.parametrize("model_type", sorted(set(FAMILIES) - {"embedded"}))
def test_a_checkpoint_folder_is_loaded_and_answers(model_type: str, precision: str, tmp_path: Path) -> None:
    save(tiny.BUILD[model_type](), model_type, tmp_path)
    engine = load(str(tmp_path), precision, progress=silent)
    assert isinstance(engine, Lalm)
    assert engine.info.family == model_type and engine.info.precision == precision
    quantised = QUANTISED.get(precision, ())
    names = [name for name, module in engine.loaded.model.named_modules() if isinstance(module, quantised)]
    assert bool(names) == (precision != "bf16")
    assert not [name for name in names if "tower" in name or "projector" in name or "lm_head" in name]
    *tokens, done = engine.stream(ASKED, Settings(max_tokens=3, boost=Boost("mata", 0.2)))
    assert isinstance(done, Done)
    for token in tokens:
        assert isinstance(token, Token) and token.reading is not None
        np.testing.assert_allclose(np.sum(token.reading.weights, axis=1), 1, atol=1e-3)


def adapter_folder(folder: Path, seed: int) -> str:
    """A LoRA for the tiny Qwen2-Audio."""
    torch.manual_seed(seed)
    config = LoraConfig(r=4, target_modules=r".*language_model.*q_proj", init_lora_weights=False)
    get_peft_model(tiny.qwen2_audio().model, config).save_pretrained(folder)
    return str(folder)


def said(engine: Lalm, adapter: str | None) -> list[Token]:
    engine.shelf.clear()  # a fresh run, to compare to the last bit
    events = engine.stream(ASKED, Settings(max_tokens=4, adapter=adapter))
    return [event for event in events if isinstance(event, Token)]


@pytest.mark.parametrize("precision", ["bf16", "nf4"])
def test_several_adapters_each_act_as_alone_and_are_never_merged(precision: str, tmp_path: Path) -> None:
    model = tmp_path / "model"
    save(tiny.qwen2_audio(), "qwen2_audio", model)
    folders = [adapter_folder(tmp_path / place / "birds", seed) for seed, place in enumerate(("one", "two"))]
    engine = load(str(model), precision, folders, silent)
    assert isinstance(engine, Lalm)
    assert engine.info.adapters == ("birds", "two/birds") and engine.info.default.adapter == "birds"
    weight = engine.loaded.model.get_decoder().layers[0].self_attn.q_proj.base_layer.weight
    before = weight.clone()
    bare = said(engine, None)
    answers = [said(engine, name) for name in engine.info.adapters]
    for folder, answer in zip(folders, answers, strict=True):
        alone = load(str(model), precision, [folder], silent)
        assert isinstance(alone, Lalm)
        assert said(alone, "birds") == answer != bare
        assert said(alone, None) == bare
    assert torch.equal(weight, before)


def test_what_comes_from_the_hub_is_said_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def listed(model: str, allow_patterns: str, dry_run: bool) -> list[SimpleNamespace]:
        assert dry_run
        return [
            SimpleNamespace(filename=name, file_size=size, will_download=new)
            for name, size, new in (("a", 5, True), ("b", 7, False), ("c", None, True))
        ]

    monkeypatch.setattr(footprint, "snapshot_download", listed)
    assert footprint.bytes_to_fetch("some/model") == 5
    assert footprint.bytes_to_fetch(str(tmp_path)) == 0


def test_a_folder_that_is_no_adapter_is_one_sentence(tmp_path: Path) -> None:
    adapters = Adapters(tiny.embedded().model)
    with pytest.raises(LoadError, match="PEFT folder"):
        adapters.load("none", tmp_path)
    (tmp_path / "adapter_config.json").write_text("[]")
    with pytest.raises(LoadError, match="a model it does not name, does not fit this model"):
        adapters.load("none", tmp_path)
    with pytest.raises(SettingsError, match="none is loaded"):
        adapters.select("none")


@pytest.mark.parametrize("layers", [2, 4])
def test_an_adapter_of_another_model_is_refused_with_the_name_of_its_own(layers: int, tmp_path: Path) -> None:
    config = LlamaConfig(
        vocab_size=8, hidden_size=64, intermediate_size=96, num_hidden_layers=layers, num_attention_heads=4
    )
    lora = LoraConfig(r=4, target_modules=["up_proj"])
    get_peft_model(LlamaForCausalLM(config), lora).save_pretrained(tmp_path)
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": "some/model"}))
    with pytest.raises(LoadError, match=r"made for some/model, does not fit.*tensors have no counterpart"):
        Adapters(tiny.embedded().model).load("other", tmp_path)


def test_an_adapter_may_be_called_like_a_part_of_the_model(tmp_path: Path) -> None:
    adapters = Adapters(tiny.qwen2_audio().model)
    for name in ("q_proj", "v1.5", "base_layer"):
        adapters.load(name, Path(adapter_folder(tmp_path / name, 1)))
        adapters.select(name)
    assert adapters.names == ("q_proj", "v1.5", "base_layer")


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    """With one bit turned, in the length of the header."""
    return bytes([content[0], content[1] ^ 0x40, *content[2:]])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("model.safetensors", damage) for damage in (cut, flipped, lambda content: b"", lambda content: b"\0" * 64)),
        *(
            ("config.json", damage)
            for damage in (cut, lambda content: b"", lambda content: b"[]", lambda content: b"\xff")
        ),
        *(("tokenizer.json", damage) for damage in (cut, lambda content: b"{}")),
        *(("processor_config.json", damage) for damage in (cut, lambda content: b"[]")),
    ],
)
def test_a_damaged_file_is_one_sentence(name: str, damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    save(tiny.BUILD["qwen2_audio"](), "qwen2_audio", tmp_path)
    (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
    with pytest.raises(LoadError) as failed:
        load(str(tmp_path), "bf16", progress=silent)
    said = str(failed.value)
    assert "\n" not in said and said.endswith(".") and (name in said or str(tmp_path) in said)


def test_a_model_that_finds_no_memory_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tiny.BUILD["qwen2_audio"](), "qwen2_audio", tmp_path)
    found = FAMILIES["qwen2_audio"]
    for error in (torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), RuntimeError("can't allocate memory")):

        def full(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setitem(FAMILIES, "qwen2_audio", replace(found, load=full))
        with pytest.raises(LoadError, match=r"does not fit into the memory that is free now: end other programs"):
            load(str(tmp_path), "bf16", progress=silent)

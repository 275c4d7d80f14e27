"""The adapter that a checkpoint brings with it: found, on by default, off exactly the base, and never loaded twice."""

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from core import adapter as adapting
from core.adapter import Adapters, own_adapter
from core.errors import LoadError
from core.families import FAMILIES
from core.footprint import footprint
from core.lalm import Lalm
from core.load import load
from core.types import Conversation, Settings, Token, Turn
from tests import tiny
from tests.folders import save

ASKED = Conversation((Turn("user", (tiny.tone(440), tiny.noise(1), "Which clip has the dog?")),))
BRINGING = sorted(name for name, family in FAMILIES.items() if family.own_adapter is not None)
LANGUAGE_MODEL = "base_model.model.model.language_model."


def silent(line: str) -> None:
    """Progress nobody reads."""


def bring(model_type: str, checkpoint: Path) -> Path:
    """Writes a random LoRA where the family's checkpoints have theirs."""
    inside = FAMILIES[model_type].own_adapter
    assert inside is not None
    torch.manual_seed(3)
    config = LoraConfig(r=4, target_modules=r".*layers\.\d+\.self_attn\.(q|v|qkv)_proj", init_lora_weights=False)
    get_peft_model(tiny.BUILD[model_type]().model, config).save_pretrained(checkpoint / inside)
    return checkpoint / inside


def answer(engine: Lalm, adapter: str | None) -> list[Token]:
    """Tokens with their readings."""
    engine.shelf.clear()  # a fresh run, to compare to the last bit
    settings = Settings(adapter=adapter, max_tokens=8)
    return [event for event in engine.stream(ASKED, settings) if isinstance(event, Token)]


@pytest.mark.parametrize("precision", ["bf16", "nf4"])
@pytest.mark.parametrize("model_type", BRINGING)
def test_it_is_on_by_default_and_off_is_the_base_exactly(model_type: str, precision: str, tmp_path: Path) -> None:
    save(tiny.BUILD[model_type](), model_type, tmp_path)
    bare = load(str(tmp_path), precision, progress=silent)
    assert bare.info.adapters == () and bare.info.default.adapter is None
    bring(model_type, tmp_path)
    engine = load(str(tmp_path), precision, progress=silent)
    assert engine.info.adapters == ("speech-lora",) and engine.info.default.adapter == "speech-lora"
    assert isinstance(bare, Lalm) and isinstance(engine, Lalm)
    base = answer(bare, None)
    assert base and answer(engine, None) == base
    assert answer(engine, "speech-lora") != base
    assert answer(engine, None) == base


def test_another_adapter_is_taken_before_it(tmp_path: Path) -> None:
    save(tiny.granite_speech(), "granite_speech", tmp_path / "model")
    bring("granite_speech", tmp_path / "model")
    other = bring("granite_speech", tmp_path / "other")
    engine = load(str(tmp_path / "model"), "bf16", [str(other)], silent)
    assert engine.info.adapters == ("other", "speech-lora") and engine.info.default.adapter == "other"


def test_an_adapter_beside_the_weights_of_another_family_is_left_alone(tmp_path: Path) -> None:
    save(tiny.qwen2_audio(), "qwen2_audio", tmp_path)
    before = footprint(str(tmp_path))
    bare = load(str(tmp_path), "bf16", progress=silent)
    config = LoraConfig(r=4, target_modules=r".*language_model.*(q|v)_proj", init_lora_weights=False)
    get_peft_model(tiny.qwen2_audio().model, config).save_pretrained(tmp_path)
    engine = load(str(tmp_path), "bf16", progress=silent)
    assert engine.info.adapters == () and footprint(str(tmp_path)) == before
    assert isinstance(bare, Lalm) and isinstance(engine, Lalm)
    assert answer(engine, None) == answer(bare, None)


def test_granite_speech_takes_the_names_its_checkpoints_have(tmp_path: Path) -> None:
    made = tiny.granite_speech()
    save(made, "granite_speech", tmp_path)
    # on the hub the language model has its head inside, as transformers 4 had it
    tensors = load_file(tmp_path / "model.safetensors")
    assert {name.split(".")[0] for name in tensors} == {"encoder", "projector", "language_model"}
    assert all(name.startswith("language_model.model.") for name in tensors if name.startswith("language_model"))
    bring("granite_speech", tmp_path)
    engine = load(str(tmp_path), "bf16", progress=silent)
    adapter = load_file(tmp_path / "adapter_model.safetensors")
    assert all(name.startswith(LANGUAGE_MODEL) for name in adapter)
    renamed = {name.replace(LANGUAGE_MODEL, "base_model.model.language_model.model."): t for name, t in adapter.items()}
    save_file(renamed, tmp_path / "adapter_model.safetensors")
    again = load(str(tmp_path), "bf16", progress=silent)
    assert isinstance(engine, Lalm) and isinstance(again, Lalm)
    assert answer(again, "speech-lora") == answer(engine, "speech-lora") != answer(again, None)


def test_of_a_checkpoint_on_the_hub_only_the_adapter_is_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []

    def fetched(model: str, allow_patterns: list[str]) -> str:
        asked.append((model, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr(adapting, "snapshot_download", fetched)
    assert own_adapter("some/model", "speech-lora") is None
    bring("phi4_multimodal", tmp_path)
    assert own_adapter("some/model", "speech-lora") == tmp_path / "speech-lora"
    assert own_adapter("some/model", "") is None
    inside = ["speech-lora/adapter_config.json", "speech-lora/adapter_model.safetensors"]
    beside = ["adapter_config.json", "adapter_model.safetensors"]
    assert asked == [("some/model", inside), ("some/model", inside), ("some/model", beside)]


def test_a_hub_that_is_away_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(model: str, allow_patterns: list[str]) -> str:
        raise OSError("the hub is away")

    monkeypatch.setattr(adapting, "snapshot_download", away)
    with pytest.raises(LoadError, match=r"the hub is away.*--model embedded"):
        own_adapter("some/model", "")


@pytest.mark.parametrize("change", ["renamed", "lost", "too many"])
def test_an_adapter_whose_tensors_do_not_all_fit_is_refused(change: str, tmp_path: Path) -> None:
    folder = bring("granite_speech", tmp_path)
    tensors = load_file(folder / "adapter_model.safetensors")
    if change == "renamed":
        tensors = {name.replace("q_proj", "w_proj"): tensor for name, tensor in tensors.items()}
    elif change == "lost":
        tensors = {name: tensor for name, tensor in tensors.items() if "q_proj" not in name}
    else:
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps(config | {"target_modules": r".*self_attn\.v_proj"}))
    save_file(tensors, folder / "adapter_model.safetensors")
    with pytest.raises(LoadError, match="6 tensors have no counterpart" if change != "renamed" else "12 tensors"):
        Adapters(tiny.granite_speech().model).load("mine", folder)


def test_a_name_that_modules_bear_too_is_no_hindrance(tmp_path: Path) -> None:
    folder = bring("phi4_multimodal", tmp_path)
    adapters = Adapters(tiny.phi4_multimodal().model)
    for name in ("speech", "proj"):  # the model has a down_proj_for_speech
        adapters.load(name, folder)
    assert adapters.names == ("speech", "proj")

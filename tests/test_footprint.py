"""Memory from headers: against the loaded model, and where the headers come from."""

import socket
from pathlib import Path
from types import SimpleNamespace

import bitsandbytes
import pytest
from huggingface_hub import HfApi
from huggingface_hub.utils import OfflineModeIsEnabled

from core import footprint as measured
from core.errors import LoadError
from core.families import FAMILIES
from core.footprint import BYTES, GIB, RESERVE_GIB, footprint
from core.load import open_model
from core.placement import place
from tests import tiny
from tests.folders import save


@pytest.mark.parametrize("model_type", sorted(set(FAMILIES) - {"embedded"}))
def test_headers_say_what_is_loaded_and_what_is_quantised(model_type: str, tmp_path: Path) -> None:
    save(tiny.BUILD[model_type](), model_type, tmp_path)
    found = footprint(str(tmp_path), FAMILIES[model_type].prefix)
    # a batch norm's statistics are in the files too; tied tensors are there once
    held = {tensor.data_ptr(): tensor for tensor in tiny.BUILD[model_type]().model.state_dict().values()}
    assert found.weights == sum(tensor.numel() for tensor in held.values())
    loaded = open_model(place(str(tmp_path), "nf4"), lambda line: None)
    small = {n: m for n, m in loaded.model.named_modules() if isinstance(m, bitsandbytes.nn.Linear4bit)}
    assert found.linear == sum(module.in_features * module.out_features for module in small.values()) > 0
    # beside the decoder only eyes, which are shown nothing
    beside = [name for name, module in small.items() if module not in set(loaded.model.get_decoder().modules())]
    assert all(".visual." in name for name in beside)


def test_other_models_in_the_files_do_not_count(tmp_path: Path) -> None:
    save(tiny.qwen2_5_omni(), "qwen2_5_omni", tmp_path)
    with pytest.raises(LoadError, match="no safetensors"):
        footprint(str(tmp_path), "talker.")


def test_memory_is_that_of_the_weights_and_a_reserve() -> None:
    whole = measured.Footprint(weights=10 * GIB, linear=8 * GIB)
    assert whole.gib("bf16") == 20 + RESERVE_GIB
    assert whole.gib("int8") == 12 + RESERVE_GIB
    assert whole.gib("nf4") == pytest.approx(4 + 8 * BYTES["nf4"] + RESERVE_GIB)
    assert 0.5 < BYTES["nf4"] < 0.52


def test_a_checkpoint_on_the_hub_is_measured_by_its_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {
        "model.embed_tokens.weight": SimpleNamespace(shape=[100, 8]),
        "model.layers.0.q_proj.weight": SimpleNamespace(shape=[8, 8]),
        "model.layers.0.norm.weight": SimpleNamespace(shape=[8]),
        "audio_tower.fc1.weight": SimpleNamespace(shape=[16, 8]),
    }
    metadata = SimpleNamespace(files_metadata={"model.safetensors": SimpleNamespace(tensors=tensors)})
    monkeypatch.setattr(measured, "get_safetensors_metadata", lambda model: metadata)
    assert footprint("some/model") == measured.Footprint(weights=800 + 64 + 8 + 128, linear=64)


def test_without_the_hub_its_cache_is_asked_and_then_the_way_out_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def offline(model: str) -> None:
        raise OfflineModeIsEnabled("the hub is away")

    monkeypatch.setattr(measured, "get_safetensors_metadata", offline)
    save(tiny.qwen2_audio(), "qwen2_audio", tmp_path)
    monkeypatch.setattr(measured, "snapshot_download", lambda model, local_files_only: str(tmp_path))
    assert footprint("some/model") == footprint(str(tmp_path))

    def nothing(model: str, local_files_only: bool) -> str:
        raise OSError("not cached")

    monkeypatch.setattr(measured, "snapshot_download", nothing)
    with pytest.raises(LoadError, match=r"the hub is away.*--model embedded"):
        footprint("some/model")


def test_a_hub_that_cannot_be_reached_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = HfApi(endpoint=f"http://127.0.0.1:{probe.getsockname()[1]}")
    monkeypatch.setattr(measured, "get_safetensors_metadata", nobody.get_safetensors_metadata)
    with pytest.raises(LoadError, match=r"refused.*--model embedded"):
        footprint("no-such/model")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\x08\x00\x00\x00")
    with pytest.raises(LoadError, match=r"model\.safetensors is cut or damaged"):
        footprint(str(tmp_path))

"""From a name to an engine: what is refused, and why a device and precision were taken."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core import load as loading
from core.adapter import Adapters
from core.errors import LoadError, SettingsError
from core.footprint import Footprint
from core.load import PRECISIONS, load, place
from core.types import Conversation, Done, Settings, Turn
from tests import tiny
from tests.folders import save


def silent(line: str) -> None:
    """Progress nobody reads."""


def test_the_fake_engine_needs_nothing() -> None:
    assert load("fake", progress=silent).info.family == "fake"


@pytest.mark.parametrize("precision", ["int8", "nf4"])
def test_the_embedded_model_comes_in_one_precision(precision: str) -> None:
    with pytest.raises(LoadError, match="bf16 only"):
        place("embedded", precision)


def test_an_unknown_precision_names_the_known_ones() -> None:
    with pytest.raises(LoadError, match="auto, bf16, int8, nf4"):
        place("embedded", "fp8")


@pytest.fixture
def eight_billion(monkeypatch: pytest.MonkeyPatch) -> Footprint:
    """A model of 8.4 billion weights on the hub."""
    size = Footprint(weights=8_400_000_000, linear=7_000_000_000)
    monkeypatch.setattr(loading, "footprint", lambda model, prefix: size)
    monkeypatch.setattr(loading, "_model_type", lambda model: "qwen2_audio")
    return size


@pytest.mark.parametrize(("gib", "precision"), [(80.0, "bf16"), (8.0, "nf4")])
def test_the_choice_comes_with_its_reason(
    eight_billion: Footprint, monkeypatch: pytest.MonkeyPatch, gib: float, precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (gib * 2**30, 96 * 2**30))
    placement = place("some/model", "auto")
    assert (placement.device, placement.precision) == ("cuda", precision)
    assert f"{gib:.1f} GiB free" in placement.reason and "bf16" in placement.reason
    assert f"needs {eight_billion.gib(precision):.1f} GiB" in placement.reason


@given(free_gib=st.floats(0.1, 100.0), asked=st.sampled_from(PRECISIONS), weights=st.integers(10**6, 4 * 10**10))
def test_what_is_chosen_fits_and_what_does_not_fit_is_refused(free_gib: float, asked: str, weights: int) -> None:
    size = Footprint(weights, round(0.8 * weights))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "footprint", lambda model, prefix: size)
        patch.setattr(loading, "_model_type", lambda model: "qwen2_audio")
        patch.setattr(loading, "free_memory", lambda: ("cpu", free_gib))
        try:
            placement = place("some/model", asked)
        except LoadError as error:
            assert size.gib("nf4" if asked == "auto" else asked) > free_gib
            assert "does not fit" in str(error) and str(error).endswith(".")
        else:
            assert size.gib(placement.precision) <= free_gib and asked in ("auto", placement.precision)
            assert placement.precision == "bf16" or asked != "auto" or size.gib("bf16") > free_gib


def test_a_folder_of_an_unknown_family_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(LoadError, match="bert model, which Earshot does not know"):
        load(str(tmp_path), progress=silent)


def test_a_model_that_cannot_be_found_points_to_the_embedded_one(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="--model embedded"):
        load(str(tmp_path / "nowhere"), progress=silent)


@pytest.mark.parametrize("model_type", sorted(set(tiny.BUILD) - {"embedded"}))
@pytest.mark.parametrize("precision", ["bf16", "nf4"])
def test_a_real_checkpoint_folder_is_loaded_and_answers(model_type: str, precision: str, tmp_path: Path) -> None:
    save(tiny.BUILD[model_type](), model_type, tmp_path)
    engine = load(str(tmp_path), precision=precision, progress=silent)
    assert engine.info.family == model_type and engine.info.precision == precision
    asked = Conversation((Turn("user", (tiny.tone(440), tiny.noise(1), "Which clip has the dog?")),))
    assert isinstance(list(engine.stream(asked, Settings(max_tokens=2)))[-1], Done)


def test_a_folder_that_is_no_adapter_is_one_sentence(tmp_path: Path) -> None:
    adapters = Adapters(tiny.embedded().model)
    with pytest.raises(LoadError, match="PEFT folder"):
        adapters.load("none", tmp_path)
    with pytest.raises(SettingsError, match="none is loaded"):
        adapters.select("none")

"""What fits a machine: which model, device and precision, why, and what is refused."""

import json
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core import placement
from core.catalogue import APACHE, CHECKPOINTS, PREFERRED
from core.errors import LoadError, not_found
from core.footprint import Footprint
from core.placement import PRECISIONS, place

ROOT = Path(__file__).parent.parent


def test_the_embedded_model_comes_in_two_precisions() -> None:
    assert [place("embedded", precision).precision for precision in ("auto", "int8", "bf16")] == [
        "int8",
        "int8",
        "bf16",
    ]
    with pytest.raises(LoadError, match="int8 and bf16"):
        place("embedded", "nf4")


def test_an_unknown_precision_names_the_known_ones() -> None:
    with pytest.raises(LoadError, match="auto, bf16, int8, nf4"):
        place("embedded", "fp8")


@pytest.fixture
def eight_billion(monkeypatch: pytest.MonkeyPatch) -> Footprint:
    """A model of 8.4 billion weights on the hub."""
    size = Footprint(weights=8_400_000_000, linear=7_000_000_000)
    monkeypatch.setattr(placement, "footprint", lambda model, prefix: size)
    monkeypatch.setattr(placement, "_model_type", lambda model: "qwen2_audio")
    return size


@pytest.mark.parametrize(("gib", "precision"), [(80.0, "bf16"), (8.0, "nf4")])
def test_the_choice_comes_with_its_reason(
    eight_billion: Footprint, monkeypatch: pytest.MonkeyPatch, gib: float, precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (gib * 2**30, 96 * 2**30))
    found = place("some/model")
    assert (found.model, found.device, found.precision) == ("some/model", "cuda", precision)
    assert f"{gib:.1f} GiB free" in found.reason and "bf16" in found.reason
    assert f"needs {eight_billion.gib(precision):.1f} GiB" in found.reason


@given(free_gib=st.floats(0.1, 100.0), asked=st.sampled_from(PRECISIONS), weights=st.integers(10**6, 4 * 10**10))
def test_what_is_chosen_fits_and_what_does_not_fit_is_refused(free_gib: float, asked: str, weights: int) -> None:
    size = Footprint(weights, round(0.8 * weights))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement, "footprint", lambda model, prefix: size)
        patch.setattr(placement, "_model_type", lambda model: "qwen2_audio")
        patch.setattr(placement, "free_memory", lambda: ("cpu", free_gib))
        try:
            found = place("some/model", asked)
        except LoadError as error:
            assert size.gib("nf4" if asked == "auto" else asked) > free_gib
            assert "does not fit" in str(error) and str(error).endswith(".")
        else:
            assert size.gib(found.precision) <= free_gib and asked in ("auto", found.precision)
            assert found.precision == "bf16" or asked != "auto" or size.gib("bf16") > free_gib


def test_a_folder_of_an_unknown_family_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(LoadError, match="bert model, which Earshot does not know"):
        place(str(tmp_path))


SIZES = {checkpoint.name: checkpoint.size for checkpoint in CHECKPOINTS if checkpoint.size is not None}
FAMILY = {checkpoint.name: checkpoint.family for checkpoint in CHECKPOINTS}


def with_gpu(patch: pytest.MonkeyPatch, gib: float) -> None:
    """A GPU with so much free memory, and a hub that has what the list names."""
    patch.setattr(placement, "free_memory", lambda: ("cuda", gib))
    patch.setattr(placement, "footprint", lambda model, prefix: SIZES[model])
    patch.setattr(placement, "_model_type", FAMILY.__getitem__)


def test_what_is_preferred_may_be_used_for_any_purpose() -> None:
    licences = {checkpoint.name: checkpoint.licence for checkpoint in CHECKPOINTS}
    assert {licences[name] for name in PREFERRED} <= {APACHE, "MIT"}


@given(gib=st.floats(0.5, 140.0))
def test_on_a_gpu_the_first_of_the_preferred_that_fits_is_taken(gib: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        with_gpu(patch, gib)
        found = place("auto")
    fitting = [name for name in PREFERRED if SIZES[name].gib("nf4") <= gib]
    assert found.model == (fitting or ["embedded"])[0]
    assert f"{gib:.1f} GiB free" in found.reason


def rows_of_the_docs() -> list[tuple[float, str, str]]:
    """The table of docs/families.md: free memory in GiB, model, precision."""
    text = (ROOT / "docs" / "families.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+\.\d) \| (\S+) \| (bf16|nf4) \|$", text, re.MULTILINE)
    return [(float(gib), name, precision) for gib, name, precision in rows]


def test_the_docs_say_what_is_taken_at_which_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of_the_docs()
    assert len(rows) >= 4
    for (gib, name, precision), (_, *below) in zip(rows, [*rows[1:], (0.0, "embedded", "int8")], strict=True):
        with_gpu(monkeypatch, gib + 0.05)
        found = place("auto")
        assert (found.model, found.precision) == (name, precision)
        with_gpu(monkeypatch, gib - 0.05)
        found = place("auto")
        assert [found.model, found.precision] == below


def test_without_a_gpu_the_built_in_model_is_taken_and_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "free_memory", lambda: ("cpu", 500.0))
    monkeypatch.setattr(placement, "footprint", None)
    found = place("auto")
    assert found.model == "embedded" and "no GPU" in found.reason


def test_without_a_hub_the_built_in_model_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(model: str) -> str:
        raise not_found(model, OSError("no route"))

    with_gpu(monkeypatch, 80.0)
    monkeypatch.setattr(placement, "_model_type", unreachable)
    found = place("auto")
    assert found.model == "embedded" and "hub cannot be reached" in found.reason


def test_a_precision_the_built_in_model_has_not_is_refused_where_it_would_be_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(placement, "free_memory", lambda: ("cpu", 500.0))
    with pytest.raises(LoadError, match="int8 and bf16"):
        place("auto", "nf4")

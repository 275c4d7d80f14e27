"""The load-time proof: it passes on every family, and each broken claim is named."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from core import proof
from core.attention import Lens, Probe
from core.errors import LoadError
from core.families import FAMILIES
from core.lalm import Lalm
from core.types import AttentionReading
from tests import tiny


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_sound_model_passes(family: str) -> None:
    proof.prove(tiny.engine(family))


def test_it_runs_three_forwards_of_a_short_prompt() -> None:
    engine, lengths = tiny.engine("embedded"), []
    step = engine.decoder.step

    def counted(rows: torch.Tensor, *rest: Any) -> Any:
        lengths.append(rows.shape[1])
        return step(rows, *rest)

    engine.decoder.step = counted  # type: ignore[method-assign]
    proof.prove(engine)
    assert len(lengths) == 3 and max(lengths) < 100


def changed(change: Callable[[AttentionReading], AttentionReading]) -> Callable[[Probe], AttentionReading | None]:
    kept = Probe.reading

    def reading(probe: Probe) -> AttentionReading | None:
        found = kept(probe)
        return None if found is None else change(found)

    return reading


def test_a_layer_that_was_not_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Probe, "reading", changed(lambda found: replace(found, layers=found.layers[:-1])))
    with pytest.raises(LoadError, match="in every decoder layer"):
        proof.prove(tiny.engine("embedded"))


def test_rows_that_do_not_sum_to_one_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(found: AttentionReading) -> AttentionReading:
        return replace(found, weights=tuple(tuple(weight / 2 for weight in row) for row in found.weights))

    monkeypatch.setattr(Probe, "reading", changed(half))
    with pytest.raises(LoadError, match="sums to 1"):
        proof.prove(tiny.engine("embedded"))


def test_a_boost_without_effect_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "STRONG", replace(proof.STRONG, alpha=0.0))
    with pytest.raises(LoadError, match="the boost changes the answer"):
        proof.prove(tiny.engine("embedded"))


def test_a_model_that_is_not_left_as_it_was_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    engine: Lalm = tiny.engine("embedded")
    kept = Lens.observed

    @contextmanager
    def leaving_a_trace(lens: Lens, *rest: Any, **named: Any) -> Iterator[Probe]:
        with kept(lens, *rest, **named) as probe:
            yield probe
        next(iter(engine.loaded.model.get_output_embeddings().parameters())).data.mul_(1.01)

    monkeypatch.setattr(Lens, "observed", leaving_a_trace)
    with pytest.raises(LoadError, match="exactly"):
        proof.prove(engine)

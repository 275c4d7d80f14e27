"""What only a GPU can show: the lens and the quantised models there. Skipped, with the reason, where there is none."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.families import FAMILIES
from core.lalm import Lalm
from core.load import load
from core.types import AttentionReading, Boost, Conversation, Settings, Token, Turn
from tests import tiny
from tests.folders import save

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU, and torch finds none"),
]
ASKED = Conversation((Turn("user", (tiny.tone(440), tiny.noise(1), "Which clip has the dog?")),))
FROM_HUB = sorted(set(FAMILIES) - {"embedded"})


def first_reading(engine: Lalm) -> AttentionReading:
    """Of the first token, with a boost."""
    event = next(iter(engine.stream(ASKED, Settings(boost=Boost("mata", 0.3)))))
    assert isinstance(event, Token) and event.reading is not None
    return event.reading


@pytest.mark.parametrize("model_type", FROM_HUB)
def test_readings_are_those_of_the_cpu(model_type: str) -> None:
    on_cpu, on_gpu = tiny.engine(model_type), tiny.engine(model_type)
    on_gpu.loaded.model.to("cuda")
    wanted, found = first_reading(on_cpu), first_reading(on_gpu)
    np.testing.assert_allclose(found.weights, wanted.weights, atol=1e-4)
    np.testing.assert_allclose(found.natural, wanted.natural, atol=1e-4)


@pytest.mark.parametrize("precision", ["bf16", "int8", "nf4"])
@pytest.mark.parametrize("model_type", FROM_HUB)
def test_a_checkpoint_is_loaded_there_and_answers(model_type: str, precision: str, tmp_path: Path) -> None:
    save(tiny.BUILD[model_type](), model_type, tmp_path)
    engine = load(str(tmp_path), precision, progress=lambda line: None)
    assert isinstance(engine, Lalm)
    assert engine.loaded.model.device.type == "cuda" and "GiB free" in engine.info.reason
    np.testing.assert_allclose(np.sum(first_reading(engine).weights, axis=1), 1, atol=1e-3)

"""What only a GPU can show: the lens and the quantised models there. Skipped, with the reason, where there is none."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from core.decoder import TorchDecoder
from core.families import FAMILIES
from core.graph import GraphDecoder
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


@pytest.mark.parametrize("model_type", FROM_HUB)
def test_a_recorded_step_does_as_the_plain_one(model_type: str) -> None:
    engine = tiny.engine(model_type)
    engine.loaded.model.to("cuda")
    decoder = GraphDecoder(engine.loaded, engine.lens, engine.adapters)
    plain = engine.decoder
    for boost in (Boost(), Boost("mata", 0.3), Boost("mata", 0.5, (0.0, 1.0)), Boost("target", 0.6)):
        settings, answers = Settings(boost=boost, max_tokens=8), []
        for engine.decoder in (plain, decoder):
            engine.shelf.clear()
            answers.append([event for event in engine.stream(ASKED, settings) if isinstance(event, Token)])
        assert [token.text for token in answers[0]] == [token.text for token in answers[1]]
        for wanted, found in zip(*answers, strict=True):
            assert wanted.reading is not None and found.reading is not None
            np.testing.assert_allclose(found.reading.weights, wanted.reading.weights, atol=1e-4)
            np.testing.assert_allclose(found.reading.natural, wanted.reading.natural, atol=1e-4)
    assert len(decoder.steps) == 3 and all(step.graph is not None for step in decoder.steps.values())


def test_a_recording_is_made_and_replayed_in_any_thread() -> None:
    engine = tiny.engine("qwen2_audio")
    engine.loaded.model.to("cuda")
    wanted = [event.text for event in engine.stream(ASKED, Settings(max_tokens=6)) if isinstance(event, Token)]
    engine.shelf.clear()
    engine.decoder = GraphDecoder(engine.loaded, engine.lens, engine.adapters)
    with ThreadPoolExecutor(4) as threads:
        streams = threads.map(lambda _: list(engine.stream(ASKED, Settings(max_tokens=6))), range(8))
        for events in streams:
            assert [event.text for event in events if isinstance(event, Token)] == wanted


@pytest.mark.parametrize("precision", ["bf16", "int8", "nf4"])
@pytest.mark.parametrize("model_type", FROM_HUB)
def test_a_checkpoint_is_loaded_there_and_answers(model_type: str, precision: str, tmp_path: Path) -> None:
    save(tiny.BUILD[model_type](), model_type, tmp_path)
    engine = load(str(tmp_path), precision, progress=lambda line: None)
    assert isinstance(engine, Lalm)
    assert engine.loaded.model.device.type == "cuda" and "GiB free" in engine.info.reason
    assert isinstance(engine.decoder, TorchDecoder if precision == "int8" else GraphDecoder)
    np.testing.assert_allclose(np.sum(first_reading(engine).weights, axis=1), 1, atol=1e-3)

"""The recorded step without a GPU: it does as the plain decoder does, one trace serves all, and it asks no host.

What records it is CUDA; what can be recorded is shown by `torch.compile(fullgraph=True)`, which refuses whatever asks
the host, and by running the step where tensors have no values.
"""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._dynamo.backends.registry import lookup_backend

from core import graph
from core.decode import on_host
from core.decoder import TorchDecoder
from core.families import FAMILIES
from core.graph import LEAST_ROOM, GraphDecoder, Step, room_for
from core.lalm import Lalm
from core.load import record
from core.look import Look
from core.proof import STRONG
from core.reuse import Shelf
from core.stage import GraphMemory
from core.types import Boost, Settings, Token
from tests import tiny
from tests.host_watch import HostWatch, without_values
from tests.test_reuse import LONG, SOUNDS, WORDS, alike, asked, random_turns, said, with_adapter

BOOSTS = [
    Boost(),
    Boost("mata", 0.5),
    Boost("mata", -0.5, (0.0, 1.0)),
    Boost("pai", 0.5, clip_weights=(1.5, 0.5)),
    Boost("bias", 2.0, (0.0, 1.0), clip_weights=(0.0, 2.0)),
    Boost("target", 0.6),
    Boost("target", 0.3, (0.0, 1.0)),
]
KINDS = ["gemma3n", "qwen2_audio", "qwen3_omni_moe"]
"""A sliding window with shared keys, a plain decoder, experts."""
SHORT = Settings(max_tokens=3)


def graphed(engine: Lalm, backend: Any = None) -> GraphDecoder:
    """Gives an engine the decoder under test."""
    decoder = GraphDecoder(engine.loaded, engine.lens, engine.adapters, backend)
    engine.decoder = decoder
    return decoder


@pytest.mark.parametrize("model_type", sorted(FAMILIES))
def test_logits_and_readings_are_those_of_the_plain_decoder(model_type: str) -> None:
    engine = tiny.engine(model_type)
    plain, decoder = engine.decoder, GraphDecoder(engine.loaded, engine.lens, engine.adapters)
    prompt = engine.prompt(asked(*SOUNDS[:2], WORDS[0]), Settings())
    rows = prompt.embed(engine.loaded.embed_tokens)
    for boost in BOOSTS:
        plan = engine.observation(prompt, Settings(boost=boost), rows.shape[1] + 3)
        memories = plain.memory(), decoder.memory()
        for fed in (rows, rows[:, -1:], rows[:, 3:4], rows[:, -2:-1]):
            wanted, reading = plain.step(fed, memories[0], None, plan)
            logits, look = decoder.step(fed, memories[1], None, plan)
            torch.testing.assert_close(logits, wanted, atol=1e-5, rtol=1e-5)
            assert isinstance(look, Look) == (fed.shape[1] == 1)
            _, found = on_host(logits.argmax(), look)
            assert found is not None and reading is not None and not isinstance(reading, Look)
            assert (found.sources, found.tokens, found.layers) == (reading.sources, reading.tokens, reading.layers)
            assert found.boosted == reading.boosted
            for name in ("weights", "natural", "head_spread", "profiles"):
                np.testing.assert_allclose(getattr(found, name), getattr(reading, name), atol=1e-5)
    assert len(decoder.steps) == 5  # one for each method, whatever strength, band and weights


def test_without_a_meter_nothing_is_read() -> None:
    engine = tiny.engine("qwen2_audio")
    decoder = graphed(engine)
    prompt = engine.prompt(asked(SOUNDS[0], "?"), Settings())
    rows = prompt.embed(engine.loaded.embed_tokens)
    plan = engine.observation(prompt, Settings(), rows.shape[1] + 1, meter=False)
    memory = decoder.memory()
    decoder.step(rows, memory, None, plan)
    assert decoder.step(rows[:, -1:], memory, None, plan)[1] is None


class Traces:
    """A backend of `torch.compile` that counts what it is given, and hands it on."""

    def __init__(self, name: str):
        self.count, self.backend = 0, lookup_backend(name)

    def __call__(self, module: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        self.count += 1
        return self.backend(module, inputs)


@pytest.mark.parametrize(
    ("model_type", "backend"), [*((kind, "eager") for kind in KINDS), ("qwen2_audio", "aot_eager")]
)
def test_one_trace_serves_all_tokens_turns_strengths_bands_and_clips(model_type: str, backend: str) -> None:
    engine, plain, traces = tiny.engine(model_type), tiny.engine(model_type), Traces(backend)
    decoder = graphed(engine, traces)
    first = asked(SOUNDS[0], LONG)
    for number, boost in enumerate(
        [
            Boost("mata", 0.2),
            Boost("mata", 0.5, (0.0, 1.0)),
            Boost("mata", -0.3),
            Boost("mata", 0.1, clip_weights=(2.0,)),
        ]
    ):
        conversation = asked(*SOUNDS[: number + 1], WORDS[number % 3]) if number else first
        settings = Settings(boost=boost, max_tokens=3 + number)
        alike(said(engine.stream(conversation, settings)), said(plain.stream(conversation, settings)))
        assert traces.count == 1
    said(engine.stream(first, Settings(max_tokens=3)))
    assert traces.count == len(decoder.steps) == 2


def test_rooms_boosts_and_adapters_have_recordings_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than torch keeps traces, which here is half of what it keeps by default."""
    monkeypatch.setattr(graph, "LEAST_ROOM", 64)
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 4)
    engine, traces = with_adapter("qwen2_audio", tmp_path / "comparing"), Traces("eager")
    decoder = graphed(engine, traces)
    for clips in (4, 1):  # the large room first: a larger stage is another, with recordings of its own
        for adapter in (None, "comparing"):
            for boost in (Boost("mata", 0.5), Boost("target", 0.6)):
                said(engine.stream(asked(*SOUNDS[:clips], LONG), Settings(boost, adapter, max_tokens=3)))
    assert {room for room, _, _ in decoder.steps} == {128, 256}
    assert traces.count == len(decoder.steps) > torch._dynamo.config.recompile_limit


@pytest.mark.parametrize("method", ["off", "mata", "target"])
@pytest.mark.parametrize("model_type", sorted(FAMILIES))
def test_a_step_asks_the_host_nothing_and_takes_nothing_from_it(model_type: str, method: str) -> None:
    engine = tiny.engine(model_type)
    decoder = graphed(engine)
    boost = Boost() if method == "off" else Boost(method, 0.5)  # type: ignore[arg-type]
    said(engine.stream(asked(SOUNDS[0], "?"), Settings(boost=boost, max_tokens=2)))
    (step,) = decoder.steps.values()
    without_values(engine, step)
    with torch.inference_mode(), engine.lens.lent(step.probe), HostWatch() as watch:
        outputs = step.forward()
    assert {output.device.type for output in outputs} == {"meta"} and not watch.crossed


def test_the_watch_sees_a_copy_and_torch_refuses_a_question() -> None:
    with HostWatch() as watch:
        torch.ones(2).to("meta")
    assert watch.crossed
    with pytest.raises(RuntimeError, match="meta"):
        torch.ones(1, device="meta").item()


@pytest.mark.parametrize("model_type", [*KINDS, "embedded"])
def test_every_answer_is_that_of_the_plain_decoder_that_keeps_nothing(
    model_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retries, stops, adapters, boosts and clips in random order; rooms are small, so that the stage grows."""
    monkeypatch.setattr(graph, "LEAST_ROOM", 64)
    engine, fresh = (with_adapter(model_type, tmp_path / "comparing") for _ in range(2))
    decoder = graphed(engine)
    fresh.shelf = Shelf(0)
    rng, reused = random.Random(5), 0
    for conversation, settings, most in random_turns(rng):
        reused += engine.shelf.tokens > 0
        alike(said(engine.stream(conversation, settings), most), said(fresh.stream(conversation, settings), most))
        alike(said(engine.stream(conversation, settings), most), said(fresh.stream(conversation, settings), most))
    assert reused and decoder.stage.slots > 64


def test_after_a_long_conversation_a_short_one_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "LEAST_ROOM", 64)
    engine, plain = tiny.engine("qwen2_audio"), tiny.engine("qwen2_audio")
    decoder = graphed(engine)
    sizes = []
    for conversation in (asked(SOUNDS[0], LONG), asked(*SOUNDS, LONG), asked(SOUNDS[2], LONG)):
        alike(said(engine.stream(conversation, SHORT)), said(plain.stream(conversation, SHORT)))
        sizes.append((decoder.stage.slots, len(decoder.steps)))
    assert sizes == [(128, 1), (256, 1), (256, 2)]


def test_two_streams_at_once_take_turns_on_the_stage() -> None:
    engine = tiny.engine("qwen2_audio")
    conversations = [asked(SOUNDS[0], LONG), asked(*SOUNDS[1:3], WORDS[0])]
    solo = [said(engine.stream(conversation, Settings(max_tokens=6))) for conversation in conversations]
    engine = tiny.engine("qwen2_audio")
    graphed(engine)
    streams = [engine.stream(conversation, Settings(max_tokens=6)) for conversation in conversations]
    mixed: list[list[Token]] = [[], []]
    for events in zip(*streams, strict=True):
        for into, event in zip(mixed, events, strict=True):
            into += [event] if isinstance(event, Token) else []
    for tokens, wanted in zip(mixed, solo, strict=True):
        alike(tokens, wanted)


def test_threads_get_what_each_would_get_alone() -> None:
    engine = tiny.engine("qwen2_audio")
    conversations = [asked(SOUNDS[0], LONG), asked(*SOUNDS[1:3], WORDS[0])]
    boosts = [Boost("mata", 0.5), Boost()]
    settings = [Settings(max_tokens=6, boost=boost) for boost in boosts]
    solo = [said(engine.stream(*given)) for given in zip(conversations, settings, strict=True)]
    engine = tiny.engine("qwen2_audio")
    graphed(engine)
    found: list[list[list[Token]]] = [[], []]

    def answer(index: int) -> None:
        found[index] += [said(engine.stream(conversations[index], settings[index])) for _ in range(4)]

    threads = [threading.Thread(target=answer, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answers, wanted in zip(found, solo, strict=True):
        assert len(answers) == 4
        for tokens in answers:
            alike(tokens, wanted)


@pytest.mark.parametrize("boost", BOOSTS, ids=str)
def test_what_was_left_in_free_slots_is_never_seen(boost: Boost) -> None:
    engine, plain = tiny.engine("gemma3n"), tiny.engine("gemma3n")
    decoder = graphed(engine)
    settings = Settings(boost=boost, max_tokens=4)
    said(engine.stream(asked(*SOUNDS, LONG), settings))
    engine.shelf.clear()
    with torch.inference_mode():
        for layer in decoder.stage.layers:
            layer.key_slots.fill_(torch.nan)
            layer.value_slots.fill_(torch.nan)
    alike(
        said(engine.stream(asked(SOUNDS[0], "?"), settings)),
        said(plain.stream(asked(SOUNDS[0], "?"), settings)),
    )


class Replay:
    """Stands for a CUDA graph: runs the step again, into the same outputs, whichever adapter is at work outside."""

    def __init__(self, engine: Lalm, step: Step, adapter: str | None):
        self.engine, self.step, self.adapter = engine, step, adapter

    def replay(self) -> None:
        probe = self.step.probe
        probe.thread = threading.get_ident()
        with self.engine.lens.lent(probe):
            self.engine.adapters.select(self.adapter)
            for kept, output in zip(self.step.outputs, self.step.forward(), strict=True):
                kept.copy_(output)


def test_a_replayed_step_gives_what_a_fresh_one_gives_and_keeps_it(tmp_path: Path) -> None:
    engine = with_adapter("qwen2_audio", tmp_path / "comparing")
    plain, decoder = engine.decoder, graphed(engine)
    prompt = engine.prompt(asked(*SOUNDS[:2], WORDS[0]), Settings())
    rows = prompt.embed(engine.loaded.embed_tokens)
    memories = {adapter: (plain.memory(), decoder.memory()) for adapter in (None, "comparing")}
    plans = [engine.observation(prompt, Settings(boost=boost), rows.shape[1] + 8) for boost in BOOSTS[1:3]]
    wanted, found = [], []
    for number, fed in enumerate([rows, *rows[:, 5:13].split(1, dim=1)]):
        for adapter, (one, other) in memories.items():
            plan = plans[number % 2]  # as if two turns with other strengths and bands took turns
            wanted.append(plain.step(fed, one, adapter, plan))
            found.append(decoder.step(fed, other, adapter, plan))
            for (_, _, name), step in decoder.steps.items():
                step.graph = step.graph or Replay(engine, step, name)  # type: ignore[assignment]
    assert len(decoder.steps) == 2
    for (logits, reading), (kept, look) in zip(wanted, found, strict=True):
        torch.testing.assert_close(kept, logits, atol=1e-5, rtol=1e-5)
        read = on_host(kept.argmax(), look)[1]
        assert read is not None and reading is not None and not isinstance(reading, Look)
        np.testing.assert_allclose(read.weights, reading.weights, atol=1e-5)
        np.testing.assert_allclose(read.natural, reading.natural, atol=1e-5)


def test_a_memory_nobody_holds_is_not_kept() -> None:
    engine = tiny.engine("qwen2_audio")
    decoder = graphed(engine)
    said(engine.stream(asked(SOUNDS[0], LONG), Settings(max_tokens=2)))
    assert decoder._on_stage() is not None
    engine.shelf.clear()
    assert decoder._on_stage() is None


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is asked of tensors by the host, in order."""
    asked_for: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        kept = getattr(Tensor, name)

        def ask(tensor: Tensor, *rest: Any) -> Any:
            asked_for.append(name)
            return kept(tensor, *rest)

        return ask

    with monkeypatch.context() as patched:
        for name in ("tolist", "item", "__int__", "__float__", "__bool__", "__index__", "numpy", "cpu"):
            patched.setattr(Tensor, name, counted(name))
        yield asked_for


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_token_and_its_reading_come_in_one_copy(temperature: float, copies: list[str]) -> None:
    engine = tiny.engine("qwen2_audio")
    graphed(engine)
    stream = engine.stream(asked(SOUNDS[0], LONG), Settings(max_tokens=6, boost=BOOSTS[1], temperature=temperature))
    next(stream)  # the prompt is read as by the plain decoder, and the second token brings the step about
    next(stream)
    for _ in range(3):
        copies.clear()
        assert isinstance(next(stream), Token)
        assert copies == ["tolist"]
    copies.clear()
    stream.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("keys", "room"), [(1, 1), (LEAST_ROOM, 1), (LEAST_ROOM + 1, 2), (2 * LEAST_ROOM + 1, 4)])
def test_rooms_double(keys: int, room: int) -> None:
    assert room_for(keys) == room * LEAST_ROOM >= keys


def test_only_the_beginning_of_a_memory_can_be_kept() -> None:
    with pytest.raises(AssertionError, match="cannot be cropped"):
        GraphMemory().crop(1)


class Broken(GraphDecoder):
    """Its steps fail as a recording does, or are those of another row."""

    fails = False

    def _decoded(self, row: Tensor, *rest: Any) -> Any:
        if self.fails:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nand more")
        return super()._decoded(2 * row.flip(-1), *rest)


def test_an_engine_takes_the_decoder_that_does_as_its_own() -> None:
    engine, lines = tiny.engine("qwen2_audio"), list[str]()
    decoder = GraphDecoder(engine.loaded, engine.lens, engine.adapters)
    record(engine, decoder, lines.append)
    assert engine.decoder is decoder and not lines
    assert {method for _, method, _ in decoder.steps} == {"off", STRONG.method}


@pytest.mark.parametrize(("fails", "reason"), [(True, "stream is capturing"), (False, "does not decode as Torch")])
def test_where_it_cannot_be_had_the_plain_decoder_stays_and_a_line_says_why(fails: bool, reason: str) -> None:
    engine, lines = tiny.engine("qwen2_audio"), list[str]()
    decoder = Broken(engine.loaded, engine.lens, engine.adapters)
    decoder.fails = fails
    record(engine, decoder, lines.append)
    assert isinstance(engine.decoder, TorchDecoder)
    (line,) = lines
    assert reason in line and "\n" not in line
    plain = tiny.engine("qwen2_audio")
    alike(said(engine.stream(asked(SOUNDS[0], "?"), SHORT)), said(plain.stream(asked(SOUNDS[0], "?"), SHORT)))

"""Memory that runs out in an answer: its words stay, a sentence follows, and the next answer is a fresh one's."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

from chat_app import strings
from chat_app.panes import Panes
from chat_app.session import Box
from core.embedded.onnx_decoder import OnnxDecoder
from core.embedded.onnx_memory import Bound
from core.errors import EngineError
from core.graph import GraphDecoder
from core.lalm import Lalm
from core.stage import Filling
from core.types import Conversation, Settings, Token, Turn
from tests import tiny
from tests.faults import told_by
from tests.pages import form, handling
from tests.slow import SLOW

ERRORS = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeException("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer"),
    Fail("[ONNXRuntimeError] : 1 : FAIL : std::bad_alloc"),
)
TURN = Turn(
    "user", (tiny.noise(1, 2.0), tiny.tone(440.0), "Which of the clips is the louder one, and why do you say so?")
)
FIRST = Conversation((TURN,))
SECOND = Conversation((TURN, Turn("assistant", ("Clip A.",)), Turn("user", (tiny.noise(2), "And now?"))))
SETTINGS = Settings(max_tokens=6)


def plain() -> Lalm:
    return tiny.engine("qwen2_audio")


def recorded() -> Lalm:
    """Decodes by recorded steps, which on a CPU are run as they are."""
    engine = tiny.engine("qwen2_audio")
    engine.decoder = GraphDecoder(engine.loaded, engine.lens, engine.adapters)
    return engine


def in_int8() -> Lalm:
    engine = tiny.engine("embedded")
    model = engine.loaded.model
    with TemporaryDirectory() as folder:
        engine.decoder = OnnxDecoder.of(lambda: model, model.config, {}, Path(folder), 1, progress=lambda line: None)
        engine.decoder._body(None)
    return engine


ENGINES: dict[str, Callable[[], Lalm]] = {"torch": plain, "graph": recorded, "int8": in_int8}


def said(engine: Lalm, conversation: Conversation = FIRST) -> list[Token]:
    return [event for event in engine.stream(conversation, SETTINGS) if isinstance(event, Token)]


def text(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens)


def alike(found: list[Token], expected: list[Token]) -> None:
    """The same words, by the same looks up to rounding: a memory that begins elsewhere sums in another order."""
    assert [token.text for token in found] == [token.text for token in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.reading is not None and other.reading is not None
        torch.testing.assert_close(
            torch.tensor(one.reading.weights), torch.tensor(other.reading.weights), atol=2e-3, rtol=0
        )


@contextmanager
def failing(engine: Lalm, call: int, error: BaseException) -> Iterator[list[int]]:
    """The `call`-th time that the decoder's work is under way it runs out of memory, in the middle of the layers."""
    calls: list[int] = []

    def count(*_: Any) -> None:
        calls.append(1)
        if len(calls) == call:
            raise error

    if isinstance(engine.decoder, OnnxDecoder):
        run = Bound.run

        def counted(bound: Bound, *given: Any) -> Any:
            found = run(bound, *given)  # the memory holds the row by now, and does not know it
            count()
            return found

        with patch.object(Bound, "run", counted):
            yield calls
    else:
        handle = engine.loaded.model.get_decoder().layers[1].register_forward_hook(count)
        yield calls
        handle.remove()


POINTS = [
    (call, error)
    for call in (range(1, 7) if SLOW else (1, 4))
    for error in (ERRORS if SLOW else ERRORS[call - 1 : call])
]
"""When, and by which error: in the prompt, and in a later step."""


@pytest.mark.parametrize("kind", ENGINES)
def test_the_words_stay_and_the_next_answer_is_that_of_a_fresh_engine(kind: str) -> None:
    expected, later = said(ENGINES[kind]()), said(ENGINES[kind](), SECOND)
    engine = ENGINES[kind]()
    for call, error in POINTS:
        said(engine)  # something is on the shelf, which the next answer would go on from
        engine.shelf.clear()
        words: list[Token] = []
        with failing(engine, call, error), pytest.raises(EngineError, match="ran out of memory: remove a clip"):
            for event in engine.stream(FIRST, SETTINGS):
                assert isinstance(event, Token)
                words.append(event)
        assert [token.text for token in words] == [token.text for token in expected][: len(words)]
        assert len(words) < call and (words or call < 4)
        assert engine.shelf.tokens == 0 and not engine.heard
        alike(said(engine), expected)
        alike(said(engine, SECOND), later)


@pytest.mark.parametrize("kind", ENGINES)
def test_another_answer_that_runs_at_the_same_time_goes_on_as_if_alone(kind: str) -> None:
    engine = ENGINES[kind]()
    expected = said(ENGINES[kind](), SECOND)
    other = engine.stream(SECOND, SETTINGS)
    began = [next(other), next(other)]
    with failing(engine, 2, ERRORS[0]), pytest.raises(EngineError):
        list(engine.stream(FIRST, SETTINGS))
    alike([event for event in (*began, *other) if isinstance(event, Token)], expected)


def test_slots_that_find_no_room_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first prompt of a stage makes its slots layer by layer: it may fail between two layers."""
    engine, expected = recorded(), said(recorded())
    made = Filling.lazy_initialization
    left = [2]

    def no_room(self: Filling, *given: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise torch.OutOfMemoryError("no room")
        made(self, *given)

    monkeypatch.setattr(Filling, "lazy_initialization", no_room)
    with pytest.raises(EngineError, match="ran out of memory"):
        said(engine)
    alike(said(engine), expected)
    alike(said(engine), expected)


def test_what_is_no_lack_of_memory_is_not_called_so() -> None:
    engine = plain()
    with failing(engine, 2, RuntimeError("shapes do not fit")), pytest.raises(RuntimeError, match="shapes"):
        said(engine)


def test_on_the_page_the_words_and_the_conversation_stay(tmp_path: Path) -> None:
    engine = plain()
    handlers = handling(tmp_path, engine)
    chosen = [form(engine, max_tokens=6)]
    panes = list(handlers.send("tab", Panes(), Box("Which?"), chosen))[-1].panes
    whole = panes.first.exchanges[0].words
    with failing(engine, 3, ERRORS[0]):
        broken = list(handlers.send("tab", panes, Box("Why do you say so?"), chosen))[-1].panes
    first, second = broken.first.exchanges
    assert first.words == whole and second.words and second.ending == "failed"
    assert "ran out of memory" in second.problem and strings.CRASHED not in second.problem
    last = list(handlers.retry("tab", broken, chosen))[-1].panes.first.exchanges[-1]
    assert last.ending in ("stop", "length") and last.words.startswith(second.words)


def in_little_memory(kind: str) -> tuple[str, bool]:
    """Asks what does not fit into the memory that the system still gives; then what does, with room again."""
    engine = ENGINES[kind]()
    expected = said(engine)
    long = Conversation((Turn("user", (*(tiny.noise(seed, 8.0) for seed in range(3)), "word " * 600)),))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 4 * 2**20, hard))
    sentence = ""
    try:
        list(engine.stream(long, SETTINGS))
    except EngineError as error:
        sentence = str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return sentence, text(said(engine)) == text(expected)


@pytest.mark.parametrize("kind", ["torch", "graph"])  # int8 reads a prompt in pieces, for which there is always room
def test_where_the_system_gives_no_more_memory(kind: str) -> None:
    sentence, as_before = told_by(in_little_memory, kind)
    assert sentence.startswith("The model ran out of memory") and as_before

"""A trace goes to a safetensors file and back; what is no trace that a meter can be drawn from is refused."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load, save

from chat_app import meter
from chat_app.trace import Trace
from chat_app.trace_file import read_trace, trace_bytes
from core.errors import ConversationError
from core.fake import FakeEngine
from core.types import Boost, Clip, Conversation, Settings, Token, Turn, letter


def clip(index: int) -> Clip:
    return Clip(np.full(800 + index, 0.25, np.float32), f"{index}.wav")


def trace(clips: int = 2, settings: Settings = Settings(Boost("mata", 0.3))) -> Trace:
    asked = Conversation((Turn("user", (*map(clip, range(clips)), "Which?")),))
    events = list(FakeEngine(delay_seconds=0).stream(asked, settings))
    found = Trace.of([event for event in events if isinstance(event, Token)])
    assert found is not None
    return found


@st.composite
def traces(draw: st.DrawFn, clips: int | None = None) -> Trace:
    steps, depth = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    clips = draw(st.integers(0, 3)) if clips is None else clips
    sources = ("template", *(f"clip {letter(index)}" for index in range(clips)), "answer")
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def array(*shape: int) -> np.ndarray:
        return rng.uniform(0, 1, shape).astype(np.float32)

    return Trace(
        texts=tuple(draw(st.lists(st.text(max_size=4), min_size=steps, max_size=steps))),
        sources=sources,
        layers=tuple(range(3, 3 + depth)),
        boosted=tuple(range(3, 3 + draw(st.integers(0, depth)))),
        tokens=rng.integers(0, 2**24, (steps, len(sources)), endpoint=True).astype(np.float32),
        weights=array(steps, depth, len(sources)),
        natural=array(steps, depth, len(sources)),
        head_spread=array(steps, depth),
        profiles=tuple(array(steps, draw(st.integers(0, 5))) for _ in range(clips)),
    )


@given(traces())
def test_it_comes_back_bit_by_bit(value: Trace) -> None:
    back = read_trace(trace_bytes(value))
    assert back == value and hash(back) == hash(value)
    assert back.summary == value.summary


def test_other_programs_read_it(tmp_path: Path) -> None:
    value = trace()
    path = tmp_path / "reading.safetensors"
    path.write_bytes(trace_bytes(value))
    with safe_open(path, "np") as file:
        assert json.loads(file.metadata()["texts"]) == list(value.texts)
        assert json.loads(file.metadata()["sources"]) == list(value.sources)
    arrays = load(path.read_bytes())
    assert set(arrays) == {
        *("tokens", "weights", "natural", "head_spread", "layers", "boosted", "profile A", "profile B")
    }
    assert arrays["weights"].shape == (value.steps, len(value.layers), len(value.sources))
    assert np.allclose(arrays["weights"].sum(-1), 1, atol=1e-5)


SOURCES = trace().sources
Change = Callable[[dict[str, Any], dict[str, str]], object]


def put(name: str, value: Any) -> Change:
    return lambda arrays, names: arrays.update({name: value})


def over(name: str, number: float) -> Change:
    """The array with one number in it changed."""

    def change(arrays: dict[str, Any], names: dict[str, str]) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name].flat[0] = number

    return change


def named(name: str, value: Any) -> Change:
    return lambda arrays, names: names.update({name: json.dumps(value)})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda arrays, names: arrays.pop("natural"), "other arrays"),
        (lambda arrays, names: arrays.pop("profile A"), "other arrays"),
        (lambda arrays, names: arrays.pop("profile B"), "clips without a profile"),
        (put("more", np.zeros(1, np.float32)), "other arrays"),
        (put("weights", np.zeros((2, 2), np.float16)), "another kind"),
        (put("layers", np.arange(8, dtype=np.float32)), "other arrays"),
        (put("layers", np.arange(7)), "wrong shape"),
        (put("tokens", np.zeros((52, 2), np.float32)), "wrong shape"),
        (put("weights", np.zeros((1, 8, len(SOURCES)), np.float32)), "wrong shape"),
        (put("profile A", np.zeros(32, np.float32)), "wrong shape"),
        (put("boosted", np.array([99])), "a layer that it has not"),
        (over("weights", np.nan), "out of range"),
        (over("weights", np.inf), "out of range"),
        (over("natural", -0.1), "out of range"),
        (over("head_spread", 2), "out of range"),
        (over("profile B", 1e30), "out of range"),
        (over("tokens", 1e9), "out of range"),
        (over("tokens", np.nan), "out of range"),
        (named("texts", ["one"]), "wrong shape"),
        (named("texts", []), "wrong shape"),
        (named("texts", [1]), "wrong kind"),
        (named("texts", {}), "should be a list"),
        (named("sources", ["clip A"] * len(SOURCES)), "clips without a profile"),
        (named("sources", SOURCES[::-1]), "clips without a profile"),
        (named("sources", ["answer" if name == "template" else name for name in SOURCES]), "names a source twice"),
        (lambda arrays, names: names.update(texts="{"), "not complete JSON"),
        (lambda arrays, names: names.clear(), "other arrays"),
        (lambda arrays, names: names.update(more="1"), "other arrays"),
    ],
)
def test_what_is_no_trace_is_refused_with_the_reason(change: Change, reason: str) -> None:
    content = trace_bytes(trace())
    arrays: dict[str, Any] = dict(load(content))
    names = {"texts": json.dumps(trace().texts), "sources": json.dumps(trace().sources)}
    change(arrays, names)
    with pytest.raises(ConversationError, match=reason):
        read_trace(save(arrays, metadata=names))


def test_a_file_changed_anywhere_is_a_trace_whose_meter_is_drawn_or_refused() -> None:
    content, clips, rng = trace_bytes(trace()), list(map(clip, range(2))), Random(0)
    header = struct.unpack("<Q", content[:8])[0]
    refused = 0
    for number in range(400):
        changed = bytearray(content)
        bit = rng.randrange(8 * (8 + header)) if number % 2 else rng.randrange(8 * len(content))
        changed[bit // 8] ^= 1 << bit % 8
        try:
            back = read_trace(bytes(changed[: rng.randrange(len(changed))] if number % 20 == 0 else changed))
        except ConversationError:
            refused += 1
            continue
        if len(back.profiles) == len(clips):
            assert "es-meter" in meter.card(back, clips)
    assert 100 < refused < 400

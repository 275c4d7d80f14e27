"""A GPU lent by the call: for how long, what happens where none is to be had, and the library that lends it."""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import strings, zerogpu
from chat_app.asking import Ask, Asks, Came, Probe, Problem, asker
from chat_app.zerogpu import MOST_SECONDS, READY_SECONDS, gpu_seconds, lent
from core.fake import FakeEngine
from core.types import Clip, Conversation, Settings, Turn
from tests.test_asking import MIXED, came

ROOT = Path(__file__).parent.parent


def ask(seconds: float, tokens: int = 1) -> Ask:
    clip = Clip(np.zeros(round(seconds * 16_000), np.float32), "silence.wav")
    return Ask(0, Conversation((Turn("user", (clip, "What?")),)), Settings(max_tokens=tokens))


few = st.lists(st.builds(ask, st.integers(0, 60), st.integers(1, 300)), max_size=4).map(tuple)


@given(few, st.integers(0, 20), st.integers(0, 300), st.booleans())
def test_more_to_do_takes_longer_up_to_the_most(asks: Asks, seconds: int, tokens: int, together: bool) -> None:
    asked = gpu_seconds(asks, together)
    assert READY_SECONDS <= asked <= MOST_SECONDS
    assert asked <= gpu_seconds((*asks, ask(seconds, max(1, tokens))))
    for more in asks[:1]:
        assert isinstance(more, Ask)
        longer = replace(more, settings=replace(more.settings, max_tokens=more.settings.max_tokens + tokens))
        assert asked <= gpu_seconds((longer, *asks[1:]))
    assert asked == gpu_seconds(asks[::-1], not together)


def test_the_seconds_of_one_question() -> None:
    assert gpu_seconds((ask(30, 160),)) == math.ceil(20 + 30 * 0.1 + 160 * 0.05)
    assert gpu_seconds((ask(30, 160), ask(30, 160))) == 20 + 2 * 11
    assert gpu_seconds((ask(1, 4096),)) == MOST_SECONDS
    asked = ask(30).conversation
    assert gpu_seconds((Probe(0, asked, "Silence.", Settings()),)) == 20 + 3 * 3


def lending(monkeypatch: pytest.MonkeyPatch, gpu: Callable[..., Any]) -> None:
    monkeypatch.setattr(zerogpu, "spaces", SimpleNamespace(GPU=gpu))


def test_nothing_is_changed_where_nobody_lends(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = asker([FakeEngine(delay_seconds=0)])
    lending(monkeypatch, lambda task, duration: task)
    assert lent(answers) is answers
    monkeypatch.setattr(zerogpu, "spaces", None)
    assert lent(answers) is answers


@pytest.mark.parametrize("error", [gr.Error("You have <b>no</b>\nquota"), RuntimeError("You have <b>no</b>\nquota")])
@pytest.mark.parametrize("after", [0, 5])
def test_a_loan_that_is_refused_or_ends_is_a_sentence_for_each(
    error: Exception, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = asker([FakeEngine(delay_seconds=0)])

    def gpu(task: Any, duration: Callable[[Asks, bool], int]) -> Any:
        def on_gpu(asks: Asks, together: bool) -> Generator[Came, None, None]:
            assert duration(asks, together) == gpu_seconds(asks)
            events = task(asks, together)
            yield from (next(events) for _ in range(after))
            events.close()
            raise error

        return on_gpu

    lending(monkeypatch, gpu)
    found = came(lent(answers), MIXED)
    assert found[:after] == came(answers, MIXED)[:after]
    sentence = Problem(strings.NO_GPU.format(problem="You have <b>no</b> quota"))
    # After five events the first ask has ended, by itself.
    assert found[after:] == [(place, sentence) for place in ((1, 2) if after else (0, 1, 2))]


def test_the_library_comes_before_torch(tmp_path: Path) -> None:
    told = "import sys\nprint('torch' in sys.modules)\ndef GPU(task, duration):\n    return task\n"
    (tmp_path / "spaces.py").write_text(told)
    starts = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['app.py', '--list-models']"
    code = f"{starts}; runpy.run_path('app.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "False"


def test_through_the_real_library_answers_are_the_same() -> None:
    pytest.importorskip("spaces", reason="the library that lends GPUs is not installed (requirements-dev.txt)")
    program = [sys.executable, "-m", "tests.device_api"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    in_turn, together, stopped, refused = (json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{")
    for told in (in_turn, together):
        assert told["same"] and told["elsewhere"], "the answers came from another process"
        assert told["service"] == ["/schedule", "/allow", "/release"], "one loan for all that is asked"
        assert told["seconds"] == [str(gpu_seconds(MIXED))]
    assert stopped["first"] == 0 and stopped["service"].count("/release") == 1
    assert [place for place, _ in refused["problems"]] == [0, 1, 2]
    assert all(sentence.startswith("No GPU was to be had") for _, sentence in refused["problems"])


def test_the_real_library_changes_nothing_elsewhere() -> None:
    spaces = pytest.importorskip("spaces", reason="the library that lends GPUs is not installed")
    answers = asker([FakeEngine(delay_seconds=0)])
    assert spaces.GPU(answers, duration=gpu_seconds) is answers

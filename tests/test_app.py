"""The program and the page's wiring: what it serves, what it refuses, how it fails."""

import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest
from gradio_client import Client

from chat_app import build, launch_options, strings
from chat_app.launch import EXAMPLES
from chat_app.layout import MOST_EVENTS
from chat_app.sidebar import STRENGTHS
from core.audio import read_clip
from core.fake import FakeEngine
from core.texts import example_conversations, system_presets
from core.types import METHODS, Boost
from tests import openai_server
from tests.serving import loops_closed, served

ROOT = Path(__file__).parent.parent

# The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("no_reports")]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A running page."""
    with served(FakeEngine(delay_seconds=0)) as url:
        yield url


@pytest.fixture(scope="module")
def demo() -> Iterator[gr.Blocks]:
    """A page that is not running."""
    with loops_closed():
        yield build(FakeEngine())


def test_it_listens_on_this_machine_only_and_the_page_is_there(address: str) -> None:
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address) as page:
        assert b"Earshot" in page.read()


def test_files_outside_the_uploads_are_not_served(address: str) -> None:
    for path in ("/etc/hostname", str(ROOT / "pyproject.toml")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}gradio_api/file={path}")
        assert refused.value.code == 403
        refused.value.close()


def test_the_page_reports_and_shares_nothing(demo: gr.Blocks) -> None:
    assert demo.analytics_enabled is False
    assert demo.delete_cache == (3600, 86400)
    options = launch_options()
    assert options["share"] is False and options["run_history"] is False
    assert options["max_file_size"]
    chat = next(block for block in demo.blocks.values() if type(block).__name__ == "Chatbot")
    assert chat.buttons == [] and chat.sanitize_html is True


def test_nothing_waits_in_gradios_queue_but_programs_and_what_changes_panes_at_once(demo: gr.Blocks) -> None:
    waiting = [fn for fn in demo.fns.values() if isinstance(fn.concurrency_limit, int)]  # others: none, or Gradio's own
    assert {fn.concurrency_id for fn in waiting} == {"programs", "panes"}
    assert [fn.api_name for fn in waiting if fn.concurrency_id == "programs"] == ["ask"]
    assert {fn.concurrency_limit for fn in waiting} == {1}


def test_where_a_gpu_is_lent_gradios_queue_takes_more_than_one_press(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradio.utils.is_zero_gpu_space", lambda: True)
    with loops_closed():
        assert build(FakeEngine())._queue.max_size == MOST_EVENTS


@pytest.mark.parametrize("attention", [True, False])
def test_what_a_model_cannot_do_is_not_offered(attention: bool) -> None:
    engine = FakeEngine()
    engine.info = replace(engine.info, attention=attention, adapters=engine.info.adapters if attention else ())
    with loops_closed():
        page = build(engine)
    method, adapter = (
        next(block for block in page.blocks.values() if block.elem_id == name) for name in ("method", "adapter")
    )
    boost = method.parent.parent  # Gradio puts a form around the fields of a group
    assert boost.label == strings.BOOST_HEADING
    assert (boost.visible, adapter.visible) == (attention, attention)
    header = next(block.value for block in page.blocks.values() if "es-header" in str(getattr(block, "value", "")))
    assert ("attended" in header) == attention


def test_every_method_has_a_range_of_strengths_the_boost_takes() -> None:
    assert set(STRENGTHS) == set(METHODS)
    for method, (low, high, step, first) in STRENGTHS.items():
        assert low <= first <= high and step > 0
        for alpha in (low, first, high):
            Boost(method, alpha)


def test_examples_are_shipped_and_can_be_heard() -> None:
    conversations = example_conversations()
    assert len(conversations) >= 6
    for example in conversations:
        assert example.question.endswith(("?", "."))
        for name in example.files:
            assert read_clip(EXAMPLES / name).seconds > 0.5


def test_the_first_system_prompt_is_the_models_own() -> None:
    first, *others = system_presets()
    assert first.text == ""
    assert all(preset.text for preset in others)
    assert len({preset.name for preset in (first, *others)}) == 1 + len(others)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "app.py", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_program_says_what_it_loaded_and_where_it_is() -> None:
    with start("--model", "fake", "--share", "never") as program:
        try:
            lines = [program.stdout.readline(), program.stdout.readline()]
        finally:
            program.terminate()
    assert lines[0] == "fake, fp32: no model is loaded.\n"
    assert re.fullmatch(r"Loaded in \d+\.\d s: http://127\.0\.0\.1:\d+/\n", lines[1])


def test_the_program_says_that_clips_are_sent_to_a_server() -> None:
    with openai_server.running() as server, start("--model", f"{server}/v1") as program:
        try:
            line = program.stdout.readline()
        finally:
            program.terminate()
    assert line == f"listener, remote: answered by {server.removeprefix('http://')}; clips are sent there.\n"


def test_further_models_stand_beside_the_first() -> None:
    with openai_server.running() as server, start("--model", "fake", "--also", f"{server}/v1") as program:
        try:
            lines = [program.stdout.readline() for _ in range(3)]
            described = Client(lines[2].split()[-1], verbose=False).predict(api_name="/describe")
        finally:
            program.terminate()
    assert lines[0] == "fake, fp32: no model is loaded.\n" and lines[1].startswith("listener, remote: answered by ")
    assert [model["model"] for model in described["models"]] == ["fake", "listener"]


def test_a_further_model_that_cannot_be_had_is_one_sentence_too() -> None:
    with start("--model", "fake", "--also", "http://127.0.0.1:1/v1") as program:
        _, errors = program.communicate()
    assert program.returncode == 2
    assert len(errors.splitlines()) == 1 and "127.0.0.1:1" in errors


def test_a_model_that_cannot_be_had_is_one_sentence_and_exit_2() -> None:
    with start("--model", "embedded", "--precision", "nf4") as program:
        _, errors = program.communicate()
    assert program.returncode == 2
    assert errors.endswith("leave out --precision nf4.\n")
    assert "Traceback" not in errors

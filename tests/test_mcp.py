"""The model as tools of an MCP server; what needs the extra package is skipped without it."""

import asyncio
import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from chat_app import strings
from chat_app.launch import EXAMPLES
from tests import wire

ROOT = Path(__file__).parent.parent
PIANO = EXAMPLES / "piano_a4.flac"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_without_the_extra_it_is_one_sentence_and_exit_2() -> None:
    hides = "import runpy, sys; sys.modules['mcp'] = None; sys.argv = ['app.py', '--model', 'fake', '--mcp']"
    program = [sys.executable, "-c", f"{hides}; runpy.run_path('app.py', run_name='__main__')"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{strings.NO_MCP}\n")


@contextmanager
def serving() -> Iterator[str]:
    """The address of an app that was started with --mcp."""
    program = [sys.executable, "app.py", "--model", "fake", "--mcp"]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield next(line.split()[-1] for line in process.stdout if line.startswith("Loaded in"))
        finally:
            process.terminate()


@asynccontextmanager
async def session(address: str) -> Any:
    mcp = pytest.importorskip("mcp")
    http = pytest.importorskip("mcp.client.streamable_http")
    async with (
        http.streamablehttp_client(f"{address}gradio_api/mcp/") as (read, write, _),
        mcp.ClientSession(read, write) as opened,
    ):
        await opened.initialize()
        yield opened


def test_ask_and_describe_are_the_tools_and_can_be_called() -> None:
    pytest.importorskip("mcp", reason="the MCP server's package is not installed (requirements-mcp.txt)")
    jsonschema = pytest.importorskip("jsonschema", reason="comes with mcp")

    async def use(address: str) -> None:
        async with session(address) as opened:
            tools = {tool.name: tool for tool in (await opened.list_tools()).tools}
            assert set(tools) == {"ask", "describe"}
            for tool in tools.values():
                jsonschema.Draft202012Validator.check_schema(tool.inputSchema)
                told = [each["description"] for each in tool.inputSchema["properties"].values()]
                assert tool.description and all(told)
            assert tools["ask"].inputSchema["required"] == ["question"]

            data = "data:audio/flac;base64," + base64.b64encode(PIANO.read_bytes()).decode()
            uploaded = wire.upload(address, PIANO)
            for clip in (data, f"{address}gradio_api/file={uploaded}"):
                given = {"question": "Which note?", "clip_a": clip, "settings": {"max_tokens": 5}}
                answered = await opened.call_tool("ask", given)
                assert not answered.isError and "This is a fake answer," in answered.content[0].text
            described = await opened.call_tool("describe", {})
            assert not described.isError and "'model': 'fake'" in described.content[0].text

            for clip in (str(PIANO), "/etc/hostname", f"file://{PIANO}", f"{address}gradio_api/file={PIANO}"):
                refused = await opened.call_tool("ask", {"question": "Which?", "clip_a": clip})
                assert refused.isError, clip
            wrong = await opened.call_tool("ask", {"question": "Which?", "settings": {"strength": 1}})
            assert wrong.isError and "there is no key 'strength'" in wrong.content[0].text

    with serving() as address:
        asyncio.run(use(address))


def test_what_is_installed_for_it_is_the_gradio_of_the_page() -> None:
    pages = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("gradio"))
    lines = (ROOT / "requirements-mcp.txt").read_text().splitlines()
    assert "-r requirements.txt" in lines and pages.replace("gradio", "gradio[mcp]") in lines

"""Nothing leaves the machine: the whole page used in a process that can reach nothing, and whose attempts are told."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import cut_off
from tests.slow import slow

ROOT = Path(__file__).parent.parent
TELLS = re.compile(r"CI$|ORT_|GRADIO_|HF_|HUGGING|DO_NOT_TRACK|.*_proxy$", re.IGNORECASE)
"""Variables by which a person could have turned reports off, or on."""


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """The address of a proxy, and what it was asked for."""
    asked: list[str] = []

    class Noting(BaseHTTPRequestHandler):
        def note(self) -> None:
            asked.append(self.requestline)
            self.send_error(502)

        do_GET = do_POST = do_PUT = do_HEAD = do_CONNECT = note

        def log_message(self, *_: object) -> None:
            """Nothing into the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Noting) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def without_settings() -> dict[str, str]:
    """The environment, but for what nobody who just starts the program has in it."""
    return {name: value for name, value in os.environ.items() if not TELLS.match(name)}


def used(report: Path, program: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a program cut off; no setting keeps it from reporting."""
    line = [sys.executable, "-m", "tests.cut_off", str(report), str(program), *arguments]
    return subprocess.run(
        line, cwd=ROOT, env=without_settings() | more, capture_output=True, text=True, timeout=560, check=False
    )


@pytest.mark.parametrize("model", ["fake", pytest.param("embedded", marks=[pytest.mark.weights, slow])])
def test_the_whole_page_is_used_and_nothing_is_asked_elsewhere(model: str, tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = used(report, ROOT / "tests" / "everything.py", model)
    assert done.returncode == 0, done.stderr
    well, of = map(int, re.findall(r"(\d+) of (\d+) listeners", done.stdout)[0])
    assert well > of / 2
    begun, *tried = report.read_text().splitlines()
    assert begun.startswith("own network: ") and tried == []
    print(f"{begun}, {well} of {of} listeners")


def proxied(address: str) -> dict[str, str]:
    """The settings by which programs ask a proxy, on the machine's own network, for it is there."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy")
    return {name: address for name in names} | {"NO_PROXY": "127.0.0.1,localhost", cut_off.SAME_NETWORK: "1"}


@pytest.mark.parametrize(
    "model", [pytest.param("fake", marks=slow), pytest.param("embedded", marks=pytest.mark.weights)]
)
def test_no_proxy_is_asked_either(model: str, tmp_path: Path) -> None:
    report = tmp_path / "report"
    with proxy() as (address, asked):
        done = used(report, ROOT / "tests" / "everything.py", model, **proxied(address))
    assert done.returncode == 0, done.stderr
    assert asked == [] and report.read_text() == "own network: False\n"


def test_the_program_itself_asks_nobody(tmp_path: Path) -> None:
    report = tmp_path / "report"
    line = [sys.executable, "-m", "tests.cut_off", str(report), "app.py", "--model", "fake"]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=without_settings()) as program:
        assert program.stdout is not None
        assert "fake" in program.stdout.readline() and "http://127.0.0.1:" in program.stdout.readline()
        program.terminate()
    assert len(report.read_text().splitlines()) == 1


def test_who_asks_elsewhere_is_told_of(tmp_path: Path) -> None:
    asks, report = tmp_path / "asks.py", tmp_path / "report"
    asks.write_text(
        "import socket, urllib.request\n"
        "def page(): urllib.request.urlopen('http://example.org/')\n"
        "def plain(): socket.create_connection(('192.0.2.1', 9), 1)\n"
        "for what in (page, plain):\n"
        "    try:\n        what()\n    except OSError as error:\n        print(error)\n"
    )
    used(report, asks)
    assert report.read_text().splitlines()[1:] == ["socket.getaddrinfo example.org", "socket.getaddrinfo 192.0.2.1"]
    with proxy() as (address, asked):
        used(report, asks, **proxied(address))
    assert asked == ["GET http://example.org/ HTTP/1.1"]

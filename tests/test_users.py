"""Names and passwords: the file they are in, and that without them no address gives anything of anybody's."""

import json
import os
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import anyio
import gradio as gr
import pytest
from gradio_client import Client, handle_file
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_app import users
from chat_app.launch import EXAMPLES
from core.errors import UsersError
from core.fake import FakeEngine
from tests import wire
from tests.serving import running
from tests.slow import slow
from tests.test_trespass import OPEN, routes

ROOT = Path(__file__).parent.parent
PASSWORD = "correct horse battery"

# The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("no_reports")]


@pytest.fixture(scope="module")
def ada() -> dict[str, users.Secret]:
    return {"ada": users.Secret.of(PASSWORD)}


@pytest.fixture(scope="module")
def demo(ada: dict[str, users.Secret]) -> Iterator[gr.Blocks]:
    with running(FakeEngine(delay_seconds=0), users=users.checking(ada)) as demo:
        yield demo


@pytest.fixture
def address(demo: gr.Blocks) -> str:
    return demo.local_url


WITHOUT = {
    *("/", "/login", "/logout", "/favicon.ico", "/manifest.json", "/robots.txt", "/theme.css"),
    *("/assets/{path:path}", "/static/{path:path}", "/svelte/{path:path}"),
    *(f"/gradio_api/{name}" for name in ("user", "app_id", "theme.css", "startup-events", "cancel", "reset")),
    "/gradio_api/heartbeat/{session_hash}",
}
"""What answers without a password: the page that asks for one, and nothing that anybody asked or dropped."""


def test_without_a_password_no_address_gives_anything(demo: gr.Blocks, address: str) -> None:
    answered = set()
    for method, path in routes(demo):
        if (path.rstrip("/") or "/") in OPEN and method != "HEAD":
            filled = path.replace(":path", "").replace("{", "").replace("}", "")
            status, _, came = wire.raw(address, method, filled, b"{}" if method == "POST" else b"")
            if status != 401:
                answered.add(path.rstrip("/") or "/")
                assert b"Compare sounds by asking" not in came and b"example-adapter" not in came
    assert answered == WITHOUT
    assert wire.raw(address, "GET", f"/gradio_api/file={EXAMPLES / 'dog_bark.flac'}")[0] == 401


def test_no_listener_answers_without_a_password(demo: gr.Blocks, address: str) -> None:
    kind = {"Content_Type": "application/json"}
    for number, listener in demo.fns.items():
        body = json.dumps({"data": [], "fn_index": number, "session_hash": "x"}).encode()
        for path in ("queue/join", *(f"{way}/{listener.api_name}" for way in ("run", "api", "call"))):
            assert wire.raw(address, "POST", f"/gradio_api/{path}", body, **kind)[0] == 401


def test_with_a_password_the_page_and_a_program_ask(address: str) -> None:
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    form = urlencode({"username": "ada", "password": PASSWORD}).encode()
    assert json.load(opener.open(f"{address}login", form)) == {"success": True}
    assert json.load(opener.open(f"{address}config"))["username"] == "ada"
    client = Client(address, auth=("ada", PASSWORD), verbose=False, analytics_enabled=False)
    answer, _ = client.predict("Which?", handle_file(EXAMPLES / "dog_bark.flac"), api_name="/ask")
    assert answer.startswith("This is a fake answer")


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("ada", ""), ("bob", PASSWORD), ("", ""), ("*", "*")])
def test_a_wrong_password_is_refused(address: str, name: str, password: str) -> None:
    with pytest.raises(ValueError, match="Could not login"):
        Client(address, auth=(name, password), verbose=False, analytics_enabled=False)


def test_a_cookie_made_up_is_none(demo: gr.Blocks, address: str) -> None:
    for token in ("", "x", "None", "null", "ada"):
        for cookie in ("access-token", "access-token-unsecure"):
            sent = f"{cookie}-{demo.app.cookie_id}={token}"
            assert wire.raw(address, "GET", "/config", Cookie=sent)[0] == 401


@settings(max_examples=5)  # each takes a while, which is what it is for
@given(password=st.text(min_size=1, max_size=30), other=st.text(max_size=30))
def test_one_password_fits(password: str, other: str) -> None:
    weak = users.Secret(b"salt", users._hash(password, b"salt"))
    assert weak.fits(password) and (weak.fits(other) == (other == password))


def test_what_is_written_is_read_and_no_password_is_in_it(tmp_path: Path, ada: dict[str, users.Secret]) -> None:
    path = tmp_path / "users"
    known = ada | {"Bob Ä.": users.Secret.of(PASSWORD)}
    users.write(path, known)
    assert users.read(path) == known
    assert PASSWORD not in path.read_text("utf-8") and known["ada"] != known["Bob Ä."]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and os.listdir(tmp_path) == ["users"]

    async def tries() -> list[bool]:
        check = users.checking(users.read(path))
        return [await check(*pair) for pair in (("ada", PASSWORD), ("ada", "x"), ("x", PASSWORD), ("Bob Ä.", PASSWORD))]

    assert anyio.run(tries) == [True, False, False, True]


GOOD = "a:" + "A" * 43 + "=:" + "A" * 43 + "="


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Nobody is in"),
        ("ada:hunter2\n", "Line 1 of .* is no user"),
        ("ada\n", "Line 1"),
        (f"{GOOD}\n\n", "Line 2"),
        (f"{GOOD}\n{GOOD}\n", "Line 2"),
        (GOOD.replace("a:", ":"), "Line 1"),
        (GOOD + ":x", "Line 1"),
        (GOOD[:-4], "Line 1"),
        (GOOD.replace("A", "é"), "Line 1"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "users"
    path.write_bytes(text.encode(errors="surrogateescape"))
    path.chmod(0o600)
    with pytest.raises(UsersError, match=sentence) as caught:
        users.read(path)
    assert "\n" not in str(caught.value) and "hunter2" not in str(caught.value)


def test_a_file_that_others_may_change_or_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text(f"{GOOD}\n")
    path.chmod(0o620)
    with pytest.raises(UsersError, match="chmod 600"):
        users.read(path)
    with pytest.raises(UsersError, match="cannot be read"):
        users.read(tmp_path / "gone")


def test_a_user_is_added_and_gets_a_new_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, typed = tmp_path / "users", list[str]()
    monkeypatch.setattr("chat_app.users.getpass", lambda prompt: typed.pop(0))

    def run(name: str, *words: str) -> int:
        typed[:] = words
        return users.main([str(path), name])

    assert run("ada", PASSWORD, PASSWORD) == 0 and users.read(path)["ada"].fits(PASSWORD)
    assert run("bob", "another one", "another one") == 0
    assert run("ada", "a new password", "a new password") == 0
    known = users.read(path)
    assert known["ada"].fits("a new password") and known["bob"].fits("another one") and len(known) == 2
    assert "--auth" in capsys.readouterr().out
    for name, words in (
        ("cy", ("short",)),
        ("cy", ("long enough", "other enough")),
        ("c:y", ()),
        (" cy", ()),
        ("", ()),
    ):
        assert run(name, *words) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert users.main([]) == 2 and users.read(path) == known


@slow
@pytest.mark.parametrize(
    ("more", "sentence"), [(["--auth", "/nowhere"], "cannot be read"), (["--auth", "x", "--mcp"], "leave out --auth")]
)
def test_the_program_says_in_one_sentence_what_is_wrong(more: list[str], sentence: str) -> None:
    done = subprocess.run(
        [sys.executable, "app.py", "--model", "fake", *more], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and sentence in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_program_asks_for_a_password(tmp_path: Path, ada: dict[str, users.Secret]) -> None:
    users.write(tmp_path / "users", ada)
    line = [sys.executable, "app.py", "--model", "fake", "--auth", str(tmp_path / "users")]
    environment = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    environment |= {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment) as program:
        try:
            assert program.stdout is not None
            program.stdout.readline()
            address = program.stdout.readline().split()[-1]
            assert wire.raw(address, "GET", "/config")[0] == 401
            (uploads,) = tmp_path.glob("earshot-*")
            assert stat.S_IMODE(uploads.stat().st_mode) == 0o700, "other users of the machine see no name of a clip"
        finally:
            program.terminate()
    assert program.returncode == 0 and not uploads.exists()

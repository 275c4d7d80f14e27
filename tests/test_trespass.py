"""No request, to whatever address of the page, reads a file that was not uploaded, or reaches another machine."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import gradio as gr
import pytest
from gradio.utils import get_upload_folder

from chat_app.launch import EXAMPLES
from core.fake import FakeEngine
from tests import trespass, wire
from tests.canary import MARK, Canary, canary
from tests.serving import running
from tests.slow import SLOW

# The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TOGETHER = 40


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine(delay_seconds=0)


@pytest.fixture(scope="module")
def demo(engine: FakeEngine) -> Iterator[gr.Blocks]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        with running(engine) as demo:
            yield demo


@pytest.fixture(scope="module")
def address(demo: gr.Blocks) -> str:
    return demo.local_url


@pytest.fixture(scope="module")
def mine(address: str) -> str:
    return wire.upload(address, EXAMPLES / "piano_a4.flac")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Canary]:
    with canary(tmp_path) as watching:
        yield watching
    assert watching.untouched(), watching


def config(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{address}config") as answer:
        return dict(json.load(answer))


def test_the_canary_sings(tmp_path: Path) -> None:
    with canary(tmp_path) as watching:
        assert watching.untouched()
        watching.text.read_text()
    assert set(watching.opened) >= {"canary.txt", str(watching.text)}
    (tmp_path / "b").mkdir()
    with canary(tmp_path / "b") as watching, pytest.raises(OSError):
        urllib.request.urlopen("http://canary.invalid/")
    assert watching.asked
    (tmp_path / "c").mkdir()
    with canary(tmp_path / "c") as watching, pytest.raises(OSError):
        urllib.request.urlopen(watching.server, timeout=0.01)
    assert watching.asked


def test_no_listener_reads_what_was_not_uploaded(
    address: str, mine: str, watched: Canary, engine: FakeEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    told = config(address)
    ways = trespass.ways(watched, address, mine)
    sent, answered, asked = 0, dict[str, int](), len(engine.asked)
    bodies = list(trespass.requests(told, ways, mine))
    if not SLOW:
        bodies = [*{name: (name, body) for name, body in bodies}.values(), *Random(0).sample(bodies, 240)]
    for first in range(0, len(bodies), TOGETHER):
        some = bodies[first : first + TOGETHER]
        messages = wire.join_all(address, [body for _, body in some])
        assert MARK not in json.dumps(messages)
        sent += len(some)
        for name, _ in some:
            answered[name] = answered.get(name, 0) + 1
    assert set(answered) == {listener["api_name"] for listener in told["dependencies"]}
    assert sent == len(bodies) >= 300
    heard = {clip.seconds for conversation, _ in engine.asked[asked:] for clip in conversation.clips}
    assert 0.5 not in heard, "the canary was heard"
    assert MARK not in "".join(capfd.readouterr())
    print(f"{sent} requests to {len(answered)} listeners")


def test_no_other_protocol_reads_what_was_not_uploaded(address: str, mine: str, watched: Canary) -> None:
    told, sent = config(address), 0
    ways = trespass.ways(watched, address, mine)
    bodies = Random(1).sample(list(trespass.requests(told, ways, mine)), 300 if SLOW else 50)
    for name, body in bodies:
        for route in ("run", "api", "call", "call/v2"):
            keywords = {"clip_a": body["data"][0] if body["data"] else None, "question": "Which?"}
            given = json.dumps(keywords if route == "call/v2" else body).encode()
            kind = {"Content_Type": "application/json"}
            status, _, came = wire.raw(address, "POST", f"/gradio_api/{route}/{name}", given, **kind)
            sent += 1
            assert MARK.encode() not in came
            if status == 200 and route.startswith("call"):
                event = json.loads(came)["event_id"]
                with urllib.request.urlopen(f"{address}gradio_api/{route}/{name}/{event}", timeout=60) as answer:
                    assert MARK.encode() not in answer.read()
                sent += 1
    print(f"{sent} requests")


def routes(demo: gr.Blocks) -> list[tuple[str, str]]:
    """Method and path of every route the running app has."""
    schema, found = demo.app, []
    for route in [*schema.routes]:
        inner = getattr(route, "original_router", None)
        for one in inner.routes if inner is not None else [route]:
            found += [(method, one.path) for method in sorted(one.methods or ())]
    return found


OPEN = {
    *("/", "/config", "/login", "/logout", "/favicon.ico", "/manifest.json", "/robots.txt", "/theme.css"),
    *("/assets/{path:path}", "/static/{path:path}", "/svelte/{path:path}"),
    *(
        f"/gradio_api/{name}"
        for name in (
            *("user", "login_check", "app_id", "info", "openapi.json", "theme.css", "startup-events"),
            *("upload", "upload_progress", "file={path_or_url:path}", "heartbeat/{session_hash}", "cancel", "reset"),
            *("queue/join", "queue/data", "queue/status", "run/{api_name}", "api/{api_name}", "call/{api_name}"),
            *("call/{api_name}/{event_id}", "call/v2/{api_name}", "call/v2/{api_name}/{event_id}"),
        )
    ),
}


def test_only_the_addresses_the_page_needs_are_there(demo: gr.Blocks, address: str) -> None:
    found = routes(demo)
    assert len(found) > 80
    opened = set()
    for method, path in found:
        filled = path.replace("{path:path}", "x").replace("{path_or_url:path}", "x")
        filled = filled.replace("{url_path:path}", "x").replace("{", "").replace("}", "")
        _, _, came = wire.raw(address, method, filled)
        if b"There is nothing here" not in came and method != "HEAD":
            opened.add(path.rstrip("/") or "/")
    assert opened == OPEN


def test_no_address_gives_a_file_that_was_not_uploaded(
    demo: gr.Blocks, address: str, mine: str, watched: Canary
) -> None:
    targets = []
    for method, path in routes(demo):
        head, brace, _ = path.partition("{")
        for way in trespass.ways(watched, address, mine):
            plain = quote(way)
            query = f"?deep_link={plain}&session_hash=x&upload_id=x&page={plain}&path={plain}"
            names = (quote(way, safe="/:"), quote(way, safe=""), quote(quote(way, safe=""), safe=""), f"/..{up(way)}")
            targets += [(method, f"{head}{name}{query}") for name in (names if brace else ("",))]
    if not SLOW:
        files = [target for target in targets if "file=" in target[1]]
        targets = [*files, *Random(2).sample(targets, 300)]
    for method, target in targets:
        assert MARK.encode() not in wire.raw(address, method, target)[2], target
    assert len(targets) >= 500
    print(f"{len(targets)} requests")


def up(way: str) -> str:
    return quote(f"/..{way}", safe="/.")


def test_a_name_of_an_upload_is_no_path(address: str, watched: Canary) -> None:
    uploads = Path(get_upload_folder())
    names = [
        *(
            str(watched.sound),
            f"../../../../..{watched.sound}",
            "..",
            ".",
            "",
            "/",
            "../stray-7f3a.wav",
            "a/../../stray-7f3a.wav",
        ),
        *(
            "..\\..\\stray-7f3a.wav",
            "C:\\stray-7f3a.wav",
            "x\0.wav",
            "x\r\nX-Evil: 1.wav",
            "x" * 300 + ".wav",
            "\u202egnp.wav",
            "~root",
        ),
        *("%2e%2e%2fstray-7f3a.wav", "con", "-rf", "$(id).wav", "`id`.wav", "<img src=x>.wav", "🎧" * 100 + ".wav"),
    ]
    for name in names:
        quoted = name.replace('"', "%22").encode()
        head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="' + quoted + b'"\r\n\r\n'
        kind = {"Content_Type": "multipart/form-data; boundary=b"}
        status, headers, came = wire.raw(address, "POST", "/gradio_api/upload", head + b"mine\r\n--b--\r\n", **kind)
        assert "x-evil" not in headers
        if status == 200:
            (path,) = json.loads(came)
            assert Path(path).resolve().is_relative_to(uploads) and Path(path).read_bytes() == b"mine", name
        else:
            assert 400 <= status <= 500 and b"Traceback" not in came, name
    assert not [path for path in uploads.parent.iterdir() if "stray-7f3a" in path.name]

"""Which requests are answered: of other sites, by other names, to other addresses; and what browsers are told."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_app import launch, strings
from core.fake import FakeEngine
from tests import wire
from tests.serving import served

# The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("no_reports")]

CROSS = {"Sec_Fetch_Site": "cross-site"}
LINK = {**CROSS, "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
FRAME = {**CROSS, "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}
JSON = {"Content_Type": "application/json"}


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine(delay_seconds=0)


@pytest.fixture(scope="module")
def address(engine: FakeEngine) -> Iterator[str]:
    with served(engine, names=["sounds.example"]) as url:
        yield url


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:7860"}, 200),
        ({"Host": "LOCALHOST"}, 200),
        ({"Host": "[::1]:7860"}, 200),
        ({"Host": "sounds.example"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:7860"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "sounds.example.evil.example"}, 403),
        ({"Host": "evil.example", "X_Forwarded_Host": "localhost"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "[x"}, 403),
        ({"Origin": "http://127.0.0.1:7860"}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Origin": "https://sounds.example"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example"}, 403),
        ({"Origin": "http://127.0.0.1@evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "https://evil.example", "X_Forwarded_Host": "evil.example"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        (LINK, 200),
        (CROSS, 403),
        (FRAME, 403),
        ({**CROSS, "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "audio"}, 403),
    ],
)
def test_other_sites_and_other_names_get_no_answer(address: str, headers: dict[str, str], status: int) -> None:
    for path in ("/", "/config", "/gradio_api/app_id"):
        came, _, body = wire.raw(address, "GET", path, **headers)
        assert came == status, path
        assert status == 200 or body.decode() in {strings.OTHER_HOST, strings.OTHER_SITE}


def test_another_site_neither_asks_nor_uploads(address: str, engine: FakeEngine, tmp_path: Path) -> None:
    """What a browser sends of itself for a page elsewhere, without asking before: a form, a text, no type at all."""
    send = json.dumps({"data": ["Which?", *[None] * 12], "fn_index": 58, "session_hash": "x"}).encode()
    form = b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.wav"\r\n\r\nx\r\n--b--\r\n'
    evil = {"Origin": "https://evil.example", **CROSS}
    for kind in ({"Content_Type": "text/plain"}, {}, JSON, {"Content_Type": "application/x-www-form-urlencoded"}):
        for path in ("queue/join", "call/ask", "run/ask", "api/ask", "cancel", "reset"):
            assert wire.raw(address, "POST", f"/gradio_api/{path}", send, **kind, **evil)[0] == 403
    multipart = {"Content_Type": "multipart/form-data; boundary=b"}
    assert wire.raw(address, "POST", "/gradio_api/upload", form, **multipart, **evil)[0] == 403
    assert wire.raw(address, "POST", "/gradio_api/upload", form, **multipart)[0] == 200
    preflight = {"Origin": "https://evil.example", "Access_Control_Request_Method": "POST"}
    assert "access-control-allow-origin" not in wire.raw(address, "OPTIONS", "/gradio_api/queue/join", **preflight)[1]
    assert not engine.asked


def test_another_program_of_this_machine_asks_as_before(address: str) -> None:
    assert "event: complete" in wire.call(address, "ask", ["Which?", *[None] * 8, {}, None, None, None])


def test_the_page_is_told_to_load_nothing_from_elsewhere_and_to_stand_in_no_frame(address: str) -> None:
    for path in ("/", "/config", "/theme.css", "/gradio_api/custom_component/x", "/nothing"):
        told = wire.raw(address, "GET", path)[1]
        policy = dict(part.split(" ", 1) for part in told["content-security-policy"].split("; "))
        assert policy["default-src"] == "'self' data: blob:" and policy["object-src"] == "'none'"
        assert policy["frame-ancestors"] == "'self'" and told["x-frame-options"] == "SAMEORIGIN"
        assert not any("http" in sources or "*" in sources for sources in policy.values())
        assert told["x-content-type-options"] == "nosniff" and told["referrer-policy"] == "same-origin"
        assert told["cross-origin-resource-policy"] == told["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xml", "x.xhtml", "x.js", "x.pdf", "x", "x.wav", "x.html.wav"])
def test_an_uploaded_file_is_no_page(address: str, tmp_path: Path, name: str) -> None:
    made = tmp_path / name
    made.write_text("<script>alert(1)</script>" * 10)
    path = wire.upload(address, made)
    for part in ({}, {"Range": "bytes=0-9", "Content_Type": "text/html", "Cookie": "access-token=x", "X_Mine": "x"}):
        status, told, came = wire.raw(address, "GET", f"/gradio_api/file={path}", **part)
        assert status == (206 if part else 200) and came
        assert told["content-security-policy"] == "default-src 'none'; sandbox"
        assert told["x-content-type-options"] == "nosniff"
        assert name.endswith(".wav") or told["content-disposition"].startswith("attachment")
        assert part or told["content-type"] in {"application/octet-stream", "audio/x-wav", "audio/wav"}
        assert not {"cookie", "x-mine", "user-agent", "host", "range"} & set(told)


def test_nothing_is_fetched_for_an_address_of_a_file(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = []
    monkeypatch.setattr("safehttpx.async_validate_url", lambda host: looked_up.append(host))
    for named in ("https://example.org/a.wav", "http://example.org/a.wav", "HTTPS://example.org", "ftp://example.org/"):
        for target in (named, named.replace("/", "%2F"), named.replace(":", "%3A")):
            for method in ("GET", "HEAD"):
                assert wire.raw(address, method, f"/gradio_api/file={target}")[0] in {403, 404}
    assert not looked_up


def test_a_fault_below_is_a_sentence_and_no_word_of_it_is_logged(
    address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("zyx-secret")

    monkeypatch.setattr("gradio.routes.route_utils.get_fn", failing)
    status, told, came = wire.raw(address, "POST", "/gradio_api/run/ask", b'{"data": []}', **JSON)
    assert (status, came.decode()) == (500, strings.CRASHED) and told["x-content-type-options"] == "nosniff"
    assert "RuntimeError" in caplog.text and "zyx-secret" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("host", "users", "asked", "origin", "status"),
    [
        ("0.0.0.0", False, "box.example", "https://frame.example", 200),  # a Space: in a frame of another site
        ("0.0.0.0", True, "box.example", "https://frame.example", 403),
        ("0.0.0.0", True, "box.example", "http://box.example:7860", 200),
        ("127.0.0.1", False, "box.example", "http://box.example", 403),
    ],
)
def test_who_listens_to_others_is_called_by_any_name(
    monkeypatch: pytest.MonkeyPatch, host: str, users: bool, asked: str, origin: str, status: int
) -> None:
    async def nobody(name: str, password: str) -> bool:
        return False

    monkeypatch.setenv("GRADIO_SERVER_NAME", host)
    (wrapped,) = launch.launch_options(users=nobody if users else None)["app_kwargs"]["middleware"]
    monkeypatch.delenv("GRADIO_SERVER_NAME")
    monkeypatch.setattr("tests.serving.launch_options", lambda: {"app_kwargs": {"middleware": [wrapped]}})
    with served(FakeEngine()) as url:
        came, told, _ = wire.raw(url, "GET", "/gradio_api/app_id", Host=asked, Origin=origin)
    assert came == status
    assert ("x-frame-options" in told) == (host == "127.0.0.1" or users)

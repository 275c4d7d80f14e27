"""The page's protocols by hand: what anybody who reaches the port can send, whatever a client would do."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4


def upload(address: str, path: Path) -> str:
    """Sends a file; where it lies on the server."""
    boundary = "----earshot"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'
    body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(
        f"{address}gradio_api/upload", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    )
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)[0])


def file(path: str) -> dict[str, Any]:
    """A file as the protocols name it, by any path."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def call(address: str, name: str, data: list[Any]) -> str:
    """The events of a named endpoint, as text."""
    event = json.loads(post(f"{address}gradio_api/call/{name}", {"data": data}))["event_id"]
    with urllib.request.urlopen(f"{address}gradio_api/call/{name}/{event}") as answer:
        return str(answer.read().decode())


def join(address: str, function: int, data: list[Any], session: str = "") -> list[dict[str, Any]]:
    """The messages of any listener, public or private, the last of them its end: what the page itself speaks."""
    return join_all(address, [{"data": data, "fn_index": function}], session)


def join_all(address: str, bodies: Sequence[dict[str, Any]], session: str = "") -> list[dict[str, Any]]:
    """The messages of any listeners that are asked at the same time by one page, until each has ended."""
    session, messages, left = session or uuid4().hex, list[dict[str, Any]](), len(bodies)
    for body in bodies:
        post(f"{address}gradio_api/queue/join", {**body, "session_hash": session})
    with urllib.request.urlopen(f"{address}gradio_api/queue/data?session_hash={session}", timeout=60) as lines:
        for line in lines:
            if line.startswith(b"data: "):
                messages.append(json.loads(line.removeprefix(b"data: ")))
                left -= messages[-1]["msg"] == "process_completed"
                if not left:
                    return messages
    raise AssertionError("the server hung up")


def raw(address: str, method: str, target: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and what came of a request whose target is sent as it stands, dots and all; streams end soon."""
    place = urlsplit(address)
    assert place.hostname and place.port
    connection = HTTPConnection(place.hostname, place.port, timeout=60)
    try:
        connection.putrequest(method, target, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if body or method == "POST":
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        endless = told.get("content-type", "").startswith("text/event-stream")
        return answer.status, told, answer.fp.readline() if endless else answer.read()
    finally:
        connection.close()


def listeners(address: str) -> list[dict[str, Any]]:
    """Every listener of the page, as the page is told of them."""
    with urllib.request.urlopen(f"{address}config") as answer:
        return list(json.load(answer)["dependencies"])


def post(address: str, body: dict[str, Any]) -> str:
    """Sends an object; what comes back, as text."""
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return str(answer.read().decode())


@contextmanager
def asking(address: str, name: str, data: list[Any]) -> Iterator[None]:
    """Has a named endpoint's events until the context is left; then it hangs up."""
    event = json.loads(post(f"{address}gradio_api/call/{name}", {"data": data}))["event_id"]
    with urllib.request.urlopen(f"{address}gradio_api/call/{name}/{event}"):
        yield

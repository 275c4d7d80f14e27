"""A server of the OpenAI chat API that hears: `python -m tests.openai_server`, which prints its port.

No model: it decodes every clip it is sent and answers, streamed, with JSON of what arrived. How it fails is chosen by
the path, the model's name or the question, and what it was asked can be read at `/asked`.
"""

import base64
import io
import json
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

KEY = "right-key"
TEXT = "It is\u2028two \x85 lines – ok? <b>ä</b> "
"""Characters at which some libraries end a line, though the standard of server-sent events does not."""


def heard(data: str) -> dict[str, float]:
    """Length and strongest frequency of a clip in base64."""
    raw = base64.b64decode(data, validate=True)
    samples, rate_hz = soundfile.read(io.BytesIO(raw))
    assert samples.ndim == 1 and soundfile.info(io.BytesIO(raw)).subtype == "PCM_16"
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return {
        "seconds": len(samples) / rate_hz,
        "rate_hz": rate_hz,
        "hz": float(np.argmax(spectrum)) * rate_hz / len(samples),
        "peak": float(np.abs(samples).max()),
    }


def understood(message: dict[str, Any]) -> dict[str, Any]:
    """A message with each clip's sound in place of its bytes."""
    if isinstance(message["content"], str):
        return message
    parts = []
    for part in message["content"]:
        if part["type"] == "text":
            parts.append(part["text"])
        else:
            assert part["type"] == "input_audio" and part["input_audio"]["format"] == "wav"
            parts.append(heard(part["input_audio"]["data"]))
    return {"role": message["role"], "content": parts}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        if self.path == "/asked":
            self.answer(200, self.server.seen)
            return
        prefix, _, page = self.path[1:].partition("/")
        self.server.seen.append({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}})
        if page != "models":
            self.answer(404, {"detail": "Not Found"})
        elif prefix == "v1":
            self.answer(200, {"object": "list", "data": [{"id": "listener", "max_model_len": 4096, "root": "x"}]})
        elif prefix == "several":
            self.answer(
                200, {"data": [{"id": name} for name in ("listener", "nousage", "halfusage", "hang", "evil\x1b[31m")]}
            )
        elif prefix == "none":
            self.answer(200, {"data": []})
        elif prefix == "locked":
            if self.headers["Authorization"] == f"Bearer {KEY}":
                self.answer(200, {"data": [{"id": "listener"}]})
            else:
                self.answer(401, {"error": {"message": "Unauthorized"}})
        elif prefix == "moved":
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/v1/models")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif prefix == "hostile":
            self.answer(200, {"data": [{"id": "<img src=x onerror=alert(1)>\x1b[31m\u202e" + "x" * 500}]})
        elif prefix == "page":
            self.answer(200, None, b"<html>hello</html>", "text/html")
        elif prefix == "endless":
            self.answer(200, None, b"[" + b" " * 3_000_000 + b"]")
        elif prefix == "silent":
            self.connection.recv(1)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}}
        request |= {key: value for key, value in body.items() if key != "messages"}
        request["messages"] = [understood(message) for message in body["messages"]]
        self.server.seen.append(request)
        last = request["messages"][-1]["content"]
        question, model = last[-1].strip(), body["model"]
        if question == "refuse":
            self.answer(400, {"error": {"message": "At most 1 audio(s) may be provided.\nsecond line", "code": 400}})
        elif question == "refuse old":
            self.answer(400, {"object": "error", "message": "too long \x1b[31m" + "y" * 900})
        elif question == "fail":
            self.answer(503, None, b"<html>Bad gateway</html>", "text/html")
        elif question == "lock":
            self.answer(401, {"detail": "no"})
        elif question == "move":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/v1/chat/completions")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif question == "whole":
            self.answer(200, {"choices": [{"message": {"content": "not streamed"}}]})
        else:
            self.stream(model, question, request)

    def stream(self, model: str, question: str, request: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
        if model == "hang" or question == "hang":
            self.wait_for_hang_up()
            return
        text = json.dumps({key: value for key, value in request.items() if key not in ("path", "headers")})
        pieces = [TEXT] if question == "lines" else [text[start : start + 40] for start in range(0, len(text), 40)]
        for number, piece in enumerate(pieces):
            self.event({"choices": [{"index": 0, "delta": {"content": piece}}], "usage": None})
            if question == "slow":
                time.sleep(0.05)
            if number == 0 and question == "error":
                self.event({"error": {"message": "CUDA out of memory. Tried to allocate", "code": 500}})
                break
            if number == 0 and question == "garbage":
                self.event(["what", "is", "this"])
                break
            if number == 0 and question == "surrogate":
                self.raw(b'data: {"choices": [{"delta": {"content": "\\ud800"}}]}\n\n')
                break
            if number == 0 and question == "cut":
                # a reset in the middle, not an orderly end
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            if number == 0 and question == "short":
                self.raw(b"")
                return
        reason = {"long": "length", "abort": "abort"}.get(question, "stop")
        self.event({"choices": [{"delta": {}, "finish_reason": reason}]})
        if model == "halfusage":
            self.event({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": None}})
        elif model != "nousage":
            self.event({"choices": [], "usage": {"prompt_tokens": 321, "completion_tokens": 77, "total_tokens": 398}})
        self.raw(b"data: [DONE]\n\n")
        self.raw(b"")

    def wait_for_hang_up(self) -> None:
        """Sends nothing until the client has closed, and notes that it has."""
        self.connection.settimeout(20)
        try:
            gone = self.connection.recv(1) == b""
        except ConnectionError:
            gone = True
        except TimeoutError:
            gone = False
        self.server.seen.append({"hung_up": gone})
        self.close_connection = True

    def event(self, value: Any) -> None:
        self.raw(f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode())

    def raw(self, data: bytes) -> None:
        """One chunk; an empty one ends the stream."""
        try:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        except ConnectionError:
            self.server.seen.append({"hung_up": True})
            self.close_connection = True
            raise

    def answer(self, status: int, value: Any, content: bytes | None = None, kind: str = "application/json") -> None:
        content = json.dumps(value).encode() if content is None else content
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[dict[str, Any]] = []

    def handle_error(self, *_: object) -> None:
        """A client that hung up is no news."""


@contextmanager
def running() -> Iterator[str]:
    """The address of a server in a process of its own, without a path."""
    program = [sys.executable, "-m", "tests.openai_server"]
    with subprocess.Popen(program, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def asked(address: str) -> list[dict[str, Any]]:
    """Every request so far, and every client that hung up, in order."""
    with urllib.request.urlopen(f"{address}/asked") as answer:
        return json.load(answer)


if __name__ == "__main__":
    with Server() as served:
        print(served.server_port, flush=True)
        served.serve_forever()

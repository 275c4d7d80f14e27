"""A package index on this machine that has one wheel, and serves it as badly as it is told to."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from core.embedded.parts import Part

FAULTS = ("absent", "away", "silent", "hangs", "breaks off", "cut", "wrong", "wrong and said so", "a page")


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        served, fault = self.server, self.server.fault
        served.asked.append(self.path)
        if fault == "silent" or (fault == "hangs" and self.path.endswith(".whl")):
            served.over.wait(60)
        elif fault == "away":
            self.answer(503, b"", "text/plain")
        elif fault == "absent" or not (self.path.endswith(".whl") or self.path.startswith("/simple/")):
            self.answer(404, b"", "text/plain")
        elif fault == "a page":
            self.answer(200, b"<html><body>Log in to this network first.</body></html>", "text/html")
        elif self.path.endswith(".whl"):
            self.wheel(fault)
        else:
            said = hashlib.sha256(served.wheel).hexdigest() if fault == "wrong and said so" else ""
            link = f'<a href="/{served.part.filename}{said and f"#sha256={said}"}">{served.part.filename}</a>'
            self.answer(200, f"<!DOCTYPE html><html><body>{link}</body></html>".encode(), "text/html")

    def wheel(self, fault: str) -> None:
        content = self.server.wheel
        if fault.startswith("wrong"):
            content = content[:-1] + bytes([content[-1] ^ 1])
        if fault == "cut":  # an orderly end, too early
            content = content[: len(content) // 2]
        if fault == "breaks off":
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        self.answer(200, content, "application/octet-stream")

    def answer(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, part: Part, wheel: bytes, fault: str):
        super().__init__(("127.0.0.1", 0), Handler)
        self.part, self.wheel, self.fault = part, wheel, fault
        self.asked: list[str] = []
        self.over = threading.Event()

    @property
    def address(self) -> str:
        """For `PIP_INDEX_URL`."""
        return f"http://127.0.0.1:{self.server_port}/simple"


@contextmanager
def index(part: Part, wheel: bytes, fault: str = "") -> Iterator[Server]:
    """The index while it runs.

    Args:
        part: What it has.
        wheel: The file.
        fault: What goes wrong, one of `FAULTS`; empty for nothing.
    """
    with Server(part, wheel, fault) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()

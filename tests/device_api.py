"""What a ZeroGPU Space has beside the app: the service that lends GPUs. `python -m tests.device_api` asks through it.

The `spaces` library is the real one, and so are the fork, the queues and the pickles between the page's process and
the one that has the GPU. Not real are the service and the GPU: the library is kept from torch, with which it would set
one up, and the engine is the fake one. Prints a line of JSON for each way to ask.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

sys.modules["torch"] = None  # type: ignore[assignment]

ASKED: list[tuple[str, dict[str, str]]] = []


class Handler(BaseHTTPRequestHandler):
    """Lends while `lends`; notes what it is asked."""

    lends = True

    def do_POST(self) -> None:
        address = urlsplit(self.path)
        ASKED.append((address.path, {key: value for key, (value,) in parse_qs(address.query).items()}))
        body = b""
        if address.path == "/schedule" and self.lends:
            lent = {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": "token"}
            body = json.dumps(lent).encode()
        self.send_response(200 if self.lends or address.path != "/schedule" else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["SPACES_ZERO_GPU"] = "true"
    os.environ["SPACES_ZERO_DEVICE_API_URL"] = f"http://127.0.0.1:{server.server_port}"

    from chat_app import zerogpu  # noqa: PLC0415 - `spaces` reads the environment when it is imported
    from chat_app.asking import asker  # noqa: PLC0415
    from core.fake import FakeEngine  # noqa: PLC0415
    from tests.test_asking import MIXED, came  # noqa: PLC0415

    engine = FakeEngine(delay_seconds=0)
    here, lent = asker([engine]), zerogpu.lent(asker([engine]))

    def tell(**told: Any) -> None:
        asked = [path for path, _ in ASKED]
        seconds = [query.get("durationSeconds") for path, query in ASKED if path == "/schedule"]
        print(json.dumps({**told, "service": asked, "seconds": seconds}), flush=True)
        ASKED.clear()

    for together in (False, True):
        came(here, MIXED, together)
        asked_here = len(engine.asked)
        found = came(lent, MIXED, together)
        tell(same=found == came(here, MIXED, together), elsewhere=len(engine.asked) == asked_here + 2)
    stopped = lent(MIXED, False)
    first = next(stopped)
    stopped.close()
    tell(first=first[0])
    Handler.lends = False
    tell(problems=[[place, event.sentence] for place, event in lent(MIXED, False)])


if __name__ == "__main__":
    main()

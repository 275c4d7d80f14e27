"""A child of test_network: starts the page of the engine that its first argument names, uses all of it, and ends."""

import json
import sys
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from core.load import load
from tests import wire
from tests.serving import running

EXAMPLES = Path(__file__).parent.parent / "chat_app" / "examples"


def main(model: str) -> None:
    """Prints how many listeners ended well."""
    with running(load(model)) as demo:
        address = demo.local_url
        for path in ("", "config", "theme.css", "gradio_api/info", "gradio_api/openapi.json"):
            urllib.request.urlopen(f"{address}{path}").read()
        files = [wire.file(wire.upload(address, EXAMPLES / f"{name}.flac")) for name in ("dog_bark", "piano_a4")]
        told = json.loads(urllib.request.urlopen(f"{address}config").read())
        held = {part["id"]: part["props"].get("value") for part in told["components"]}
        kinds = {part["id"]: part["type"] for part in told["components"]}
        given = ["Which is louder?", *files, *[None] * 6, {"max_tokens": 4}, None, True, True]
        assert "event: complete" in wire.call(address, "ask", given)
        assert "event: complete" in wire.call(address, "describe", [])
        # One visitor presses everything there is, in the order of the page: ask, measure, in every order, save, ...
        bodies = []
        for listener in told["dependencies"]:
            box = {"text": "Which is louder?", "files": files}
            data = [box if kinds[part] == "multimodaltextbox" else held[part] for part in listener["inputs"]]
            event = {"place": 0, "to": 1, "index": 0, "value": 0}
            bodies.append({"data": data, "fn_index": listener["id"], "event_data": event})
        ended = [message for message in wire.join_all(address, bodies) if message["msg"] == "process_completed"]
        print(f"{sum(message['success'] for message in ended)} of {len(bodies)} listeners")


if __name__ == "__main__":
    main(sys.argv[1])

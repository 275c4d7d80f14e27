"""Ways to name a file or an address that is none of a request's business, and the requests that carry them."""

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from tests.canary import HOST, Canary


def ways(canary: Canary, address: str, mine: str) -> list[str]:
    """Names of the canary's files, of its server, and of what would hang whoever opens it.

    Args:
        canary: What is named.
        address: Of the page.
        mine: Path of a file that was uploaded.
    """
    secret, inside, uploads = str(canary.sound), str(Path(mine).parent), Path(get_upload_folder())
    made = uploads / "trespass"
    if not made.exists():
        made.mkdir()
        (made / "link.wav").symlink_to(canary.sound)
        (made / "folder").symlink_to(canary.sound.parent)
        (made / "loop.wav").symlink_to(made / "loop.wav")
        (made / "device.wav").symlink_to("/dev/zero")
        os.mkfifo(made / "fifo.wav")
    up = "/.." * 12
    return [
        secret,
        str(canary.text),
        str(canary.sound.parent),
        f"{inside}{up}{secret}",
        f"{mine}{up}{secret}",
        f"{inside}{up.replace('..', '%2e%2e')}{secret}",
        f"../../../../../../../../..{secret}",
        str(made / "link.wav"),
        str(made / "folder" / "canary.wav"),
        str(made / "loop.wav"),
        str(made / "device.wav"),
        str(made / "fifo.wav"),
        f"file://{secret}",
        f"file:{secret}",
        f"{canary.server}/canary.wav",
        f"https://{HOST}/canary.wav",
        f"HTTP://{HOST}/canary.wav",
        f"//{HOST}/share/canary.wav",
        f"ftp://{HOST}/canary.wav",
        f"http://{HOST}/gradio_api/file={secret}",
        f"{address}gradio_api/file={secret}",
        f"{address}gradio_api/file={inside}{up}{secret}",
        f"/gradio_api/file={secret}",
        f"gradio_api/file={secret}",
        f"{secret}\0.wav",
        f"{inside}/{'x' * 5_000}.wav",
        "/proc/self/environ",
        "/dev/stdin",
        "~/.ssh/id_rsa",
        "data:audio/wav;base64,AAAA",
        "",
    ]


META = {"meta": {"_type": "gradio.FileData"}}


def shapes(way: str, mine: str) -> list[Any]:
    """The places in a payload where a file may stand, with a file named one way in it."""
    named = {"path": way, **META}
    return [
        way,
        [way],
        named,
        {"path": way},
        {"path": mine, "url": way, **META},
        {"path": "", "url": way, **META},
        {"path": None, "url": way, "orig_name": way, **META},
        {"path": way, "url": way, "is_stream": True, **META},
        [named],
        [[named, way], {"a": named}],
        {"text": "Which?", "files": [named]},
        {"text": way, "files": [way]},
        {"text": "Which?", "files": [{"path": mine, "url": way, **META}, named]},
        {"video": named, "image": named, "subtitles": named},
        {"role": "user", "content": [{"type": "file", "file": named}]},
        {"__type__": "update", "value": named},
        {"__type__": "update", "value": {"files": [named]}, "props": {"value": named}},
        {"component": "audio", "value": named, "props": {}, "constructor_args": {"value": way}},
    ]


def requests(config: dict[str, Any], ways: Sequence[str], mine: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Bodies for every listener: a hostile value in each place alone, the others as they are, and each shape in all.

    Args:
        config: What the page is told of itself.
        ways: To name a file, each in turn.
        mine: Path of a file that was uploaded.

    Yields:
        The name of the listener, and the body without a session.
    """
    held = {part["id"]: part["props"].get("value") for part in config["components"]}
    turn, count = itertools.count(), len(shapes("", ""))
    for listener in config["dependencies"]:
        usual = [held[part] for part in listener["inputs"]]
        for place in (*[None] * count, *range(len(usual))):
            number = next(turn)
            value = shapes(ways[number % len(ways)], mine)[number % count]
            data = [value if place in (None, at) else one for at, one in enumerate(usual)]
            event = {"place": 0, "to": 1, "index": 0, "value": value, "files": [value]}
            yield listener["api_name"], {"data": data, "fn_index": listener["id"], "event_data": event}

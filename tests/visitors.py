"""Visitors of a served page that speak its protocol, each in a thread, and an engine that writes down what it gives."""

import http.client
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from core.engine import Engine
from core.types import Conversation, Effect, Event, Settings, Token
from tests import wire

PATIENCE_SECONDS = 120
"""A busy machine is no failure."""

Message = dict[str, Any]


@dataclass
class Call:
    """One question an engine was asked, and what it has given so far."""

    conversation: Conversation
    settings: Settings
    words: list[str] = field(default_factory=list)
    ended: bool = False

    @property
    def text(self) -> str:
        """What was said."""
        return "".join(self.words)


class Written:
    """An engine that writes down each call, and fails where two run at once."""

    def __init__(self, engine: Engine):
        self.engine, self.info = engine, engine.info
        self.calls: list[Call] = []
        self.running = self.most_running = 0

    def stream(self, conversation: Conversation, settings: Settings) -> Iterator[Event]:
        """As the engine's own."""
        call = Call(conversation, settings)
        self.calls.append(call)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            for event in self.engine.stream(conversation, settings):
                if isinstance(event, Token):
                    call.words.append(event.text)
                yield event
            call.ended = True
        finally:
            self.running -= 1

    def matter(self, conversation: Conversation, answer: str, settings: Settings) -> Iterator[Effect]:
        """As the engine's own."""
        yield from self.engine.matter(conversation, answer, settings)


class Visitor:
    """One tab: a session with its heartbeat.

    Attributes:
        session: Its name on the server.
        received: Every line the server sent.
        shown: What the chat shows after the last answer, (question, words) each.
        phases: What the status line said while the last answer was awaited.
    """

    def __init__(self, address: str):
        self.address, self.session = address, uuid4().hex
        self.received: list[str] = []
        self.shown: list[tuple[str, str]] = []
        self.phases: list[str] = []
        self._listeners, self._ids = _page(address)
        where = urlsplit(address)
        self._heartbeat = http.client.HTTPConnection(str(where.hostname), where.port, timeout=PATIENCE_SECONDS)
        self._heartbeat.request("GET", f"/gradio_api/heartbeat/{self.session}")
        self._heart = self._heartbeat.getresponse()

    def upload(self, path: Path) -> str:
        """Where a file lies on the server."""
        return wire.upload(self.address, path)

    def send(self, question: str, files: list[str], seen: Callable[[Message], bool] = bool, **fields: Any) -> bool:
        """Asks; False where `seen`, which is given each message, said that the visitor is gone."""
        box = {"text": question, "files": [wire.file(path) for path in files]}
        return self._answer(self._number("box", "submit"), [None, None, box, None, False, *_fields(fields)], seen)

    def retry(self, seen: Callable[[Message], bool] = bool, **fields: Any) -> bool:
        """Presses Retry."""
        return self._answer(self._number("retry", "click"), [None, None, False, *_fields(fields)], seen)

    def undo(self) -> None:
        """Presses Undo."""
        data = [None, None, {"text": "", "files": []}, None, False, *_fields({})]
        self._answer(self._number("undo", "click"), data, bool)

    def press(self, question: str) -> str:
        """Presses Send and does not look; the event, whose messages come where somebody looks."""
        inputs = [None, None, {"text": question, "files": []}, None, False, *_fields({})]
        return self._join(self._number("box", "submit"), self._whole(self._number("box", "submit"), inputs))

    def stop(self) -> None:
        """Presses Stop; its own messages come among those of the answer."""
        self._join(self._number("box", "stop"), [])

    def ready(self) -> Message:
        """What the page asks for after an answer: the update of the box."""
        number = self._number("box", "submit")
        after = next(
            one["id"]
            for one in self._listeners
            if one["trigger_after"] == number and not one.get("trigger_only_on_failure")
        )
        message = self._events(after, [None, None, {"text": "", "files": []}], bool)
        assert message is not None and message["success"], message
        update: Message = message["output"]["data"][2]
        return update

    def leave(self) -> None:
        """Closes the tab."""
        self._heart.close()
        self._heartbeat.close()

    def _answer(self, number: int, data: list[Any], seen: Callable[[Message], bool]) -> bool:
        self.phases = []
        last = self._events(number, self._whole(number, data), seen)
        if last is None:
            return False
        assert last["success"], last
        chat = last["output"]["data"][1]
        self.shown = _pairs(chat) if isinstance(chat, list) else self.shown
        return True

    def _events(self, number: int, data: list[Any], seen: Callable[[Message], bool]) -> Message | None:
        """The last message of an event; None where the visitor left before it."""
        event = self._join(number, data)
        stream = f"{self.address}gradio_api/queue/data?session_hash={self.session}"
        with urllib.request.urlopen(stream, timeout=PATIENCE_SECONDS) as lines:
            for line in lines:
                if not line.startswith(b"data: "):
                    continue
                self.received.append(line.decode())
                message: Message = json.loads(line.removeprefix(b"data: "))
                if message.get("event_id") == event:
                    self.phases += phases(message)
                    if message["msg"] == "process_completed":
                        return message
                    if not seen(message):
                        return None
        raise AssertionError("the server hung up")

    def _join(self, number: int, data: list[Any]) -> str:
        body = {"data": data, "fn_index": number, "session_hash": self.session}
        joined = wire.post(f"{self.address}gradio_api/queue/join", body)
        return str(json.loads(joined)["event_id"])

    def _whole(self, number: int, data: list[Any]) -> list[Any]:
        """With a weight of 1 for each clip."""
        inputs = next(one["inputs"] for one in self._listeners if one["id"] == number)
        return [*data, *[1] * (len(inputs) - len(data))]

    def _number(self, element: str, event: str) -> int:
        target = [self._ids[element], event]
        return next(one["id"] for one in self._listeners if target in one["targets"])


def _page(address: str) -> tuple[list[Message], dict[str, int]]:
    with urllib.request.urlopen(f"{address}config") as answer:
        config = json.load(answer)
    ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
    return config["dependencies"], ids


def _fields(changed: dict[str, Any]) -> list[Any]:
    """The settings as the page sends them, in its order, but for the weights of clips at their end."""
    first = {"engine": 0, "method": "off", "alpha": 0.1, "low": 0.36, "high": 0.71, "adapter": "", "system": ""}
    rest = {"temperature": 0, "max_tokens": 60, "seed": 0, "facts": False}
    assert not set(changed) - set(first | rest)
    return list((first | rest | changed).values())


def phases(message: Message) -> list[str]:
    """What the status line says in a message, whole or as a change of it."""
    text = json.dumps(message.get("output", {}), ensure_ascii=False)
    return [part.split("<")[0] for part in text.split('es-phase\\">')[1:]]


def _pairs(chat: list[Message]) -> list[tuple[str, str]]:
    """Question and words of each exchange."""
    pairs: list[tuple[str, str]] = []
    for message in chat:
        texts = [part["text"] for part in message["content"] if part.get("type") == "text"]
        if message["role"] == "user":
            html = json.dumps(message["content"], ensure_ascii=False)
            pairs.append((unescape(html.split('aria-level=\\"3\\">')[1].split("</p>")[0]), ""))
        elif pairs and texts:
            pairs[-1] = (pairs[-1][0], unescape(texts[0]).strip())
    return pairs


def until(true: Callable[[], bool]) -> None:
    """Waits for it; a busy machine is no failure."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)

"""A tab without a browser, which can press whatever the page has (`tests.visitors` plays scripts of a few things)."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests import wire


class Tab:
    """One tab. Values of components that nobody sets are those the page starts with.

    Attributes:
        session: Its name, as the page's script would draw it.
    """

    def __init__(self, address: str):
        self.address, self.session = address, uuid4().hex
        with urllib.request.urlopen(f"{address}config") as answer:
            config = json.load(answer)
        self.listeners: list[dict[str, Any]] = config["dependencies"]
        self.components = {component["id"]: component for component in config["components"]}
        self.does("load")

    def ask(self, question: str, *clips: Path, **values: Any) -> list[dict[str, Any]]:
        """Sends a question with new clips, and values of components by their `elem_id`; the messages of the answer."""
        files = [wire.file(wire.upload(self.address, clip)) for clip in clips]
        return self.does("submit", "box", box={"text": question, "files": files}, **values)

    def press(self, button: str, **values: Any) -> list[dict[str, Any]]:
        """Presses a button, by its `elem_id`."""
        return self.does("click", button, **values)

    def does(self, event: str, of: str = "", **values: Any) -> list[dict[str, Any]]:
        """All that an event of one component sets off, what follows it included; the messages of it all."""
        messages = []
        for listener in self._listening(event, of):
            messages += self._join(listener, values)
        return messages

    def _listening(self, event: str, of: str) -> Iterator[dict[str, Any]]:
        for listener in self.listeners:
            targets = listener["targets"]
            if any(name == event and (not of or self._name(place) == of) for place, name in targets):
                yield listener

    def _join(self, listener: dict[str, Any], values: dict[str, Any]) -> list[dict[str, Any]]:
        data = [values.get(self._name(place), self._first(place)) for place in listener["inputs"]]
        messages = wire.join(self.address, listener["id"], data, self.session) if listener["backend_fn"] else []
        for follower in self.listeners:
            if follower["trigger_after"] == listener["id"] and not follower["trigger_only_on_failure"]:
                messages += self._join(follower, values)
        return messages

    def _name(self, place: int | None) -> str:
        return "" if place is None else self.components[place]["props"].get("elem_id") or ""

    def _first(self, place: int) -> Any:
        component = self.components[place]
        return None if component["type"] in {"state", "browserstate"} else component["props"].get("value")

"""A model that a server has loaded: an `Engine` over the OpenAI chat API with audio parts (vLLM, SGLang, llama-server).

A conversation goes to that server, on every turn all of it, and nowhere else. Words come back and nothing more: there
is no attention to read or to boost. docs/remote.md says what is sent, and how to start a server.
"""

import os
import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import httpx2

from core import chat_api
from core.audio import Limits
from core.engine import EngineInfo, check
from core.errors import ConversationError, EngineError, LalmError, LoadError, SettingsError
from core.line import Line, listening
from core.texts import one_line
from core.types import Conversation, Done, Effect, Event, Settings, Stats, Token, Waiting

SCHEMES = ("http://", "https://")
"""How a server's address begins; other models have a name or a folder."""

KEY = "EARSHOT_API_KEY"
"""Where a key is taken from, and only there: one meant for another service would go to whatever server was named."""

CONNECT_SECONDS = 10.0
STALL_SECONDS = 120.0
"""A server that sends no byte for so long is given up."""
ANSWER_SECONDS = 3600.0
"""An answer that has not ended then is given up, however it drips."""

BROKEN_OFF = ("abort", "error")
"""Reasons of vLLM and SGLang for an answer that is no whole one."""

MOST_BYTES = 1_000_000
"""Read of a list of models, or of an error."""
TOKEN_BYTES = 4096
"""Read for each token of an answer, beside `MOST_BYTES`: servers send some hundred."""
NAME_LENGTH = 100
"""Characters of a model's name or an address in one of our sentences."""
MOST_NAMES = 20


class Remote:
    """Asks a server. It holds no connection between two answers.

    Attributes:
        info: What the app shows.
        stall_seconds: Longest silence of the server.
    """

    def __init__(self, base: str, model: str, info: EngineInfo, stall_seconds: float = STALL_SECONDS):
        """Args: base: the address, no slash at its end; model: as the server calls it; the others: see above."""
        self.base, self.model, self.info, self.stall_seconds = base, model, info, stall_seconds
        self.where = _where(base)

    def stream(self, conversation: Conversation, settings: Settings) -> Iterator[Event | Waiting]:
        """Answers the last user turn; see `Engine.stream`. Closing it, which can be done while it waits, hangs up.

        Raises:
            ConversationError: Nothing was asked, or the server refuses what was.
            SettingsError: A boost is on or an adapter chosen.
            EngineError: The server cannot be reached, fails, stalls, breaks off or finds no end.
        """
        began = time.perf_counter()
        check(conversation, self.info)
        if settings.boost.on:
            raise SettingsError(f"A boost cannot reach the model on {self.where}: switch it off.")
        if settings.adapter is not None:
            raise SettingsError(f"An adapter cannot reach the model on {self.where}: switch it off.")
        body = {
            "model": self.model,
            "messages": chat_api.messages(conversation, settings),
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": settings.max_tokens,
            "seed": settings.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        with listening(lambda line: self._events(body, line)) as events:
            yield from self._answer(events, began)

    def matter(self, conversation: Conversation, answer: str, settings: Settings) -> Iterator[Effect]:
        """A server answers but forces no answer; see `Engine.matter`.

        Raises:
            SettingsError: Always.
        """
        raise SettingsError(
            f"The model on {self.where} cannot be asked whether the clips mattered: start Earshot with a model of "
            f"its own, --model embedded for one."
        )

    def _events(self, body: dict[str, Any], line: Line) -> Generator[str, None, None]:
        """The data of each event that the server streams."""
        left = MOST_BYTES + TOKEN_BYTES * body["max_tokens"]
        traced = {"trace": line.trace}
        try:
            with (
                _client(self.stall_seconds) as client,
                client.stream("POST", f"{self.base}/chat/completions", json=body, extensions=traced) as response,
            ):
                if response.status_code != 200:
                    raise self._refused(response)
                response.encoding = "utf-8"  # such a stream has no other, whatever its header says
                for event in httpx2.EventSource(response):
                    left -= len(event.data)
                    if left < 0:
                        raise EngineError(
                            f"{self.where} goes on and on beyond the {body['max_tokens']} tokens it was asked for: is "
                            f"it an OpenAI-compatible server?"
                        )
                    yield event.data
        except httpx2.HTTPError as error:
            raise EngineError(_lost(self.where, error, self.stall_seconds)) from error

    def _answer(self, events: Iterator[str | Waiting], began: float) -> Iterator[Event | Waiting]:
        pieces, first_seconds, reason, usage = 0, 0.0, "", None
        for data in events:
            if time.perf_counter() - began > ANSWER_SECONDS:
                raise EngineError(
                    f"{self.where} has not ended its answer within {ANSWER_SECONDS / 60:g} min: ask again, or look "
                    f"what holds it up."
                )
            if isinstance(data, Waiting):
                yield data
                continue
            if data == "[DONE]":
                break
            if not data:
                continue
            try:
                chunk = chat_api.chunk(data)
            except ValueError as error:
                raise EngineError(f"{self.where} sent what is no answer: is it an OpenAI-compatible server?") from error
            if chunk.error is not None:
                raise EngineError(f"{self.where} broke off ({chat_api.complaint(data)}): ask again.")
            usage = chunk.usage or usage
            for choice in chunk.choices[:1]:
                reason = choice.finish_reason or reason
                if choice.delta is not None and choice.delta.content:
                    pieces, first_seconds = pieces + 1, first_seconds or time.perf_counter() - began
                    yield Token(choice.delta.content)
        if reason in ("", *BROKEN_OFF):
            raise EngineError(f"{self.where} broke off before the answer was whole: ask again.")
        seconds = time.perf_counter() - began
        stats = Stats(
            prompt_tokens=(usage and usage.prompt_tokens) or 0,
            answer_tokens=(usage and usage.completion_tokens) or pieces,
            encode_seconds=0.0,
            first_token_seconds=first_seconds or seconds,
            total_seconds=seconds,
        )
        yield Done(stats, "length" if reason == "length" else "stop")

    def _refused(self, response: httpx2.Response) -> LalmError:
        if sentence := _turned_away(self.where, response):
            return EngineError(sentence)
        status, words = response.status_code, chat_api.complaint(_read(response, time.perf_counter()))
        if status in (400, 413, 422):
            return ConversationError(
                f"{self.where} refuses this conversation ({words}): use fewer or shorter clips, or start the server "
                f"with room for them."
            )
        return EngineError(f"{self.where} failed ({status}, {words}): ask again, or look into the server's log.")


def connect(model: str, precision: str = "auto", adapters: Sequence[str] = ()) -> Remote:
    """The engine for a server's address.

    Args:
        model: `http://host:8000/v1`, with `#NAME` behind it where the server lists several models.
        precision: As `core.load.load` takes it; a server has decided that.
        adapters: The same.

    Raises:
        LoadError: The server cannot be reached, is no such server, wants a key, or lists no such model.
    """
    address, _, wanted = model.partition("#")
    base = _base(address)
    where = _where(base)
    if precision != "auto" or adapters:
        raise LoadError(f"{where} has loaded its model already: leave out --precision and --adapter.")
    card = _chosen(_listed(base), wanted, base)
    longest_seconds = Limits().max_seconds
    info = EngineInfo(
        name=one_line(card.id, NAME_LENGTH),
        family="remote",
        precision="remote",
        reason=f"answered by {where}; clips are sent there",
        adapters=(),
        layers=0,
        window_seconds=longest_seconds,
        longest_seconds=longest_seconds,
        context_tokens=card.max_model_len or 0,
        attention=False,
        effect=False,
    )
    return Remote(base, card.id, info)


def _base(address: str) -> str:
    """The address without a slash at its end."""
    not_one = LoadError(f"{one_line(address, NAME_LENGTH)} is no address of a server: give it as http://host:8000/v1.")
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL as error:
        raise not_one from error
    if not address.startswith(SCHEMES) or not url.host:
        raise not_one
    if url.userinfo or url.query:
        raise LoadError(
            f"The address of {url.host} has a name, a password or a question in it: give it as http://host:8000/v1, "
            f"and put a key into {KEY}."
        )
    return str(url).rstrip("/")


def _where(base: str) -> str:
    """Host and port, as a person knows the server."""
    return httpx2.URL(base).netloc.decode("ascii")


def _client(stall_seconds: float) -> httpx2.Client:
    """A client that follows no redirect. Of the environment it takes our key and, as other programs do, proxies."""
    headers = {"User-Agent": "earshot", "Accept-Encoding": "identity"}
    key = os.environ.get(KEY, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise LoadError(f"{KEY} holds characters that no key has: set it again.")
    if key:
        headers["Authorization"] = f"Bearer {key}"
    timeout = httpx2.Timeout(stall_seconds, connect=min(CONNECT_SECONDS, stall_seconds))
    return httpx2.Client(headers=headers, timeout=timeout, follow_redirects=False)


def _listed(base: str) -> tuple[chat_api.Card, ...]:
    where, began = _where(base), time.perf_counter()
    try:
        with _client(CONNECT_SECONDS) as client, client.stream("GET", f"{base}/models") as response:
            if sentence := _turned_away(where, response):
                raise LoadError(sentence)
            return chat_api.cards(_read(response, began) if response.status_code == 200 else b"")
    except httpx2.HTTPError as error:
        raise LoadError(_lost(where, error, CONNECT_SECONDS)) from error
    except ValueError as error:
        raise LoadError(
            f"{base} lists no models as an OpenAI-compatible server does: give the address that ends in /v1."
        ) from error


def _chosen(cards: tuple[chat_api.Card, ...], wanted: str, base: str) -> chat_api.Card:
    if not cards:
        raise LoadError(f"{_where(base)} lists no model: load one there.")
    if not wanted and len(cards) == 1:
        return cards[0]
    for card in cards:
        if card.id == wanted:
            return card
    names = ", ".join(one_line(card.id, NAME_LENGTH) for card in cards[:MOST_NAMES])
    more = f" and {len(cards) - MOST_NAMES} more" if len(cards) > MOST_NAMES else ""
    lacks = f"no {one_line(wanted, NAME_LENGTH)} but " if wanted else ""
    raise LoadError(f"{_where(base)} lists {lacks}{names}{more}: choose one by --model {base}#NAME.")


def _read(response: httpx2.Response, began: float) -> bytes:
    """The body, no more than `MOST_BYTES` of it, and no more than comes soon after it began, however it drips."""
    body = b""
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MOST_BYTES or time.perf_counter() - began > 2 * CONNECT_SECONDS:
            break
    return body[:MOST_BYTES]


def _turned_away(where: str, response: httpx2.Response) -> str:
    """The sentence for a server that wants a key or leads on to another; empty for all else."""
    if response.status_code in (401, 403):
        wants = "refuses its key" if os.environ.get(KEY) else "wants a key"
        return f"{where} {wants}: put the right one into the environment variable {KEY} and start again."
    if response.is_redirect:
        target = one_line(response.headers.get("location", ""), NAME_LENGTH) or "another address"
        return f"{where} leads on to {target}, where nothing is sent unasked: give that address if you trust it."
    return ""


def _lost(where: str, error: httpx2.HTTPError, stall_seconds: float) -> str:
    """The sentence for what went wrong on the way."""
    said = one_line(str(error), NAME_LENGTH).rstrip(".") or type(error).__name__
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
        return f"{where} cannot be reached ({said}): start the server there, or check its address."
    if isinstance(error, httpx2.TimeoutException):
        return f"{where} has sent nothing for {stall_seconds:g} s: ask again, or look what holds it up."
    if isinstance(error, httpx2.SSEError):
        return f"{where} does not stream its answer ({said}): is it an OpenAI-compatible server?"
    return f"The connection to {where} was lost ({said}): ask again."

"""What goes over the wire to a server of the OpenAI chat API, and what comes back: values, no connection.

A server's JSON is checked against the shapes below before anything is taken from it, and its words are a stranger's.
"""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any

import soundfile
from pydantic import Field, TypeAdapter, ValidationError

from core.measure import in_words, measure
from core.texts import announcement, one_line
from core.types import SAMPLING_RATE_HZ, Clip, Conversation, Settings, Turn

MESSAGE_LENGTH = 240
"""Characters of a server's own words in one of our sentences."""

_Tokens = Annotated[int, Field(ge=0, le=10**9)]


@dataclass(frozen=True)
class Card:
    """A model as a server lists it; `max_model_len`, in tokens, is told by vLLM and SGLang."""

    id: str
    max_model_len: _Tokens | None = None


@dataclass(frozen=True)
class _Models:
    data: tuple[Card, ...]


@dataclass(frozen=True)
class _Problem:
    message: str


@dataclass(frozen=True)
class _Refusal:
    """The shapes in which servers give an error."""

    error: _Problem | str | None = None
    message: str | None = None
    detail: object = None


@dataclass(frozen=True)
class Delta:
    """Words that come next."""

    content: str | None = None


@dataclass(frozen=True)
class Choice:
    """A piece of an answer, or its end with the reason."""

    delta: Delta | None = None
    finish_reason: str | None = None


@dataclass(frozen=True)
class Usage:
    """What an answer cost, as far as the server counts it."""

    prompt_tokens: _Tokens | None = None
    completion_tokens: _Tokens | None = None


@dataclass(frozen=True)
class Chunk:
    """One event of a streamed answer; with an `error` it is the last."""

    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    error: _Problem | str | None = None


_MODELS, _REFUSAL, _CHUNK = TypeAdapter(_Models), TypeAdapter(_Refusal), TypeAdapter(Chunk)


def cards(body: bytes) -> tuple[Card, ...]:
    """The models in the answer to GET /models.

    Raises:
        ValueError: It is no such answer.
    """
    return _MODELS.validate_json(body).data


def chunk(data: str) -> Chunk:
    """One event of a streamed answer.

    Raises:
        ValueError: It is no such event.
    """
    return _CHUNK.validate_json(data)


def complaint(body: bytes | str) -> str:
    """A server's own words about an error in one line, without the full stop."""
    try:
        refusal = _REFUSAL.validate_json(body)
    except ValidationError:
        text = body.decode("utf-8", errors="replace") if isinstance(body, bytes) else body
        words = "" if text.lstrip().startswith("<") else text  # a page for a browser, not a sentence
    else:
        nested = refusal.error.message if isinstance(refusal.error, _Problem) else refusal.error
        words = nested or refusal.message or str(refusal.detail or "")
    lines = words.strip().splitlines() or [""]
    return one_line(lines[0], MESSAGE_LENGTH).rstrip(".") or "no reason given"


def messages(conversation: Conversation, settings: Settings) -> list[dict[str, Any]]:
    """The conversation as the API takes it, clips announced as in the prompt of a model on this machine."""
    result: list[dict[str, Any]] = [{"role": "system", "content": settings.system}] if settings.system else []
    facts = [in_words(measure(clip.samples)) for clip in conversation.clips] if settings.facts else []
    heard = 0
    for turn in conversation.turns:
        content = turn.text if turn.role == "assistant" else list(_parts(turn, heard, facts))
        result.append({"role": turn.role, "content": content})
        heard += len(turn.clips)
    return result


def _parts(turn: Turn, heard: int, facts: list[str]) -> Iterator[dict[str, Any]]:
    """The parts of a user's turn; `heard` clips came before. A line ends after each clip, as in `core.prompt`."""
    line_end = ""
    for part in turn.parts:
        if isinstance(part, Clip):
            yield {"type": "text", "text": line_end + announcement(heard, facts)}
            yield {"type": "input_audio", "input_audio": {"data": _wav(part), "format": "wav"}}
            heard, line_end = heard + 1, "\n"
        else:
            yield {"type": "text", "text": line_end + part}
            line_end = ""


def _wav(clip: Clip) -> str:
    """16-bit wav at 16 kHz in base64."""
    file = BytesIO()
    soundfile.write(file, clip.samples, SAMPLING_RATE_HZ, format="WAV", subtype="PCM_16")
    return b64encode(file.getvalue()).decode("ascii")

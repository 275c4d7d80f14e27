"""Asks one or more conversations in one call, in turn or together. What goes in and comes out can be pickled."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import cast

from chat_app import faults, strings
from core.engine import Engine
from core.errors import LalmError
from core.types import Conversation, Effect, Event, Settings, Waiting


@dataclass(frozen=True)
class Ask:
    """One question.

    Attributes:
        engine: Which engine, by its place.
        conversation: The last turn is the user's.
        settings: For the answer.
    """

    engine: int
    conversation: Conversation
    settings: Settings


@dataclass(frozen=True)
class Probe:
    """Whether the clips mattered to a finished answer (`Engine.matter`).

    Attributes:
        engine: Which engine, by its place.
        conversation: As it was answered.
        answer: The words of the answer.
        settings: As it was answered with.
    """

    engine: int
    conversation: Conversation
    answer: str
    settings: Settings


@dataclass(frozen=True)
class Problem:
    """An answer broke off; the sentence that says why. The others go on."""

    sentence: str


Asks = tuple[Ask | Probe, ...]
Came = tuple[int, Event | Effect | Waiting | Problem]
Answers = Callable[[Asks, bool], Generator[Came, None, None]]
"""Takes what is asked, and whether together; yields the place of an ask and what came back. An `Ask` ends with `Done`,
a `Probe` with an `Effect` that has every clip, and what breaks off with a `Problem`. `Waiting` tells nothing, but that
it can be closed. Closing it ends all of them."""


def asker(engines: Sequence[Engine]) -> Answers:
    """Answers from these engines."""

    def answers(asks: Asks, together: bool) -> Generator[Came, None, None]:
        with ExitStack() as opened:
            waiting = [(place, opened.enter_context(closing(_events(engines, ask)))) for place, ask in enumerate(asks)]
            while waiting:
                place, events = waiting.pop(0)
                event = next(events, None)
                if event is not None:
                    yield place, event
                    waiting.insert(len(waiting) if together else 0, (place, events))

    return answers


def _events(engines: Sequence[Engine], ask: Ask | Probe) -> Generator[Event | Effect | Waiting | Problem, None, None]:
    """What comes back of one ask, an error among it as a value."""
    engine = engines[ask.engine]
    came: Iterator[Event | Effect | Waiting]
    if isinstance(ask, Ask):
        came = engine.stream(ask.conversation, ask.settings)
    else:
        came = engine.matter(ask.conversation, ask.answer, ask.settings)
    # Every engine's methods are generator functions: closing them ends the answer, whatever ends this one.
    with closing(cast(Generator[Event | Effect | Waiting, None, None], came)) as events:
        try:
            yield from events
        except LalmError as error:
            yield Problem(str(error))
        except Exception as error:  # noqa: BLE001
            # A mistake of ours: the log gets its kind and place, the person a sentence, and the conversation goes on.
            faults.log("An answer broke off", error)
            yield Problem(strings.CRASHED)

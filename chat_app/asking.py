"""Asks one or more conversations in one call, in turn or together. What goes in and comes out can be pickled."""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import cast

from chat_app import strings
from core.engine import Engine
from core.errors import LalmError
from core.types import Conversation, Done, Event, Settings


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
class Problem:
    """An answer broke off; the sentence that says why. The others go on."""

    sentence: str


Answers = Callable[[tuple[Ask, ...], bool], Generator[tuple[int, Event | Problem], None, None]]
"""Takes what is asked, and whether together; yields the place of an ask and what came back. Each ends with `Done` or
`Problem`. Closing it ends the answers."""


def asker(engines: Sequence[Engine]) -> Answers:
    """Answers from these engines."""

    def answers(asks: tuple[Ask, ...], together: bool) -> Generator[tuple[int, Event | Problem], None, None]:
        with ExitStack() as opened:
            waiting = [(place, opened.enter_context(closing(_events(engines, ask)))) for place, ask in enumerate(asks)]
            while waiting:
                place, events = waiting.pop(0)
                event = next(events)
                yield place, event
                if not isinstance(event, Done | Problem):
                    waiting.insert(len(waiting) if together else 0, (place, events))

    return answers


def _events(engines: Sequence[Engine], ask: Ask) -> Generator[Event | Problem, None, None]:
    """The events of one answer, an error among them as a value."""
    # Every engine's `stream` is a generator function: closing it ends the answer, whatever ends this one.
    stream = cast(Generator[Event, None, None], engines[ask.engine].stream(ask.conversation, ask.settings))
    with closing(stream) as events:
        try:
            yield from events
        except LalmError as error:
            yield Problem(str(error))
        except Exception:
            # A mistake of ours: the log gets all of it, the person a sentence, and the conversation goes on.
            logging.exception("An answer broke off.")
            yield Problem(strings.CRASHED)

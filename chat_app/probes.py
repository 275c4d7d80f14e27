"""What is found out about the last answers on demand: values in, `View`s out, as they come in."""

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import cast

from chat_app import strings
from chat_app.handlers import Handlers
from chat_app.panes import Panes
from chat_app.session import Exchange, Session
from chat_app.view import View
from core.engine import Engine
from core.errors import LalmError
from core.types import Conversation, Effect

Steps = Generator[tuple[Exchange, str], None, None]
"""The exchange with more known about it, and the phase to show. Closing it ends the work."""


@dataclass(frozen=True)
class Probes:
    """One method for each thing that can be found out.

    Attributes:
        handlers: Whose engines are asked, and whose Stop ends it.
    """

    handlers: Handlers

    def can_matter(self, panes: Panes) -> bool:
        """Whether there is a last answer of which it is not known, but can be, if the clips mattered to it."""
        return not panes.answering and any(map(self._can_matter, panes.sessions))

    def matter(self, tab: str, panes: Panes) -> Iterator[View]:
        """Did the clips matter to the last answer of each pane? The whole of a pane first, then clip by clip.

        Args:
            tab: Where it is shown; `Handlers.stop` of that tab ends it at the next value, which is kept.
            panes: As they are.
        """
        yield from self._each(tab, panes, self._can_matter, _effects, strings.MATTERING_FIRST)

    def _can_matter(self, session: Session) -> bool:
        last = session.exchanges[-1] if session.exchanges else None
        engine = self._engine(last) if last else None
        if last is None or engine is None or not engine.info.effect:
            return False
        known = last.effect is not None and len(last.effect.clips_nats) == len(session.attached)
        return last.ending != "answering" and bool(last.words.strip()) and bool(session.attached) and not known

    def _each(
        self,
        tab: str,
        panes: Panes,
        can: Callable[[Session], bool],
        found: Callable[[Engine, Conversation, Exchange], Steps],
        phase: str,
    ) -> Iterator[View]:
        """Finds something out about the last exchange of each pane, one pane after the other. No action to undo.

        An error becomes a sentence in its pane and leaves the answer as it was.

        Args:
            tab: Where it is shown.
            panes: As they are.
            can: Whether it can be found out about a session.
            found: Finds it out, from who answered, the conversation as it was answered, and the exchange.
            phase: Shown before the first step of a pane.
        """
        handlers, sessions = self.handlers, [replace(session, notice="") for session in panes.sessions]
        if panes.answering or not any(map(can, sessions)):
            yield handlers.still(panes)
            return
        show, busy = handlers.running(panes), replace(panes, busy=True)
        handlers.stopping.discard(tab)
        for place, session in enumerate(sessions):
            if not can(session):
                continue
            yield show(busy.now(tuple(sessions)), phase)
            last = session.exchanges[-1]
            engine = self._engine(last)
            assert engine is not None, "`can` says who is asked"
            asked = Session(session.exchanges[:-1]).conversation.with_turn(last.question)
            try:
                with closing(found(engine, asked, last)) as steps:
                    for exchange, reached in steps:
                        sessions[place] = session.with_last(exchange)
                        if tab in handlers.stopping:
                            break
                        yield show(busy.now(tuple(sessions)), reached)
            except LalmError as error:
                sessions[place] = replace(session, notice=str(error))
            except Exception:
                # A mistake of ours: the log gets all of it, the person a sentence, and the page is not left waiting.
                logging.exception("Something about an answer could not be found out.")
                sessions[place] = replace(session, notice=strings.CRASHED)
            if tab in handlers.stopping:
                break
        yield handlers.still(panes.now(tuple(sessions)), strings.ENDINGS["stopped"] if tab in handlers.stopping else "")

    def _engine(self, exchange: Exchange) -> Engine | None:
        """Who answered: an exchange keeps the name."""
        return next((engine for engine in self.handlers.engines if engine.info.name == exchange.model), None)


def _effects(engine: Engine, asked: Conversation, last: Exchange) -> Steps:
    # Every engine's `matter` is a generator function: closing it ends the work.
    effects = cast(Generator[Effect, None, None], engine.matter(asked, last.words, last.settings))
    with closing(effects):
        for effect in effects:
            reached = strings.MATTERING.format(known=len(effect.clips_nats), clips=len(asked.clips))
            yield replace(last, effect=effect), reached

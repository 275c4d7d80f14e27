"""What is found out about the last answers on demand: values in, `View`s out, as it comes in."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from chat_app import strings
from chat_app.asking import Ask, Probe, Problem
from chat_app.handlers import Handlers
from chat_app.panes import Panes
from chat_app.session import Exchange, Ordered, Session
from chat_app.turns import LineFullError
from chat_app.view import View
from core.engine import Engine
from core.letters import renamed
from core.orders import Order, boost_in_order, in_order, orders
from core.types import Conversation, Done, Effect, Event, Token, Waiting, letter
from core.verdict import verdict

Took = Callable[[Exchange, Event | Effect], tuple[Exchange, str]]
"""An exchange and what came of it: the exchange with more known about it, and the phase to show (empty: as before)."""


@dataclass(frozen=True)
class Asked:
    """One thing that is asked about the last answer of a pane.

    Attributes:
        place: Of the pane.
        ask: What goes to the engine.
        took: What is made of each thing that comes back.
    """

    place: int
    ask: Ask | Probe
    took: Took


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
        asked = []
        for place, session in enumerate(panes.sessions):
            if self._can_matter(session):
                last, conversation = session.exchanges[-1], _conversation(session)
                probe = Probe(self._place(last), conversation, last.words, last.settings)
                asked.append(Asked(place, probe, partial(_effect, len(conversation.clips))))
        yield from self._find(tab, panes, panes.sessions, asked, strings.MATTERING_FIRST)

    def can_be_ordered(self, panes: Panes) -> bool:
        """Whether there is a last answer about clips that can come in another order."""
        return not panes.answering and any(map(self._can_be_ordered, panes.sessions))

    def in_every_order(self, tab: str, panes: Panes) -> Iterator[View]:
        """The last question of each pane again, in the orders of its clips; the chat's own answer stays.

        An order that fails is left out, with its sentence in the pane.

        Args:
            tab: Where it is shown; `Handlers.stop` of that tab ends it, and what was found stays.
            panes: As they are.
        """
        asked, sessions = [], list(panes.sessions)
        for place, session in enumerate(panes.sessions):
            if not self._can_be_ordered(session):
                continue
            last = session.exchanges[-1]
            sessions[place] = session.with_last(replace(last, ordered=()))
            every = orders(len(session.clips))
            for number, order in enumerate(every, start=1):
                settings = replace(last.settings, boost=boost_in_order(last.settings.boost, order))
                ask = Ask(self._place(last), in_order(_conversation(session), order), settings)
                asked.append(Asked(place, ask, _Hearing(order, number, len(every)).took))
        yield from self._find(tab, panes, sessions, asked, strings.ASKING_ORDERS)

    def _can_matter(self, session: Session) -> bool:
        last = self._answered(session)
        if last is None or not self._engine(last).info.effect or not last.words.strip():
            return False
        known = last.effect is not None and len(last.effect.clips_nats) == len(session.attached)
        return bool(session.attached) and not known

    def _can_be_ordered(self, session: Session) -> bool:
        return self._answered(session) is not None and len(session.attached) > 1

    def _answered(self, session: Session) -> Exchange | None:
        """The last exchange, if its answer has ended and who gave it is here."""
        last = session.exchanges[-1] if session.exchanges else None
        known = last is not None and any(engine.info.name == last.model for engine in self.handlers.engines)
        return last if last is not None and last.ending != "answering" and known else None

    def _find(self, tab: str, panes: Panes, begun: Sequence[Session], asked: list[Asked], phase: str) -> Iterator[View]:
        """Asks in one call, one thing after the other. No action to undo.

        An error becomes a sentence in its pane; what was found before it stays.

        Args:
            tab: Where it is shown.
            panes: As they are, and stay where nothing can be asked.
            begun: Their sessions as they are once it is asked.
            asked: What is asked.
            phase: What the status line says at first.
        """
        handlers, sessions = self.handlers, [replace(session, notice="") for session in begun]
        if panes.answering or not asked:
            yield handlers.still(panes)
            return
        try:
            turn = handlers.turns.join(tab)
        except LineFullError as error:
            yield handlers.noticed(panes, str(error))
            return
        show, busy = handlers.running(panes), replace(panes, busy=True)
        with closing(turn):
            begins = busy.now(tuple(sessions))
            for now in handlers.phases(turn, phase):
                yield show(begins, now)
            if turn.stopped:
                yield handlers.still(panes, strings.ENDINGS["stopped"])
                return
            with closing(handlers.answers(tuple(one.ask for one in asked), False)) as events:
                for number, event in events:
                    place, session = asked[number].place, sessions[asked[number].place]
                    if isinstance(event, Problem):
                        sessions[place], reached = replace(session, notice=event.sentence), ""
                    elif isinstance(event, Waiting):
                        reached = ""
                    else:
                        exchange, reached = asked[number].took(session.exchanges[-1], event)
                        sessions[place] = session.with_last(exchange)
                    if turn.stopped:
                        break
                    if reached:
                        yield show(busy.now(tuple(sessions)), reached)
            yield handlers.still(panes.now(tuple(sessions)), strings.ENDINGS["stopped"] if turn.stopped else "")

    def _engine(self, exchange: Exchange) -> Engine:
        return self.handlers.engines[self._place(exchange)]

    def _place(self, exchange: Exchange) -> int:
        """Who answered, by its place: an exchange keeps the name."""
        return [engine.info.name for engine in self.handlers.engines].index(exchange.model)


def _conversation(session: Session) -> Conversation:
    """As it was when the last question was answered."""
    return Session(session.exchanges[:-1]).conversation.with_turn(session.exchanges[-1].question)


def _effect(clips: int, last: Exchange, event: Event | Effect) -> tuple[Exchange, str]:
    assert isinstance(event, Effect)
    return replace(last, effect=event), strings.MATTERING.format(known=len(event.clips_nats), clips=clips)


class _Hearing:
    """The words of the answer in one order, as they come."""

    def __init__(self, order: Order, number: int, orders: int):
        self.order, self.number, self.orders, self.words = order, number, orders, ""

    def took(self, last: Exchange, event: Event | Effect) -> tuple[Exchange, str]:
        if isinstance(event, Token):
            self.words += event.text
            return last, ""
        assert isinstance(event, Done)
        # the letters that the clips have in the chat
        words = renamed(self.words.strip(), self.order)
        found = Ordered(self.order, words, verdict(words, len(self.order), last.text))
        letters = "".join(map(letter, self.order))
        phase = strings.ASKING_ORDER.format(number=self.number, orders=self.orders, letters=letters)
        return replace(last, ordered=(*last.ordered, found)), phase

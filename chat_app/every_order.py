"""Asks the last question in every order of its clips: an answer that goes by place, not by sound, changes with it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from chat_app import strings
from chat_app.asking import Ask, Problem
from chat_app.handlers import Handlers
from chat_app.panes import Panes
from chat_app.session import Exchange, Ordered, Session
from chat_app.view import View
from core.letters import renamed
from core.orders import Order, boost_in_order, in_order, orders
from core.types import Done, letter
from core.verdict import verdict


@dataclass(frozen=True)
class Place:
    """What one answer belongs to: a pane, by its place, and an order of its clips."""

    pane: int
    order: Order


def ask_in_every_order(handlers: Handlers, tab: str, panes: Panes) -> Iterator[View]:
    """The last question of each pane in the orders of its clips, answer by answer; the chat's own answer stays.

    An order that fails is told in the status line and left out; what was found so far stays, after Stop too.

    Args:
        handlers: Who may be asked.
        tab: Where it is shown.
        panes: Nothing is running in them.
    """
    asks, places = [], []
    for pane, session in enumerate(panes.sessions):
        if not can_be_asked(session):
            continue
        exchange = session.exchanges[-1]
        asked = Session((*session.exchanges[:-1], Exchange(exchange.text, exchange.attached, exchange.settings)))
        for order in orders(len(session.clips)):
            settings = replace(exchange.settings, boost=boost_in_order(exchange.settings.boost, order))
            asks.append(Ask(handlers.who(exchange), in_order(asked.conversation, order), settings))
            places.append(Place(pane, order))
    if not asks:
        yield handlers.still(panes)
        return
    sessions = [_with(session, ()) if can_be_asked(session) else session for session in panes.sessions]
    handlers.stopping.discard(tab)
    words, problem = "", ""
    yield handlers.working(panes.now(tuple(sessions)), _phase(places, 0))
    with closing(handlers.answers(tuple(asks), False)) as events:
        for number, event in events:
            place = places[number]
            if tab in handlers.stopping:
                break
            if isinstance(event, Problem):
                words, problem = "", event.sentence
            elif isinstance(event, Done):
                sessions[place.pane] = _found(sessions[place.pane], place.order, words)
                words = ""
                if number + 1 < len(places):
                    yield handlers.working(panes.now(tuple(sessions)), _phase(places, number + 1))
            else:
                words += event.text
    yield handlers.still(panes.now(tuple(sessions)), problem)


def can_be_asked(session: Session) -> bool:
    """Whether there is an answer, and more than one order of its clips."""
    return bool(session.exchanges) and not session.answering and len(session.clips) > 1


def _found(session: Session, order: Order, words: str) -> Session:
    """With the answer in one order, told of the clips by the letters they have in the chat."""
    exchange = session.exchanges[-1]
    told = renamed(words.strip(), order)
    found = Ordered(order, told, verdict(told, len(session.clips), exchange.text))
    return _with(session, (*exchange.ordered, found))


def _with(session: Session, ordered: tuple[Ordered, ...]) -> Session:
    return session.with_last(replace(session.exchanges[-1], ordered=ordered))


def _phase(places: list[Place], number: int) -> str:
    letters = "".join(map(letter, places[number].order))
    return strings.ASKING_ORDER.format(number=number + 1, orders=len(places), letters=letters)

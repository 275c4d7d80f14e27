"""What happens on each action of a person: values in, `View`s out. Nothing here needs a running page."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from chat_app import strings, view
from chat_app.asking import Answers, Ask, Came, Problem
from chat_app.dropping import Dropping
from chat_app.form import Form
from chat_app.panes import Panes, Sessions, settled
from chat_app.session import Attachment, Box, Exchange, Session, joined
from chat_app.tray import Tray, tray
from chat_app.turns import LineFullError, Turn, Turns
from chat_app.view import Message, View
from core.engine import Engine
from core.errors import LalmError
from core.types import Done, Settings, Token, Waiting

UPDATE_SECONDS = 0.15
"""Between two updates of a running answer: about six a second; more would only keep the browser busy."""


@dataclass(frozen=True)
class Handlers:
    """One method per action.

    Attributes:
        engines: Who may be asked; the first is asked unless a person chooses another.
        answers: Asks them.
        dropping: Reads what is dropped.
        clock: Seconds, for the pace of updates.
        turns: Who is answered now, and who waits. An answer that is stopped ends itself, and nobody else writes the
            panes: Gradio's own way to cancel lets a late update overtake what Stop has shown.
    """

    engines: tuple[Engine, ...]
    answers: Answers
    dropping: Dropping
    clock: Callable[[], float] = time.monotonic
    turns: Turns = field(default_factory=Turns)

    def tray(self, panes: Panes, attachments: Sequence[Attachment], opened: int | None = None) -> Tray:
        """The tray for the conversation's clips and those in the input box, that of the panel marked as open."""
        info = self.engines[0].info
        return tray(panes.first, attachments, info.window_seconds, info.max_clips, opened)

    def attach(self, panes: Panes, attachments: Sequence[Attachment], files: Sequence[str]) -> tuple[Attachment, ...]:
        """The attachments for the files in the input box; `attachments` are those there were."""
        taken = {attachment.label for attachment in panes.first.attached}
        return self.dropping.attach(taken, attachments, files)

    def send(self, tab: str, panes: Panes, box: Box, forms: Sequence[Form], together: bool = False) -> Iterator[View]:
        """A question with its clips: streamed answers, or one sentence and everything still in the box.

        Args:
            tab: Any name that tells this page from others.
            panes: As they are.
            box: What is asked.
            forms: The settings of each pane.
            together: Whether all panes answer at the same time, not one after the other.
        """
        panes = settled(panes)
        anything = box.attachments or panes.first.attached
        problem = "" if box.text.strip() else strings.NO_QUESTION if anything else strings.NOTHING_TO_SEND
        settings = self._settings(forms)
        problem = problem or (settings if isinstance(settings, str) else "")
        if problem or isinstance(settings, str):
            yield self.noticed(panes, problem)
            return
        exchange = Exchange(
            text=box.text.strip(),
            attached=tuple(attachment for attachment in box.attachments if attachment.clip is not None),
            settings=settings[0],
            left_out=tuple(
                strings.LEFT_OUT.format(problem=attachment.problem)
                for attachment in box.attachments
                if attachment.clip is None
            ),
        )
        asked = tuple(
            session.asked(replace(exchange, settings=chosen, model=self._model(form)))
            for session, chosen, form in zip(panes.sessions, settings, forms, strict=True)
        )
        yield from self._answer(tab, panes.then(asked), forms, together, box=Box())

    def retry(self, tab: str, panes: Panes, forms: Sequence[Form], together: bool = False) -> Iterator[View]:
        """The last question again, with the settings as they are now."""
        panes = settled(panes)
        if not panes.first.exchanges:
            return
        settings = self._settings(forms)
        if isinstance(settings, str):
            yield self.noticed(panes, settings)
            return
        asked = []
        for session, chosen, form in zip(panes.sessions, settings, forms, strict=True):
            last = session.exchanges[-1]
            again = Exchange(last.text, last.attached, chosen, self._model(form))
            asked.append(Session(session.exchanges[:-1]).asked(again))
        yield from self._answer(tab, panes.then(tuple(asked)), forms, together)

    def stop(self, tab: str) -> None:
        """Ends what runs in `tab` at its next token, what was said stays said; what waits is not asked."""
        self.turns.stop(tab)

    def edit(self, panes: Panes, box: Box) -> View:
        """Takes the last question back into the box, before what is there by now."""
        if panes.answering or not panes.first.exchanges:
            return self.still(panes)
        sessions, taken = panes.without_last()
        return replace(self.still(panes.then(sessions), strings.TAKEN_BACK), box=joined(taken, box))

    def undo(self, panes: Panes, box: Box) -> View:
        """What was there before the last action; a question that was not asked then goes back into the box."""
        if panes.answering or not panes.before:
            return self.still(panes)
        back = panes.undone()
        if back.first.exchanges != panes.first.exchanges[:-1]:
            return self.still(back, strings.UNDONE)
        return replace(self.still(back, strings.TAKEN_BACK), box=joined(panes.without_last()[1], box))

    def clear(self, panes: Panes) -> View:
        """An empty chat; `undo` brings the old one back."""
        if panes.answering or not panes.first.exchanges:
            return self.still(panes)
        return self.still(panes.then((Session(),) * len(panes.sessions)), strings.CLEARED)

    def still(self, panes: Panes, phase: str = "") -> View:
        """Nothing is running."""
        last = panes.first.exchanges[-1] if panes.first.exchanges else None
        phase = phase or (view.cost(last) if last and not panes.first.notice else "") or strings.READY
        chats = tuple(view.messages(session, self._many) for session in panes.sessions)
        return View(panes, chats, view.status(self.engines[0].info, phase))

    def running(self, panes: Panes) -> Callable[..., View]:
        """Shows panes of which the last exchanges change; what does not change is drawn once."""
        before = [Session(session.exchanges[:-1]) for session in panes.sessions]
        past = [(view.messages(session, self._many), session.attached) for session in before]
        drawn: dict[int, tuple[Exchange, tuple[Message, ...]]] = {}

        def chat(place: int, last: Exchange) -> tuple[Message, ...]:
            messages, attached = past[place]
            if place not in drawn or drawn[place][0] is not last:
                drawn[place] = last, view.exchange_messages(last, attached, self._many)
            return (*messages, *drawn[place][1])

        def shown(now: Panes, phase: str, pace: str = "") -> View:
            chats = tuple(chat(place, session.exchanges[-1]) for place, session in enumerate(now.sessions))
            return View(now, chats, view.status(self.engines[0].info, phase, pace))

        return shown

    def phases(self, turn: Turn, first: str) -> Iterator[str]:
        """What the status line says until the model can be asked: the place in line, and then `first`."""
        yield from map(strings.waiting, turn.places())
        if not turn.stopped:
            yield first

    @property
    def _many(self) -> bool:
        """Whether an answer has to say who gave it."""
        return len(self.engines) > 1

    def _model(self, form: Form) -> str:
        return self.engines[form.engine].info.name

    def _settings(self, forms: Sequence[Form]) -> tuple[Settings, ...] | str:
        """The settings of each pane as its engine takes them, or the sentence that says what is wrong."""
        try:
            return tuple(form.settings(self.engines[form.engine].info) for form in forms)
        except LalmError as error:
            return str(error)

    def noticed(self, panes: Panes, sentence: str) -> View:
        """Nothing is running, and why: a sentence below the chat until the next action."""
        first, *others = panes.sessions
        return self.still(panes.now((replace(first, notice=sentence), *others)))

    def _answer(
        self, tab: str, panes: Panes, forms: Sequence[Form], together: bool, box: Box | None = None
    ) -> Iterator[View]:
        """Streams the answers to the last exchange of each pane, when it is their turn.

        Args:
            tab: Where they are shown.
            panes: The last exchange of each is asked.
            forms: Of each pane.
            together: Whether all answer at the same time.
            box: Content of the input box from now on; None where the question did not come from it.
        """
        show = self.running(panes)
        asks = tuple(
            Ask(form.engine, session.conversation, session.exchanges[-1].settings)
            for form, session in zip(forms, panes.sessions, strict=True)
        )
        try:
            turn = self.turns.join(tab)
        except LineFullError as error:
            yield self.noticed(panes.undone(), str(error))
            return
        with closing(turn):
            for number, phase in enumerate(self.phases(turn, strings.listening(len(panes.first.attached)))):
                yield replace(show(panes, phase), box=None if number else box)
            if turn.stopped:
                back = panes.undone() if box is None else _back(panes)
                yield self.still(back, strings.UNDONE if box is None else strings.TAKEN_BACK)
            else:
                sessions = yield from self._answered(turn, panes, show, self.answers(asks, together))
                yield self._ended(panes.now(sessions), box)

    def _answered(
        self, turn: Turn, panes: Panes, show: Callable[..., View], answers: Generator[Came, None, None]
    ) -> Generator[View, None, Sessions]:
        """Shows the answers as they come; returns the sessions with all of them, or what there was at Stop."""
        sessions = list(panes.sessions)
        begun_seconds, shown_seconds = self.clock(), float("-inf")
        first_token_seconds, tokens, news = 0.0, 0, False
        with closing(answers) as events:
            for place, event in events:
                if isinstance(event, Problem):
                    sessions[place] = sessions[place].ended("failed", problem=event.sentence)
                elif isinstance(event, Token | Done):
                    sessions[place] = sessions[place].took(event)
                if isinstance(event, Token):
                    tokens += 1
                    first_token_seconds = first_token_seconds or self.clock() - begun_seconds
                if turn.stopped:
                    sessions = [session.ended("stopped") if session.answering else session for session in sessions]
                    break
                going_on = any(session.answering for session in sessions)  # else the last update follows
                words = any(session.exchanges[-1].words for session in sessions)
                news = news or not isinstance(event, Waiting)
                if going_on and words and news and self.clock() - shown_seconds >= UPDATE_SECONDS:
                    pace = view.pace(first_token_seconds, tokens)
                    yield show(panes.now(tuple(sessions)), strings.ANSWERING, pace)
                    shown_seconds, news = self.clock(), False
        return tuple(sessions)

    def _ended(self, panes: Panes, box: Box | None) -> View:
        """The end of an answer. If no pane has a word of one, the question is not lost."""
        last = [session.exchanges[-1] for session in panes.sessions]
        if not all(exchange.ending == "failed" and not exchange.words.strip() for exchange in last):
            return self.still(panes)
        if box is None:
            return self.noticed(panes.undone(), last[0].problem)
        sentence = strings.BACK_IN_BOX.format(problem=last[0].problem)
        return self.noticed(_back(panes), sentence)


def _back(panes: Panes) -> Panes:
    """Without the last question, which is to go back into the box."""
    return replace(panes.undone(), back=panes.without_last()[1])

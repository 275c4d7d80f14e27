"""What happens on each action of a person: values in, `View`s out. Nothing here needs a running page."""

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from chat_app import strings, view
from chat_app.form import Form
from chat_app.session import Attachment, Box, Exchange, Session
from chat_app.view import Tray, View
from core.audio import Limits, read_clip
from core.engine import Engine
from core.errors import AudioError, LalmError
from core.types import AttentionReading, Done, Event, Turn

UPDATE_SECONDS = 0.15
"""Between two updates of a running answer: about six a second; more would only keep the browser busy."""

MICROPHONE_FILE = "audio.wav"
"""Gradio's name for every recording."""


@dataclass(frozen=True)
class Handlers:
    """One method per action.

    Attributes:
        engine: Answers.
        uploads: The only folder files are read from.
        clock: Seconds, for the pace of updates.
        stopping: Tabs whose running answer is to end at its next token. The answer itself ends, and nobody else
            writes the session: Gradio's own way to cancel lets a late update overtake what Stop has shown.
    """

    engine: Engine
    uploads: Path
    clock: Callable[[], float] = time.monotonic
    stopping: set[str] = field(default_factory=set)

    def tray(self, session: Session, attachments: Sequence[Attachment]) -> Tray:
        """The tray for the conversation's clips and those in the input box."""
        return view.tray(session, attachments, self.engine.info.window_seconds)

    def attach(
        self, session: Session, attachments: Sequence[Attachment], files: Sequence[str]
    ) -> tuple[Attachment, ...]:
        """Reads the files in the input box, each once; `attachments` are those read before.

        A file that is no usable sound stays among them with its sentence, and is no reason to refuse the others.
        """
        known = {attachment.path: attachment for attachment in attachments}
        labels = {clip.label for clip, _ in session.clips} | {attachment.label for attachment in attachments}
        result = []
        for file in files:
            if file not in known:
                label = _label(file, labels)
                labels.add(label)
                known[file] = self._read(Path(file), label)
            result.append(known[file])
        return tuple(result)

    def send(
        self, tab: str, session: Session, attachments: Sequence[Attachment], box: Box, form: Form
    ) -> Iterator[View]:
        """A question with its clips: streamed answer, or one sentence and everything still in the box.

        `tab` is any name that tells this page from others.
        """
        session = _settled(session)
        attached = self.attach(session, attachments, box.files)
        problem = (
            "" if box.text.strip() else strings.NO_QUESTION if attached or session.clips else strings.NOTHING_TO_SEND
        )
        try:
            settings = form.settings(self.engine.info.default)
        except LalmError as error:
            problem = str(error)
        if problem:
            yield self._still(replace(session, notice=problem))
            return
        usable = [(attachment.clip, attachment.path) for attachment in attached if attachment.clip is not None]
        exchange = Exchange(
            question=Turn("user", (*(clip for clip, _ in usable), box.text.strip())),
            paths=tuple(path for _, path in usable),
            settings=settings,
            left_out=tuple(
                strings.LEFT_OUT.format(problem=attachment.problem)
                for attachment in attached
                if attachment.clip is None
            ),
        )
        yield from self._answer(tab, session.asked(exchange), box=Box())

    def retry(self, tab: str, session: Session, form: Form) -> Iterator[View]:
        """The last question again, with the settings as they are now."""
        session = _settled(session)
        if not session.exchanges:
            return
        last = session.exchanges[-1]
        try:
            settings = form.settings(self.engine.info.default)
        except LalmError as error:
            yield self._still(replace(session, notice=str(error)))
            return
        again = Exchange(question=last.question, paths=last.paths, settings=settings)
        yield from self._answer(tab, Session(session.exchanges[:-1]).asked(again), before=session)

    def stop(self, tab: str) -> None:
        """Ends the answer that runs in `tab` at its next token; what was said stays said."""
        self.stopping.add(tab)

    def undo(self, session: Session, box: Box) -> View:
        """Takes the last question back into the box."""
        if session.answering or not session.exchanges:
            return self._still(session)
        return self._taken_back(session, "", box)

    def clear(self, session: Session) -> View:
        """An empty chat; `restore` brings the old one back."""
        return self._still(Session(cleared=session.exchanges or session.cleared), strings.CLEARED)

    def restore(self, session: Session) -> View:
        """The chat before `clear`."""
        return self._still(Session(session.cleared) if session.cleared else session)

    def _answer(
        self, tab: str, session: Session, box: Box | None = None, before: Session | None = None
    ) -> Iterator[View]:
        """Streams the answer to the last exchange.

        Args:
            tab: Where it is shown.
            session: Its last exchange is asked.
            box: Content of the input box from now on.
            before: What an answer that fails without a word goes back to; by default its question goes into the box.
        """
        info = self.engine.info
        exchange = session.exchanges[-1]
        earlier = tuple(clip for clip, _ in Session(session.exchanges[:-1]).clips)
        past = view.messages(Session(session.exchanges[:-1]))

        def running(phase: str) -> View:
            bubbles = view.exchange_messages(session.exchanges[-1], earlier)
            return View(session, (*past, *bubbles), view.status(info, phase))

        self.stopping.discard(tab)
        yield replace(running(strings.listening(len(session.clips))), box=box)
        words, readings, shown_seconds = "", list[AttentionReading](), float("-inf")
        try:
            # Every engine's `stream` is a generator function: closing it ends the answer, whatever ends this one.
            stream = cast(Generator[Event, None, None], self.engine.stream(session.conversation, exchange.settings))
            with closing(stream) as events:
                for event in events:
                    if isinstance(event, Done):
                        session = session.heard(words, tuple(readings)).ended(event.reason, event.stats)
                        break
                    words += event.text
                    readings += [event.reading] if event.reading is not None else []
                    if tab in self.stopping:
                        session = session.heard(words, tuple(readings)).ended("stopped")
                        break
                    if words and self.clock() - shown_seconds >= UPDATE_SECONDS:
                        session = session.heard(words, tuple(readings))
                        yield running(strings.ANSWERING)
                        shown_seconds = self.clock()
        except LalmError as error:
            session = session.heard(words, tuple(readings))
            yield self._broken_off(session, str(error), before)
        except Exception:
            # A mistake of ours: the log gets all of it, the person a sentence, and the conversation goes on.
            logging.exception("An answer broke off.")
            session = session.heard(words, tuple(readings))
            yield self._broken_off(session, strings.CRASHED, before)
        else:
            yield self._still(session)

    def _broken_off(self, session: Session, sentence: str, before: Session | None) -> View:
        """After an error in an answer: what was said stays, and a question without an answer is not lost."""
        if session.exchanges[-1].words.strip():
            return self._still(session.ended("failed", problem=sentence))
        if before is not None:
            return self._still(replace(before, notice=sentence))
        return self._taken_back(session, strings.BACK_IN_BOX.format(problem=sentence))

    def _still(self, session: Session, phase: str = "") -> View:
        """Nothing is running."""
        last = session.exchanges[-1] if session.exchanges else None
        phase = phase or (view.cost(last) if last and not session.notice else "") or strings.READY
        return View(session, view.messages(session), view.status(self.engine.info, phase))

    def _taken_back(self, session: Session, sentence: str, box: Box | None = None) -> View:
        """The last exchange goes into the box, before what is there by now."""
        rest, taken = session.without_last()
        box = box or Box()
        text = "\n".join(part for part in (taken.text, box.text) if part.strip())
        rest = replace(rest, notice=sentence)
        shown = self._still(rest, strings.TAKEN_BACK)
        return replace(shown, box=Box(text, (*taken.files, *box.files)))

    def _read(self, path: Path, label: str) -> Attachment:
        # Gradio refuses such paths itself; this holds whatever way a path came in.
        if not path.resolve().is_relative_to(self.uploads.resolve()):
            return Attachment(str(path), label, problem=str(AudioError(label, strings.FOREIGN_FILE)))
        try:
            return Attachment(str(path), label, clip=read_clip(path, label, self._limits()))
        except AudioError as error:
            return Attachment(str(path), label, problem=str(error))

    def _limits(self) -> Limits:
        """A clip the model would not hear is refused when it is dropped, not when it is asked about."""
        return Limits().up_to(self.engine.info.longest_seconds)


def _settled(session: Session) -> Session:
    """Answers wait for each other, so one that seems to run now was left behind by a breakdown."""
    return session.ended("failed", problem=strings.CRASHED) if session.answering else session


def _label(file: str, taken: set[str]) -> str:
    """The file's name; recordings, which all come under one name, are numbered."""
    name = Path(file).name
    if name != MICROPHONE_FILE:
        return name
    number = 1
    while f"{strings.RECORDING} {number}" in taken:
        number += 1
    return f"{strings.RECORDING} {number}"

"""What one browser tab holds: the exchanges so far. Frozen values of plain data, so that `gr.State` may copy them."""

from dataclasses import dataclass, replace
from typing import Literal

from chat_app.summary import Summary, summarise
from core.types import AttentionReading, Clip, Conversation, Settings, Stats, Turn

Ending = Literal["answering", "stop", "length", "stopped", "failed"]


@dataclass(frozen=True)
class Box:
    """Content of the input box: words, and files by their path in the upload folder."""

    text: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attachment:
    """A file in the input box that is not sent yet.

    Attributes:
        path: Where it was uploaded to.
        label: The name a person knows it by. Hostile text.
        clip: What was read from it, or None where it is no usable sound.
        problem: The sentence that says why not, or empty.
    """

    path: str
    label: str
    clip: Clip | None = None
    problem: str = ""


@dataclass(frozen=True)
class Exchange:
    """One question and what came back.

    Attributes:
        question: The user's turn, clips first.
        paths: Uploaded file of each clip of the question, for playing it.
        settings: As they were when it was asked.
        left_out: A sentence for each file of the message that could not be used, unescaped.
        words: The answer so far.
        readings: One a token while answering; reduced to `summary` at the end.
        summary: Where the model attended; None before the end, and for an engine that reads no attention.
        stats: What the answer cost; None where it did not end by itself.
        ending: How it ended.
        problem: The sentence that says why it broke off, unescaped, or empty.
    """

    question: Turn
    paths: tuple[str, ...]
    settings: Settings
    left_out: tuple[str, ...] = ()
    words: str = ""
    readings: tuple[AttentionReading, ...] = ()
    summary: Summary | None = None
    stats: Stats | None = None
    ending: Ending = "answering"
    problem: str = ""


@dataclass(frozen=True)
class Session:
    """All exchanges of one tab, oldest first.

    Attributes:
        exchanges: The last one may still be answering.
        notice: A sentence shown below the chat until the next action.
        cleared: What `clear` put away, for `restore`.
    """

    exchanges: tuple[Exchange, ...] = ()
    notice: str = ""
    cleared: tuple[Exchange, ...] = ()

    @property
    def answering(self) -> bool:
        """True while the last answer has not ended."""
        return bool(self.exchanges) and self.exchanges[-1].ending == "answering"

    @property
    def conversation(self) -> Conversation:
        """What the engine is asked: all turns; an answer that has no word yet is left out."""
        turns: list[Turn] = []
        for exchange in self.exchanges:
            turns.append(exchange.question)
            if exchange.words or exchange.ending != "answering":
                turns.append(Turn("assistant", (exchange.words,)))
        return Conversation(tuple(turns))

    @property
    def clips(self) -> tuple[tuple[Clip, str], ...]:
        """Every clip with its uploaded file; the i-th is called `letter(i)`."""
        return tuple(
            pair for exchange in self.exchanges for pair in zip(exchange.question.clips, exchange.paths, strict=True)
        )

    def asked(self, exchange: Exchange) -> "Session":
        """With a new exchange at the end."""
        return Session((*self.exchanges, exchange))

    def heard(self, words: str, readings: tuple[AttentionReading, ...]) -> "Session":
        """With the last answer's words and readings so far."""
        assert self.answering, "only a running answer grows"
        return self._with_last(replace(self.exchanges[-1], words=words, readings=readings))

    def ended(self, ending: Ending, stats: Stats | None = None, problem: str = "") -> "Session":
        """With the last answer closed: its readings reduced to a summary."""
        assert self.answering, "an answer ends once"
        last = self.exchanges[-1]
        summary = summarise(last.readings)
        return self._with_last(replace(last, ending=ending, stats=stats, readings=(), summary=summary, problem=problem))

    def without_last(self) -> tuple["Session", Box]:
        """With the last exchange taken back, and what to put into the input box for it."""
        last = self.exchanges[-1]
        return Session(self.exchanges[:-1]), Box(last.question.text, last.paths)

    def _with_last(self, exchange: Exchange) -> "Session":
        return replace(self, exchanges=(*self.exchanges[:-1], exchange))

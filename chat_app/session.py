"""What one conversation on the page holds: its exchanges. Frozen values, so that nobody changes what is shown."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from chat_app.trace import Trace
from core.summary import Summary
from core.types import Clip, Conversation, Done, Effect, Event, Settings, Stats, Token, Turn

Ending = Literal["answering", "stop", "length", "stopped", "failed"]


@dataclass(frozen=True)
class Attachment:
    """A file a person dropped.

    Attributes:
        path: Where it was uploaded to; by this the input box knows it.
        label: The name a person knows it by. Hostile text.
        clip: What the model will hear of it, or None where it is no usable sound.
        problem: The sentence that says why not, or empty.
        whole: All of the sound, where `clip` is only a part of it.
        start_seconds: Where in `whole` that part begins.
        played: A file that sounds like that part.
    """

    path: str
    label: str
    clip: Clip | None = None
    problem: str = ""
    whole: Clip | None = None
    start_seconds: float = 0.0
    played: str = ""

    @property
    def sound(self) -> Clip:
        """The clip of an attachment that is known to have one."""
        assert self.clip is not None, "a file that is no sound is not sent"
        return self.clip


@dataclass(frozen=True)
class Box:
    """Content of the input box: words, and what is attached in the order of its letters."""

    text: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class Ordered:
    """The answer to one question with its clips in another order.

    Attributes:
        order: At index i, the clip that stood at place i.
        words: The answer, with the letters that the clips have in the chat.
        verdict: What it comes to (`core.verdict`).
    """

    order: tuple[int, ...]
    words: str
    verdict: str


@dataclass(frozen=True)
class Exchange:
    """One question and what came back.

    Attributes:
        text: The words of the question.
        attached: The clips of the question, each a sound.
        settings: As they were when it was asked.
        model: Who was asked. Hostile text where a server named it.
        left_out: A sentence for each file of the message that could not be used, unescaped.
        tokens: The answer so far, with its readings; reduced to `words` and `trace` at the end.
        words: The answer so far.
        trace: Where the model attended; None before the end, and for an engine that reads no attention.
        effect: Whether the clips mattered, as far as it was asked and is known.
        stats: What the answer cost; None where it did not end by itself.
        ending: How it ended.
        problem: The sentence that says why it broke off, unescaped, or empty.
        ordered: The answers in other orders of the clips, if they were asked for.
    """

    text: str
    attached: tuple[Attachment, ...]
    settings: Settings
    model: str = ""
    left_out: tuple[str, ...] = ()
    tokens: tuple[Token, ...] = ()
    words: str = ""
    trace: Trace | None = None
    effect: Effect | None = None
    stats: Stats | None = None
    ending: Ending = "answering"
    problem: str = ""
    ordered: tuple[Ordered, ...] = ()

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips of the question."""
        return tuple(attachment.sound for attachment in self.attached)

    @property
    def question(self) -> Turn:
        """What the model is asked: clips first."""
        return Turn("user", (*self.clips, self.text))

    @property
    def summary(self) -> Summary | None:
        """Means over the answer, or None where there is no trace."""
        return None if self.trace is None else self.trace.summary


@dataclass(frozen=True)
class Session:
    """All exchanges of one conversation, oldest first.

    Attributes:
        exchanges: The last one may still be answering.
        notice: A sentence shown below the chat until the next action.
    """

    exchanges: tuple[Exchange, ...] = ()
    notice: str = ""

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

    @cached_property
    def attached(self) -> tuple[Attachment, ...]:
        """Every clip that was sent; the i-th is called `letter(i)`."""
        return tuple(attachment for exchange in self.exchanges for attachment in exchange.attached)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Every clip that was sent, as sound."""
        return tuple(attachment.sound for attachment in self.attached)

    def asked(self, exchange: Exchange) -> "Session":
        """With a new exchange at the end."""
        return Session((*self.exchanges, exchange))

    def took(self, event: Event) -> "Session":
        """With the next event of the last answer."""
        return self.ended(event.reason, event.stats) if isinstance(event, Done) else self.heard(event)

    def heard(self, *tokens: Token) -> "Session":
        """With more of the last answer."""
        assert self.answering, "only a running answer grows"
        last = self.exchanges[-1]
        words = last.words + "".join(token.text for token in tokens)
        return self.with_last(replace(last, tokens=(*last.tokens, *tokens), words=words))

    def ended(self, ending: Ending, stats: Stats | None = None, problem: str = "") -> "Session":
        """With the last answer closed: its readings reduced to a trace."""
        assert self.answering, "an answer ends once"
        last = self.exchanges[-1]
        trace = Trace.of(last.tokens)
        return self.with_last(replace(last, ending=ending, stats=stats, tokens=(), trace=trace, problem=problem))

    def without_last(self) -> tuple["Session", Box]:
        """With the last exchange taken back, and what to put into the input box for it."""
        last = self.exchanges[-1]
        return Session(self.exchanges[:-1]), Box(last.text, last.attached)

    def with_last(self, exchange: Exchange) -> "Session":
        """With another last exchange."""
        return replace(self, exchanges=(*self.exchanges[:-1], exchange))


def joined(taken: Box, box: Box) -> Box:
    """A question taken back, before what is in the box by now."""
    text = "\n".join(part for part in (taken.text, box.text) if part.strip())
    return Box(text, (*taken.attachments, *box.attachments))

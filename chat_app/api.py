"""Two named endpoints for programs, which are also the tools of an MCP server (docs/api.md).

Each is bound to components that nobody sees. A component refuses a path that was not uploaded; a function that took
paths by itself (`gr.api`) would read any file of the machine for whoever can reach the page.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain
from typing import Any

import gradio as gr

from chat_app import strings
from chat_app.asking import Ask, Probe, Problem
from chat_app.handlers import Handlers
from chat_app.readings import described, readings
from chat_app.session import Attachment, Exchange, Session
from chat_app.sheet import variant
from chat_app.sidebar import full_name
from chat_app.turns import LineFullError, Turn
from chat_app.uploads import refused
from core.engine import EngineInfo
from core.errors import ConversationError, LalmError
from core.types import Done, Effect, Event, Settings, Token, Waiting, letter

PROGRAMS: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "programs", "show_progress": "hidden"}
"""Programs wait for each other in Gradio's queue; the first of them takes one place in line with the tabs."""
CLIPS = 8
"""Most clips of one question."""


def wire(handlers: Handlers) -> None:
    """Puts `ask` and `describe` on the page that is being built. Their docstrings are what a client reads of them."""
    infos = tuple(engine.info for engine in handlers.engines)

    # Gradio reads one line for each argument, and takes an argument for optional where its default is None. One
    # argument for each clip and no list of them: as a tool, Gradio's MCP server takes no list of files.
    def ask(
        question: str,
        clip_a: str | None = None,
        clip_b: str | None = None,
        clip_c: str | None = None,
        clip_d: str | None = None,
        clip_e: str | None = None,
        clip_f: str | None = None,
        clip_g: str | None = None,
        clip_h: str | None = None,
        settings: Any = None,
        model: str | None = None,
        tokens: bool = False,
        effect: bool = False,
    ) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Asks an audio language model one question about one or more sounds, which it hears itself.

        It can compare them. Each call is a conversation of its own. The first result is the answer. The second says
        where the model attended while it answered: share of attention on audio and on each clip, and the lift, which is
        that share over the clip's share of the tokens (1 is no preference). It shows where the model looked, not
        whether that mattered; "effect" tells that.

        Args:
            question: The question, in words. Name clips by letter: "Which of A and B is higher?"
            clip_a: Clip A, a sound file: wav, flac, mp3, ogg, m4a, webm or the sound of a video.
            clip_b: Clip B, where there are two or more. Leave out no letter between.
            clip_c: Clip C, where there are three or more.
            clip_d: Clip D, where there are four or more.
            clip_e: Clip E, where there are five or more.
            clip_f: Clip F, where there are six or more.
            clip_g: Clip G, where there are seven or more.
            clip_h: Clip H, where there are eight.
            settings: Object of settings that differ from the default; "describe" lists the keys. Optional.
            model: Name of the model to ask, where "describe" lists several; the first one unless given.
            tokens: Whether the second result has the shares of each token too. Else False.
            effect: Whether to find out how much likelier each clip made the answer, in nats per token. Else False.
        """
        slots = (clip_a, clip_b, clip_c, clip_d, clip_e, clip_f, clip_g, clip_h)
        try:
            place = _place(model, infos)
            chosen = _settings(settings, infos[place])
            if not (question or "").strip():
                raise ConversationError(strings.NO_QUESTION if any(slots) else strings.NOTHING_TO_SEND)
            clips = _clips(slots)
        except LalmError as error:
            raise refused(str(error)) from None
        session = Session().asked(Exchange(question.strip(), _attached(handlers, clips), chosen))
        asked, found = session.conversation, None
        # Something is yielded before whatever takes time: there Gradio ends what a client who left has begun. And
        # before the first value it would not end it for sure, if something failed.
        yield "", None
        with closing(_turn(handlers)) as turn:
            for _ in chain(turn.places(), (0,)):
                yield "", None
            with closing(_events(handlers, Ask(place, asked, chosen))) as events:
                for event in events:
                    if isinstance(event, Token | Done):
                        session = session.took(event)
                    yield session.exchanges[-1].words, None
            answered = session.exchanges[-1]
            if effect:
                with closing(_events(handlers, Probe(place, asked, answered.words, chosen))) as events:
                    for event in events:
                        if isinstance(event, Effect):
                            found = event
                        yield answered.words, None
        yield answered.words.strip(), readings(answered, infos[place], found, bool(tokens))

    def describe() -> dict[str, Any]:
        """Tells which models "ask" can ask, their limits and adapters, and the settings with their defaults."""
        return described(infos, handlers.dropping.limits)

    with gr.Group(visible=False):
        given = [
            gr.Textbox(label="question", value=None),
            *(_sound(letter(index)) for index in range(CLIPS)),
            _table(),
            gr.Textbox(label="model", value=None),
            gr.Checkbox(label="tokens"),
            gr.Checkbox(label="effect"),
        ]
        answer, numbers, models = gr.Textbox(label="answer"), gr.JSON(label="readings"), gr.JSON(label="models")
        button = gr.Button()
    button.click(ask, given, [answer, numbers], api_name="ask", **PROGRAMS)
    button.click(describe, None, models, api_name="describe", concurrency_limit=None, show_progress="hidden")


# Both change one component, for Gradio writes a file of its own beside every module with a subclass of one.


def _sound(name: str) -> gr.File:
    """A place for a clip."""
    slot = gr.File(label=f"clip {name}")
    # Gradio's own leaves an empty file behind for every one it is given.
    slot.preprocess = lambda payload: None if payload is None else payload.path  # type: ignore
    return slot


def _table() -> gr.JSON:
    """An object of keys and values. Gradio's own schema of JSON is none: an MCP client could call nothing with it."""
    table = gr.JSON(label="settings")
    table.api_info = lambda: {"type": "object"}  # type: ignore[method-assign]
    return table


def _place(model: str | None, infos: Sequence[EngineInfo]) -> int:
    """The engine of a name, or of a name and a precision as the page shows them."""
    for place, info in enumerate(infos):
        if not model or model in (info.name, full_name(info)):
            return place
    raise ConversationError(strings.NO_SUCH_MODEL.format(models="; ".join(full_name(info) for info in infos)))


def _settings(table: Any, info: EngineInfo) -> Settings:
    if not isinstance(table or {}, dict):
        raise ConversationError(strings.NO_OBJECT)
    return variant(table or {}).taken_by(info)


def _clips(slots: Sequence[str | None]) -> tuple[str, ...]:
    """The files of the clips, none left out between: the letters would name others."""
    clips = tuple(path for path in slots if path)
    if any(slots[len(clips) :]):
        raise ConversationError(strings.LEFT_OUT_A_LETTER)
    return clips


def _attached(handlers: Handlers, files: Sequence[str]) -> tuple[Attachment, ...]:
    """The clips; if one is no use none is asked about, for without it the letters would name others."""
    attached = handlers.dropping.attach((), (), files)
    for attachment in attached:
        if attachment.clip is None:
            raise refused(attachment.problem)
    return attached


def _turn(handlers: Handlers) -> Turn:
    """A place in line."""
    try:
        return handlers.turns.join(None)
    except LineFullError as error:
        raise refused(str(error)) from None


def _events(handlers: Handlers, ask: Ask | Probe) -> Generator[Event | Effect | Waiting, None, None]:
    """What comes back; what breaks off is the error a client sees."""
    with closing(handlers.answers((ask,), False)) as events:
        for _, event in events:
            if isinstance(event, Problem):
                raise refused(event.sentence)
            yield event

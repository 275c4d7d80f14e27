"""Two named endpoints for programs, which are also the tools of an MCP server (docs/api.md).

Each is bound to components that nobody sees. A component refuses a path that was not uploaded; a function that took
paths by itself (`gr.api`) would read any file of the machine for whoever can reach the page.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import gradio as gr

from chat_app import strings
from chat_app.asking import Ask, Problem, Probe
from chat_app.handlers import UPDATE_SECONDS, Handlers
from chat_app.page import ANSWERING
from chat_app.readings import described, readings
from chat_app.session import Attachment, Exchange, Session
from chat_app.sheet import variant
from core.engine import EngineInfo
from core.errors import ConversationError, LalmError
from core.types import Effect, Settings

from gradio.events import Dependency

class Table(gr.JSON):
    """An object of keys and values. Gradio's own schema of JSON is none: an MCP client could call nothing with it."""

    def api_info(self) -> dict[str, Any]:
        """What it takes, as JSON Schema."""
        return {"type": "object"}
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block

    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component

def wire(handlers: Handlers) -> None:
    """Puts `ask` and `describe` on the page that is being built. Their docstrings are what a client reads of them."""
    infos = tuple(engine.info for engine in handlers.engines)

    # Gradio reads one line for each argument, and takes an argument for optional where its default is None.
    def ask(
        clips: list[str] | None,
        question: str,
        settings: Any = None,
        model: str | None = None,
        tokens: bool | None = None,
        effect: bool | None = None,
    ) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Asks an audio language model one question about one or more sounds, which it hears itself.

        It can compare them: they are called clip A, clip B and so on, in the order given. Each call is a conversation
        of its own. The first result is the answer. The second says where the model attended while it answered: share of
        attention on audio and on each clip, and the lift, which is that share over the clip's share of the tokens (1 is
        no preference). It shows where the model looked, not whether that mattered; "effect" tells that.

        Args:
            clips: Sound files: wav, flac, mp3, ogg, m4a, webm or the sound of a video.
            question: The question, in words. Name clips by letter: "Which of A and B is higher?"
            settings: Object of settings that differ from the default; "describe" lists the keys. Optional.
            model: Name of the model to ask, where "describe" lists several; the first one unless given.
            tokens: Whether the second result has the shares of each token too. False unless given.
            effect: Whether to find out how much likelier each clip made the answer, in nats per token. False unless given.
        """
        try:
            place = _place(model, infos)
            chosen = _settings(settings, infos[place])
            if not question.strip():
                raise ConversationError(strings.NO_QUESTION if clips else strings.NOTHING_TO_SEND)
        except LalmError as error:
            raise _refused(str(error)) from None
        session = Session().asked(Exchange(question.strip(), _attached(handlers, clips or ()), chosen))
        asked, shown_seconds = session.conversation, float("-inf")
        with closing(handlers.answers((Ask(place, asked, chosen),), False)) as events:
            for _, event in events:
                if isinstance(event, Problem):
                    raise _refused(event.sentence)
                assert not isinstance(event, Effect)
                session = session.took(event)
                if session.answering and handlers.clock() - shown_seconds >= UPDATE_SECONDS:
                    yield session.exchanges[-1].words, None
                    shown_seconds = handlers.clock()
        answered = session.exchanges[-1]
        found = _effect(handlers, Probe(place, asked, answered.words, chosen)) if effect else None
        yield answered.words.strip(), readings(answered, infos[place], found, bool(tokens))

    def describe() -> dict[str, Any]:
        """Tells which models "ask" can ask, their limits and adapters, and the settings with their defaults."""
        return described(infos, handlers.dropping.limits)

    with gr.Group(visible=False):
        given = [
            gr.File(label="clips", file_count="multiple"),
            gr.Textbox(label="question", value=None),
            Table(label="settings"),
            gr.Textbox(label="model", value=None),
            gr.Checkbox(label="tokens", value=None),
            gr.Checkbox(label="effect", value=None),
        ]
        answer, numbers, models = gr.Textbox(label="answer"), gr.JSON(label="readings"), gr.JSON(label="models")
        button = gr.Button()
    button.click(ask, given, [answer, numbers], api_name="ask", **ANSWERING)
    button.click(describe, None, models, api_name="describe", concurrency_limit=None, show_progress="hidden")

def _refused(sentence: str) -> gr.Error:
    """The error a client sees: the sentence alone."""
    return gr.Error(sentence, print_exception=False)

def _place(model: str | None, infos: Sequence[EngineInfo]) -> int:
    """The engine of a name, or of a name and a precision as the page shows them."""
    for place, info in enumerate(infos):
        if not model or model in (info.name, f"{info.name}, {info.precision}"):
            return place
    raise ConversationError(strings.NO_SUCH_MODEL.format(models="; ".join(f"{i.name}, {i.precision}" for i in infos)))

def _settings(table: Any, info: EngineInfo) -> Settings:
    if not isinstance(table or {}, dict):
        raise ConversationError(strings.NO_OBJECT)
    return variant(table or {}).taken_by(info)

def _attached(handlers: Handlers, files: Sequence[str]) -> tuple[Attachment, ...]:
    """The clips; if one is no use none is asked about, for without it the letters would name others."""
    attached = handlers.dropping.attach((), (), files)
    for attachment in attached:
        if attachment.clip is None:
            raise _refused(attachment.problem)
    return attached

def _effect(handlers: Handlers, probe: Probe) -> Effect:
    """Whether the clips mattered, of every clip."""
    last: Effect | None = None
    with closing(handlers.answers((probe,), False)) as events:
        for _, event in events:
            if isinstance(event, Problem):
                raise _refused(event.sentence)
            assert isinstance(event, Effect)
            last = event
    assert last is not None
    return last

class Sound(gr.File):
    """A sound file that was uploaded. Gradio's own would fetch any address from the net for whoever can reach the page."""

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        """The path of what a client names; whether it may be read, Gradio and `Dropping` ask.

        Raises:
            gradio.Error: It is an address of somewhere else.
        """
        if not is_http_url_like(str(url_or_file_path)):
            return await super().async_move_resource_to_block_cache(url_or_file_path)
        _, here, path = str(url_or_file_path).partition(UPLOADED)
        if not here:
            raise _refused(strings.NOT_FETCHED)
        return unquote(path)

    def preprocess(self, payload: Any) -> str | None:
        """The path; Gradio's own leaves an empty file behind for every one it is given."""
        return None if payload is None else str(payload.path)
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block

    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component

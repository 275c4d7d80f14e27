"""The engine: a loaded audio language model behind the `Engine` protocol. It holds no conversation."""

import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager

import torch
from cachetools import LRUCache

from core import decode, needle
from core.adapter import Adapters
from core.attention import Lens
from core.decoder import Decoder, Memory, TorchDecoder
from core.engine import EngineInfo, check, check_matter
from core.errors import ConversationError, EngineError, SettingsError
from core.families.family import EncodedClip, Family, Loaded, hear, rows_beside
from core.measure import in_words, measure
from core.observation import Observation
from core.prompt import Prompt, build
from core.reuse import Shelf
from core.room import give_back, out_of_memory
from core.types import Clip, Conversation, Done, Effect, Event, Settings, Stats, Token

HEARD_BYTES = 256 * 2**20
"""Of clips that were heard, kept for the next question about them."""


class Lalm:
    """Large audio language model, ready to answer."""

    def __init__(
        self, loaded: Loaded, family: Family, info: EngineInfo, adapters: Adapters, decoder: Decoder | None = None
    ):
        """A model with its decoder.

        Args:
            loaded: The model.
            family: How it hears.
            info: What the app shows.
            adapters: Of the model.
            decoder: Runs the text backbone; torch does where None.
        """
        self.loaded, self.family, self.info, self.adapters = loaded, family, info, adapters
        self.lens = Lens(loaded.model)
        self.decoder = decoder or TorchDecoder(loaded, self.lens, adapters)
        self.shelf = Shelf(info.context_tokens)
        self.heard: LRUCache[tuple[str, str | None], EncodedClip] = LRUCache(HEARD_BYTES, lambda clip: clip.nbytes)

    def stream(self, conversation: Conversation, settings: Settings) -> Iterator[Event]:
        """Answers the last user turn; see `Engine.stream`.

        Raises:
            ConversationError: Nothing was asked, or more than the model can hear or hold.
            SettingsError: There is no such adapter.
            EngineError: The model ran out of memory.
        """
        began = time.perf_counter()
        check(conversation, self.info)
        with self.usable(settings):
            yield from self._answer(conversation, settings, began)

    def matter(self, conversation: Conversation, answer: str, settings: Settings) -> Iterator[Effect]:
        """Whether the clips mattered to an answer; see `Engine.matter`.

        Raises:
            ConversationError: There is no clip or no answer, or more than the model can hear or hold.
            SettingsError: There is no such adapter.
            EngineError: The model ran out of memory.
        """
        check_matter(conversation, answer, self.info)
        with self.usable(settings):
            yield from needle.effects(self, conversation, answer, settings)

    @contextmanager
    def usable(self, settings: Settings) -> Iterator[None]:
        """Refuses an adapter that is not there; where memory runs out, frees some and says so."""
        if settings.adapter is not None and settings.adapter not in self.adapters.names:
            raise SettingsError(f"There is no adapter called {settings.adapter!r}: choose another in the settings.")
        try:
            yield
        except Exception as error:
            if not out_of_memory(error):
                raise
            self.shelf.clear()
            self.heard.clear()
            give_back(error)
            raise EngineError(
                "The model ran out of memory: remove a clip, shorten the clips or start a new conversation."
            ) from error

    def prompt(self, conversation: Conversation, settings: Settings) -> Prompt:
        """What the model is given for a conversation: the one way to it, for answers and for evaluation alike.

        Args:
            conversation: Its last turn is the user's, or (for a forced answer) the assistant's.
            settings: System prompt, adapter, and whether measured facts are told.

        Raises:
            ConversationError: Nothing was asked.
        """
        clips = []
        for clip in conversation.clips:
            with self.lens.alone():
                self.adapters.select(settings.adapter)  # an adapter may reach into the ears
                clips.append(self._heard(clip, settings.adapter))
        facts = [in_words(measure(clip.samples)) for clip in conversation.clips] if settings.facts else []
        # one thread at a time: that a person's words are no control tokens is a setting of the tokenizer all share
        with self.lens.alone():
            beside = rows_beside(self.family, self.loaded, settings.adapter, clips, [conversation.question])
            return build(conversation, clips, self.family, self.loaded.tokenizer, settings.system, beside, facts)

    def encode(self, clip: Clip) -> EncodedClip:
        """Rows of one clip."""
        return hear(self.family, self.loaded, clip)

    def _heard(self, clip: Clip, adapter: str | None) -> EncodedClip:
        """Rows of one clip, heard at most once; to be called under the lens' lock, with the adapter at work."""
        key = (clip.digest, adapter if self.adapters.in_ears(adapter) else None)
        if key not in self.heard:
            encoded = self.encode(clip)
            if encoded.nbytes > HEARD_BYTES:
                return encoded
            self.heard[key] = encoded
        return self.heard[key]

    def observation(self, built: Prompt, settings: Settings, max_keys: int, meter: bool = True) -> Observation:
        """The plan of the lens for a prompt and the answer after it, `max_keys` tokens in all."""
        return Observation.of(
            built.spans,
            [clip.seconds for clip in built.clips],
            [clip.clip_seconds for clip in built.clips],
            settings.boost,
            max_keys,
            self.loaded.model.device,
            meter,
        )

    def limit(self, built: Prompt, answer_tokens: int) -> int:
        """Tokens of a prompt and an answer after it.

        Raises:
            ConversationError: The model holds fewer.
        """
        limit = len(built.ids) + answer_tokens
        if limit > self.info.context_tokens:
            raise ConversationError(
                f"This conversation needs {limit} tokens and {self.info.name} holds {self.info.context_tokens}: "
                f"start a new conversation, or use fewer or shorter clips."
            )
        return limit

    def _answer(self, conversation: Conversation, settings: Settings, began: float) -> Iterator[Event]:
        loaded = self.loaded
        built = self.prompt(conversation, settings)
        encoded = time.perf_counter()
        limit = self.limit(built, settings.max_tokens)
        with torch.inference_mode():
            rows = built.embed(loaded.embed_tokens)
            observation = self.observation(built, settings, limit)
        names = built.names
        memory = self.shelf.take(names, settings.adapter) or self.decoder.memory()
        answer: list[int] = []
        first, whole = 0.0, False
        try:
            for event in decode.steps(loaded, self.decoder, rows, memory, observation, settings):
                now = time.perf_counter()
                if isinstance(event, decode.Written):
                    answer.append(event.id)
                    first = first or now - began
                    yield Token(event.text, event.reading)
                else:
                    stats = Stats(len(names), len(answer), encoded - began, first or now - began, now - began)
                    yield Done(stats, event.reason)
            whole = True
        except GeneratorExit:
            whole = True
            raise
        finally:
            if whole:  # an error may have left layers that hold different rows
                self.keep([*names, *answer], len(names), memory, settings.adapter, observation)

    def keep(
        self, names: Sequence[Hashable], prompt: int, memory: Memory, adapter: str | None, observation: Observation
    ) -> None:
        """Puts a memory on the shelf, without what a boost has tainted: the last row of the prompt, and the answer."""
        memory.crop(min(memory.tokens, prompt - 1) if observation.acts else memory.tokens)
        self.shelf.put(names[: memory.tokens], adapter, memory)

"""What the app may ask of a model: the `Engine` protocol."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from core.types import Conversation, Event, Settings


@dataclass(frozen=True)
class EngineInfo:
    """What a person should know of the model that answers.

    Attributes:
        name: Checkpoint or "embedded".
        family: Key in the registry of families.
        precision: As loaded: fp32, bf16, int8 or nf4.
        reason: Why this device and precision were chosen, one clause.
        adapters: Names that `Settings.adapter` may take.
        layers: Decoder layers.
        window_seconds: What the model hears at a time; a longer clip is heard in parts.
        longest_seconds: Longest clip.
        context_tokens: Tokens that fit into one conversation.
        max_clips: Most clips of one conversation.
        default: Settings this model is best asked with.
    """

    name: str
    family: str
    precision: str
    reason: str
    adapters: tuple[str, ...]
    layers: int
    window_seconds: float
    longest_seconds: float
    context_tokens: int
    max_clips: int = 8
    default: Settings = Settings()


class Engine(Protocol):
    """Answers the last user turn of a conversation, token by token.

    An engine holds no conversation: two callers may interleave their streams on one engine and each gets what it
    would have got alone. Closing the iterator ends the answer; the model is left as it was.
    """

    info: EngineInfo

    def stream(self, conversation: Conversation, settings: Settings) -> Iterator[Event]:
        """Yields `Token` ... then one `Done`.

        Raises:
            LalmError: With a sentence for the person; the engine stays usable.
        """
        ...

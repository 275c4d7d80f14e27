"""What the app may ask of a model: the `Engine` protocol."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from core.errors import ConversationError
from core.types import Conversation, Effect, Event, Settings, Waiting


@dataclass(frozen=True)
class EngineInfo:
    """What a person should know of the model that answers.

    Attributes:
        name: Checkpoint, "embedded", or what a server calls its model. Hostile text there: escape it.
        family: Key in the registry of families, or "remote".
        precision: As loaded: fp32, bf16, int8 or nf4; "remote" where a server has loaded it.
        reason: Why this device and precision were chosen, or who answers; one clause.
        adapters: Names that `Settings.adapter` may take.
        layers: Decoder layers.
        window_seconds: What the model hears at a time; a longer clip is heard in parts.
        longest_seconds: Longest clip.
        context_tokens: Tokens that fit into one conversation; 0 where it is not known.
        max_clips: Most clips of one conversation.
        default: Settings this model is best asked with.
        attention: Whether its attention can be read and boosted.
        effect: Whether it can be asked if the clips mattered (`Engine.matter`).
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
    attention: bool = True
    effect: bool = True


class Engine(Protocol):
    """Answers the last user turn of a conversation, token by token.

    An engine holds no conversation: two callers may interleave their streams on one engine and each gets what it
    would have got alone. Closing the iterator ends the answer; the model is left as it was.
    """

    info: EngineInfo

    def stream(self, conversation: Conversation, settings: Settings) -> Iterator[Event | Waiting]:
        """Yields `Token` ... then one `Done`; and `Waiting` in between, where an engine waits for others.

        Raises:
            LalmError: With a sentence for the person; the engine stays usable.
        """
        ...

    def matter(self, conversation: Conversation, answer: str, settings: Settings) -> Iterator[Effect]:
        """Did the clips matter? Yields the effect of all clips, then the same with one clip more at a time.

        Forces a finished answer with the clips as they were and with digital silence of the same length in their
        place. What follows from a clip (an adapter's rows, measured facts) follows from the silence then. The last
        value has every clip. Closing the iterator ends it; the model is left as it was.

        Args:
            conversation: As it was answered: the last turn is the user's.
            answer: The words of the answer. They are tokenised anew.
            settings: As it was answered with. A boost acts on the row that chooses each token, as it did then.

        Raises:
            SettingsError: This engine cannot tell (`EngineInfo.effect`).
            LalmError: With a sentence for the person; the engine stays usable.
        """
        ...


def check_matter(conversation: Conversation, answer: str, info: EngineInfo) -> None:
    """What every engine asks before it tells whether the clips mattered.

    Raises:
        ConversationError: As `check`, or there is no clip, or no answer.
    """
    check(conversation, info)
    if not conversation.clips:
        raise ConversationError("There is no clip that could have mattered: drop one and ask about it.")
    if not answer.strip():
        raise ConversationError("There is no answer to which the clips could have mattered: ask again.")


def check(conversation: Conversation, info: EngineInfo) -> None:
    """What every engine asks of a conversation before it listens.

    Raises:
        ConversationError: Nothing was asked, too many clips, or one too long.
    """
    if not conversation.turns or conversation.turns[-1].role != "user":
        raise ConversationError("There is no question to answer: write one and send it.")
    if len(conversation.clips) > info.max_clips:
        raise ConversationError(
            f"{len(conversation.clips)} clips are more than the {info.max_clips} that {info.name} can "
            f"keep apart: remove some, or start a new conversation."
        )
    for letter, clip in conversation.lettered():
        if clip.seconds > info.longest_seconds:
            raise ConversationError(
                f"Clip {letter} ({clip.label}) is {clip.seconds:.0f} s long and {info.name} hears at most "
                f"{info.longest_seconds:.0f} s of a clip: cut it and drop the part that matters."
            )

"""Every error a user can cause or meet. Each message is one sentence that says what to do next.

LalmError
├── AudioError        a file that cannot be used as a clip
├── ConversationError a conversation that cannot be asked (no question, too many clips, too long)
├── SettingsError     a setting outside its range
├── SheetError        a sheet of questions that cannot be run
├── UsersError        a file of users that cannot be taken
├── LoadError         a model, its parts or an adapter that cannot be had
├── WriteError        a file that cannot be written
└── EngineError       the model failed in the middle of an answer

Mistakes of our own are not here: they assert.
"""


def first_line(error: BaseException) -> str:
    """What a library's error says, short enough for one of our sentences; its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class LalmError(Exception):
    """Base of all errors whose message is written for the person at the screen."""


class AudioError(LalmError):
    """A file that cannot be used as a clip.

    Attributes:
        name: The file's name as the person knows it, unescaped.
    """

    def __init__(self, name: str, message: str):
        """Args: name: the file's name; message: what is wrong and what to do, without the name."""
        super().__init__(f"{name}: {message}")
        self.name = name


class ConversationError(LalmError):
    """A conversation that cannot be asked as it is."""


class SettingsError(LalmError):
    """A setting outside its range."""


class SheetError(LalmError):
    """A sheet of clips, questions and settings that cannot be run as it is."""


class UsersError(LalmError):
    """A file of users that cannot be taken, or a user that cannot be one."""


class LoadError(LalmError):
    """A model, one of its parts or an adapter that cannot be had."""


class WriteError(LalmError):
    """A file that cannot be written; what was there is as it was."""


def not_found(model: str, error: BaseException) -> LoadError:
    """The error for a checkpoint of which a library found nothing."""
    return LoadError(
        f"{model} could not be found ({first_line(error)}): give a folder or a checkpoint that can be reached, or "
        f"use --model embedded, which needs no hub."
    )


class EngineError(LalmError):
    """The model failed in the middle of an answer."""

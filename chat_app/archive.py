"""A conversation as one zip, and back (docs/keep.md): for Earshot, for other programs, and for people.

`earshot.json` is the conversation, `clips/` its recordings bit by bit, `readings/` what the meters were drawn from,
`report.html` all of it to look at. A zip that comes back is hostile: what is wrong with it is a `ConversationError`.
"""

import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import soundfile

from chat_app import strings
from chat_app.conversation_report import conversation_report, who_answered
from chat_app.hostile_zip import Read, fits, opened
from chat_app.panes import MOST_PANES, Sessions
from chat_app.session import Attachment, Exchange, Session
from chat_app.trace import Trace
from chat_app.trace_file import read_trace, trace_bytes
from core.audio import Limits, clean_label
from core.engine import EngineInfo
from core.errors import ConversationError
from core.files import write_whole
from core.serial import checked, dumps, loads, plain, refuse, typed
from core.types import SAMPLING_RATE_HZ, Clip, letter

JSON, REPORT = "earshot.json", "report.html"
KEPT = "kept"
"""Folder of opened recordings among the uploads."""
MOST_JSON_BYTES = 16_000_000
MOST_QUESTIONS, MOST_CLIPS = 1_000, 100
SOUND = ("WAV", "FLOAT", 1, SAMPLING_RATE_HZ)
"""Format, kind of samples, channels and rate of a recording: float32 comes back as it was."""


@dataclass(frozen=True)
class Recording:
    """A recording of a saved conversation: the SHA-256 of its samples, and the member of the zip that holds it."""

    digest: str
    file: str


@dataclass(frozen=True)
class Saved:
    """What `earshot.json` holds.

    Attributes:
        answered: Who answered, for people.
        clips: Each recording once; they are read before the panes, which name them by their digest.
        panes: The exchanges of each.
    """

    answered: tuple[str, ...]
    clips: tuple[Recording, ...]
    panes: tuple[tuple[Exchange, ...], ...]


def pack(sessions: Sessions, infos: Sequence[EngineInfo]) -> bytes:
    """The zip.

    Args:
        sessions: Of the panes; every answer has ended.
        infos: Of the engines there are.

    Raises:
        ConversationError: There is more than `unpack` takes.
    """
    if problem := _problem(sessions):
        raise ConversationError(strings.CANNOT_SAVE.format(reason=problem))
    recordings, members = dict[str, str](), dict[str, bytes]()
    for index, clip in enumerate(sessions[0].clips):
        if clip.digest not in recordings:
            recordings[clip.digest] = f"clips/{letter(index)}_{_safe(clip.label)}.wav"
            members[recordings[clip.digest]] = wav(clip)
    readings = dict[int, str]()  # by identity: panes that began as copies share their first readings
    for pane, session in enumerate(sessions, start=1):
        for answer, exchange in enumerate(session.exchanges, start=1):
            if exchange.trace is not None and id(exchange.trace) not in readings:
                name = readings[id(exchange.trace)] = f"readings/pane{pane}_answer{answer}.safetensors"
                members[name] = trace_bytes(exchange.trace)
    own = {Attachment: _attachment_json, Trace: lambda trace: readings[id(trace)]}
    clips = tuple(Recording(digest, file) for digest, file in recordings.items())
    saved = Saved(who_answered(sessions, infos), clips, tuple(session.exchanges for session in sessions))
    text = dumps(saved, {**own, Exchange: lambda exchange: _exchange_json(exchange, own)})
    members = {JSON: text.encode(), REPORT: conversation_report(sessions, infos).encode(), **members}
    packed = _zip(members)
    if len(text) > MOST_JSON_BYTES or not fits(sum(map(len, members.values())), len(packed)):
        raise ConversationError(strings.CANNOT_SAVE.format(reason="it is too large for one file"))
    return packed


def unpack(path: Path, uploads: Path) -> Sessions:
    """Reads what `pack` made, and writes its recordings under `uploads`, so that they can be played.

    Args:
        path: The zip. Hostile.
        uploads: The folder that files are served from.

    Returns:
        The sessions of its panes, one or more, all asked the same questions.

    Raises:
        ConversationError: It cannot be opened, or its recordings cannot be written; nothing has changed then.
    """
    with opened(path) as read:
        content = read(JSON)
        if len(content) > MOST_JSON_BYTES:
            refuse("its JSON is too large")
        try:
            text = content.decode()
        except UnicodeDecodeError:
            refuse("its JSON is not UTF-8")
        panes = loads(text, Saved, _readers(read, uploads)).panes
    sessions = tuple(map(Session, panes))
    if problem := _problem(sessions):
        refuse(problem)
    for attachment in sessions[0].attached:
        write(Path(attachment.path), wav(attachment.sound))
    return sessions


def wav(clip: Clip) -> bytes:
    """The samples as they are, in a file that players and other programs open."""
    file = BytesIO()
    soundfile.write(file, clip.samples, SAMPLING_RATE_HZ, format="WAV", subtype="FLOAT")
    return file.getvalue()


def write(path: Path, content: bytes) -> None:
    """Puts a file in place at once: what is there is never half a file.

    Raises:
        ConversationError: There is no room, or no permission.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        raise ConversationError(strings.CANNOT_WRITE.format(reason=error.strerror)) from None


def _zip(members: dict[str, bytes]) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            # Float samples hardly get smaller.
            archive.writestr(name, content, zipfile.ZIP_STORED if name.endswith(".wav") else zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _safe(label: str) -> str:
    """A label as part of a file name, on any system."""
    stem = label.rsplit(".", 1)[0] or label
    return re.sub(r"[^A-Za-z0-9-]+", "_", stem)[:40].strip("_") or "clip"


def _attachment_json(attachment: Attachment) -> Any:
    clip = attachment.sound
    return {"clip": clip.digest, "label": attachment.label, "source_hz": clip.source_hz}


def _exchange_json(exchange: Exchange, own: dict[type, Callable[[Any], Any]]) -> Any:
    """All fields but the tokens, of which none are left when an answer has ended."""
    return {name: value for name, value in plain(exchange, own).items() if name != "tokens"}


_LATER = {field.name: plain(field.default) for field in fields(Exchange) if field.default is not MISSING}
"""What an exchange has where its JSON, of an earlier Earshot, says nothing."""


def _readers(read: Read, uploads: Path) -> dict[type, Callable[[Any], Any]]:
    """How the JSON's references to other members become values."""
    sounds = dict[str, Clip]()

    def recording(data: Any) -> Recording:
        found: Recording = typed(Recording, data, "clips")
        if found.digest in sounds or len(sounds) == MOST_CLIPS:
            refuse(f"a recording is there twice, or there are more than {MOST_CLIPS}")
        sounds[found.digest] = _sound(read(found.file), found.digest)
        return found

    @cache
    def trace(name: str) -> Trace:
        return read_trace(read(name))

    def attachment(data: Any) -> Attachment:
        digest, label, source_hz = (
            typed(hint, data.get(key) if isinstance(data, dict) else None, key)
            for key, hint in (("clip", str), ("label", str), ("source_hz", int))
        )
        if digest not in sounds:
            refuse("a question names a recording that is not there")
        clip = Clip(sounds[digest].samples, clean_label(label), source_hz)
        return Attachment(str(uploads / KEPT / f"{digest}.wav"), label, clip)

    own = {Attachment: attachment, Trace: lambda data: trace(typed(str, data, "trace"))}

    def exchange(data: Any) -> Exchange:
        found: Exchange = typed(Exchange, _LATER | data if isinstance(data, dict) else data, "an exchange", own)
        return found

    return {**own, Recording: recording, Exchange: exchange}


def _sound(content: bytes, digest: str) -> Clip:
    """A hostile recording under the digest it must have."""
    try:
        with soundfile.SoundFile(BytesIO(content)) as file:
            if (file.format, file.subtype, file.channels, file.samplerate) != SOUND:
                refuse("a recording is not as Earshot writes it")
            if not 0 < file.frames <= min(len(content) // 4, Limits().max_seconds * SAMPLING_RATE_HZ):
                refuse("a recording is cut off, empty or too long")
            samples = file.read(dtype="float32")
    except soundfile.LibsndfileError:
        refuse("a recording is damaged")
    return checked(Clip(samples, digest), digest)


def _problem(sessions: Sessions) -> str:
    """Why the page could not show these as panes side by side; empty where it can."""
    if not 1 <= len(sessions) <= MOST_PANES:
        return f"it has {len(sessions)} panes, {MOST_PANES} can be shown"
    first = [(exchange.text, exchange.attached) for exchange in sessions[0].exchanges]
    if not 1 <= len(first) <= MOST_QUESTIONS or len(sessions[0].attached) > MOST_CLIPS:
        return f"it has no question, more than {MOST_QUESTIONS}, or more than {MOST_CLIPS} clips"
    if any([(exchange.text, exchange.attached) for exchange in session.exchanges] != first for session in sessions):
        return "its panes were asked different questions"
    for session in sessions:
        clips = 0
        for exchange in session.exchanges:
            clips += len(exchange.attached)
            if exchange.ending == "answering" or exchange.tokens:
                return "an answer in it has not ended"
            if exchange.trace is not None and len(exchange.trace.profiles) != clips:
                return "a reading is of other clips than the conversation"
            if exchange.effect is not None and len(exchange.effect.clips_nats) > clips:
                return "an effect is of other clips than the conversation"
            if any(sorted(ordered.order) != list(range(clips)) for ordered in exchange.ordered):
                return "an order is of other clips than the conversation"
    return ""

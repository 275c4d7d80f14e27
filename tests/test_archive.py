"""A conversation goes into a zip and back, bit by bit."""

import errno
import json
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chat_app import archive, strings
from chat_app.archive import pack, unpack, write
from chat_app.panes import Sessions
from chat_app.session import Attachment, Exchange, Ordered, Session
from core.audio import clean_label
from core.errors import ConversationError
from core.fake import FakeEngine
from core.types import Boost, Clip, Settings, Stats, letter
from tests.test_serial import all_settings, finite
from tests.test_trace_file import traces

INFOS = (FakeEngine().info,)
texts = st.text(max_size=12)


@st.composite
def attachments(draw: st.DrawFn) -> Attachment:
    samples = draw(hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-1, 1, width=32)))
    label = draw(texts)
    return Attachment(f"/uploads/{label}", label, Clip(samples, clean_label(label), draw(st.integers(2_000, 384_000))))


@st.composite
def conversations(draw: st.DrawFn) -> Sessions:
    questions = draw(st.lists(st.tuples(texts, st.lists(attachments(), max_size=2)), min_size=1, max_size=3))
    sessions = []
    for _ in range(draw(st.integers(1, 3))):
        exchanges, clips = [], 0
        for text, attached in questions:
            clips += len(attached)
            exchanges.append(
                Exchange(
                    text=text,
                    attached=tuple(attached),
                    settings=draw(all_settings),
                    model=draw(texts),
                    left_out=tuple(draw(st.lists(texts, max_size=2))),
                    words=draw(texts),
                    trace=draw(st.none() | traces(clips)),
                    stats=draw(st.none() | st.builds(Stats, st.integers(0, 99), st.integers(0, 99), *[finite] * 3)),
                    ending=draw(st.sampled_from(["stop", "length", "stopped", "failed"])),
                    problem=draw(texts),
                    ordered=tuple(
                        Ordered(tuple(order), draw(texts), draw(texts))
                        for order in draw(st.lists(st.permutations(range(clips)), max_size=2 if clips else 0))
                    ),
                )
            )
        sessions.append(Session(tuple(exchanges)))
    return tuple(sessions)


def anywhere(sessions: Sessions) -> Sessions:
    """Without the paths of uploads, which are others after each opening."""

    def moved(exchange: Exchange) -> Exchange:
        return replace(exchange, attached=tuple(replace(one, path="") for one in exchange.attached))

    return tuple(Session(tuple(map(moved, session.exchanges))) for session in sessions)


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "saved.zip"
    path.write_bytes(content)
    return path


@settings(max_examples=60, deadline=None)
@given(conversations())
def test_it_comes_back_with_its_sound_bit_by_bit(tmp_path_factory, sessions: Sessions) -> None:
    folder = tmp_path_factory.mktemp("archive")
    back = unpack(saved(folder, pack(sessions, INFOS)), folder / "uploads")
    assert anywhere(back) == anywhere(sessions)
    for ours, theirs in zip(sessions[0].attached, back[0].attached, strict=True):
        assert theirs.sound.samples.tobytes() == ours.sound.samples.tobytes()
        assert (theirs.sound.label, theirs.sound.source_hz) == (ours.sound.label, ours.sound.source_hz)
        played, hz = soundfile.read(theirs.path, dtype="float32")
        assert hz == 16_000 and played.tobytes() == ours.sound.samples.tobytes()
    packed_again = unpack(saved(folder, pack(back, INFOS)), folder / "uploads")
    assert packed_again == back, "the same files for the same recordings"


def talk(*labels: str, panes: int = 2) -> Sessions:
    """Panes that were asked about a clip for each label, in two questions."""
    engine = FakeEngine(delay_seconds=0)
    engine.info = replace(engine.info, max_clips=200)
    clips = [Clip(np.full(1_600, 0.1 + 0.01 * index, np.float32), label) for index, label in enumerate(labels)]
    sessions = []
    for pane in range(panes):
        session = Session()
        for text, part in (("Which?", clips[:-1]), ("And now?", clips[-1:])):
            attached = tuple(Attachment("", clip.label, clip) for clip in part)
            session = session.asked(Exchange(text, attached, Settings(Boost("mata", 0.1 * (pane + 1))), "fake"))
            for event in engine.stream(session.conversation, session.exchanges[-1].settings):
                session = session.took(event)
        sessions.append(session)
    return tuple(sessions)


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_its_members_are_named_for_people_and_read_by_other_programs() -> None:
    held = members(pack(talk("../../dog bark.WAV", "été.flac", "CON", "\u202e..."), INFOS))
    assert list(held) == [
        *("earshot.json", "report.html"),
        *("clips/A_dog_bark.wav", "clips/B_t.wav", "clips/C_CON.wav", "clips/D_clip.wav"),
        *(f"readings/pane{pane}_answer{answer}.safetensors" for pane in (1, 2) for answer in (1, 2)),
    ]
    data = json.loads(held["earshot.json"])
    assert data["earshot"] == 1 and data["value"]["answered"] == ["fake · fp32 · no model is loaded"]
    assert data["value"]["panes"][1][0]["settings"]["boost"]["alpha"] == 0.2
    assert data["value"]["panes"][0][0]["words"].startswith("This is a fake answer")
    assert b"<!doctype html>" in held["report.html"] and held["report.html"].count(b"<audio") == 4
    assert str(Path.home()).encode() not in b"".join(held.values())


def test_a_recording_and_a_reading_are_held_once() -> None:
    (one,) = talk("a.wav", "b.wav", panes=1)
    again = replace(one.exchanges[1].attached[0], label="b again.wav")
    twice = one.with_last(replace(one.exchanges[1], attached=(*one.exchanges[1].attached, again), trace=None))
    held = members(pack((twice, twice), INFOS))
    assert [name for name in held if name.startswith("clips/")] == ["clips/A_a.wav", "clips/B_b.wav"]
    assert [name for name in held if name.startswith("readings/")] == ["readings/pane1_answer1.safetensors"]


def test_an_earlier_file_without_a_later_field_opens(tmp_path: Path) -> None:
    (session,) = talk("a.wav", panes=1)
    held = members(pack((session,), INFOS))
    data = json.loads(held["earshot.json"])
    for exchange in data["value"]["panes"][0]:
        del exchange["ordered"], exchange["left_out"]
    back = unpack(saved(tmp_path, archive._zip({**held, "earshot.json": json.dumps(data).encode()})), tmp_path)
    assert anywhere(back) == anywhere((session,))


def test_what_could_not_be_opened_is_not_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    (session,) = talk("a.wav", panes=1)
    for sessions in (
        (),
        (Session(),),
        (session,) * 5,
        (session, Session(session.exchanges[:1])),
        (session.asked(Exchange("running", (), Settings())),),
    ):
        with pytest.raises(ConversationError, match="cannot be saved"):
            pack(sessions, INFOS)
    monkeypatch.setattr(archive, "MOST_JSON_BYTES", 1_000)
    with pytest.raises(ConversationError, match="too large"):
        pack((session,), INFOS)


def test_a_full_disk_is_a_sentence_and_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "deep" / "file", b"before")

    def full(path: Path, content: bytes) -> int:
        path.open("wb").close()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConversationError, match="No space left on device"):
        write(tmp_path / "deep" / "file", b"after")
    assert [path.read_bytes() for path in (tmp_path / "deep").iterdir()] == [b"before"]
    with pytest.raises(ConversationError, match=strings.CANNOT_WRITE.split("(")[0]):
        write(tmp_path / "deep" / "file" / "below", b"")


def test_letters_go_on_behind_z() -> None:
    (session,) = talk(*(f"{index}.wav" for index in range(30)), panes=1)
    held = [name for name in members(pack((session,), INFOS)) if name.startswith("clips/")]
    assert held == [f"clips/{letter(index)}_{index}.wav" for index in range(30)]

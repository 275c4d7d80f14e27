"""A zip that was cut, changed or made to harm gives one sentence, and nothing is written."""

import copy
import json
import os
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_app import hostile_zip, view
from chat_app.archive import MOST_CLIPS, pack, unpack, wav
from chat_app.conversation_report import conversation_report
from chat_app.trace_file import trace_bytes
from core.errors import ConversationError
from core.types import Clip
from tests.test_archive import INFOS, anywhere, members, saved, talk
from tests.test_serial import json_values, places
from tests.test_trace_file import trace

GOOD = pack(talk("a.wav", "b.wav"), INFOS)
HELD = members(GOOD)
DATA = json.loads(HELD["earshot.json"])
READING = "readings/pane1_answer1.safetensors"
DIGEST = DATA["value"]["clips"][0]["digest"]
SOUND = "clips/A_a.wav"


def zipped(held: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", kind) as made:
        for name, content in held.items():
            made.writestr(name, content)
    return file.getvalue()


def having(**changed: bytes | None) -> bytes:
    """The good zip with members changed or, where None, left out."""
    held = HELD | {"earshot.json" if name == "data" else name: content for name, content in changed.items()}
    return zipped({name: content for name, content in held.items() if content is not None})


def told(*path_and_value: Any) -> bytes:
    """The good zip with one entry of its JSON replaced, below "value"."""
    *path, last, value = path_and_value
    data = copy.deepcopy(DATA)
    place = data["value"]
    for key in path:
        place = place[key]
    place[last] = value
    return having(data=json.dumps(data).encode())


EXCHANGE = ("panes", 0, 0)


def heard(samples: Any, hz: int = 16_000, subtype: str = "FLOAT", kind: str = "WAV") -> bytes:
    """The good zip with another file for clip A, under the digest that its samples have."""
    file = BytesIO()
    soundfile.write(file, samples, hz, subtype=subtype, format=kind)
    return sounding(file.getvalue(), np.asarray(samples, np.float32).ravel())


def sounding(content: bytes, samples: Any) -> bytes:
    digest = Clip(samples, "").digest
    text = json.dumps(DATA).replace(DIGEST, digest)
    return having(**{SOUND: content, "data": text.encode()})


def twice() -> bytes:
    file = BytesIO(GOOD)
    with zipfile.ZipFile(file, "a") as made, pytest.warns(UserWarning, match="Duplicate"):
        made.writestr("earshot.json", HELD["earshot.json"])
    return file.getvalue()


def end_of(content: bytes, place: int, number: int) -> bytes:
    """The zip with a number of its last record changed: 12 is the length of the list of members, 20 of the comment."""
    changed = bytearray(content)
    struct.pack_into("<L" if place < 20 else "<H", changed, len(changed) - 22 + place, number)
    return bytes(changed)


def flagged(offset: int, value: int) -> bytes:
    """The zip with a byte of the list's first entry changed: 8 is its flags, 10 how it is packed, 24 its length."""
    changed = bytearray(GOOD)
    changed[GOOD.index(b"PK\x01\x02") + offset] = value
    return bytes(changed)


def many() -> bytes:
    return zipped(HELD | {f"more/{number}": b"" for number in range(hostile_zip.MOST_MEMBERS)}, zipfile.ZIP_STORED)


def bomb() -> bytes:
    """300 MB of zeros as half a megabyte."""
    file = BytesIO(GOOD)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as made, made.open("clips/zeros.wav", "w") as member:
        for _ in range(300):
            member.write(bytes(1_000_000))
    return file.getvalue()


def many_clips() -> bytes:
    data = copy.deepcopy(DATA)
    attached = [data["value"]["panes"][0][0]["attached"][0]] * MOST_CLIPS
    for pane in data["value"]["panes"]:
        pane[0]["attached"] = attached
    return having(data=json.dumps(data).encode())


def bare_trace(clips: int) -> bytes:
    return having(**{READING: trace_bytes(trace(clips))})


TONE = np.full(1_600, 0.5, np.float32)
HOSTILE: list[tuple[str, Callable[[], bytes], str]] = [
    ("empty", lambda: b"", "no zip"),
    ("text", lambda: b"<html>" * 50, "no zip"),
    ("short", lambda: b"PK", "no zip"),
    ("half", lambda: GOOD[: len(GOOD) // 2], "no zip"),
    ("end cut", lambda: GOOD[:-1], "no zip"),
    ("beginning cut", lambda: GOOD[100:], "no zip|damaged"),
    ("middle cut out", lambda: GOOD[:5_000] + GOOD[9_000:], "no zip|damaged|larg|cut"),
    ("something behind", lambda: GOOD + b"x", "no zip"),
    ("comment", lambda: end_of(GOOD, 20, 5) + b"12345", "no zip"),
    ("endless list", lambda: end_of(GOOD, 12, 2**31), "too many members"),
    ("empty list", lambda: end_of(GOOD, 12, 0), "no zip|missing"),
    ("zip64", lambda: GOOD[:-22] + b"PK\x06\x07" + bytes(16) + GOOD[-22:], "no zip"),
    ("many members", many, "too many members"),
    ("bomb", bomb, "too large"),
    ("member twice", twice, "there twice"),
    ("encrypted", lambda: flagged(8, 1), "damaged"),
    ("bzip2", lambda: zipped(HELD, zipfile.ZIP_BZIP2), "another way"),
    ("lzma", lambda: zipped(HELD, zipfile.ZIP_LZMA), "another way"),
    ("unknown packing", lambda: flagged(10, 99), "another way"),
    ("said too short", lambda: flagged(24, 7), "damaged|cut off"),
    ("said too long", lambda: flagged(25, 255), "damaged|cut off"),
    ("said huge", lambda: flagged(27, 100), "too large"),
    ("no JSON", lambda: having(data=None), "missing"),
    ("empty JSON", lambda: having(data=b""), "empty"),
    ("no clip", lambda: having(**{SOUND: None}), "missing"),
    ("no reading", lambda: having(**{READING: None}), "missing"),
    ("JSON is a list", lambda: having(data=b"[]"), "should have"),
    ("JSON is deep", lambda: having(data=b"[" * 200_000), "complete JSON"),
    ("JSON is huge", lambda: having(data=b" " * 16_000_001), "too large"),
    ("JSON is UTF-16", lambda: having(data=json.dumps(DATA).encode("utf-16")), "not UTF-8"),
    ("JSON cut", lambda: having(data=HELD["earshot.json"][:-3]), "complete JSON"),
    ("later version", lambda: having(data=json.dumps(DATA | {"earshot": 2}).encode()), "another version"),
    ("other kind", lambda: having(data=json.dumps(DATA | {"kind": "Settings"}).encode()), "is needed"),
    ("no pane", lambda: told("panes", []), "0 panes"),
    ("five panes", lambda: told("panes", DATA["value"]["panes"][:1] * 5), "5 panes"),
    ("no question", lambda: told("panes", [[]]), "no question"),
    ("thousands", lambda: told("panes", [DATA["value"]["panes"][0][1:] * 1_001]), "other clips|no question"),
    ("different questions", lambda: told(*EXCHANGE, "text", "Other?"), "different questions"),
    ("different clips", lambda: told(*EXCHANGE, "attached", []), "different questions"),
    ("panes of numbers", lambda: told("panes", [[1]]), "should have"),
    ("still answering", lambda: told(*EXCHANGE, "ending", "answering"), "not ended"),
    ("unknown ending", lambda: told(*EXCHANGE, "ending", "won"), "wrong kind"),
    ("tokens", lambda: told(*EXCHANGE, "tokens", [{"text": "x", "reading": None}]), "not ended"),
    ("unknown entry", lambda: told(*EXCHANGE, "more", 1), "should have"),
    ("text is a number", lambda: told(*EXCHANGE, "text", 7), "wrong kind"),
    ("lone surrogate", lambda: told(*EXCHANGE, "words", "\ud800"), "wrong kind"),
    ("settings out of range", lambda: told(*EXCHANGE, "settings", "temperature", 99), "out of range"),
    ("NaN", lambda: told(*EXCHANGE, "stats", "total_seconds", float("nan")), "wrong kind"),
    ("infinite", lambda: told(*EXCHANGE, "settings", "boost", "alpha", float("inf")), "wrong kind"),
    ("number of thousands of digits", lambda: told(*EXCHANGE, "stats", "prompt_tokens", 10**4_000), "wrong kind"),
    (
        "effect of other clips",
        lambda: told(*EXCHANGE, "effect", {"tokens": ["a"], "whole_nats": [0.0], "clips_nats": [[0.0]] * 9}),
        "effect",
    ),
    ("order of other clips", lambda: told(*EXCHANGE, "ordered", [{"order": [3], "words": "", "verdict": ""}]), "order"),
    ("order below zero", lambda: told(*EXCHANGE, "ordered", [{"order": [-1], "words": "", "verdict": ""}]), "order"),
    ("clip unknown", lambda: told(*EXCHANGE, "attached", 0, "clip", "0" * 64), "not there"),
    ("clip is a path", lambda: told(*EXCHANGE, "attached", 0, "clip", "../../x"), "not there"),
    ("clip is a list", lambda: told(*EXCHANGE, "attached", [[]]), "wrong kind"),
    ("rate is a text", lambda: told(*EXCHANGE, "attached", 0, "source_hz", "16000"), "wrong kind"),
    ("recording twice", lambda: told("clips", DATA["value"]["clips"] * 2), "there twice"),
    ("recording by path", lambda: told("clips", 0, "file", "../../../etc/passwd"), "missing"),
    ("recording by full path", lambda: told("clips", 0, "file", "/etc/passwd"), "missing"),
    ("recording is a folder", lambda: told("clips", 0, "file", "clips/"), "missing"),
    ("recording is the report", lambda: told("clips", 0, "file", "report.html"), "recording is damaged"),
    ("digest is a path", lambda: told("clips", 0, "digest", "../../../x"), "does not match its digest"),
    ("digest of another", lambda: told("clips", 0, "digest", "0" * 64), "does not match its digest"),
    ("more clips than letters", many_clips, "clips"),
    ("reading is a recording", lambda: told(*EXCHANGE, "trace", SOUND), "reading is damaged"),
    ("reading by path", lambda: told(*EXCHANGE, "trace", "../x"), "missing"),
    ("reading of fewer clips", lambda: bare_trace(0), "other clips"),
    ("reading of more clips", lambda: bare_trace(3), "other clips"),
    ("reading cut", lambda: having(**{READING: HELD[READING][:-4]}), "reading is damaged"),
    ("reading of nothing", lambda: having(**{READING: b"{}"}), "reading is damaged"),
    ("sound in 16 bits", lambda: heard(TONE, subtype="PCM_16"), "not as Earshot writes"),
    ("sound in doubles", lambda: heard(TONE, subtype="DOUBLE"), "not as Earshot writes"),
    ("sound at another rate", lambda: heard(TONE, hz=44_100), "not as Earshot writes"),
    ("sound in stereo", lambda: heard(np.stack([TONE, TONE], axis=1)), "not as Earshot writes"),
    ("sound as flac", lambda: heard(TONE, subtype="PCM_16", kind="FLAC"), "not as Earshot writes"),
    ("sound too loud", lambda: heard(TONE * 3), "beyond full scale"),
    ("sound not a number", lambda: heard(TONE * np.nan), "beyond full scale"),
    ("sound cut", lambda: sounding(wav(Clip(TONE, ""))[:-400], TONE), "does not match|cut off"),
    ("sound without samples", lambda: heard(TONE[:0]), "cut off|damaged"),
    ("sound too long", lambda: heard(np.zeros(600 * 16_000 + 1, np.float32)), "too long"),
]


@pytest.mark.parametrize(("make", "reason"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_what_is_wrong_is_one_sentence_and_nothing_is_written(
    make: Callable[[], bytes], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ConversationError, match=rf"\(.*({reason}).*\): open an unchanged copy") as caught:
        unpack(saved(tmp_path, make()), tmp_path / "uploads")
    assert str(caught.value).count("\n") == 0 and len(str(caught.value)) < 300
    assert os.listdir(tmp_path) == ["saved.zip"]


def test_there_are_many_such_cases_and_the_good_one_is_good(tmp_path: Path) -> None:
    assert len(HOSTILE) >= 40
    assert len(unpack(saved(tmp_path, GOOD), tmp_path)) == 2


def test_a_file_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConversationError, match="No such file"):
        unpack(tmp_path / "gone.zip", tmp_path)


def test_other_members_are_left_alone(tmp_path: Path) -> None:
    """Programs that pack a folder again add some, and hostile ones aim beside the folder."""
    more = HELD | {"../../evil.wav": b"x", "/evil": b"x", "C:\\evil": b"x", "__MACOSX/._clips": b"x", "clips/": b""}
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    unpack(saved(folder, zipped(more)), folder / "uploads")
    found = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"saved.zip", *(f"{recording['digest']}.wav" for recording in DATA["value"]["clips"])}


def test_hostile_names_in_it_stay_text_and_become_no_path(tmp_path: Path) -> None:
    name = "../../<img src=x onerror=alert(1)>.wav"
    back = unpack(saved(tmp_path, told(*EXCHANGE, "model", name)), tmp_path / "uploads")
    assert back[0].exchanges[0].model == name
    (sound,) = {path.parent for path in (tmp_path / "uploads").rglob("*.wav")}
    assert sound == tmp_path / "uploads" / "kept"
    assert "<img" not in "".join(
        part.html for message in view.messages(back[0], True) for part in message.content if isinstance(part, view.Card)
    )


def test_bits_changed_at_random_give_the_same_or_a_sentence(tmp_path: Path) -> None:
    rng, good, same = Random(7), anywhere(unpack(saved(tmp_path, GOOD), tmp_path)), 0
    directory = GOOD.index(b"PK\x01\x02")
    for number in range(600):
        changed = bytearray(GOOD)
        first = directory if number % 2 else 0  # the list of members is small, and what is most easily misread
        for _ in range(rng.choice((1, 1, 1, 3))):
            bit = rng.randrange(8 * first, 8 * len(GOOD))
            changed[bit // 8] ^= 1 << bit % 8
        try:
            back = unpack(saved(tmp_path, bytes(changed)), tmp_path)
        except ConversationError:
            continue
        assert anywhere(back) == good
        same += 1
    assert 10 < same < 500


@settings(max_examples=250, deadline=None)
@given(edit=st.data())
def test_any_edit_of_the_json_can_be_shown_or_is_refused(tmp_path_factory, edit: st.DataObject) -> None:
    data = copy.deepcopy(DATA)
    *path, last = edit.draw(st.sampled_from(places(data)))
    place = data
    for key in path:
        place = place[key]
    if edit.draw(st.booleans()):
        place[last] = edit.draw(json_values)
    else:
        del place[last]
    folder = tmp_path_factory.mktemp("edited")
    try:
        back = unpack(saved(folder, having(data=json.dumps(data).encode())), folder)
    except ConversationError:
        return
    for session in back:
        assert view.messages(session, named=True)
    assert "</html>" in conversation_report(back, INFOS)
    assert unpack(saved(folder, pack(back, INFOS)), folder) == back

"""Dropped files: read once, from one folder only, named and kept in a person's order."""

from collections import Counter
from pathlib import Path

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from chat_app import strings
from chat_app.dropping import Dropping
from chat_app.session import Attachment
from core.audio import Limits


@pytest.fixture
def dropping(tmp_path: Path) -> Dropping:
    return Dropping(tmp_path, Limits())


def test_a_file_is_read_once_and_keeps_its_place(dropping: Dropping, sound_file) -> None:
    a, b, c = (str(sound_file(name)) for name in ("a.wav", "b.wav", "c.wav"))
    attached = dropping.attach((), (), (a, b))
    Path(a).unlink()
    turned = attached[::-1]
    assert dropping.attach((), turned, (a, b)) == turned, "the order is a person's"
    more = dropping.attach((), turned, (a, b, c))
    assert more[:2] == turned and more[2].label == "c.wav"
    assert dropping.attach((), more, (c, b)) == (more[0], more[2])


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_there_is_one_attachment_for_each_file_as_often_as_it_was_dropped(before: list[str], files: list[str]) -> None:
    dropping = Dropping(Path("/uploads"), Limits())
    attached = tuple(Attachment(name, name) for name in before)
    after = dropping.attach((), attached, files)
    assert Counter(Path(one.path).name for one in after) == Counter(files)
    kept = [one for one in after if one.problem == ""]
    places = iter(attached)
    assert all(one in places for one in kept), "those that stay keep their order"


def test_only_the_upload_folder_is_read(sound_file, tmp_path: Path) -> None:
    inside = tmp_path / "uploads"
    inside.mkdir()
    outside = sound_file("secret.wav")
    (inside / "link.wav").symlink_to(outside)
    for path in (str(outside), str(inside / "link.wav"), str(inside / ".." / "secret.wav")):
        attachment = Dropping(inside, Limits()).attach((), (), (path,))[0]
        assert attachment.clip is None
        assert strings.FOREIGN_FILE in attachment.problem


def test_paths_that_cannot_be_followed_are_refused(dropping: Dropping, tmp_path: Path) -> None:
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    for path in (tmp_path / "loop.wav", tmp_path / "nul\0.wav", tmp_path / ("n" * 5_000)):
        [attachment] = dropping.attach((), (), (str(path),))
        assert attachment.clip is None and attachment.problem.startswith(f"{attachment.label}: "), path


def test_a_label_is_one_line_whatever_the_file_is_called(dropping: Dropping, sound_file, tmp_path: Path) -> None:
    inside, outside = sound_file("two\nlines \u202e.wav"), tmp_path.parent / "out\n\u202eside.wav"
    kept, refused = dropping.attach((), (), (str(inside), str(outside)))
    assert kept.label == "two lines .wav"
    assert refused.label == "out side.wav" and refused.problem.startswith("out side.wav: ")


def test_a_clip_longer_than_the_model_hears_is_refused(sound_file, tone, tmp_path: Path) -> None:
    dropping = Dropping(tmp_path, Limits().up_to(2.0))
    whole, longer = (str(sound_file(f"{seconds}.wav", tone(seconds=seconds))) for seconds in (2, 3))
    attached = dropping.attach((), (), (whole, longer))
    assert attached[0].clip is not None and attached[1].clip is None
    assert "longer than 2 s" in attached[1].problem


def test_recordings_are_numbered_among_those_of_the_conversation(dropping: Dropping, tmp_path: Path, tone) -> None:
    def record(folder: str, frequency_hz: float) -> str:
        path = tmp_path / folder / "audio.wav"
        path.parent.mkdir()
        soundfile.write(path, tone(frequency_hz), 16_000)
        return str(path)

    first = dropping.attach((), (), (record("x", 200.0), record("y", 300.0)))
    assert [one.label for one in first] == ["recording 1", "recording 2"]
    third = dropping.attach({"recording 1", "recording 2"}, (), (record("z", 400.0),))
    assert third[0].label == "recording 3"

"""What a person does to clips: the laws of moving and removing, names, and parts of a sound."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import clips
from chat_app.panes import Panes
from chat_app.session import Attachment, Exchange, Session
from core.audio import LABEL_LENGTH, Limits, clean_label, cut, read_clip
from core.errors import AudioError
from core.types import SAMPLING_RATE_HZ, Clip, Settings, Token

LISTS = st.lists(st.integers(), max_size=9).map(tuple)
PLACES = st.integers(-2, 10)


@given(LISTS, PLACES, PLACES)
def test_moving_puts_one_item_where_it_was_told_and_moving_back_undoes_it(items, place, to) -> None:
    after = clips.moved(items, place, to)
    assert sorted(after) == sorted(items)
    assert clips.moved(after, to, place) == items
    if 0 <= place < len(items) and 0 <= to < len(items):
        assert after[to] == items[place]
        assert clips.removed(after, to) == clips.removed(items, place), "the others keep their order"
    else:
        assert after == items


@given(LISTS, PLACES)
def test_removing_takes_one_item_away(items, place) -> None:
    after = clips.removed(items, place)
    if 0 <= place < len(items):
        assert (*after[:place], items[place], *after[place:]) == items
    else:
        assert after == items


@given(st.text(max_size=300))
def test_a_name_is_one_line_and_changes_no_sound(name: str) -> None:
    clip = Clip(np.linspace(-0.5, 0.5, 800, dtype=np.float32), "old")
    part = replace(Attachment("/uploads/x", "old", clip), whole=clip, start_seconds=0.1, played="/uploads/y")
    named = clips.renamed(part, name)
    assert named.label == named.clip.label == named.whole.label == clean_label(name)
    assert len(named.label) <= LABEL_LENGTH and "\n" not in named.label
    assert replace(named, label="old") == part, "clips are equal when their samples are"


def conversation(*turns: int) -> Session:
    """A session whose turns bring so many clips."""
    session = Session()
    for turn, count in enumerate(turns):
        labels = [f"{turn}-{index}" for index in range(count)]
        attached = tuple(Attachment(label, label, Clip(np.ones(800, np.float32), label)) for label in labels)
        session = session.asked(Exchange("Which?", attached, Settings())).heard(Token("A.")).ended("stop")
    return session


@given(st.lists(st.integers(0, 3), max_size=4), st.integers(-2, 12))
def test_a_clip_that_was_sent_gets_its_name_in_every_pane(turns: list[int], place: int) -> None:
    panes = Panes((conversation(*turns),)).beside(0)
    after = clips.renamed_sent(panes, place, "new")
    for session, before in zip(after.sessions, panes.sessions, strict=True):
        labels = [clip.label for clip in before.clips]
        if 0 <= place < len(labels):
            labels[place] = "new"
        assert [clip.label for clip in session.clips] == labels
        assert session.clips == before.clips, "the same sound"
    assert after.undone() == panes


@pytest.fixture
def dropped(tone_clip, sound_file) -> Attachment:
    """A clip of 1 s whose halves have different pitch."""
    samples = np.concatenate([tone_clip(frequency_hz=hz, seconds=0.5).samples for hz in (220.0, 880.0)])
    path = sound_file("two.wav", samples)
    return Attachment(str(path), "two.wav", read_clip(path))


def test_a_trimmed_clip_is_what_the_model_hears_and_what_is_played(dropped: Attachment) -> None:
    part = clips.trimmed(dropped, 0.25, 0.75, Limits())
    assert part.path == dropped.path and part.label == dropped.label
    assert np.array_equal(part.sound.samples, dropped.sound.samples[4_000:12_000])
    assert (part.whole, part.start_seconds) == (dropped.clip, 0.25)
    assert Path(part.played).parent == Path(dropped.path).parent
    heard = read_clip(Path(part.played))
    assert heard.seconds == part.sound.seconds
    assert np.abs(heard.samples - part.sound.samples).max() <= 1 / 2**15, "but for 16 bits"


def test_trimming_again_begins_from_the_whole_clip_and_can_be_taken_back(dropped: Attachment) -> None:
    part = clips.trimmed(clips.trimmed(dropped, 0.0, 0.3, Limits()), 0.5, 0.9, Limits())
    assert part == clips.trimmed(dropped, 0.5, 0.9, Limits())
    assert clips.untrimmed(part) == dropped
    assert clips.trimmed(part, 0.0, clips.longest_trim_seconds(part), Limits()) == dropped
    named = clips.renamed(part, "high")
    assert clips.untrimmed(named).sound.label == "high"


@given(st.floats(-1.0, 3.0), st.floats(-1.0, 3.0))
def test_a_part_is_at_most_the_clip_and_never_shorter_than_a_clip_may_be(start: float, stop: float) -> None:
    whole = Clip(np.linspace(0.1, 0.9, 2 * SAMPLING_RATE_HZ, dtype=np.float32), "ramp")
    limits = Limits(min_seconds=0.5)
    try:
        part = cut(whole, start, stop, limits)
    except AudioError as error:
        assert min(stop, 2.0) - max(start, 0.0) < limits.min_seconds + 2 / SAMPLING_RATE_HZ
        assert str(error).startswith("ramp: ") and "500 ms" in str(error)
    else:
        assert part.seconds >= limits.min_seconds
        first = int(np.searchsorted(whole.samples, part.samples[0]))
        assert np.array_equal(whole.samples[first : first + len(part.samples)], part.samples)
        assert abs(first / SAMPLING_RATE_HZ - max(start, 0.0)) <= 1 / SAMPLING_RATE_HZ


def test_a_silent_part_is_refused(dropped: Attachment) -> None:
    samples = np.concatenate([np.zeros(8_000, np.float32), dropped.sound.samples])
    padded = replace(dropped, clip=Clip(samples, "padded.wav"))
    with pytest.raises(AudioError, match=r"padded\.wav: this part is silent"):
        clips.trimmed(padded, 0.0, 0.4, Limits())
    assert not list(Path(dropped.path).parent.glob("part-*"))


def test_a_part_that_cannot_be_written_is_one_sentence(dropped: Attachment, tmp_path: Path) -> None:
    (tmp_path / "gone").touch()
    gone = replace(dropped, path=str(tmp_path / "gone" / "two.wav"))
    with pytest.raises(AudioError, match="cannot be written"):
        clips.trimmed(gone, 0.0, 0.4, Limits())


@given(st.integers(800, 400_000))
def test_the_end_of_a_clip_can_be_chosen(samples: int) -> None:
    clip = Clip(np.ones(samples, np.float32), "x")
    longest = clips.longest_trim_seconds(Attachment("x", "x", clip))
    assert clip.seconds - 1e-9 <= longest < clip.seconds + clips.STEP_SECONDS

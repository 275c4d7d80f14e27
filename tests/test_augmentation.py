"""Rooms, codecs and the conditions that the clips of one question share."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.training.synthesis import (
    CODEC_WEIGHTS,
    Codec,
    Conditions,
    Room,
    at_level,
    coded,
    drawn_conditions,
    level_db,
    reverb,
    treat,
)
from tests.corpora import random_samples, rooms, tone

RATE = 16_000


@given(rooms, st.integers(0, 10_000), st.floats(0.01, 0.8))
@settings(max_examples=20)
def test_a_room_is_a_convolution_that_keeps_length_and_power(room: Room, seed: int, seconds: float) -> None:
    dry = random_samples(seed, seconds)
    wet = reverb(dry, room)
    slow = np.convolve(dry, room.response())[: len(dry)]
    slow *= np.sqrt(np.square(dry).sum() / np.square(slow).sum())
    assert len(wet) == len(dry) and wet.dtype == np.float32
    assert np.allclose(wet, slow, atol=1e-4)


@given(rooms)
@settings(max_examples=20)
def test_a_room_decays_by_60_db_in_its_time(room: Room) -> None:
    """Schroeder's backward integration of the tail (1965), the slope taken from -5 to -25 dB as ISO 3382 does."""
    tail = room.response()[1:]
    left_db = 10 * np.log10(np.cumsum(np.square(tail)[::-1])[::-1] / np.square(tail).sum())
    fitted = np.flatnonzero((left_db < -5.0) & (left_db > -25.0))
    slope_db_per_second = np.polyfit(fitted / RATE, left_db[fitted], 1)[0]
    assert -60.0 / slope_db_per_second == pytest.approx(room.rt60_seconds, rel=0.15)
    direct_db = 10 * np.log10(room.response()[0] ** 2 / np.square(tail).sum())
    assert direct_db == pytest.approx(room.direct_db, abs=0.1)


@pytest.mark.parametrize("codec", CODEC_WEIGHTS)
@given(seed=st.integers(0, 10_000), seconds=st.floats(0.02, 1.0), level_below=st.floats(-35.0, -23.0))
@settings(max_examples=10)
def test_a_codec_loses_a_little_and_keeps_length_and_place(
    codec: Codec, seed: int, seconds: float, level_below: float
) -> None:
    clean = at_level(
        tone(500.0, seconds) + np.float32(0.05) * random_samples(seed, seconds)[: round(seconds * RATE)], level_below
    )
    lossy = coded(clean, codec)
    assert lossy.dtype == np.float32 and len(lossy) == len(clean)
    assert np.array_equal(lossy, coded(clean, codec)) and not np.array_equal(lossy, clean)
    if seconds > 0.1:  # a codec of frames has no time to settle in less
        error_db = 10 * np.log10(np.square(lossy - clean).sum() / np.square(clean).sum())
        assert error_db < -12.0


@pytest.mark.parametrize(
    "shared", [Conditions(room=Room(0.4, 0.0, 5)), Conditions(codec="vorbis"), Conditions(low_pass_hz=3600.0)]
)
def test_clips_of_one_question_share_what_changes_them(shared: Conditions) -> None:
    fixed, samples = replace(shared, speeds=False, swing_db=0.0, noises=False), random_samples(4, 0.7)
    first, second = (treat(samples, np.random.default_rng(seed), fixed, -30.0) for seed in (1, 2))
    assert np.array_equal(first, second)
    assert not np.allclose(first, at_level(samples, -30.0), atol=1e-3)


def test_a_codec_never_silences() -> None:
    click = np.full(1, 0.5, np.float32)
    assert all(coded(click, codec).any() for codec in CODEC_WEIGHTS)


def test_rooms_and_codecs_are_as_frequent_as_they_should_be() -> None:
    rng = np.random.default_rng(0)
    drawn = [drawn_conditions(rng) for _ in range(4000)]
    for values, share in (
        ([made.room is not None for made in drawn], 0.2),
        ([made.codec is not None for made in drawn], 0.1),
        ([made.low_pass_hz is not None for made in drawn], 0.15),
        *(([made.codec == codec for made in drawn if made.codec], weight) for codec, weight in CODEC_WEIGHTS.items()),
    ):
        assert np.mean(values) == pytest.approx(share, abs=3.5 * (share * (1 - share) / len(values)) ** 0.5)
    rooms_drawn = [made.room for made in drawn if made.room is not None]
    assert len({room.seed for room in rooms_drawn}) == len(rooms_drawn)


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_without_augmentation_a_clip_is_its_recording_at_another_level(seed: int) -> None:
    rng, samples = np.random.default_rng(seed), random_samples(seed, 0.5)
    clip = treat(samples, rng, drawn_conditions(rng, augment=False))
    assert np.allclose(clip / np.abs(clip).max(), samples / np.abs(samples).max(), atol=1e-5)


@pytest.mark.parametrize("codec", CODEC_WEIGHTS)
def test_a_wanted_level_is_kept_through_room_and_codec(codec: Codec) -> None:
    """Vorbis at its strongest gives white noise back 1.3 dB louder."""
    disturbed = Conditions(speeds=False, swing_db=0.0, noises=False, room=Room(0.3, 0.0, 2), codec=codec)
    clip = treat(random_samples(6, 1.0), np.random.default_rng(0), disturbed, wanted_db=-30.0)
    assert level_db(clip) == pytest.approx(-30.0, abs=0.01)

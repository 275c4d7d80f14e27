"""What is done to sound, against naive measures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.training.synthesis import (
    CODEC_WEIGHTS,
    LEVELS_DB,
    LONGEST_SECONDS,
    Conditions,
    at_level,
    colour,
    crop,
    drawn_conditions,
    level_db,
    mix,
    noise,
    pad,
    speed,
    treat,
)
from tests.corpora import Samples, random_samples, rooms, tone

RATE = 16_000


def peak_hz(samples: Samples) -> float:
    windowed = samples * np.hanning(len(samples))
    return float(np.abs(np.fft.rfft(windowed)).argmax() * RATE / len(samples))


def naive_level_db(samples: Samples) -> float:
    """Frame by frame, in plain numbers."""
    powers = []
    for start in range(0, len(samples) - 319, 320):
        powers.append(sum(float(value) ** 2 for value in samples[start : start + 320]) / 320)
    mean = sum(powers) / len(powers)
    active = [power for power in powers if power >= mean / 10]
    return 10 * np.log10(sum(active) / len(active))


@given(st.integers(0, 10_000), st.floats(0.02, 0.3), st.floats(0.0, 0.3))
@settings(max_examples=20)
def test_the_level_is_that_of_the_naive_definition(seed: int, sounding: float, silent: float) -> None:
    samples = np.concatenate([random_samples(seed, sounding), np.zeros(round(silent * RATE), np.float32)])
    assert level_db(samples) == pytest.approx(naive_level_db(samples), abs=1e-3)


def test_silence_around_a_sound_leaves_its_level() -> None:
    beep = tone(500.0, 1.0)
    assert level_db(beep) == pytest.approx(20 * np.log10(0.3 / 2**0.5), abs=0.01)
    assert level_db(pad(beep, 3.0, np.random.default_rng(0))) == pytest.approx(level_db(beep), abs=0.3)


@given(st.floats(-60.0, 0.0), st.floats(0.05, 1.0))
@settings(max_examples=30)
def test_a_level_is_reached_unless_the_peak_forbids_it(wanted_db: float, seconds: float) -> None:
    levelled = at_level(random_samples(1, seconds), wanted_db)
    peak = float(np.abs(levelled).max())
    assert peak <= 0.9901
    assert level_db(levelled) == pytest.approx(wanted_db, abs=0.01) or peak == pytest.approx(0.99, abs=1e-3)
    assert level_db(levelled) <= wanted_db + 0.01


@given(st.integers(0, 10_000), st.floats(0.1, 2.0), st.floats(0.0, 3.0), st.floats(0.01, 0.1), st.floats(0.0, 3.0))
@settings(max_examples=40)
def test_a_window_has_its_length_and_is_never_silent(
    seed: int, seconds: float, before: float, sounding: float, after: float
) -> None:
    parts = [np.zeros(round(before * RATE)), random_samples(seed, sounding), np.zeros(round(after * RATE))]
    samples = np.concatenate(parts).astype(np.float32)
    window = crop(samples, seconds, np.random.default_rng(seed))
    assert len(window) == min(len(samples), round(seconds * RATE))
    assert np.square(window).sum() > 0.0


def test_a_window_is_a_piece_of_the_recording_with_faded_ends() -> None:
    samples = random_samples(3, 2.0)
    window = crop(samples, 0.5, np.random.default_rng(0))
    middle = window[200:-200]
    places = [start for start in range(len(samples) - len(middle) + 1) if samples[start] == middle[0]]
    assert any(np.array_equal(samples[start : start + len(middle)], middle) for start in places)
    assert window[0] == 0.0 and window[-1] == 0.0


@given(st.integers(0, 10_000), st.floats(0.1, 1.0), st.floats(0.1, 2.0))
def test_padding_keeps_the_sound_whole(seed: int, seconds: float, wanted: float) -> None:
    samples = random_samples(seed, seconds)
    padded = pad(samples, wanted, np.random.default_rng(seed))
    assert len(padded) == max(len(samples), round(wanted * RATE))
    start = int(np.flatnonzero(padded)[0] - np.flatnonzero(samples)[0])
    assert np.array_equal(padded[start : start + len(samples)], samples)
    assert np.count_nonzero(padded) == np.count_nonzero(samples)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_speed_changes_length_and_pitch_together(factor: float) -> None:
    changed = speed(tone(1000.0, 1.0), factor)
    assert len(changed) == pytest.approx(RATE / factor, abs=2)
    assert peak_hz(changed) == pytest.approx(1000.0 * factor, abs=2.0)


def test_a_telephone_hears_nothing_high_and_leaves_what_is_low() -> None:
    low, high = tone(1000.0, 1.0), tone(7000.0, 1.0)
    rng = np.random.default_rng(0)
    assert np.allclose(colour(low, rng, 3600.0, 0.0)[500:-500], low[500:-500], atol=0.005)
    assert np.abs(colour(high, rng, 3600.0, 0.0)[500:-500]).max() < 0.3 * 10 ** (-40 / 20)


@given(st.integers(0, 10_000), st.floats(0.0, 6.0), st.sampled_from([100.0, 250.0, 1000.0, 3000.0, 7000.0]))
@settings(max_examples=20)
def test_the_equaliser_stays_within_its_swing(seed: int, swing_db: float, hz: float) -> None:
    beep = tone(hz, 0.5)
    coloured = colour(beep, np.random.default_rng(seed), None, swing_db)
    gain_db = level_db(coloured[1000:-1000]) - level_db(beep[1000:-1000])
    assert len(coloured) == len(beep) and abs(gain_db) <= swing_db + 0.3


@given(st.integers(0, 10_000), st.floats(10.0, 40.0))
@settings(max_examples=20)
def test_noise_lies_where_it_should(seed: int, snr_db: float) -> None:
    beep = tone(500.0, 1.0)
    hiss = noise(beep, snr_db, np.random.default_rng(seed)) - beep
    assert 10 * np.log10(np.mean(np.square(beep)) / np.mean(np.square(hiss))) == pytest.approx(snr_db, abs=0.7)


@given(st.integers(0, 10_000), st.floats(-5.0, 10.0), st.floats(0.1, 3.0))
@settings(max_examples=20)
def test_a_mixture_is_the_background_and_the_event_at_its_ratio(seed: int, snr_db: float, seconds: float) -> None:
    background, event = random_samples(seed, 2.0), tone(500.0, seconds)
    added = mix(background, event, snr_db, np.random.default_rng(seed)) - background
    sounding = np.flatnonzero(np.abs(added) > 1e-4)
    stretch = added[sounding[0] : sounding[-1] + 1]
    assert len(stretch) <= 0.8 * len(background) + 1
    assert level_db(stretch) - level_db(background) == pytest.approx(snr_db, abs=0.5)


conditions = st.builds(
    Conditions,
    seconds=st.none() | st.floats(0.2, 8.0),
    whole=st.booleans(),
    low_pass_hz=st.none() | st.just(3600.0),
    speeds=st.booleans(),
    swing_db=st.sampled_from([0.0, 4.0]),
    room=st.none() | rooms,
    codec=st.none() | st.sampled_from(list(CODEC_WEIGHTS)),
    noises=st.booleans(),
)


@given(st.integers(0, 10_000), conditions, st.floats(0.05, 8.0), st.floats(0.001, 20.0))
@settings(max_examples=60)
def test_every_treated_clip_is_within_range_and_sounds(
    seed: int, condition: Conditions, seconds: float, scale: float
) -> None:
    clip = treat(tone(300.0, seconds, 0.1) * np.float32(scale), np.random.default_rng(seed), condition)
    assert clip.dtype == np.float32 and np.abs(clip).max() <= 1.0
    assert LEVELS_DB[0] - 0.1 <= level_db(clip) <= LEVELS_DB[1] + 0.1
    if not condition.whole:
        assert len(clip) <= round(max(condition.seconds or 0.0, LONGEST_SECONDS) * RATE)
        if condition.seconds is not None:
            assert len(clip) == round(condition.seconds * RATE)
    elif condition.seconds is not None:
        assert len(clip) >= round(condition.seconds * RATE)


def test_a_wanted_level_is_kept_and_pitch_is_where_it_must_be() -> None:
    fixed = drawn_conditions(np.random.default_rng(0), seconds=1.0, speeds=False)
    for seed in range(10):
        clip = treat(tone(800.0, 2.0), np.random.default_rng(seed), fixed, wanted_db=-30.0)
        assert level_db(clip) == pytest.approx(-30.0, abs=0.01)
        assert peak_hz(clip) == pytest.approx(800.0, abs=2.0)

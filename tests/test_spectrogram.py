"""The drawn spectrogram against scipy's, cell by cell."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.spectrogram import FLOOR_DB, HOP, MOST_BANDS, MOST_TIMES, WINDOW, spectrogram_db
from core.types import SAMPLING_RATE_HZ
from tests.conftest import sine

Samples = NDArray[np.float32]


def white(seed: int, count: int) -> Samples:
    return (0.1 * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


def oracle(samples: Samples, edges_seconds: NDArray[np.float64], edges_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels in dB by scipy, frames and lines sorted into the cells by their own times and frequencies."""
    side = (WINDOW - HOP) // 2
    padded = np.pad(samples.astype(np.float64), (side, side + HOP))
    lines_hz, times, magnitude = scipy.signal.spectrogram(
        padded,
        SAMPLING_RATE_HZ,
        window=scipy.signal.get_window("hann", WINDOW),
        noverlap=WINDOW - HOP,
        detrend=False,
        mode="magnitude",
    )
    times = times - (side + HOP / 2) / SAMPLING_RATE_HZ  # where a frame's hop begins in the clip
    cells = np.zeros((len(edges_hz) - 1, len(edges_seconds) - 1))
    for band, (low, high) in enumerate(pairwise(edges_hz)):
        last = band == len(cells) - 1
        rows = (lines_hz >= low) & ((lines_hz < high) | last)
        for place, (start, stop) in enumerate(pairwise(edges_seconds)):
            columns = (times > start - 1e-6) & (times < stop - 1e-6)
            cells[band, place] = magnitude[np.ix_(rows, columns)].max()
    with np.errstate(divide="ignore"):
        return np.maximum(20.0 * np.log10(cells / cells.max()), FLOOR_DB)


@settings(max_examples=30)
@given(
    st.integers(1, 40_000),
    st.integers(1, MOST_TIMES),
    st.integers(1, MOST_BANDS),
    st.floats(100, 7_900),
    st.integers(0, 9),
)
def test_each_cell_is_that_of_scipy(count: int, most_times: int, bands: int, hz: float, seed: int) -> None:
    samples = 0.001 * white(seed, count) + sine(hz, 3.0)[:count]
    samples[count // 2 :] *= 0.01
    found = spectrogram_db(samples, most_times, bands)
    if samples.any():  # of one sample the tone's is 0
        np.testing.assert_allclose(found.level_db, oracle(samples, found.edges_seconds, found.edges_hz), atol=0.01)


@given(st.integers(1, 200_000), st.integers(1, MOST_TIMES), st.integers(1, MOST_BANDS))
@settings(max_examples=30)
def test_the_axes_cover_the_clip_without_gaps(count: int, most_times: int, bands: int) -> None:
    found = spectrogram_db(white(0, count), most_times, bands)
    times = min(most_times, -(-count // HOP))
    assert found.level_db.shape == (bands, times) and found.level_db.dtype == np.float32
    assert found.edges_seconds.shape == (times + 1,) and found.edges_hz.shape == (bands + 1,)
    assert found.edges_seconds[0] == 0.0 and found.edges_seconds[-1] == count / SAMPLING_RATE_HZ
    assert found.edges_hz[[0, -1]] == pytest.approx([20.0, 8_000.0])
    assert (np.diff(found.edges_seconds) > 0).all() and (np.diff(found.edges_hz) > 0).all()
    assert found.level_db.min() >= FLOOR_DB and found.level_db.max() == 0.0


@pytest.mark.parametrize("hz", [60.0, 440.0, 1_000.0, 5_000.0])
def test_a_tone_is_loudest_in_the_band_of_its_pitch(hz: float) -> None:
    found = spectrogram_db(sine(hz, 1.0))
    bands = np.searchsorted(found.edges_hz, hz, side="right") - 1
    assert (abs(found.level_db[:, 5:-5].argmax(axis=0) - bands) <= (1 if hz < 200 else 0)).all()


def test_bands_are_equally_wide_in_mel_and_half_lie_below_2_khz() -> None:
    edges_hz = spectrogram_db(white(0, 1_000)).edges_hz
    mel = 2595.0 * np.log10(1.0 + edges_hz / 700.0)
    np.testing.assert_allclose(np.diff(mel), mel[1] - mel[0])
    assert edges_hz[MOST_BANDS // 2] < 2_000.0


def test_a_click_in_two_minutes_keeps_its_level_in_its_cell() -> None:
    samples = np.zeros(120 * SAMPLING_RATE_HZ, np.float32)
    samples[60 * SAMPLING_RATE_HZ + 4_000] = 1.0
    found = spectrogram_db(samples)
    loud = np.flatnonzero(found.level_db.max(axis=0) > -6.0)
    assert loud.tolist() == [np.searchsorted(found.edges_seconds, 60.25) - 1]


@pytest.mark.parametrize("count", [1, 255, 256, 257, 16_000])
def test_silence_is_the_floor_throughout(count: int) -> None:
    found = spectrogram_db(np.zeros(count, np.float32))
    assert (found.level_db == FLOOR_DB).all()


def test_one_sample_is_a_click_of_all_frequencies() -> None:
    found = spectrogram_db(np.full(1, 0.5, np.float32))
    assert found.level_db.shape == (MOST_BANDS, 1)
    np.testing.assert_allclose(found.level_db, 0.0, atol=1e-3)


def test_a_constant_offset_is_not_drawn() -> None:
    noise = white(0, 32_000) / 100
    plain, shifted = spectrogram_db(noise), spectrogram_db(noise + np.float32(0.25))
    inner = slice(4, -4)  # at the ends of the clip the offset is a step
    difference = plain.level_db[:, inner] - shifted.level_db[:, inner]
    assert abs(difference - np.median(difference)).max() < 0.5


@pytest.mark.parametrize("level", [1e-30, 1e-3, 1.0])
def test_the_level_of_the_clip_plays_no_part(level: float) -> None:
    noise = white(0, 8_000)
    found = spectrogram_db((noise.astype(np.float64) * level).astype(np.float32))
    np.testing.assert_allclose(found.level_db, spectrogram_db(noise).level_db, atol=0.01)


def test_two_minutes_need_little_memory() -> None:
    """A whole transform would need ten times the clip."""
    samples = white(0, 120 * SAMPLING_RATE_HZ)
    tracemalloc.start()
    spectrogram_db(samples)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < samples.nbytes / 4

"""What is measured of a clip is what it was made with; loudness also against pyloudnorm at 48 kHz."""

import time
from collections.abc import Callable

import numpy as np
import pyloudnorm
import pytest
import scipy.signal
import soxr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.measure import LEVEL_FLOOR_LUFS, PEAK_FLOOR_DBFS, in_words, measure
from core.types import SAMPLING_RATE_HZ
from tests.conftest import sine

Samples = NDArray[np.float32]


def harmonic(hz: float, harmonics: int, seed: int, seconds: float = 1.0, rate_hz: int = SAMPLING_RATE_HZ) -> Samples:
    """A tone of partials below Nyquist, falling by 6 dB an octave, with drawn phases, peak 0.5."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    partials = [k for k in range(1, harmonics + 1) if k * hz < 0.45 * rate_hz]
    wave = sum(np.sin(2 * np.pi * hz * k * times + rng.uniform(0, 2 * np.pi)) / k for k in partials)
    return (0.5 * wave / np.abs(wave).max()).astype(np.float32)


def white(seed: int, seconds: float = 1.0, level: float = 0.1) -> Samples:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(seconds * SAMPLING_RATE_HZ))).astype(np.float32)


def drums(seed: int, seconds: float = 3.0) -> Samples:
    """Four strokes a second of noise that dies away in 50 ms."""
    times = np.arange(round(seconds * SAMPLING_RATE_HZ)) / SAMPLING_RATE_HZ
    return (white(seed, seconds, 0.3) * np.exp(-(times % 0.25) / 0.05)).astype(np.float32)


@given(st.floats(60.0, 2000.0), st.integers(1, 12), st.integers(0, 99))
def test_a_tone_has_its_fundamental_as_pitch(hz: float, harmonics: int, seed: int) -> None:
    assert measure(harmonic(hz, harmonics, seed)).pitch_hz == pytest.approx(hz, rel=0.01)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_length_pitch_and_level_do_not_depend_on_the_rate(rate_hz: int) -> None:
    found = measure(harmonic(440.0, 4, 0, seconds=2.5, rate_hz=rate_hz), rate_hz)
    wanted = measure(harmonic(440.0, 4, 0, seconds=2.5, rate_hz=48_000), 48_000)
    assert found.seconds == 2.5
    assert found.pitch_hz == pytest.approx(440.0, rel=0.01)
    assert found.level_lufs == pytest.approx(wanted.level_lufs, abs=0.05)


def test_pitch_is_found_under_noise_and_beside_silence() -> None:
    tone = sine(330.0, 2.0) + white(0, 2.0, 0.05)
    assert measure(tone).pitch_hz == pytest.approx(330.0, rel=0.01)
    assert measure(np.concatenate([tone, np.zeros(64_000, np.float32)])).pitch_hz == pytest.approx(330.0, rel=0.01)


def test_a_tone_in_a_small_part_of_a_noise_is_not_its_pitch() -> None:
    assert measure(np.concatenate([sine(330.0, 0.3), white(0, 2.7)])).pitch_hz is None


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", [white, drums])
def test_noise_and_drums_have_no_pitch(make: Callable[[int], Samples], seed: int) -> None:
    assert measure(make(seed)).pitch_hz is None


def test_a_sweep_has_no_steady_pitch() -> None:
    times = np.arange(4 * SAMPLING_RATE_HZ) / SAMPLING_RATE_HZ
    assert measure((0.5 * np.sin(2 * np.pi * 100.0 * (2.0**times - 1.0))).astype(np.float32)).pitch_hz is None


@pytest.mark.parametrize("seconds", [0.2, 0.39, 0.4, 1.0, 2.3, 7.0])
def test_the_standards_sine_has_the_standards_level(seconds: float) -> None:
    """BS.1770: 997 Hz at full scale in one channel is -3.01 LUFS, so -23 LUFS is a sine with its peak at -19.99."""
    found = measure(sine(997.0, seconds, level=10.0 ** (-19.99 / 20.0)))
    assert found.level_lufs == pytest.approx(-23.0, abs=0.1)
    assert found.peak_dbfs == pytest.approx(-19.99, abs=0.05)


@given(st.integers(0, 999), st.integers(5, 90), st.floats(0.02, 1.0), st.floats(0.0, 0.7))
def test_level_is_that_of_an_independent_meter_at_48_khz(
    seed: int, tenths: int, smoothness: float, pause: float
) -> None:
    """Noise of any colour with a pause, so that both gates have work; whole blocks: the oracle rounds parts."""
    samples = white(seed, 0.1 * tenths)
    spectrum = np.fft.rfft(samples)
    spectrum *= 1.0 / (1.0 + np.arange(len(spectrum)) / (smoothness * len(spectrum)))
    samples = np.fft.irfft(spectrum, len(samples)).astype(np.float32)
    samples[: int(pause * len(samples))] *= 0.01
    oracle = pyloudnorm.Meter(48_000).integrated_loudness(soxr.resample(samples, SAMPLING_RATE_HZ, 48_000))
    assert measure(samples).level_lufs == pytest.approx(oracle, abs=0.25)


@given(st.integers(0, 999), st.floats(0.1, 4.0))
def test_twice_the_samples_are_6_db_more(seed: int, seconds: float) -> None:
    samples = white(seed, seconds)
    quiet, loud = measure(samples), measure(2 * samples)
    assert loud.level_lufs - quiet.level_lufs == pytest.approx(20 * np.log10(2), abs=0.01)
    assert loud.peak_dbfs - quiet.peak_dbfs == pytest.approx(20 * np.log10(2), abs=0.01)
    assert (loud.pitch_hz, loud.silence_share) == (quiet.pitch_hz, quiet.silence_share)


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_silent_share_is_the_share_of_silence(sounding: int, silent: int) -> None:
    """In frames of 20 ms, with a noise floor far under the sound."""
    frame = SAMPLING_RATE_HZ // 50
    samples = np.concatenate([white(0, 0.02 * sounding), white(1, 0.02 * silent, 1e-4)])
    if len(samples):
        found = measure(samples).silence_share
        assert found == pytest.approx(silent * frame / len(samples), abs=1e-9)


@pytest.mark.parametrize("count", [1, 319, 6_400, 160_000])
def test_digital_silence_is_measured_too(count: int) -> None:
    found = measure(np.zeros(count, np.float32))
    assert (found.level_lufs, found.peak_dbfs) == (LEVEL_FLOOR_LUFS, PEAK_FLOOR_DBFS)
    assert (found.pitch_hz, found.silence_share, found.bandwidth_hz) == (None, 1.0, None)


@given(st.integers(1, 3_000), st.integers(0, 99))
def test_the_shortest_clips_are_measured_without_a_warning(count: int, seed: int) -> None:
    found = measure(white(seed)[:count])
    assert found.seconds == count / SAMPLING_RATE_HZ
    assert all(np.isfinite([found.level_lufs, found.peak_dbfs, found.silence_share]))


@given(st.floats(100.0, 7_500.0), st.floats(0.5, 4.0))
def test_a_tone_is_as_wide_as_it_is_high(hz: float, seconds: float) -> None:
    assert measure(sine(hz, seconds)).bandwidth_hz == pytest.approx(hz, abs=30.0)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_of_two_tones_the_higher_counts_from_a_hundredth_of_the_energy(rate_hz: int) -> None:
    low, high = (sine(hz, 2.0, rate_hz) for hz in (500.0, 3_000.0))
    assert measure(low + 0.15 * high, rate_hz).bandwidth_hz == pytest.approx(3_000.0, abs=30.0)
    assert measure(low + 0.05 * high, rate_hz).bandwidth_hz == pytest.approx(500.0, abs=30.0)


def test_the_highest_frequency_counts_once() -> None:
    """It has no negative twin: seven thousandths of the energy there are not fourteen."""
    low, times = sine(500.0, 2.0, level=1.0), np.arange(2 * SAMPLING_RATE_HZ)
    highest = (np.sqrt(0.5 * 0.007) * (-1.0) ** times).astype(np.float32)
    assert measure((low + highest) / 2).bandwidth_hz == pytest.approx(500.0, abs=1.0)


@pytest.mark.parametrize("edge_hz", [500.0, 1_800.0, 4_000.0, 7_000.0])
def test_filtered_noise_is_as_wide_as_its_filter(edge_hz: float) -> None:
    filtered = scipy.signal.butter(8, edge_hz, output="sos", fs=SAMPLING_RATE_HZ)
    lines_hz, response = scipy.signal.freqz_sos(filtered, 80_000, fs=SAMPLING_RATE_HZ)
    passed = np.cumsum(np.square(np.abs(response)))
    expected = lines_hz[np.searchsorted(passed, 0.99 * passed[-1])]
    noise = scipy.signal.sosfilt(filtered, white(0, 20.0)).astype(np.float32)
    assert measure(noise).bandwidth_hz == pytest.approx(expected, rel=0.01)


@given(st.integers(0, 99), st.integers(1, 6))
def test_white_noise_is_as_wide_as_the_rate_allows(seed: int, seconds: int) -> None:
    assert measure(white(seed, seconds)).bandwidth_hz == pytest.approx(0.99 * SAMPLING_RATE_HZ / 2, abs=30.0)


@given(st.integers(0, 99), st.floats(0.05, 5.0), st.floats(50.0, 7_000.0))
def test_below_the_bandwidth_lies_the_energy_of_the_whole_spectrum(seed: int, seconds: float, edge_hz: float) -> None:
    """Against one transform of the whole clip, and whatever its level."""
    smooth = scipy.signal.butter(2, edge_hz, output="sos", fs=SAMPLING_RATE_HZ)
    samples = scipy.signal.sosfilt(smooth, white(seed, seconds)).astype(np.float32)
    found = measure(samples).bandwidth_hz
    assert found is not None and measure(samples / 4).bandwidth_hz == found
    power = np.square(np.abs(np.fft.rfft(samples - samples.mean(dtype=np.float64), 2 * len(samples))))
    lines_hz = np.fft.rfftfreq(2 * len(samples), 1 / SAMPLING_RATE_HZ)
    assert power[lines_hz <= found + 30.0].sum() >= 0.99 * power.sum() > power[lines_hz <= found - 30.0].sum()


def test_an_offset_has_no_bandwidth_and_changes_none() -> None:
    assert measure(np.full(20_000, 0.3, np.float32)).bandwidth_hz is None
    assert measure(np.full(1, 0.3, np.float32)).bandwidth_hz is None
    noise = white(0, 1.0, 0.01)
    assert measure(noise + np.float32(0.5)).bandwidth_hz == pytest.approx(measure(noise).bandwidth_hz, abs=5.0)


def test_the_model_is_told_what_it_was_trained_on() -> None:
    assert in_words(measure(sine(440.0, 2.0))) == "2.0 s, -10 LUFS, about 440 Hz, 0 % silence"


def test_six_seconds_take_few_milliseconds() -> None:
    """Ten times what it takes on an idle core, so that a busy machine passes and a slow path does not."""
    samples = white(0, 6.0)
    measure(samples)
    times = []
    for _ in range(9):
        began = time.perf_counter()
        measure(samples)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.03

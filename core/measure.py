"""What can be measured of a clip without any model: length, level, peak, pitch, silence, bandwidth.

Numpy only, a few ms a clip. Loudness by ITU-R BS.1770-4, pitch by YIN (de Cheveigné & Kawahara 2002, J. Acoust. Soc.
Am. 111). Both are short here; docs/dependencies.md says which libraries were weighed.
"""

import tomllib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from core.texts import PROMPTS
from core.types import SAMPLING_RATE_HZ

Samples = NDArray[np.float32]

_WORDS: dict[str, str] = tomllib.loads((PROMPTS / "clips.toml").read_text(encoding="utf-8"))["facts"]

LEVEL_FLOOR_LUFS = -70.0
"""The absolute gate of BS.1770: what lies below counts as this, digital silence too."""

PEAK_FLOOR_DBFS = -120.0
"""Digital silence has this peak."""

SILENCE_DBFS = -60.0
"""A frame whose RMS lies below is silent ..."""
SILENCE_BELOW_LOUDEST_DB = 40.0
"""... and so is one this far under the clip's loudest frame: a pause in a noisy recording."""

LOWEST_HZ, HIGHEST_HZ = 55.0, 4_200.0
"""Where pitch is looked for: a piano's top key, and its lowest but one octave."""

# Biquads of BS.1770-4, tables 1 and 2: the head's shelf and the RLB high-pass, at 48 kHz. Columns: b0 b1 b2 a0 a1 a2.
_TABLE_HZ = 48_000
_K_WEIGHTING = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621),
)
_OFFSET_LUFS = -0.691  # of BS.1770-4: a 997 Hz sine at full scale in one channel is -3.01 LUFS
_HOPS_PER_CHUNK = 22  # of 0.1 s, filtered at a time: with the tail 24, a quick length of transform
_TAIL_HOPS = 2  # by when the high-pass has died away: a double pole at 38 Hz leaves e^-48

_WINDOW_SECONDS = 0.032  # nearly two periods of the lowest pitch
_MOST_FRAMES = 48  # enough for a median, and a bound on the time for any length
_FINER = 2  # lags per sample: at 4 kHz a period has only four samples
_DIP = 0.15  # YIN's threshold on the normalised difference; the paper takes 0.1 to 0.15
_VOICED_SHARE = 0.35  # of the frames that sound: speech has as much, drums and ambience seldom
_STEADY_SHARE = 0.5  # of the voiced frames, no further than a minor third from their median
_STEADY_RATIO = 2.0 ** (3 / 12)

BANDWIDTH_SHARE = 0.99
"""Of a clip's energy lies below its bandwidth."""


@dataclass(frozen=True)
class Measures:
    """Measured facts of one clip.

    Attributes:
        seconds: Length.
        level_lufs: Integrated loudness by ITU-R BS.1770-4, gated; never below `LEVEL_FLOOR_LUFS`. A clip under 0.4 s is
            one block of its own length.
        peak_dbfs: Largest sample in dB of full scale; never below `PEAK_FLOOR_DBFS`.
        pitch_hz: Median fundamental of the voiced frames, or None where most of what sounds has no steady pitch.
        silence_share: Share of the length that is silent, 0..1.
        bandwidth_hz: Frequency below which `BANDWIDTH_SHARE` of the energy lies, a constant offset left out; None where
            no energy is: digital silence, or an offset alone. The model is not told it.
    """

    seconds: float
    level_lufs: float
    peak_dbfs: float
    pitch_hz: float | None
    silence_share: float
    bandwidth_hz: float | None


def measure(samples: Samples, rate_hz: int = SAMPLING_RATE_HZ) -> Measures:
    """Measures one clip.

    Args:
        samples: Mono float32 of shape (n,), n > 0, full scale at 1.
        rate_hz: Sampling rate in hertz, 8000 to 48000.
    """
    assert samples.ndim == 1 and len(samples), "a clip is mono and has samples"
    assert 8_000 <= rate_hz <= _TABLE_HZ, "the weighting is known up to half of 48 kHz"
    peak = float(np.abs(samples).max())
    sounding = _sounding(samples, rate_hz)
    return Measures(
        seconds=len(samples) / rate_hz,
        level_lufs=_loudness_lufs(samples, rate_hz),
        peak_dbfs=max(float(_db(peak**2)), PEAK_FLOOR_DBFS),
        pitch_hz=_pitch_hz(samples, rate_hz, sounding),
        silence_share=1.0 - float(sounding.mean()),
        bandwidth_hz=_bandwidth_hz(samples, rate_hz),
    )


def in_words(measures: Measures) -> str:
    """What is known as one line for a prompt: "3.2 s, -23 LUFS, about 440 Hz, 10 % silence"."""
    return ", ".join(words_by_measure(measures).values())


def words_by_measure(measures: Measures) -> dict[str, str]:
    """What is known, each measure by its name as prompts/clips.toml words it; pitch is left out where there is none."""
    known = {
        "seconds": measures.seconds,
        "level_lufs": measures.level_lufs,
        "pitch_hz": measures.pitch_hz,
        "silence_percent": 100.0 * measures.silence_share,
    }
    return {name: _WORDS[name].format(value) for name, value in known.items() if value is not None}


def _db(power: float | NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(10.0 * np.log10(np.maximum(power, 1e-20)), np.float64)


def _sounding(samples: Samples, rate_hz: int) -> NDArray[np.bool_]:
    """For each 20 ms whether it is more than silence; the last frame takes what is left over."""
    starts = np.arange(0, max(len(samples) - rate_hz // 50, 0) + 1, rate_hz // 50)
    lengths = np.diff(starts, append=len(samples))
    level_db = _db(np.add.reduceat(np.square(samples), starts) / lengths)
    return np.asarray(level_db >= max(SILENCE_DBFS, float(level_db.max()) - SILENCE_BELOW_LOUDEST_DB))


def _loudness_lufs(samples: Samples, rate_hz: int) -> float:
    hop = rate_hz // 10
    weighted = _k_weighted(samples, hop)
    if len(samples) < 4 * hop:
        power = np.mean(np.square(weighted), keepdims=True)
    else:
        # blocks of 0.4 s every 0.1 s; what does not fill one at the end is left out, as the standard has it
        hops = np.square(weighted[: len(weighted) // hop * hop].reshape(-1, hop)).mean(axis=1)
        power = sliding_window_view(hops, 4).mean(axis=1)
    power = power[_OFFSET_LUFS + _db(power) > LEVEL_FLOOR_LUFS]
    if not len(power):
        return LEVEL_FLOOR_LUFS
    power = power[power > power.mean() / 10.0]  # the relative gate: 10 LU under
    return float(_OFFSET_LUFS + _db(power.mean()))


def _k_weighted(samples: Samples, hop: int) -> Samples:
    """Filtered chunk by chunk in the frequency domain, tails added to the next chunk (overlap-add)."""
    chunk, tail = _HOPS_PER_CHUNK * hop, _TAIL_HOPS * hop
    rows = -(-len(samples) // chunk)
    padded = np.zeros(rows * chunk, np.float32)
    padded[: len(samples)] = samples
    spectra = np.fft.rfft(padded.reshape(rows, chunk), chunk + tail) * _k_response(hop)
    filtered = np.fft.irfft(spectra, chunk + tail).astype(np.float32)
    filtered[1:, :tail] += filtered[:-1, chunk:]
    return np.asarray(filtered[:, :chunk].reshape(-1)[: len(samples)])


@lru_cache(maxsize=4)
def _k_response(hop: int) -> NDArray[np.complex64]:
    """The table's filters at the frequencies of the transform, shape (bins,).

    Taking the response at 48 kHz as it stands needs no filter of one's own for other rates.
    """
    length = (_HOPS_PER_CHUNK + _TAIL_HOPS) * hop
    delay = np.exp(-2j * np.pi * np.fft.rfftfreq(length, 0.1 / hop) / _TABLE_HZ)
    response = np.ones(len(delay), np.complex128)
    for b0, b1, b2, a0, a1, a2 in _K_WEIGHTING:
        response *= (b0 + b1 * delay + b2 * delay**2) / (a0 + a1 * delay + a2 * delay**2)
    return response.astype(np.complex64)


def _pitch_hz(samples: Samples, rate_hz: int, sounding: NDArray[np.bool_]) -> float | None:
    """Median of YIN over frames spread evenly over what sounds; None where too few agree."""
    window, longest = round(_WINDOW_SECONDS * rate_hz), round(rate_hz / LOWEST_HZ)
    starts = np.flatnonzero(sounding) * (rate_hz // 50)
    starts = starts[starts + window + longest <= len(samples)]
    if not len(starts):
        return None
    starts = starts[np.linspace(0, len(starts) - 1, min(len(starts), _MOST_FRAMES)).round().astype(int)]
    frames = samples[starts[:, None] + np.arange(window + longest)]
    periods = _yin(frames - frames.mean(axis=1, keepdims=True), window, longest, rate_hz)
    voiced = rate_hz / periods[~np.isnan(periods)]
    if len(voiced) < _VOICED_SHARE * len(frames):
        return None
    pitch = float(np.median(voiced))
    near = (voiced < pitch * _STEADY_RATIO) & (voiced > pitch / _STEADY_RATIO)
    return pitch if near.mean() >= _STEADY_SHARE else None


def _yin(frames: Samples, window: int, longest: int, rate_hz: int) -> NDArray[np.float64]:
    """Period of each frame in samples, NaN where it has none: steps 1 to 5 of the paper.

    Args:
        frames: Shape (frames, window + longest).
        window: Samples that are compared.
        longest: Longest lag in samples.
        rate_hz: Sampling rate in hertz.
    """
    size = 1 << (window + longest - 1).bit_length()
    spectra = np.conj(np.fft.rfft(frames[:, :window], size)) * np.fft.rfft(frames, size)
    # a longer inverse transform gives the correlation between the lags too
    correlation = np.fft.irfft(spectra, size * _FINER)[:, : longest * _FINER] * np.float32(_FINER)
    energy = np.cumsum(np.square(frames), axis=1)
    energy = energy[:, window - 1 :] - np.pad(energy[:, :longest], ((0, 0), (1, 0)))
    # between two lags the energy of the shifted window hardly changes
    difference = energy[:, :1] + np.repeat(energy[:, :-1], _FINER, axis=1) - 2.0 * correlation
    lags = np.arange(longest * _FINER, dtype=np.float32)
    normalised = difference * lags / np.maximum(np.cumsum(difference, axis=1), np.float32(1e-12))
    normalised[:, : int(_FINER * rate_hz / HIGHEST_HZ)] = np.inf
    before, middle, after = normalised[:, :-2], normalised[:, 1:-1], normalised[:, 2:]
    bottom = (middle < _DIP) & (middle <= before) & (middle < after)
    first = bottom.argmax(axis=1)[:, None]
    # a parabola through the bottom of the first dip deep enough, and its neighbours
    left, low, right = (np.take_along_axis(side, first, axis=1)[:, 0] for side in (before, middle, after))
    with np.errstate(invalid="ignore", divide="ignore"):
        lag = first[:, 0] + 1 + 0.5 * (left - right) / (left - 2.0 * low + right)
    return np.where(bottom.any(axis=1), lag / _FINER, np.nan)


def _bandwidth_hz(samples: Samples, rate_hz: int) -> float | None:
    """By Parseval: two seconds at a time, without a window, so that each sample counts once; lines are 0.5 Hz apart."""
    offset = samples.mean(dtype=np.float64).astype(np.float32)  # rounded: of an offset alone exactly nothing is left
    block = 2 * rate_hz
    power = np.zeros(rate_hz + 1)
    for start in range(0, len(samples), block):
        power += np.square(np.abs(np.fft.rfft(samples[start : start + block] - offset, block)))
    power[1:-1] *= 2.0  # the negative frequencies; zero and the highest have none
    below = np.cumsum(power)
    if below[-1] == 0.0:
        return None
    return float(np.searchsorted(below, BANDWIDTH_SHARE * below[-1]) / 2)

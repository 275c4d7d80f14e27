"""Changes to sound that leave its meaning: crop, pad, level, colour, noise, speed, and mixing one sound into another.

All functions take and give float32 of shape (n,), 16 kHz, and draw chance from the generator they are given.
"""

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from core.types import SAMPLING_RATE_HZ

Samples = NDArray[np.float32]

LONGEST_SECONDS = 6.0
LEVELS_DB = (-35.0, -23.0)
"""Range of drawn levels, active RMS in dB of full scale: 6 dB either side of the middle."""
SPEEDS = (0.9, 1.1)
_FRAME = SAMPLING_RATE_HZ // 50
_FADE = SAMPLING_RATE_HZ // 200
_FFT_BLOCK = 4_000  # whole blocks keep the lengths of transforms free of large primes


def level_db(samples: Samples) -> float:
    """Active level: RMS in dB of full scale over the 20 ms frames that lie less than 10 dB under the mean power.

    The relative gate of ITU-R BS.1770-4, on short frames and without its ear weighting.
    """
    frames = samples[: max(len(samples) // _FRAME, 1) * _FRAME]
    power = np.mean(np.square(frames.reshape(-1, min(_FRAME, len(frames)))), axis=1)
    active = power[power >= power.mean() / 10.0]
    return float(10.0 * np.log10(active.mean() + 1e-12))


def at_level(samples: Samples, wanted_db: float) -> Samples:
    """Scaled to an active level, lower where the peak would pass full scale."""
    gain = 10.0 ** ((wanted_db - level_db(samples)) / 20.0)
    peak = float(np.abs(samples).max())
    assert peak > 0.0, "a silent recording cannot be levelled"
    return samples * np.float32(min(gain, 0.99 / peak))


def crop(samples: Samples, seconds: float, rng: np.random.Generator) -> Samples:
    """A window of `seconds` with short fades, at a drawn place; about the loudest sample where that place is silent."""
    wanted = round(seconds * SAMPLING_RATE_HZ)
    if len(samples) <= wanted:
        return samples
    loudest = min(max(int(np.abs(samples).argmax()) - wanted // 2, 0), len(samples) - wanted)
    starts = [*rng.integers(0, len(samples) - wanted + 1, size=3), loudest]
    energies = [float(np.square(samples[start : start + wanted]).sum()) for start in starts]
    start = next(start for start, energy in zip(starts, energies, strict=True) if energy >= 0.1 * max(energies))
    window = samples[start : start + wanted].copy()
    ramp = np.linspace(0.0, 1.0, min(_FADE, wanted), dtype=np.float32)
    window[: len(ramp)] *= ramp
    window[-len(ramp) :] *= ramp[::-1]
    return window


def pad(samples: Samples, seconds: float, rng: np.random.Generator) -> Samples:
    """Silence before and after, split by chance, up to `seconds`; longer clips stay as they are."""
    missing = round(seconds * SAMPLING_RATE_HZ) - len(samples)
    if missing <= 0:
        return samples
    before = int(rng.integers(missing + 1))
    return np.pad(samples, (before, missing - before))


def speed(samples: Samples, factor: float) -> Samples:
    """Played `factor` times as fast: length and pitch change together."""
    changed: Samples = soxr.resample(samples, SAMPLING_RATE_HZ * factor, SAMPLING_RATE_HZ, quality="LQ")
    return changed


def colour(samples: Samples, rng: np.random.Generator, low_pass_hz: float | None, swing_db: float) -> Samples:
    """A gentle equaliser: gains drawn within `swing_db` at octaves from 125 Hz, joined smoothly, and a low-pass."""
    length = -(-len(samples) // _FFT_BLOCK) * _FFT_BLOCK
    hz = np.fft.rfftfreq(length, 1.0 / SAMPLING_RATE_HZ)
    octaves = np.log2(np.maximum(hz, 60.0) / 125.0)
    gains_db = np.interp(octaves, np.arange(7), rng.uniform(-swing_db, swing_db, size=7))
    if low_pass_hz is not None:
        gains_db -= 48.0 * np.maximum(0.0, np.log2(np.maximum(hz, 1.0) / low_pass_hz))  # 48 dB an octave
    spectrum = np.fft.rfft(samples, length) * (10.0 ** (gains_db / 20.0)).astype(np.float32)
    shaped: Samples = np.fft.irfft(spectrum, length)[: len(samples)].astype(np.float32)
    return shaped


def noise(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """White, or falling (each sample leaning on the mean of its neighbours), `snr_db` under the active level."""
    hiss = rng.standard_normal(len(samples) + 8, dtype=np.float32)
    if rng.random() < 0.5:
        total = np.cumsum(hiss)
        hiss = (total[8:] - total[:-8]) / np.float32(8**0.5)
    else:
        hiss = hiss[8:]
    return samples + hiss * np.float32(10.0 ** ((level_db(samples) - snr_db) / 20.0))


def mix(background: Samples, event: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """The event somewhere within the background, its active level `snr_db` over the background's."""
    event = crop(event, 0.8 * len(background) / SAMPLING_RATE_HZ, rng)
    gain = 10.0 ** ((level_db(background) + snr_db - level_db(event)) / 20.0)
    mixture = background.copy()
    start = int(rng.integers(len(background) - len(event) + 1))
    mixture[start : start + len(event)] += event * np.float32(gain)
    return mixture


@dataclass(frozen=True)
class Conditions:
    """What the clips of one question have in common, so that it tells nothing.

    Attributes:
        seconds: One length for all clips, or None where each keeps its own up to `LONGEST_SECONDS`.
        whole: Pad only, do not crop (words would be lost), but for recordings over `LONGEST_SECONDS`.
        low_pass_hz: A telephone's band for all clips, or None.
        speeds: Whether the speed may vary (never for pitch and voices).
        swing_db: Of the equaliser, 0 for none.
    """

    seconds: float | None = None
    whole: bool = False
    low_pass_hz: float | None = None
    speeds: bool = True
    swing_db: float = 4.0


def drawn_conditions(
    rng: np.random.Generator, seconds: float | None = None, whole: bool = False, speeds: bool = True
) -> Conditions:
    """Conditions of one question: a telephone's band in one of seven, an equaliser in half of them."""
    low_pass_hz = 3_600.0 if rng.random() < 0.15 else None
    return Conditions(seconds, whole, low_pass_hz, speeds, 4.0 if rng.random() < 0.5 else 0.0)


def treat(
    samples: Samples, rng: np.random.Generator, conditions: Conditions, wanted_db: float | None = None
) -> Samples:
    """One clip of a question: cropped or padded, coloured, in noise, at a drawn level (or at `wanted_db`).

    Returns:
        float32 of shape (n,), within -1..1, never silent.
    """
    if conditions.speeds and rng.random() < 0.4:
        samples = speed(samples, float(rng.uniform(*SPEEDS)))
    longest = LONGEST_SECONDS / SPEEDS[0] if conditions.whole else conditions.seconds or LONGEST_SECONDS
    samples = crop(samples, longest, rng)
    if conditions.seconds is not None:
        samples = pad(samples, conditions.seconds, rng)
    if conditions.swing_db or conditions.low_pass_hz:
        samples = colour(samples, rng, conditions.low_pass_hz, conditions.swing_db)
    if rng.random() < 0.5:
        samples = noise(samples, float(rng.uniform(15.0, 40.0)), rng)
    return at_level(samples, float(rng.uniform(*LEVELS_DB)) if wanted_db is None else wanted_db)

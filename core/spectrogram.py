"""A clip's spectrogram, small enough to draw: level by time and frequency. Numpy only, a cell of time after another."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from core.types import SAMPLING_RATE_HZ

FLOOR_DB = -80.0
"""What lies further below the loudest cell counts as this."""

MOST_TIMES, MOST_BANDS = 240, 64

WINDOW, HOP = 1024, 256
"""In samples: 64 ms tell the harmonics of a voice apart, every 16 ms."""

LOWEST_HZ, HIGHEST_HZ = 20.0, SAMPLING_RATE_HZ / 2
"""The lowest is what people hear, and beyond the reach of a constant offset, which a Hann window spreads to 16 Hz."""


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """Levels over time and frequency.

    Attributes:
        level_db: In dB relative to the loudest cell, `FLOOR_DB` to 0, shape (bands, times); silence is `FLOOR_DB`
            throughout.
        edges_seconds: Where each cell begins and the last one ends, shape (times + 1,).
        edges_hz: The same for the bands, from low to high, shape (bands + 1,).
    """

    level_db: NDArray[np.float32]
    edges_seconds: NDArray[np.float64]
    edges_hz: NDArray[np.float64]


def spectrogram_db(samples: NDArray[np.float32], most_times: int = MOST_TIMES, bands: int = MOST_BANDS) -> Spectrogram:
    """The spectrogram of a clip; a cell has the largest level within it, so that a click is not averaged away.

    The bands are equally wide in mel: a linear axis would give three quarters of the picture to what lies above 2 kHz,
    while voices, notes and most of what tells sounds apart lie below. The levels are those of
    `scipy.signal.spectrogram` with a periodic Hann window, without detrending, each frame centred on its hop.

    Args:
        samples: Mono float32 at 16 kHz of shape (n,), n > 0.
        most_times: Cells along time, at most `MOST_TIMES`; a short clip has one for each hop.
        bands: Cells along frequency, at most `MOST_BANDS`: a finer band would hold no line of the transform.
    """
    assert samples.ndim == 1 and len(samples), "a clip is mono and has samples"
    assert 1 <= most_times <= MOST_TIMES and 1 <= bands <= MOST_BANDS
    frames = -(-len(samples) // HOP)
    times = min(most_times, frames)
    first_frames = np.arange(times + 1) * frames // times
    edges_hz = _mel_edges_hz(bands)
    lines = np.searchsorted(np.fft.rfftfreq(WINDOW, 1.0 / SAMPLING_RATE_HZ), edges_hz[:-1])
    window = np.hanning(WINDOW + 1)[:-1]
    power = np.empty((bands, times))
    for place in range(times):
        heard = _frames(samples, int(first_frames[place]), int(first_frames[place + 1])) * window
        loudest = np.square(np.abs(np.fft.rfft(heard))).max(axis=0)
        power[:, place] = np.maximum.reduceat(loudest, lines)
    return Spectrogram(
        level_db=_relative_db(power),
        edges_seconds=np.minimum(first_frames * HOP, len(samples)) / SAMPLING_RATE_HZ,
        edges_hz=edges_hz,
    )


def _frames(samples: NDArray[np.float32], first: int, stop: int) -> NDArray[np.float32]:
    """Frames `first` to `stop`, each around the middle of its hop, with silence around the clip: (frames, WINDOW)."""
    start = first * HOP - (WINDOW - HOP) // 2
    end = start + (stop - first - 1) * HOP + WINDOW
    around = (max(-start, 0), max(end - len(samples), 0))
    return sliding_window_view(np.pad(samples[max(start, 0) : end], around), WINDOW)[::HOP]


def _mel_edges_hz(bands: int) -> NDArray[np.float64]:
    """Edges of bands equally wide in mel (O'Shaughnessy's formula, as in HTK)."""
    lowest, highest = (np.log1p(hz / 700.0) for hz in (LOWEST_HZ, HIGHEST_HZ))
    return np.asarray(700.0 * np.expm1(np.linspace(lowest, highest, bands + 1)))


def _relative_db(power: NDArray[np.float64]) -> NDArray[np.float32]:
    loudest = float(power.max())
    if loudest == 0.0:
        return np.full(power.shape, FLOOR_DB, np.float32)
    shares = np.maximum(power / loudest, 10.0 ** (FLOOR_DB / 10.0))
    return np.asarray(10.0 * np.log10(shares), np.float32)

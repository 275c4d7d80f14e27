"""Changes to sound that leave its meaning: crop, pad, level, colour, room, codec, noise, speed, and mixing two sounds.

All functions take and give float32 of shape (n,), 16 kHz, and draw chance from the generator they are given.
"""

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from core.types import SAMPLING_RATE_HZ

Samples = NDArray[np.float32]

LONGEST_SECONDS = 6.0
LEVELS_DB = (-35.0, -23.0)
"""Range of drawn levels, active RMS in dB of full scale: 6 dB either side of the middle."""
SPEEDS = (0.9, 1.1)
RT60_SECONDS = (0.1, 0.6)
DIRECT_DB = (-3.0, 10.0)
"""Range of energies of the direct path over that of the tail: from across a room to near the microphone."""
Codec = Literal["mu_law", "vorbis", "mp3"]
CODEC_WEIGHTS: dict[Codec, float] = {"mu_law": 0.5, "vorbis": 0.3, "mp3": 0.2}
"""How often each is drawn: the dear ones seldom. A clip of 1.7 s takes mu-law 0.3, Vorbis 3, MP3 6 ms on one core."""
_CONTAINERS: dict[Codec, tuple[str, str, float | None]] = {
    "mu_law": ("WAV", "ULAW", None),
    "vorbis": ("OGG", "VORBIS", 1.0),  # the strongest compression: about 47 kbit/s
    "mp3": ("MP3", "MPEG_LAYER_III", 0.9),  # about 28 kbit/s; libsndfile refuses 1.0 at 16 kHz
}
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


@dataclass(frozen=True)
class Room:
    """An imagined room: a direct path, then a tail of noise that decays exponentially (Moorer 1979).

    Attributes:
        rt60_seconds: Until the tail has fallen by 60 dB.
        direct_db: Energy of the direct path over that of the tail.
        seed: Of the tail: clips of one room share it.
    """

    rt60_seconds: float
    direct_db: float
    seed: int

    def response(self) -> Samples:
        """The impulse response, of unit energy, the direct path first."""
        count = round(self.rt60_seconds * SAMPLING_RATE_HZ)
        tail = np.random.default_rng(self.seed).standard_normal(count, dtype=np.float32)
        tail *= np.power(np.float32(10.0), np.linspace(0.0, -3.0, count, dtype=np.float32))
        tail *= np.float32(10.0 ** (-self.direct_db / 20.0)) / np.sqrt(np.square(tail).sum())
        response = np.concatenate([np.ones(1, np.float32), tail])
        unit: Samples = response / np.sqrt(np.square(response).sum())
        return unit


def reverb(samples: Samples, room: Room) -> Samples:
    """Heard in a room, without delay and at the power it had; what rings on beyond the end is cut off."""
    response = room.response()
    length = -(-(len(samples) + len(response) - 1) // _FFT_BLOCK) * _FFT_BLOCK
    wet = np.fft.irfft(np.fft.rfft(samples, length) * np.fft.rfft(response, length), length)[: len(samples)]
    levelled: Samples = (wet * np.sqrt(np.square(samples).sum() / np.square(wet).sum())).astype(np.float32)
    return levelled


def coded(samples: Samples, codec: Codec) -> Samples:
    """There and back through a lossy codec, from samples within -1..1; a sound it makes silent is left as it was."""
    container, coding, level = _CONTAINERS[codec]
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLING_RATE_HZ, format=container, subtype=coding, compression_level=level)
    file.seek(0)
    decoded: Samples = soundfile.read(file, dtype="float32")[0][: len(samples)]
    return np.pad(decoded, (0, len(samples) - len(decoded))) if decoded.any() else samples


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
        room: Where all clips sound, or None.
        codec: What all clips went through, or None.
        noises: Whether each clip may be in noise.
    """

    seconds: float | None = None
    whole: bool = False
    low_pass_hz: float | None = None
    speeds: bool = True
    swing_db: float = 4.0
    room: Room | None = None
    codec: Codec | None = None
    noises: bool = True


def drawn_conditions(
    rng: np.random.Generator,
    seconds: float | None = None,
    whole: bool = False,
    speeds: bool = True,
    augment: bool = True,
) -> Conditions:
    """Conditions of one question: an equaliser in half, a room in 20 %, a telephone's band in 15 %, a codec in 10 %.

    Without `augment` the recordings stay as they are but for their level and what `seconds` and `whole` ask for.
    """
    if not augment:
        return Conditions(seconds, whole, None, speeds=False, swing_db=0.0, noises=False)
    low_pass_hz = 3_600.0 if rng.random() < 0.15 else None
    swing_db = 4.0 if rng.random() < 0.5 else 0.0
    return Conditions(seconds, whole, low_pass_hz, speeds, swing_db, _drawn_room(rng), _drawn_codec(rng))


def _drawn_room(rng: np.random.Generator) -> Room | None:
    room = Room(float(rng.uniform(*RT60_SECONDS)), float(rng.uniform(*DIRECT_DB)), int(rng.integers(2**31)))
    return room if rng.random() < 0.2 else None


def _drawn_codec(rng: np.random.Generator) -> Codec | None:
    codecs, weights = list(CODEC_WEIGHTS), list(CODEC_WEIGHTS.values())
    return codecs[int(rng.choice(len(codecs), p=weights))] if rng.random() < 0.1 else None


def treat(
    samples: Samples, rng: np.random.Generator, conditions: Conditions, wanted_db: float | None = None
) -> Samples:
    """One clip of a question: cropped or padded, in its room, coloured, in noise, coded, at a drawn or a wanted level.

    Returns:
        float32 of shape (n,), within -1..1, never silent.
    """
    if conditions.speeds and rng.random() < 0.4:
        samples = speed(samples, float(rng.uniform(*SPEEDS)))
    longest = LONGEST_SECONDS / SPEEDS[0] if conditions.whole else conditions.seconds or LONGEST_SECONDS
    samples = crop(samples, longest, rng)
    if conditions.seconds is not None:
        samples = pad(samples, conditions.seconds, rng)
    if conditions.room is not None:
        samples = reverb(samples, conditions.room)
    if conditions.swing_db or conditions.low_pass_hz:
        samples = colour(samples, rng, conditions.low_pass_hz, conditions.swing_db)
    if conditions.noises and rng.random() < 0.5:
        samples = noise(samples, float(rng.uniform(15.0, 40.0)), rng)
    wanted_db = float(rng.uniform(*LEVELS_DB)) if wanted_db is None else wanted_db
    samples = at_level(samples, wanted_db)
    return samples if conditions.codec is None else at_level(coded(samples, conditions.codec), wanted_db)

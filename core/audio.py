"""One file to one `Clip`: decoded block by block, mixed to mono, brought to 16 kHz.

libsndfile (soundfile) reads wav, flac, ogg, opus, mp3 and aiff; FFmpeg's libraries (PyAV) read what it cannot: m4a,
aac, webm, and the sound of a video. What a header says of the length is not believed: every limit holds on decoded
samples, while they are decoded. Knows no model and no screen.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from core.errors import AudioError
from core.files import write_whole
from core.texts import one_line
from core.types import SAMPLING_RATE_HZ, Clip

SUFFIXES = (
    *(".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff"),
    *(".m4a", ".aac", ".mp4", ".mov", ".webm", ".mkv"),
)
"""Endings to offer in a file dialogue. The content decides how a file is read, never its name."""

SILENCE_DB = -80.0
"""A clip whose loudest sample is below this, in dB of full scale, is called silent: 16-bit noise lies near -90 dB."""

LABEL_LENGTH = 60
"""Longest label, in characters."""

BLOCK_SAMPLES = 65_536
"""Samples decoded at a time, all channels together: a header may claim a thousand channels."""

PACKET_SAMPLES = 2**20
"""The most samples FFmpeg may unfold from one packet, all channels together; FLAC's largest have half as many."""

CONTAINERS = "mov,mp4,matroska,webm,aac,ogg,mp3,wav,flac,aiff,caf,asf,avi,mpegts"
"""What FFmpeg may open. Playlists (hls, concat) are left out: they would open other files and addresses."""


def _sound_decoders() -> Iterator[str]:
    for name in sorted(av.codecs_available):
        with suppress(av.codec.codec.UnknownCodecError):  # it only encodes
            if av.Codec(name, "r").type == "audio":
                yield name


DECODERS = ",".join(_sound_decoders())
"""What FFmpeg may decode: sound. It would unfold a cover picture of a gigabyte only to learn its colours."""

GARBAGE = 2.0**32
"""Integers written as floats reach 2^31; a sample beyond this, or NaN, is no sound."""

ADVICE = "drop a wav, flac, mp3, ogg, m4a or webm file, or export it again from the program that made it."

Block = tuple[int, NDArray[np.float32]]
"""Sampling rate in hertz, and samples of shape (frames, channels)."""


@dataclass(frozen=True)
class Limits:
    """What a file may be. A clip outside is refused with a sentence; nothing is cut in silence.

    Attributes:
        min_seconds: Shortest clip.
        max_seconds: Longest clip; decoding stops there.
        max_bytes: Largest file.
        max_channels: Most channels that are mixed to mono.
        min_hz: Lowest sampling rate of a file.
        max_hz: Highest sampling rate of a file.
    """

    min_seconds: float = 0.05
    max_seconds: float = 600.0
    max_bytes: int = 200_000_000
    max_channels: int = 32
    min_hz: int = 2_000
    max_hz: int = 384_000

    def up_to(self, seconds: float) -> "Limits":
        """The same for a model that hears no clip longer than this."""
        return replace(self, max_seconds=min(self.max_seconds, seconds))


def read_clip(path: Path, label: str | None = None, limits: Limits = Limits()) -> Clip:
    """Reads any sound file as a clip.

    Channels are averaged; soxr ("HQ") resamples. A clip that goes past full scale is scaled down to it, so that floats
    written as integers and overshoot of lossy codecs keep their shape.

    Args:
        path: The file; its content decides the format.
        label: Name to show; the file's name without its folder where None.
        limits: What is accepted.

    Returns:
        float32 samples of shape (n,) at 16 kHz within -1..1.

    Raises:
        AudioError: The file is missing, empty, damaged, silent, no sound or over a limit; the sentence says which.
    """
    name = clean_label(path.name if label is None else label)
    with _opened(path, name, limits) as file:
        return _mono(_blocks(file, name), name, limits)


def clean_label(name: str) -> str:
    """A name that can be shown in one line of at most `LABEL_LENGTH` characters (`core.texts.one_line`)."""
    return one_line(name, LABEL_LENGTH) or "clip"


def level_envelope(clip: Clip, bins: int) -> tuple[float, ...]:
    """Peak level in each of `bins` equal stretches of the clip, 0..1, for a small waveform; its maximum is the peak.

    Where the clip has fewer samples than bins, neighbours share a sample.
    """
    assert bins > 0
    if len(clip.samples) == 0:
        return (0.0,) * bins
    starts = np.arange(bins) * len(clip.samples) // bins
    return tuple(float(peak) for peak in np.maximum.reduceat(np.abs(clip.samples), starts))


def cut(clip: Clip, start_seconds: float, stop_seconds: float, limits: Limits = Limits()) -> Clip:
    """The part of a clip between two moments, to the nearest sample; moments outside the clip count as its ends.

    Raises:
        AudioError: The part would not be accepted as a clip: it is too short, or silent throughout.
    """
    first, last = (
        round(min(max(seconds, 0.0), clip.seconds) * SAMPLING_RATE_HZ) for seconds in (start_seconds, stop_seconds)
    )
    shortest_ms = limits.min_seconds * 1000
    if last - first < limits.min_seconds * SAMPLING_RATE_HZ:
        advice = f"let the end be at least {shortest_ms:.0f} ms after the start."
        raise AudioError(clip.label, f"so little of it cannot be heard: {advice}")
    samples = clip.samples[first:last]
    if float(np.abs(samples).max()) < 10.0 ** (SILENCE_DB / 20.0):
        raise AudioError(clip.label, f"this part is silent (below {SILENCE_DB:g} dB throughout): choose another.")
    return Clip(samples, clip.label, clip.source_hz)


def write_wav(clip: Clip, path: Path) -> None:
    """What the model hears of a clip as a file that every browser plays: 16 kHz mono, 16 bits.

    Raises:
        AudioError: The file cannot be written.
    """
    file = BytesIO()
    soundfile.write(file, clip.samples, SAMPLING_RATE_HZ, subtype="PCM_16", format="WAV")
    try:
        write_whole(path, file.getvalue())
    except OSError:
        advice = "make room on the disk, or drop the clip again."
        raise AudioError(clip.label, f"a file of this part cannot be written: {advice}") from None


@contextmanager
def _opened(path: Path, name: str, limits: Limits) -> Iterator[BinaryIO]:
    """The file, after what can be told without decoding: it exists, and its size is within the limits."""
    try:
        if not path.is_file():
            raise AudioError(name, "there is no such file any more: drop it again.")
        size = path.stat().st_size
        file = path.open("rb")
    except OSError as error:
        raise AudioError(
            name, f"it cannot be opened ({error.strerror}): check its permissions and drop it again."
        ) from None
    with file:
        if size == 0:
            raise AudioError(name, "the file is empty: record or export it again.")
        if size > limits.max_bytes:
            limit = f"{limits.max_bytes / 1e6:.0f} MB"
            raise AudioError(
                name, f"the file has {size / 1e6:.0f} MB, more than {limit}: cut out the part that matters."
            )
        yield file


class _Streamed(soundfile.SoundFile):  # type: ignore[misc]
    """Reads straight on. Seeking after each block trusts the length in the header, and fails on some opus files."""

    def seekable(self) -> bool:
        return False


def _blocks(file: BinaryIO, name: str) -> Iterator[Block]:
    """Decoded blocks: libsndfile where it knows the format, else FFmpeg."""
    try:
        # A descriptor has no name: soundfile would read a file called x.raw as headerless.
        sound = _Streamed(file.fileno(), closefd=False)
    except soundfile.LibsndfileError:
        file.seek(0)
        yield from _ffmpeg_blocks(file, name)
        return
    with sound:
        try:
            frames = BLOCK_SAMPLES // sound.channels  # libsndfile opens no more than 1024
            while len(block := sound.read(frames, dtype="float32", always_2d=True)):
                yield sound.samplerate, block
        except soundfile.LibsndfileError:
            raise AudioError(name, f"the file is damaged and breaks off in the middle: {ADVICE}") from None


def _ffmpeg_blocks(file: BinaryIO, name: str) -> Iterator[Block]:
    """The first sound track of a container."""
    unreadable = f"no sound can be read from it, it is damaged or not a sound file: {ADVICE}"
    bounded = {"max_samples": str(PACKET_SAMPLES)}
    options = {"format_whitelist": CONTAINERS, "codec_whitelist": DECODERS, **bounded}
    try:
        with av.open(file, "r", options=options, metadata_errors="replace") as container:
            if not container.streams.audio:
                if not container.streams.video:
                    raise AudioError(name, unreadable)
                raise AudioError(name, "there is no sound in this file, only pictures: drop one that has sound.")
            decoder = container.streams.audio[0].codec_context
            if decoder is None:
                # an unknown codec: PyAV would crash the process in `decode`
                raise AudioError(name, f"its sound is written in a way that cannot be read here: {ADVICE}")
            decoder.options = bounded
            # Converts the sample format only, soxr does the rate. Packed: PyAV reads planes beyond the eighth amiss.
            packed = av.AudioResampler(format="flt")
            for frame in container.decode(audio=0):
                for converted in packed.resample(frame):
                    samples = np.asarray(converted.to_ndarray(), np.float32)
                    yield converted.sample_rate, samples.reshape(-1, converted.layout.nb_channels)
    except (av.FFmpegError, OSError, ValueError):
        # OSError: the file's own, where a header sends FFmpeg to a place before its start
        # ValueError: PyAV's own, where rate or channels change in the middle
        raise AudioError(name, unreadable) from None


def _mono(blocks: Iterator[Block], name: str, limits: Limits) -> Clip:
    """Blocks of one rate to a clip; limits hold block by block."""
    source_hz, frames, source_peak = 0, 0, 0.0
    stream: soxr.ResampleStream | None = None
    pieces = []
    for hz, block in blocks:
        if stream is None:
            _check_form(hz, block.shape[1], name, limits)
            source_hz, stream = hz, soxr.ResampleStream(hz, SAMPLING_RATE_HZ, 1, dtype="float32")
        if hz != source_hz:
            raise AudioError(name, "its sampling rate changes in the middle: export it again with one rate.")
        frames += len(block)
        if frames / hz > limits.max_seconds:
            raise AudioError(name, f"it is longer than {limits.max_seconds:g} s: cut out the part that matters.")
        peak = float(np.abs(block).max(initial=0.0))
        if not peak < GARBAGE:  # NaN compares false
            raise AudioError(name, "it holds broken samples (not numbers, or infinite): export it again as 16-bit wav.")
        source_peak = max(source_peak, peak)
        pieces.append(stream.resample_chunk(block.mean(axis=1)))
    if stream is None or frames == 0:
        raise AudioError(name, "there is not one sample of sound in it: record or export it again.")
    seconds = frames / source_hz
    if seconds < limits.min_seconds:
        raise AudioError(
            name, f"it lasts only {seconds * 1000:.0f} ms: give at least {limits.min_seconds * 1000:.0f} ms."
        )
    pieces.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    samples = np.concatenate(pieces)
    _check_level(samples, source_peak, name)
    samples /= max(float(np.abs(samples).max()), 1.0)
    return Clip(samples, name, source_hz)


def _check_form(hz: int, channels: int, name: str, limits: Limits) -> None:
    if not limits.min_hz <= hz <= limits.max_hz:
        advice = f"export it with a rate from {limits.min_hz} to {limits.max_hz} Hz."
        raise AudioError(name, f"its sampling rate is given as {hz} Hz: {advice}")
    if channels > limits.max_channels:
        advice = f"export at most {limits.max_channels}, one is enough."
        raise AudioError(name, f"it has {channels} channels: {advice}")


def _check_level(samples: NDArray[np.float32], source_peak: float, name: str) -> None:
    silence = 10.0 ** (SILENCE_DB / 20.0)
    if source_peak < silence:
        raise AudioError(
            name, f"it is silent (below {SILENCE_DB:g} dB throughout): check the microphone, record again."
        )
    if float(np.abs(samples).max()) < silence:
        # opposite channels, or only ultrasound
        advice = "export a single channel, at 16 kHz or more."
        raise AudioError(name, f"nothing is left of its sound in mono below {SAMPLING_RATE_HZ // 2000} kHz: {advice}")

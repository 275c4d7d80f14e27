"""Sound files as bytes, good ones and such as no program writes, for `tests/bad_files.py`."""

import io
import struct
import zlib
from fractions import Fraction

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from tests.conftest import sine

LIBSNDFILE = {
    "wav": {"format": "WAV"},
    "flac": {"format": "FLAC"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3"},
    "aiff": {"format": "AIFF"},
    "au": {"format": "AU"},
    "caf": {"format": "CAF"},
    "w64": {"format": "W64"},
    "rf64": {"format": "RF64"},
}
FFMPEG = {"m4a": ("mp4", "aac"), "webm": ("webm", "libopus"), "mkv": ("matroska", "flac"), "mov": ("mov", "alac")}


def encoded(samples: NDArray[np.float32], rate_hz: int = 16_000, **options: str) -> bytes:
    """A file written by libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **options)
    return file.getvalue()


def muxed(container: str, codec: str, samples: NDArray[np.float32], pictures: bool = False, tracks: int = 1) -> bytes:
    """A file written by FFmpeg at 48 kHz, on demand with pictures or without a sound track."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        sounds = [out.add_stream(codec, rate=48_000, layout="mono") for _ in range(tracks)]
        if pictures:
            video = out.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 99, np.uint8), format="rgb24")
            out.mux([*video.encode(picture), *video.encode(None)])
        for sound in sounds:
            frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
            out.mux([*sound.encode(frame), *sound.encode(None)])
    return file.getvalue()


def silent_packets(container: str, seconds: int) -> bytes:
    """Opus packets of two bytes, each six empty frames: 120 ms of silence."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream("libopus", rate=48_000, layout="mono")
        out.mux(stream.encode(None))
        for number in range(seconds * 1000 // 120):
            packet = av.Packet(b"\xfb\x06")
            packet.stream, packet.time_base = stream, Fraction(1, 48_000)
            packet.pts = packet.dts = number * 5760
            packet.duration = 5760
            out.mux(packet)
    return file.getvalue()


def wav(
    rate_hz: int = 16_000,
    channels: int = 1,
    bits: int = 16,
    tag: int = 1,
    claimed: int | None = None,
    data: bytes = b"",
) -> bytes:
    """A wav whose header says what it is told to."""
    align = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * align % 2**32, align % 2**16, bits)
    size = len(data) if claimed is None else claimed
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", min(size + 36, 2**32 - 1)) + body


def one_packet(samples: int) -> bytes:
    """A matroska file whose whole sound, 8 bits at 8 kHz, is one packet."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream("pcm_u8", rate=8_000, layout="mono")
        out.mux(stream.encode(None))
        packet = av.Packet(b"\x80\x90" * (samples // 2))
        packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 8_000), 0, 0
        out.mux(packet)
    return file.getvalue()


def greedy_alac(mov: bytes) -> bytes:
    """The alac with a header that claims 16 million samples in each packet."""
    place = mov.rindex(b"alac") + 8
    return mov[:place] + struct.pack(">I", 4096 * 4096) + mov[place + 4 :]


def png(side: int) -> bytes:
    """A grey picture of `side` by `side` pixels: a few hundred kB that unfold to `side` squared bytes."""
    packed = zlib.compressobj(9)
    rows = b"".join(packed.compress(b"\0" * (side + 1)) for _ in range(side)) + packed.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of an mp4."""
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def with_cover(m4a: bytes, picture: bytes) -> bytes:
    """The m4a with a cover picture in a second `moov`-level list of tags."""
    start = m4a.index(b"moov") - 4
    size = struct.unpack(">I", m4a[start : start + 4])[0]
    handler = box(b"hdlr", b"\0" * 8 + b"mdirappl" + b"\0" * 10)
    cover = box(b"ilst", box(b"covr", box(b"data", struct.pack(">II", 14, 0), picture)))
    tags = box(b"udta", box(b"meta", b"\0" * 4, handler, cover))
    assert m4a.rindex(b"mdat") < start, "the sound lies before: its offsets stay"
    return m4a[:start] + struct.pack(">I", size + len(tags)) + m4a[start + 4 : start + size] + tags


def sources() -> dict[str, bytes]:
    """A short tone in each format."""
    tone = {ending: encoded(sine(seconds=0.3), **options) for ending, options in LIBSNDFILE.items()}
    film = sine(seconds=0.3, rate_hz=48_000)
    tone |= {ending: muxed(*format_, film) for ending, format_ in FFMPEG.items()}
    return tone | {"mp4": muxed("mp4", "aac", film, pictures=True), "aac": muxed("adts", "aac", film)}

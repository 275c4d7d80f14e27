"""Malformed and hostile sound files, made in code from a seed: `write_all(folder, seed)`.

Each is damage to a short tone, a header that lies, sound nobody can use, no sound at all, a hostile name, or something
that is no plain file. Nothing here says what should become of them: `tests/test_bad_files.py` does.
"""

import io
import os
import random
import socket
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from tests.bad_formats import encoded, greedy_alac, muxed, one_packet, png, silent_packets, sources, wav, with_cover
from tests.conftest import sine

Made = tuple[str, str, bytes]
"""Kind, file name, content."""

HOUR_SECONDS = 3600
MAGIC = (
    *(b"RIFF\xff\xff\xff\xffWAVEfmt ", b"RF64\xff\xff\xff\xffWAVEds64", b"fLaC\0\0\0\x22"),
    *(b"OggS\0\x02" + b"\0" * 20 + b"\x01\x1e\x01vorbis", b"OggS\0\x02" + b"\0" * 20 + b"\x01\x13OpusHead\x01\xff"),
    *(b"\xff\xfb\x90\x00", b"\xff\xf1\x50\x80", b"ID3\x04\0\0\x7f\x7f\x7f\x7f"),
    *(b"FORM\x7f\xff\xff\xffAIFFCOMM", b"caff\0\x01\0\0desc", b".snd\0\0\0\x18", b"riff.\x91\xcf\x11"),
    *(b"\0\0\0\x20ftypM4A \0\0\0\0", b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", b"G@\0\x10\0"),
    *(b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa\0b\xcel", b"MATLAB 5.0 MAT-file", b"Creative Voice File\x1a\x1a\0", b" paf"),
)
"""How files of each format begin, with lengths that lie where there are any."""


def damaged(tone: dict[str, bytes], chance: random.Random) -> Iterator[Made]:
    """Cut short, bits turned over, a stretch zeroed, the head off, twice in a row, two formats in one file."""
    for ending, whole in tone.items():
        for number in range(6):
            yield "truncated", f"cut{number}.{ending}", whole[: chance.randrange(1, len(whole))]
        for number in range(12):
            content = bytearray(whole)
            reach = min(len(content), 200) if number % 2 else len(content)  # headers sit at the start
            for _ in range(chance.randint(1, 12)):
                content[chance.randrange(reach)] ^= 1 << chance.randrange(8)
            yield "bits flipped", f"flipped{number}.{ending}", bytes(content)
        start, length = chance.randrange(len(whole)), chance.randrange(1, 400)
        yield "zeroed stretch", f"zeroed.{ending}", whole[:start] + bytes(length) + whole[start + length :]
        yield "headless", f"headless.{ending}", whole[chance.randrange(4, 64) :]
        yield "doubled", f"doubled.{ending}", whole + whole
        other = tone[chance.choice(sorted(tone))]
        yield "spliced", f"spliced.{ending}", whole[: len(whole) // 2] + other[len(other) // 2 :]


def lying_headers(tone: dict[str, bytes]) -> Iterator[Made]:
    """Headers that claim what cannot be."""
    data = (sine(seconds=0.3) * 32767).astype("<i2").tobytes()
    for rate_hz in (0, 1, 1_999, 384_001, 10**9, 2**31, 2**32 - 1):
        yield "rate", f"{rate_hz}hz.wav", wav(rate_hz, data=data)
        yield "rate", f"{rate_hz}hz.au", struct.pack(">4sIIIII", b".snd", 24, len(data), 3, rate_hz, 1) + data
    for channels in (0, 9, 32, 33, 255, 1_024, 1_025, 65_535):
        yield "channels", f"{channels}channels.wav", wav(channels=channels, data=data * 20)
        yield "channels", f"{channels}c.au", struct.pack(">4sIIIII", b".snd", 24, len(data), 3, 16_000, channels) + data
    for bits in (0, 1, 7, 12, 64, 65_535):
        yield "bits", f"{bits}bits.wav", wav(bits=bits, data=data)
    for tag in (0, 2, 3, 6, 0x11, 0x31, 0x50, 0x55, 0x161, 0x162, 0xFF, 0xF1AC, 0xFFFE, 0xFFFF):
        yield "codec", f"tag{tag}.wav", wav(tag=tag, data=data)
    for claimed in (0, 1, 10**9, 2**31, 2**32 - 1):
        yield "claimed size", f"{claimed}bytes.wav", wav(claimed=claimed, data=data)
    sizes = b"ds64" + struct.pack("<IQQQI", 28, 10**10, 10**10, 5 * 10**9, 0)
    yield "claimed size", "10gb.rf64", b"RF64\xff\xff\xff\xffWAVE" + sizes + wav(claimed=2**32 - 1, data=data)[12:]
    for place in range(8, 26):  # the fields of STREAMINFO
        yield "flac header", f"info{place}.flac", tone["flac"][:place] + b"\xff" + tone["flac"][place + 1 :]
    for field in (b"stsz", b"stco", b"stsc", b"stts", b"mdhd", b"stsd", b"esds", b"moov", b"mdat", b"trak"):
        for value in (b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff"):
            place = tone["m4a"].index(field)
            name = f"{field.decode()}{value[0]}{value[3]}.m4a"
            yield "m4a table", name, tone["m4a"][: place - 4] + value + tone["m4a"][place:]
            yield "m4a table", f"in-{name}", tone["m4a"][: place + 8] + value * 2 + tone["m4a"][place + 16 :]


def unusable_sound() -> Iterator[Made]:
    """Samples that are no sound, or nearly none."""
    broken = (np.nan, np.inf, -np.inf, 1e38, 1e-40, 2.0**31, 2.0**33)
    for ending in ("wav", "aiff", "au", "caf"):
        for value in broken:
            samples = np.append(sine(), np.float32(value))
            yield "broken samples", f"{value}.{ending}", encoded(samples, format=ending.upper(), subtype="FLOAT")
        huge = np.append(sine().astype(np.float64), 1e300)
        yield "broken samples", f"1e300.{ending}", encoded(huge, format=ending.upper(), subtype="DOUBLE")
        yield "broken samples", f"all-nan.{ending}", encoded(sine() * np.nan, format=ending.upper(), subtype="FLOAT")
    levels = {"dc": np.full(9_000, 0.5), "full": np.ones(9_000), "clipped": np.clip(sine() * 90, -1, 1)}
    for name, samples in levels.items():
        yield "level", f"{name}.wav", encoded(samples, format="WAV")
        yield "level", f"{name}.flac", encoded(samples, format="FLAC")
    for count in (0, 1, 2, 799, 800, 801):
        yield "few samples", f"{count}.wav", encoded(np.full(count, 0.5), format="WAV")
        yield "few samples", f"{count}.flac", encoded(np.full(count, 0.5), format="FLAC")
        yield "few samples", f"{count}.ogg", encoded(np.full(count, 0.5), format="OGG")


def long_silence() -> Iterator[Made]:
    """An hour in a few kB: frames of silence, again and again."""
    quiet = np.zeros(8_000 * HOUR_SECONDS, np.int16)
    yield "hour of silence", "hour.flac", encoded(quiet, 8_000, format="FLAC")
    yield "hour of silence", "hour.opus", silent_packets("ogg", HOUR_SECONDS)
    yield "hour of silence", "hour.webm", silent_packets("webm", HOUR_SECONDS)
    second = encoded(np.zeros(8_000, np.float32), 8_000, format="MP3")
    yield "hour of silence", "hour.mp3", second * HOUR_SECONDS
    yield "hour of silence", "hour.aac", muxed("adts", "aac", np.zeros(48_000, np.float32)) * HOUR_SECONDS
    ogg = io.BytesIO()
    with soundfile.SoundFile(ogg, "w", 8_000, 1, format="OGG") as sound:
        for _ in range(HOUR_SECONDS):  # all at once overflows the stack of libsndfile 1.2.2
            sound.write(np.zeros(8_000, np.float32))
    yield "hour of silence", "hour.ogg", ogg.getvalue()


def no_sound(chance: random.Random) -> Iterator[Made]:
    """Texts, pictures, archives, programs, playlists, and bytes that only begin like a sound."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bomb.wav", b"\0" * 10**6)
    texts = {
        "text": b"minutes of the meeting\n" * 99,
        "html": b"<html><script>alert(1)</script></html>",
        "shell": b"#!/bin/sh\nexit 1\n",
        "json": b'{"a": [1, 2]}',
        "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.wav\n#EXT-X-ENDLIST\n",
        "concat": b"ffconcat version 1.0\nfile tone.wav\n",
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
        "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="tone.wav"/></svg>',
        "png": png(64),
        "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01" + bytes(200),
        "gif": b"GIF89a\xff\xff\xff\xff\xf0\0\0" + bytes(200),
        "pdf": b"%PDF-1.7\n" + bytes(200),
        "zip": archive.getvalue(),
        "gzip": zlib.compress(bytes(10**6), wbits=31),
        "elf": b"\x7fELF\x02\x01\x01" + bytes(400),
        "exe": b"MZ\x90\0" + bytes(400),
        "zeros": bytes(5_000),
        "ones": b"\xff" * 5_000,
        "empty": b"",
        "byte": b"R",
    }
    for name, content in texts.items():
        yield "no sound", f"{name}.wav", content
        yield "no sound", f"{name}.mp3", content
    for number, magic in enumerate(MAGIC):
        yield "magic only", f"magic{number}.wav", magic
        yield "magic and noise", f"noise{number}.wav", magic + chance.randbytes(3_000)
        yield "magic and zeros", f"zeros{number}.wav", magic + bytes(3_000)
    for number in range(12):
        yield "noise", f"noise{number}.mp3", chance.randbytes(3**number % 60_000)


def videos(tone: dict[str, bytes]) -> Iterator[Made]:
    """Pictures with sound, without, with many tracks, with a cover that unfolds to a gigabyte."""
    film = sine(seconds=0.3, rate_hz=48_000)
    for ending, container in (("mp4", "mp4"), ("mkv", "matroska"), ("avi", "avi"), ("mov", "mov")):
        yield "video", f"film.{ending}", muxed(container, "aac", film, pictures=True)
        yield "video", f"silent.{ending}", muxed(container, "aac", film, pictures=True, tracks=0)
        yield "video", f"tracks.{ending}", muxed(container, "aac", film, tracks=9)
    yield "one packet", "packet.mkv", one_packet(40_000_000)
    yield "one packet", "greedy.mov", greedy_alac(tone["mov"])
    yield "many channels", "thousand.wav", wav(channels=1_024, data=bytes(40_000_000))
    yield "cover", "cover.m4a", with_cover(tone["m4a"], png(64))
    yield "cover", "bomb.m4a", with_cover(tone["m4a"], png(20_000))


def hostile_names(tone: dict[str, bytes]) -> Iterator[Made]:
    """Names that are markup, templates, control characters, other directions or far too long."""
    names = (
        *("<img src=x onerror=alert(1)>.wav", "{{7*7}}.wav", "${value}.wav", "{name}.wav", "%s%n.wav", "%00.wav"),
        *("a\tb\rc\nd.wav", "\x1b[31mred\x07.wav", "\u202egpj.wav", "\u200b\u2066.wav", "\u0301" * 120 + ".wav"),
        *("x.raw", "x.wav?y=1#z", "file:x.wav", "concat:a|b", "http:x.wav", "'; drop.wav", "`id`.wav", "$(id).wav"),
        *("-rf.wav", " .wav", "..wav", "NUL.wav", "audio.wav", "n" * 251 + ".wav", "名" * 80 + ".wav"),
        *("\udcff\udcfe.wav", "😀\u200d😀.wav"),
    )
    for name in names:
        yield "name", name, tone["wav"]
        yield "name of no sound", f"no{name[-240:]}" if len(name) < 250 else name[2:], b"no sound"


def contents(seed: int) -> Iterator[Made]:
    """Every file that is bytes under a name."""
    chance, tone = random.Random(seed), sources()
    yield from damaged(tone, chance)
    yield from lying_headers(tone)
    yield from unusable_sound()
    yield from long_silence()
    yield from no_sound(chance)
    yield from videos(tone)
    yield from hostile_names(tone)


def special(folder: Path, tone: Path) -> Iterator[tuple[str, Path]]:
    """What is no plain file, or cannot be opened."""
    (folder / "directory.wav").mkdir()
    os.mkfifo(folder / "fifo.wav")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)  # the address of a socket is at most 108 bytes
        listener.bind("socket.wav")
        os.chdir(here)
    links = {"good": tone, "broken": folder / "gone", "loop": folder / "loop.wav", "zero": Path("/dev/zero")}
    for name, target in links.items():
        (folder / f"{name}.wav").symlink_to(target)
    (folder / "out.wav").symlink_to(Path(__file__))
    with (folder / "sparse.wav").open("wb") as sparse:
        sparse.truncate(10**10)
    with (folder / "zeros.wav").open("wb") as sparse:
        sparse.write(wav(rate_hz=2_000, claimed=199_000_000))
        sparse.truncate(199_000_000)
    (folder / "unreadable.wav").write_bytes(tone.read_bytes())
    (folder / "unreadable.wav").chmod(0)
    names = (*(f"{name}.wav" for name in links), "directory.wav", "fifo.wav", "socket.wav", "out.wav", "sparse.wav")
    for name in (*names, "zeros.wav", "unreadable.wav", "gone.wav", "n" * 300 + ".wav", "nul\0.wav", "x/" * 2_000):
        yield "special", folder / name


def write(folder: Path, made: Iterator[Made]) -> list[tuple[str, Path]]:
    """Writes files, each in a folder of its own; gives (kind, path)."""
    written = []
    for number, (kind, name, content) in enumerate(made):
        path = folder / str(number) / name
        path.parent.mkdir()
        path.write_bytes(content)
        written.append((kind, path))
    return written


def write_all(folder: Path, seed: int) -> list[tuple[str, Path]]:
    """Every kind there is, paths that cannot exist among them."""
    written = write(folder, contents(seed))
    (folder / "special").mkdir()
    return written + list(special(folder / "special", written[0][1]))

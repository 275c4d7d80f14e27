"""Any sound file becomes the clip that was in it, or an error that names the file and the way out."""

import itertools
import struct
import unicodedata
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import core.audio
from core.audio import (
    LABEL_LENGTH,
    SUFFIXES,
    Limits,
    clean_label,
    level_envelope,
    read_clip,
)
from core.errors import AudioError
from core.texts import DROPPED
from core.types import SAMPLING_RATE_HZ, Clip
from tests.bad_formats import one_packet
from tests.conftest import sine

EXAMPLES = Path(__file__).parent.parent / "chat_app" / "examples"

# What writes each accepted suffix: options of libsndfile, or an FFmpeg codec.
LIBSNDFILE = {
    ".wav": {},
    ".flac": {},
    ".mp3": {},
    ".ogg": {"format": "OGG", "subtype": "VORBIS"},
    ".oga": {"format": "OGG", "subtype": "VORBIS"},
    ".opus": {"format": "OGG", "subtype": "OPUS"},
    ".aif": {"format": "AIFF"},
    ".aiff": {},
}
FFMPEG = {".m4a": "aac", ".aac": "aac", ".mp4": "aac", ".mov": "pcm_s16le", ".webm": "libopus", ".mkv": "libopus"}


def loudest_hz(clip: Clip) -> float:
    spectrum = np.abs(np.fft.rfft(clip.samples * np.hanning(len(clip.samples))))
    return float(np.argmax(spectrum)) * SAMPLING_RATE_HZ / len(clip.samples)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_offered_can_be_read(
    suffix: str, sound_file: Callable[..., Path], film_file: Callable[..., Path]
) -> None:
    if suffix in LIBSNDFILE:
        path = sound_file(f"tone{suffix}", rate_hz=48_000, **LIBSNDFILE[suffix])
    else:
        path = film_file(f"tone{suffix}", FFMPEG[suffix])
    clip = read_clip(path)
    assert (clip.label, clip.source_hz) == (f"tone{suffix}", 48_000)
    assert clip.seconds == pytest.approx(0.6, abs=0.08), "codecs pad by a frame or two"
    assert loudest_hz(clip) == pytest.approx(440, abs=3)
    assert np.sqrt(np.mean(clip.samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channel_count_gives_the_same_tone(
    rate_hz: int, channels: int, sound_file: Callable[..., Path]
) -> None:
    # Channels of different level, so that the average is told from a choice of one.
    levels = np.linspace(0.2, 0.8, channels) if channels > 1 else np.array([0.5])
    samples = sine(rate_hz=rate_hz, level=1.0)[:, None] * levels[None, :].astype(np.float32)
    clip = read_clip(sound_file("tone.wav", samples, rate_hz, subtype="FLOAT"))
    expected = sine()
    assert abs(len(clip.samples) - len(expected)) <= 1
    inner = slice(800, -800)  # the filter rings where the tone begins and ends
    count = min(len(clip.samples), len(expected))
    np.testing.assert_allclose(clip.samples[:count][inner], expected[:count][inner], atol=2e-3)
    assert clip.samples.dtype == np.float32 and not clip.samples.flags.writeable
    assert clip.source_hz == rate_hz


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=hnp.arrays(np.float32, st.integers(800, 3000), elements=st.floats(-1, 1, width=32), fill=st.just(0.25)),
)
def test_16_khz_float_wav_comes_through_unchanged(samples: np.ndarray, sound_file: Callable[..., Path]) -> None:
    samples[0] = 0.5  # never silent
    clip = read_clip(sound_file("exact.wav", samples, subtype="FLOAT"))
    assert np.array_equal(clip.samples, samples)


def test_block_size_changes_nothing(sound_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = sound_file("tone.flac", rate_hz=44_100)
    whole = read_clip(path)
    monkeypatch.setattr(core.audio, "BLOCK_SAMPLES", 997)
    assert read_clip(path) == whole


def test_decoding_ends_at_the_limit_and_not_after() -> None:
    drawn = itertools.count()
    block = np.full((16_000, 1), 0.1, np.float32)
    endless = ((next(drawn), (16_000, block))[1] for _ in itertools.repeat(None))
    with pytest.raises(AudioError, match="longer than 3 s"):
        core.audio._mono(endless, "endless.wav", Limits(max_seconds=3.0))
    assert next(drawn) == 4, "three seconds fit, the fourth is refused, a fifth is never decoded"


def test_a_clip_of_exactly_the_longest_length_is_kept(sound_file: Callable[..., Path]) -> None:
    path = sound_file("tone.wav", sine(seconds=0.5))
    assert read_clip(path, limits=Limits(max_seconds=0.5)).seconds == 0.5


def test_a_header_that_promises_more_is_not_believed(sound_file: Callable[..., Path]) -> None:
    path = sound_file("tone.mp3", rate_hz=48_000)
    content = bytearray(path.read_bytes())
    start = content.find(b"Xing") + 8
    assert start > 8 and content[start - 1] & 1, "the frame count is there"
    content[start : start + 4] = struct.pack(">I", 50_000)
    path.write_bytes(content)
    with soundfile.SoundFile(path) as sound:
        assert sound.frames > 600 * 48_000, "the lie is told: twenty minutes"
    assert read_clip(path).seconds == pytest.approx(0.6, abs=0.08)


def test_a_wav_with_an_endless_header_gives_what_is_there(sound_file: Callable[..., Path]) -> None:
    path = sound_file("streamed.wav", subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"  # as programs write that stream to a pipe
    path.write_bytes(content)
    assert read_clip(path).seconds == pytest.approx(0.6, abs=0.001)


def test_beyond_full_scale_keeps_its_shape(sound_file: Callable[..., Path]) -> None:
    integers = sine(level=0.5) * 2**15  # floats that hold 16-bit integers
    clip = read_clip(sound_file("loud.wav", integers, subtype="FLOAT"))
    np.testing.assert_allclose(clip.samples, integers / np.abs(integers).max(), rtol=1e-6)


def test_sound_is_taken_out_of_a_video(film_file: Callable[..., Path]) -> None:
    assert loudest_hz(read_clip(film_file("film.mp4", "aac", pictures=True))) == pytest.approx(440, abs=3)


def test_the_content_decides_the_format(sound_file: Callable[..., Path], film_file: Callable[..., Path]) -> None:
    for path in (sound_file("tone.flac"), film_file("tone.webm", "libopus")):
        for disguise in ("tone.raw", "tone", "tone.wav", "tone.txt"):
            assert loudest_hz(read_clip(path.rename(path.with_name(disguise)))) == pytest.approx(440, abs=3)
            path = path.with_name(disguise)


SILENT = np.zeros(16_000, np.float32)
OPPOSITE = np.stack([sine(), -sine()], axis=1)
ULTRASOUND = sine(20_000, rate_hz=48_000) * np.hanning(28_800).astype(np.float32)  # an abrupt start would click
BROKEN = {"nan": np.float32("nan"), "infinity": np.float32("inf"), "huge": np.float32(1e30)}


@pytest.mark.parametrize(
    ("samples", "rate_hz", "limits", "reason"),
    [
        (SILENT, 16_000, Limits(), "silent"),
        (sine(level=0.9e-4), 16_000, Limits(), "silent"),
        (OPPOSITE, 16_000, Limits(), "nothing is left"),
        (ULTRASOUND, 48_000, Limits(), "nothing is left"),
        (SILENT[:0], 16_000, Limits(), "not one sample"),
        (sine(seconds=0.049), 16_000, Limits(), "only 49 ms"),
        (sine(seconds=1.01), 16_000, Limits(max_seconds=1.0), "longer than 1 s"),
        (sine(), 16_000, Limits(max_bytes=1000), "MB"),
        (np.tile(sine()[:, None], (1, 3)), 16_000, Limits(max_channels=2), "3 channels"),
        (sine(), 16_000, Limits(min_hz=22_050), "16000 Hz"),
        (sine(), 16_000, Limits(max_hz=8_000), "16000 Hz"),
        *(
            (np.append(sine(), value).astype(np.float32), 16_000, Limits(), "broken samples")
            for value in BROKEN.values()
        ),
    ],
)
def test_sound_that_cannot_be_used_is_refused_with_the_way_out(
    samples: np.ndarray, rate_hz: int, limits: Limits, reason: str, sound_file: Callable[..., Path]
) -> None:
    assert_refused(sound_file("mine.wav", samples, rate_hz, subtype="FLOAT"), reason, limits)


def assert_refused(path: Path, reason: str, limits: Limits | None = None) -> None:
    """One sentence, beginning with the file's name and going on after what is wrong with what to do."""
    with pytest.raises(AudioError, match=reason) as caught:
        read_clip(path, limits=limits or Limits())
    message = str(caught.value)
    assert caught.value.name == path.name and message.startswith(f"{path.name}: ")
    assert message.count(":") >= 2 and message.endswith(".") and "\n" not in message


def test_quiet_but_audible_sound_is_kept(sound_file: Callable[..., Path]) -> None:
    clip = read_clip(sound_file("quiet.wav", sine(level=1.1e-4), subtype="FLOAT"))
    assert float(np.abs(clip.samples).max()) == pytest.approx(1.1e-4, rel=1e-2)


def test_files_that_are_no_sound_are_refused(
    tmp_path: Path, sound_file: Callable[..., Path], film_file: Callable[..., Path]
) -> None:
    assert_refused(tmp_path / "gone.wav", "no such file")
    assert_refused(tmp_path, "no such file")
    empty = tmp_path / "empty.wav"
    empty.touch()
    assert_refused(empty, "empty")
    text = tmp_path / "notes.wav"
    text.write_text("These are the minutes of the meeting.\n" * 50)
    assert_refused(text, "not a sound file")
    assert_refused(film_file("silent_film.mp4", None, pictures=True), "only pictures")
    flac = sound_file("half.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 48_000).astype(np.float32))
    flac.write_bytes(flac.read_bytes()[: flac.stat().st_size // 2])
    assert_refused(flac, "damaged")
    m4a = film_file("half.m4a", "aac")
    m4a.write_bytes(m4a.read_bytes()[: m4a.stat().st_size // 2])
    assert_refused(m4a, "damaged")


def patched_wav(path: Path, place: int, field: bytes) -> Path:
    content = bytearray(path.read_bytes())
    content[place : place + len(field)] = field
    path.write_bytes(content)
    return path


def test_headers_that_crash_a_library_are_refused_before_they_can(sound_file: Callable[..., Path]) -> None:
    # Found by changing bytes at random: without a guard, each of these ends the process inside PyAV.
    unknown_codec = patched_wav(sound_file("codec.wav", subtype="FLOAT"), 20, struct.pack("<HH", 0, 1))
    assert_refused(unknown_codec, "cannot be read here")
    for channels in (16, 25, 32):  # each divides the samples
        many = patched_wav(sound_file(f"{channels}.wav", subtype="FLOAT"), 22, struct.pack("<H", channels))
        with pytest.raises(soundfile.LibsndfileError):
            soundfile.SoundFile(many)
        assert read_clip(many, limits=Limits(min_seconds=0.0)).seconds == pytest.approx(0.6 / channels, abs=1e-4)


def test_a_header_that_points_behind_every_file_is_refused(tmp_path: Path) -> None:
    # An asf object of 2^63 bytes: the seek fails in the file itself, whose OSError PyAV passes on.
    path = tmp_path / "far.wma"
    asf = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
    path.write_bytes(asf + bytes(14) + b"\1" * 16 + struct.pack("<q", 2**63 - 41) + bytes(50))
    assert_refused(path, "not a sound file")


def test_a_file_whose_only_track_is_lost_is_damaged_and_no_film(film_file: Callable[..., Path]) -> None:
    path = film_file("lost.m4a", "aac")
    path.write_bytes(path.read_bytes().replace(b"trak", b"xxxx"))
    assert_refused(path, "damaged")


def test_tags_that_are_no_utf8_leave_the_sound_as_it_is(film_file: Callable[..., Path]) -> None:
    path = film_file("tagged.mkv", "libopus")
    content = path.read_bytes()
    assert content.count(b"ENCODER") > 0
    path.write_bytes(content.replace(b"ENCODER", b"\xfcber\xe4ll"))
    assert loudest_hz(read_clip(path)) == pytest.approx(440, abs=3)


def test_a_thousand_channels_make_no_larger_blocks(sound_file: Callable[..., Path]) -> None:
    samples = np.full((2_000, 1_000), 0.1, np.float32)
    with sound_file("wide.wav", samples).open("rb") as file:
        blocks = list(core.audio._blocks(file, "wide.wav"))
    assert sum(len(block) for _, block in blocks) == 2_000
    assert max(block.size for _, block in blocks) <= core.audio.BLOCK_SAMPLES


def test_one_packet_is_not_unfolded_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "packet.mkv"
    path.write_bytes(one_packet(16_000))
    assert len(read_clip(path, limits=Limits(min_seconds=0.0)).samples) == 32_000
    monkeypatch.setattr(core.audio, "PACKET_SAMPLES", 15_999)
    assert_refused(path, "no sound can be read")


def test_a_cover_picture_is_never_unfolded() -> None:
    decoders = core.audio.DECODERS.split(",")
    assert {"aac", "alac", "flac", "mp3", "opus", "vorbis", "pcm_s16le"} <= set(decoders)
    assert {av.Codec(name, "r").type for name in decoders} == {"audio"}


def test_a_playlist_opens_no_other_file(sound_file: Callable[..., Path], tmp_path: Path) -> None:
    sound_file("secret.wav")
    hls, concat = tmp_path / "list.wav", tmp_path / "concat.wav"
    hls.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n")
    concat.write_text("ffconcat version 1.0\nfile secret.wav\n")
    assert_refused(hls, "not a sound file")
    assert_refused(concat, "not a sound file")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_give_a_clip_or_an_audio_error(
    data: st.DataObject, sound_file: Callable[..., Path], film_file: Callable[..., Path]
) -> None:
    make = data.draw(
        st.sampled_from(
            [
                lambda: sound_file("x.wav"),
                lambda: sound_file("x.flac"),
                lambda: sound_file("x.mp3"),
                lambda: sound_file("x.ogg"),
                lambda: film_file("x.m4a", "aac"),
                lambda: film_file("x.webm", "libopus"),
            ]
        )
    )
    path = make()
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        # headers sit at the start: most changes go there
        place = data.draw(st.one_of(st.integers(0, min(200, len(content) - 1)), st.integers(0, len(content) - 1)))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        clip = read_clip(path, limits=Limits(max_seconds=5.0))
    except AudioError as error:
        assert str(error).startswith(f"{path.name}: ")
    else:
        assert np.all(np.abs(clip.samples) <= 1.0) and 0.0 < clip.seconds <= 5.01


@given(st.text(max_size=200))
def test_labels_are_one_short_visible_line_and_cleaning_twice_changes_nothing(name: str) -> None:
    label = clean_label(name)
    assert 0 < len(label) <= LABEL_LENGTH
    assert label == " ".join(label.split()) and clean_label(label) == label
    assert not any(unicodedata.category(char) in DROPPED for char in label)


def test_labels_keep_what_a_person_knows_the_file_by(sound_file: Callable[..., Path]) -> None:
    assert clean_label("Straßenbahn – früh.wav") == "Straßenbahn – früh.wav"
    assert clean_label("invoice\u202evaw.exe\n\x1b[31m") == "invoicevaw.exe [31m"
    long = clean_label("a" * 100 + ".flac")
    assert "…" in long and long.endswith("a.flac")
    assert clean_label("\u200b\u2066") == "clip"
    path = sound_file("two\nlines \u202e.wav")
    assert read_clip(path).label == "two lines .wav"
    assert read_clip(path, label="microphone\t1").label == "microphone 1"


@given(
    samples=hnp.arrays(np.float32, st.integers(1, 400), elements=st.floats(-1, 1, width=32)), bins=st.integers(1, 500)
)
def test_envelope_is_the_peak_of_each_stretch(samples: np.ndarray, bins: int) -> None:
    envelope = level_envelope(Clip(samples, "x"), bins)
    assert len(envelope) == bins and max(envelope) == np.abs(samples).max()
    for index, level in enumerate(envelope):
        start = index * len(samples) // bins
        stretch = samples[start : max((index + 1) * len(samples) // bins, start + 1)]
        assert level == np.abs(stretch).max()


def test_envelope_of_nothing_is_flat() -> None:
    assert level_envelope(Clip(SILENT[:0], "x"), 3) == (0.0, 0.0, 0.0)


def test_the_examples_are_twelve_credited_clips() -> None:
    paths = sorted(EXAMPLES.glob("*.flac"))
    credits = (EXAMPLES / "CREDITS.md").read_text()
    clips = [read_clip(path) for path in paths]
    assert len(set(clips)) == 12 and all(2.0 <= clip.seconds <= 6.0 for clip in clips)
    assert all(f"| {path.name} |" in credits for path in paths)
    assert "Permission is hereby granted" in credits and "synthetic" in credits
    assert sum(path.stat().st_size for path in paths) < 1_200_000

"""Fixtures every test may use: tones, and sound files made of them."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import settings
from numpy.typing import NDArray

from core.training.corpus import Corpus
from core.types import Clip
from tests import corpora

Samples = NDArray[np.float32]

# A busy machine is no failure: examples are counted, never timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def sine(frequency_hz: float = 440.0, seconds: float = 0.6, rate_hz: int = 16_000, level: float = 0.5) -> Samples:
    """A tone that starts at phase 0: `level * sin(2 pi f t)`."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


@pytest.fixture
def tone() -> Callable[..., Samples]:
    """The function `sine`."""
    return sine


@pytest.fixture
def tone_clip() -> Callable[..., Clip]:
    """A clip of one tone: `tone_clip("dog.wav", 440.0, seconds=1.0)`."""

    def make(label: str = "tone.wav", frequency_hz: float = 440.0, seconds: float = 0.6, level: float = 0.5) -> Clip:
        return Clip(sine(frequency_hz, seconds, level=level), label)

    return make


@pytest.fixture
def sound_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes samples of shape (n,) or (n, channels) with libsndfile; the name's suffix gives the format."""

    def write(name: str, samples: Samples | None = None, rate_hz: int = 16_000, **options: str) -> Path:
        path = tmp_path / name
        soundfile.write(path, sine(rate_hz=rate_hz) if samples is None else samples, rate_hz, **options)
        return path

    return write


@pytest.fixture
def film_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a container with FFmpeg: a sound track by `codec`, and on demand half a second of grey pictures."""

    def write(name: str, codec: str | None, samples: Samples | None = None, pictures: bool = False) -> Path:
        path, rate_hz = tmp_path / name, 48_000
        with av.open(str(path), "w") as container:
            if pictures:
                video = container.add_stream("mpeg4", rate=10)
                video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            if codec is not None:
                sound = container.add_stream(codec, rate=rate_hz, layout="mono")
                tone = sine(rate_hz=rate_hz) if samples is None else samples
                frame = av.AudioFrame.from_ndarray(tone[None, :], format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
                container.mux([*sound.encode(frame), *sound.encode(None)])
            for index in range(5 if pictures else 0):
                picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 128, np.uint8), format="rgb24")
                picture.pts, picture.time_base = index, Fraction(1, 10)
                container.mux(video.encode(picture))
            if pictures:
                container.mux(video.encode(None))
        return path

    return write


@pytest.fixture(scope="session")
def corpus_of(tmp_path_factory: pytest.TempPathFactory) -> corpora.CorpusOf:
    """The training part of a made-up corpus: `corpus_of("sound", "ambience")`."""
    made: dict[tuple[str, ...], Corpus] = {}

    def cached(*kinds: str) -> Corpus:
        if kinds not in made:
            made[kinds] = corpora.corpus(tmp_path_factory.mktemp("corpora") / "_".join(kinds), *kinds)
        return made[kinds]

    return cached


@pytest.fixture(scope="session")
def example() -> Path:
    """Folder of the shipped clips."""
    return Path(__file__).parents[1] / "chat_app" / "examples"


@pytest.fixture
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that use Gradio's client: it reports its start unless told not to."""
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")

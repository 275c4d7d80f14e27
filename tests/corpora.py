"""Small corpora whose clips say by their spectrum what they are: every label, word and voice has a tone of its own.

The tones lie three tenths of their frequency apart, so that speed, equaliser, noise and mixing leave them recognisable,
and a test can hear whether an answer is true without asking the code that drew it.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.training.corpus import Corpus
from core.training.synthesis import DIRECT_DB, RT60_SECONDS, Room
from core.types import SAMPLING_RATE_HZ, Clip

Samples = NDArray[np.float32]
CorpusOf = Callable[..., Corpus]
"""What the fixture `corpus_of` gives: a corpus of the kinds named, written once."""

TONES_HZ = tuple(170.0 * 1.3**index for index in range(12))
EVENTS = dict(zip(("a kettle", "a drill", "a duck", "a saw", "a horn", "a bell", "a mower"), TONES_HZ, strict=False))
PLACES = dict(zip(("a street", "a beach", "a forest", "a hall"), TONES_HZ[8:], strict=False))
WORDS = dict(zip(("red", "seven", "window", "hello", "no"), TONES_HZ, strict=False))
SENTENCES = dict(
    zip(
        (
            "Sit on the mat.",
            "Sit under the mat.",
            "We come back at noon today.",
            "We come back at noon.",
            "They left early.",
        ),
        TONES_HZ[1:],
        strict=False,
    )
)
VOICES = dict(zip(("eve", "ann", "bea", "carl", "dave"), TONES_HZ[7:], strict=False))
FEMALE = ("eve", "ann", "bea")
FRENCH = "eve"
FLAT_PACKAGE = {"package": "tones", "source_rate": 16_000, "licence": "CC0-1.0", "licence_tier": "permissive"}


def tone(hz: float, seconds: float, level: float = 0.3) -> Samples:
    """A sine."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * SAMPLING_RATE_HZ)) / SAMPLING_RATE_HZ)).astype(
        np.float32
    )


def random_samples(seed: int, seconds: float) -> Samples:
    """White noise at -20 dB of full scale."""
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * SAMPLING_RATE_HZ))).astype(np.float32)


rooms = st.builds(Room, st.floats(*RT60_SECONDS), st.floats(*DIRECT_DB), st.integers(0, 10_000))
"""Any room that a question may draw."""


def shares(clip: Clip, tones_hz: tuple[float, ...]) -> NDArray[np.float64]:
    """Power within 12 % of each tone, as a share of the greatest of them."""
    power = np.abs(np.fft.rfft(clip.samples)) ** 2
    hz = np.fft.rfftfreq(len(clip.samples), 1 / SAMPLING_RATE_HZ)
    bands = np.array([power[(hz > tone_hz * 0.88) & (hz < tone_hz * 1.12)].sum() for tone_hz in tones_hz])
    return bands / bands.max()


def sounding(clip: Clip, named: dict[str, float], threshold: float = 0.01) -> set[str]:
    """The names whose tones are in the clip."""
    return {name for name, share in zip(named, shares(clip, tuple(named.values())), strict=True) if share >= threshold}


def strongest(clip: Clip, named: dict[str, float]) -> str:
    """The name whose tone is the strongest."""
    return list(named)[int(shares(clip, tuple(named.values())).argmax())]


def write_corpus(folder: Path, kinds: tuple[str, ...]) -> Path:
    """Writes audio and manifest with the kinds wanted; a third of the rows of each kind are `dev`."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []

    def add(kind: str, label: str, samples: Samples, **fields: object) -> None:
        number = len(rows)
        soundfile.write(folder / f"{number}.flac", samples, SAMPLING_RATE_HZ)
        row = {"id": str(number), "path": f"{number}.flac", "kind": kind, "label": label, "recording": str(number)}
        split = "dev" if number % 3 == 2 else "train"
        rows.append({**row, "split": split, "seconds": len(samples) / SAMPLING_RATE_HZ, **FLAT_PACKAGE, **fields})

    if "sound" in kinds:
        for label, hz in EVENTS.items():
            for take in range(15):
                package = "tones" if take % 2 else "echoes"
                add("sound", label, tone(hz, float(rng.uniform(0.5, 4.0))), package=package)
    if "ambience" in kinds:
        for label, hz in PLACES.items():
            for _ in range(9):
                add("ambience", label, tone(hz, float(rng.uniform(3.0, 8.0))))
    if "instrument" in kinds:
        for label in ("a flute", "a piano", "a drum", "a harp", "a violin", "an organ"):
            for index in range(9):
                hz = 90.0 * 2 ** (index / 2)
                add("instrument", label, tone(hz, float(rng.uniform(0.5, 2.0))), pitch_hz=hz)
    if "speech" in kinds:
        texts = {**{word: ("word", hz) for word, hz in WORDS.items()}}
        texts |= {text: ("sentence", hz) for text, hz in SENTENCES.items()}
        for voice, voice_hz in VOICES.items():
            for number, (text, (utterance, hz)) in enumerate(texts.items()):
                seconds = 0.6 if utterance == "word" else 1.4
                pair = (
                    {"pair_id": f"{voice}{(number - 5) // 2}", "pair_side": "ab"[(number - 5) % 2]}
                    if number >= 5
                    else {}
                )
                spoken = tone(hz, seconds) + tone(voice_hz, seconds, 0.2)
                known = {"transcript": text, "language": "en"} if voice != FRENCH else {"language": "fr"}
                common = {**known, "voice": voice, "utterance": utterance}
                gender = "f" if voice in FEMALE else "m"
                add("speech", "a person speaking", spoken, split="train", gender=gender, **common, **pair)
    (folder / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def corpus(folder: Path, *kinds: str) -> Corpus:
    """The training part of a corpus with these kinds, written into `folder`."""
    folder.mkdir()
    return Corpus.read(write_corpus(folder, kinds), "train")


def write_table(folder: Path, rows: list[dict[str, str]]) -> None:
    """Writes `clips.csv`."""
    with (folder / "clips.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, sorted({key for row in rows for key in row}))
        table.writeheader()
        table.writerows(rows)

"""Facts and spectrogram of a clip: numbers with units, a picture whose pixels are where the axes say."""

import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chat_app import measured, strings
from chat_app.waveform import cividis
from core.spectrogram import spectrogram_db
from core.types import Clip
from tests.seen import HOSTILE, Elements


def styles(seen: Elements) -> str:
    return " ".join(str(value) for name, value in seen.attributes if name == "style")


def test_facts_have_names_values_and_units(tone_clip) -> None:
    words = Elements(measured.facts(tone_clip(frequency_hz=440.0, seconds=1.5, level=0.5))).words
    facts = dict(zip(words[::2], words[1::2], strict=True))
    names = {key: name for key, (name, _) in strings.MEASURED.items()}
    assert facts[names["seconds"]] == "1.50 s"
    assert facts[names["peak_dbfs"]] == "-6.0 dBFS", "half of full scale"
    assert facts[names["pitch_hz"]] == "440 Hz"
    assert facts[names["silence_percent"]] == "0 %"
    assert facts[names["source_hz"]] == "16000 Hz"
    assert re.fullmatch(r"up to 4[34]\d Hz", facts[names["bandwidth_hz"]])


def test_what_is_not_there_is_said_in_words() -> None:
    words = Elements(measured.facts(Clip(np.zeros(16_000, np.float32), "silence"))).words
    assert strings.NO_PITCH in words and strings.NO_ENERGY in words


def test_the_picture_is_bright_where_the_tone_is(tone_clip) -> None:
    drawn = spectrogram_db(tone_clip(frequency_hz=1_000.0, seconds=1.0).samples)
    pixels = np.asarray(Image.open(io.BytesIO(measured.picture(drawn))).convert("RGB"))
    assert pixels.shape == (*drawn.level_db.shape, 3)
    assert f"#{bytes(pixels.reshape(-1, 3)[pixels.sum(axis=2).argmax()]).hex()}" == cividis(1.0)
    brightest = len(pixels) - 1 - int(pixels.sum(axis=(1, 2)).argmax())
    assert drawn.edges_hz[brightest] <= 1_000.0 <= drawn.edges_hz[brightest + 1], "low frequencies are at the bottom"


def test_a_spectrogram_has_axes_and_a_sentence(tone_clip) -> None:
    seen = Elements(measured.spectrogram(tone_clip("tone.wav", frequency_hz=1_000.0, seconds=3.0), "B"))
    sentence = dict(seen.attributes)["alt"]
    assert sentence.startswith("Spectrogram of clip B, tone.wav: 3.0 seconds along")
    assert re.search(r"loudest near (9[5-9]\d|10\d\d) Hz", sentence)
    assert [word for word in seen.words if word in {"100", "8000", "0 s", "3 s"}] == ["100", "8000", "0 s", "3 s"]
    heights = [float(height) for height in re.findall(r"bottom:([\d.]+)%", styles(seen))]
    assert heights == sorted(heights) and heights[0] > 0 and heights[-1] == 100.0


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text(name: str, tone_clip) -> None:
    seen = Elements(measured.spectrogram(tone_clip(name), "A"))
    assert seen.tags.count("img") == 1 and "script" not in seen.tags
    assert not [attribute for attribute, _ in seen.attributes if attribute.startswith("on")]
    assert name in dict(seen.attributes)["alt"]


@given(st.floats(0.05, 600.0))
def test_an_axis_has_a_few_marks(seconds: float) -> None:
    assert 2 <= seconds / measured.tick_seconds(seconds) + 1 < measured.MOST_TICKS + 1

"""What is measured of one clip, as HTML: a list of facts, and its spectrogram as a picture with axes."""

import base64
import io
from html import escape

import numpy as np
from PIL import Image

from chat_app import strings
from chat_app.waveform import cividis
from core.measure import measure
from core.spectrogram import FLOOR_DB, Spectrogram, spectrogram_db
from core.types import Clip

TICKS_HZ = (100, 500, 1_000, 2_000, 4_000, 8_000)
TICK_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0)
"""The first of these that gives at most `MOST_TICKS` is taken."""
MOST_TICKS = 7
SHADES = 256
PALETTE = bytes(
    int(cividis(shade / (SHADES - 1))[place : place + 2], 16) for shade in range(SHADES) for place in (1, 3, 5)
)


def facts(clip: Clip) -> str:
    """The measures of what the model hears (`core.measure`), and the rate of the file it came from."""
    known = measure(clip.samples)
    values = {
        **vars(known),
        "silence_percent": 100.0 * known.silence_share,
        "source_hz": clip.source_hz,
    }
    unknown = {"pitch_hz": strings.NO_PITCH, "bandwidth_hz": strings.NO_ENERGY}
    rows = "".join(
        f"<div><dt>{name}</dt><dd>{unknown[key] if values[key] is None else form.format(values[key])}</dd></div>"
        for key, (name, form) in strings.MEASURED.items()
    )
    return f'<dl class="es-facts">{rows}</dl>'


def spectrogram(clip: Clip, letter: str) -> str:
    """The spectrogram as a picture with axes in seconds and hertz, and a sentence for who does not see it."""
    drawn = spectrogram_db(clip.samples)
    band, time = np.unravel_index(int(drawn.level_db.argmax()), drawn.level_db.shape)
    sentence = strings.SPECTROGRAM_OF.format(
        letter=letter,
        name=escape(clip.label),
        seconds=clip.seconds,
        loudest_hz=drawn.edges_hz[band : band + 2].mean(),
        loudest_seconds=drawn.edges_seconds[time : time + 2].mean(),
    )
    bands = len(drawn.edges_hz) - 1
    heights = {hz: float(np.interp(hz, drawn.edges_hz, np.arange(bands + 1))) / bands for hz in TICKS_HZ}
    hz_marks = "".join(f'<span style="bottom:{100 * height:.1f}%">{hz}</span>' for hz, height in heights.items())
    step = tick_seconds(clip.seconds)
    marks = "".join(
        f'<span style="left:{100 * index * step / clip.seconds:.1f}%">{index * step:g} s</span>'
        for index in range(int(clip.seconds / step) + 1)
    )
    return (
        f'<figure class="es-spectrogram"><div class="es-hz" aria-hidden="true"><b>{strings.HZ_AXIS}</b>{hz_marks}</div>'
        f'<img role="img" alt="{sentence}" src="data:image/png;base64,{base64.b64encode(picture(drawn)).decode()}">'
        f'<div class="es-time" aria-hidden="true">{marks}</div>'
        f'<figcaption>{FLOOR_DB:.0f} <i class="es-scale" style="background:{_scale()}"></i> 0 '
        f"{strings.SPECTROGRAM_LEGEND}</figcaption></figure>"
    )


def picture(drawn: Spectrogram) -> bytes:
    """A PNG of one pixel a cell, low frequencies at the bottom, from `FLOOR_DB` to 0 in cividis."""
    shades = np.round((drawn.level_db[::-1] / -FLOOR_DB + 1.0) * (SHADES - 1)).astype(np.uint8)
    image = Image.fromarray(shades)
    image.putpalette(PALETTE)
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def tick_seconds(seconds: float) -> float:
    """Between two marks on an axis of so many seconds."""
    return next((step for step in TICK_SECONDS if seconds / step < MOST_TICKS), TICK_SECONDS[-1])


def _scale() -> str:
    return f"linear-gradient(90deg,{','.join(cividis(step / 9) for step in range(10))})"

"""What one clip looks like and where it is served: its letter, its waveform, a strip of heat along it."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

from chat_app.session import Attachment

WIDTH = 240
HEIGHT = 32

# Eight colours that people of all kinds of colour vision can tell apart (Okabe & Ito 2008), black last; the text on
# them is white on blue and black on the others.
_BADGES = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
_WHITE_TEXT = "#0072B2"

# Ten steps of cividis (Nuñez et al. 2018, arXiv 1712.01662): brightness grows evenly, blue and yellow only.
_CIVIDIS = (
    (0x00, 0x20, 0x4D),
    (0x00, 0x33, 0x6F),
    (0x39, 0x48, 0x6B),
    (0x57, 0x5C, 0x6D),
    (0x70, 0x71, 0x73),
    (0x8A, 0x87, 0x79),
    (0xA6, 0x9D, 0x75),
    (0xC4, 0xB5, 0x6C),
    (0xE4, 0xCF, 0x5B),
    (0xFF, 0xEA, 0x46),
)


def address(attachment: Attachment) -> str:
    """Where the page serves what the model hears of a clip, escaped. Only what lies in the upload folder is served."""
    return escape("gradio_api/file=" + quote(Path(attachment.played or attachment.path).as_posix()))


def badge_colours(index: int) -> tuple[str, str]:
    """Background and text colour of the clip at `index`; they come round again, the letters do not."""
    background = _BADGES[index % len(_BADGES)]
    return background, "#fff" if background == _WHITE_TEXT else "#000"


def badge(index: int, name: str) -> str:
    """The clip's letter on its colour; `name` is the letter."""
    background, text = badge_colours(index)
    return f'<span class="es-badge" style="background:{background};color:{text}">{name}</span>'


def lettered(index: int, name: str, label: str) -> str:
    """The clip's letter as a button that says `label`, already escaped; as a mere badge where it is empty."""
    background, text = badge_colours(index)
    style = f'style="background:{background};color:{text}"'
    if not label:
        return badge(index, name)
    return (
        f'<button type="button" class="es-badge es-pick" aria-pressed="false" aria-label="{label}" title="{label}" '
        f"{style}>{name}</button>"
    )


def cividis(value: float) -> str:
    """Colour of `value`, clipped to 0..1, as `#rrggbb`."""
    place = min(max(value, 0.0), 1.0) * (len(_CIVIDIS) - 1)
    low = min(int(place), len(_CIVIDIS) - 2)
    mixed = (round(a + (b - a) * (place - low)) for a, b in zip(_CIVIDIS[low], _CIVIDIS[low + 1], strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


SHADES = 64
COLOURS = tuple(cividis(shade / (SHADES - 1)) for shade in range(SHADES))
"""What heat is drawn in: a difference of one shade in 64 cannot be seen, and a shade takes one character to send."""


def waveform(envelope: Sequence[float]) -> str:
    """SVG of the levels 0..1 in `envelope`, mirrored about the middle; drawn in the text's colour, hidden from readers.

    Levels are scaled to the loudest bin, so that a quiet clip is seen too.
    """
    loudest = max(envelope, default=0.0) or 1.0
    step = WIDTH / max(len(envelope), 1)
    bars = "".join(
        f"M{(index + 0.5) * step:.1f} {HEIGHT / 2 - half:.1f}V{HEIGHT / 2 + half:.1f}"
        for index, half in enumerate(max(level / loudest, 0.03) * (HEIGHT / 2 - 1) for level in envelope)
    )
    return (
        f'<svg class="es-wave" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="{bars}" stroke="currentColor" stroke-width="{step * 0.6:.2f}" stroke-linecap="round"/></svg>'
    )


def heat(levels: Sequence[float], sentence: str) -> str:
    """SVG strip of `levels` 0..1, one equal bin each. `sentence`, already escaped, is read in its stead."""
    step = WIDTH / max(len(levels), 1)
    edges = [index * step for index in range(len(levels) + 1)]
    fills = [COLOURS[round(level * (SHADES - 1))] for level in levels]
    # Each bin reaches a little under the next: without it, thin gaps show at odd zooms.
    bins = "".join(
        f'<rect x="{left:.2f}" width="{right - left + 0.4:.2f}" height="8" fill="{fill}"/>'
        for (left, right), fill in zip(pairwise(edges), fills, strict=True)
    )
    return (
        f'<svg class="es-heat" viewBox="0 0 {WIDTH} 8" preserveAspectRatio="none" role="img" aria-label="{sentence}">'
        f"{bins}</svg>"
    )

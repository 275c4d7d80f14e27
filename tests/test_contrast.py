"""Contrast of text on the colours of clips: 4.5 to 1, as WCAG 2.2 asks (success criterion 1.4.3)."""

import pytest

from chat_app.waveform import badge_colours

ENOUGH = 4.5


def channels(colour: str) -> tuple[float, ...]:
    """Of `#rgb` or `#rrggbb`, from 0 to 1."""
    digits = colour.removeprefix("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    return tuple(int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4))


def luminance(rgb: tuple[float, ...]) -> float:
    """Relative luminance as WCAG defines it for sRGB."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_is_wcags() -> None:
    assert contrast(channels("#000"), channels("#fff")) == pytest.approx(21)
    assert contrast(channels("#767676"), channels("#ffffff")) == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("index", range(8))
def test_a_badges_letter_stands_out_from_its_colour(index: int) -> None:
    background, text = badge_colours(index)
    assert contrast(channels(background), channels(text)) >= ENOUGH

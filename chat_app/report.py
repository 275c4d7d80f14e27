"""Answers as one HTML file that opens anywhere: no script, no outside address, its sounds inside."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from itertools import groupby
from pathlib import Path

import soundfile

from chat_app import effect, meter, orders_card, strings, view
from chat_app.session import Exchange
from chat_app.told import in_full
from chat_app.waveform import badge
from core.types import SAMPLING_RATE_HZ, Clip, letter

HERE = Path(__file__).parent
# The file itself forbids what it does not need: even if something in it were markup, it could run or fetch nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; media-src data:"


@dataclass(frozen=True)
class Section:
    """Clips, and the answers to questions about them.

    Attributes:
        name: Of the clips together. Hostile text.
        clips: In the order of their letters; none where they could not be used.
        problem: The sentence that says why not, or empty.
        answers: Name of the settings and what came back, in the order asked.
        earlier: Clips of the same conversation that were dropped before: their letters come first.
    """

    name: str
    clips: tuple[Clip, ...]
    problem: str
    answers: tuple[tuple[str, Exchange], ...]
    earlier: tuple[Clip, ...] = ()


def report(title: str, who: str, sections: Sequence[Section]) -> str:
    """The whole file.

    Args:
        title: Heading. Hostile text.
        who: Who answered, in one line. Hostile text.
        sections: In the order shown.
    """
    css = "".join((HERE / name).read_text("utf-8") for name in ("page.css", "meter.css", "report.css"))
    body = "".join(map(_section, sections))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · {strings.TITLE}</title><style>{css}</style></head>"
        '<body class="gradio-container"><main class="es-report">'
        f'<header class="es-header"><h1 dir="auto">{escape(title)}</h1>'
        f"<p>{strings.TITLE} · <bdi>{escape(who)}</bdi></p></header>"
        f"{_made_with(sections)}{body}</main></body></html>\n"
    )


def _made_with(sections: Sequence[Section]) -> str:
    """What the name of each setting stands for."""
    by_name = {name: exchange.settings for section in sections for name, exchange in section.answers}
    items = "".join(
        f'<dt dir="auto">{escape(name)}</dt><dd dir="auto">{escape(in_full(settings))}</dd>'
        for name, settings in by_name.items()
    )
    return f'<details class="es-made"><summary>{strings.SETTINGS}</summary><dl>{items}</dl></details>' if items else ""


def _section(section: Section) -> str:
    clips = "".join(_clip(index, clip) for index, clip in enumerate(section.clips, start=len(section.earlier)))
    clips = f'<ul class="es-clips">{clips}</ul>' if clips else ""
    problem = f'<p class="es-notice">{escape(section.problem)}</p>' if section.problem else ""
    questions = "".join(
        f'<h3 dir="auto">{escape(text)}</h3><div class="es-answers">'
        f"{''.join(_answer(name, exchange, (*section.earlier, *section.clips)) for name, exchange in answers)}</div>"
        for text, answers in groupby(section.answers, key=lambda answer: answer[1].text)
    )
    return f'<section class="es-group"><h2 dir="auto">{escape(section.name)}</h2>{clips}{problem}{questions}</section>'


def _clip(index: int, clip: Clip) -> str:
    label = escape(clip.label)
    return (
        f'<li>{badge(index, letter(index))}<span class="es-name" dir="auto" title="{label}">{label}</span>'
        f'<span class="es-seconds">{clip.seconds:.1f} s</span>'
        f'<audio controls preload="metadata" src="{_data_uri(clip)}"></audio></li>'
    )


def _data_uri(clip: Clip) -> str:
    """What the model heard, at 16 kHz, rounded to 16 bits: every browser plays flac."""
    file = BytesIO()
    soundfile.write(file, clip.samples, SAMPLING_RATE_HZ, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + b64encode(file.getvalue()).decode("ascii")


def _answer(name: str, exchange: Exchange, clips: Sequence[Clip]) -> str:
    silence = strings.NO_WORDS if exchange.ending in {"stop", "length"} else ""
    words = exchange.words.strip() or silence
    shown = f'<p class="es-words" dir="auto">{escape(words)}</p>' if words else ""
    problem = f'<p class="es-notice">{escape(exchange.problem)}</p>' if exchange.problem else ""
    card = meter.card(exchange.trace, clips) if exchange.words or exchange.trace else ""
    card += effect.section(exchange.effect, exchange.summary, clips) if exchange.effect else ""
    card += orders_card.card(exchange.ordered)
    return (
        f'<article class="es-answer"><h4 class="es-setting" dir="auto">{escape(name)}</h4>{shown}{problem}{card}'
        f'<p class="es-cost">{escape(view.cost(exchange))}</p></article>'
    )

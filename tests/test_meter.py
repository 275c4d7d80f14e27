"""The numbers of the meter against ten lines of their own, and the card as a browser would read it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_app import meter, strings
from chat_app.meter import card
from chat_app.session import Attachment
from chat_app.trace import Trace
from chat_app.waveform import address, cividis, heat, waveform
from core import observation
from core.summary import Shares, Summary
from core.types import AttentionReading, Clip, Token, letter


def clip(label: str = "dog.wav", seconds: float = 1.0) -> Clip:
    return Clip(np.sin(np.arange(int(16_000 * seconds)) / 9).astype(np.float32), label)


def test_every_source_is_drawn_and_named() -> None:
    css = (Path(meter.__file__).parent / "meter.css").read_text()
    assert set(meter._SHADES) == set(strings.SOURCES) == {*observation.WORDS, "answer"}
    assert all(f".es-shade{shade}" in css for shade in meter._SHADES.values())


def trace_of(readings: list[AttentionReading]) -> Trace:
    """One word a token."""
    trace = Trace.of([Token(f"{step} ", reading) for step, reading in enumerate(readings)])
    assert trace is not None
    return trace


def summary_of(readings: list[AttentionReading]) -> Summary:
    return trace_of(readings).summary


@st.composite
def answers(draw: st.DrawFn) -> list[AttentionReading]:
    """Readings of one answer: any number of clips, layers and tokens, boosted or not."""
    clips, layers, steps, bins = (draw(st.integers(low, high)) for low, high in ((0, 5), (1, 4), (1, 4), (1, 6)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sources = ("template", "question", *(f"clip {letter(index)}" for index in range(clips)), "answer")
    boosted = tuple(range(draw(st.integers(0, layers))))
    result = []
    for step in range(steps):
        natural, weights = (rng.dirichlet(np.full(len(sources), 0.5), size=layers) for _ in range(2))
        of_clips = (weights if boosted else natural)[:, 2:-1].mean(axis=0)
        profiles = [weight * rng.dirichlet(np.ones(bins)) for weight in of_clips]
        result.append(
            AttentionReading(
                sources=sources,
                tokens=(4, 7, *rng.integers(1, 50, clips).tolist(), step),
                layers=tuple(range(10, 10 + layers)),
                weights=tuple(map(tuple, (weights if boosted else natural).tolist())),
                natural=tuple(map(tuple, natural.tolist())),
                head_spread=tuple(rng.uniform(0, 0.2, layers).tolist()),
                profiles=tuple(tuple(profile.tolist()) for profile in profiles),
                boosted=boosted,
            )
        )
    return result


@settings(max_examples=60)
@given(answers())
def test_shares_follow_from_the_rows_as_defined(readings: list[AttentionReading]) -> None:
    summary = summary_of(readings)
    rows = np.array([row for reading in readings for row in reading.weights])
    columns = [name.startswith("clip ") for name in summary.sources]
    tokens = np.mean([reading.tokens for reading in readings], axis=0)
    audio, sink = rows[:, columns].sum(axis=1).mean(), rows[:, 0].mean()

    assert summary.applied.audio == pytest.approx(audio / (1 - sink))
    expected = tokens[columns].sum() / tokens[1:].sum()
    assert summary.applied.audio_tokens == pytest.approx(expected)
    if any(columns):
        assert summary.applied.audio_lift == pytest.approx(audio / (1 - sink) / expected)


@settings(max_examples=60)
@given(answers())
def test_an_evaluation_has_the_shares_of_the_meter(readings: list[AttentionReading]) -> None:
    shares, applied = Shares.of(readings), summary_of(readings).applied
    assert shares.sources == applied.sources and shares.tokens == pytest.approx(applied.tokens, rel=1e-6)
    assert shares.audio == pytest.approx(applied.audio, rel=1e-4)
    assert [shares.lift(source) for source in shares.sources] == pytest.approx(
        [applied.lift(source) for source in shares.sources], rel=1e-4
    )


@given(answers())
def test_shares_have_their_bounds_and_sums(readings: list[AttentionReading]) -> None:
    summary = summary_of(readings)
    for shares in (summary.applied, summary.before_boost):
        assert sum(shares.weights) == pytest.approx(1)
        assert sum(shares.share(source) for source in shares.sources) == pytest.approx(1)
        assert sum(shares.token_share(source) for source in shares.sources) == pytest.approx(1)
        assert all(0 <= shares.share(source) <= 1 + 1e-9 for source in shares.sources)
        assert shares.audio == pytest.approx(sum(shares.share(source) for source in summary.clips))
    for profile, source in zip(summary.profiles, summary.clips, strict=True):
        assert sum(profile) == pytest.approx(summary.applied.weights[summary.sources.index(source)])
    by_layer = summary.audio_by_layer()
    assert len(by_layer) == len(summary.layers)
    if not summary.boosted:
        assert summary.weights == summary.natural


def test_lift_is_one_where_every_token_gets_the_same() -> None:
    tokens = (3, 5, 20, 2)
    row = tuple(count / sum(tokens) for count in tokens)
    reading = AttentionReading(
        sources=("template", "question", "clip A", "answer"),
        tokens=tokens,
        layers=(0,),
        weights=(row,),
        natural=(row,),
        head_spread=(0.0,),
        profiles=((row[2],),),
    )
    summary = summary_of([reading])
    for source in ("question", "clip A", "answer"):
        assert summary.applied.lift(source) == pytest.approx(1)
    assert summary.applied.lift("template") == 0


def test_nothing_read_gives_no_summary_and_a_sentence() -> None:
    assert Trace.of([]) is None and Trace.of([Token("x")]) is None
    assert strings.NO_READINGS in card(None, [clip()])


class Tree(HTMLParser):
    """Demands that every tag that is opened is closed, and collects the attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def parsed(html: str) -> Tree:
    tree = Tree()
    tree.feed(html)
    tree.close()
    assert tree.open == []
    return tree


@given(answers())
def test_a_trace_holds_the_readings_to_float32(readings: list[AttentionReading]) -> None:
    trace = trace_of(readings)
    assert trace.texts == tuple(f"{step} " for step in range(len(readings)))
    again = [Token(text, reading) for text, reading in zip(trace.texts, trace.readings, strict=True)]
    assert trace == Trace.of(again)
    for kept, reading in zip(trace.readings, readings, strict=True):
        assert (kept.sources, kept.layers, kept.tokens) == (reading.sources, reading.layers, reading.tokens)
        for name in ("weights", "natural", "head_spread", "profiles"):
            for row, exact in zip(getattr(kept, name), getattr(reading, name), strict=True):
                assert np.asarray(row) == pytest.approx(np.asarray(exact))


@settings(max_examples=60)
@given(answers(), st.text(max_size=30), st.booleans())
def test_the_card_names_and_numbers_every_clip_and_nothing_else_becomes_markup(
    readings: list[AttentionReading], name: str, live: bool
) -> None:
    summary = summary_of(readings)
    clips = [clip(f"{name}<b onclick='x'>${{1}}&", seconds=0.1 + index) for index in range(len(summary.clips))]
    tree = parsed(
        card(trace_of(readings), clips, [address(Attachment(one.label, one.label)) for one in clips] if live else None)
    )
    assert not any(key.startswith("on") for _, attributes in tree.elements for key in attributes)
    assert "b" not in {tag for tag, attributes in tree.elements if attributes}
    controls = {"button", "audio", "dialog"} & {tag for tag, _ in tree.elements}
    assert controls == ({"button", "audio"} if live and clips else set())
    assert any(attributes.get("role") == "slider" for _, attributes in tree.elements) == (live and bool(clips))
    if not clips:
        assert strings.NO_CLIPS in tree.words
        return
    meters = [attributes for _, attributes in tree.elements if attributes.get("role") == "meter"]
    assert len(meters) == 1 + len(clips)
    assert float(meters[0]["aria-valuenow"] or "") == pytest.approx(100 * summary.applied.audio, abs=0.06)
    for index, (source, attributes) in enumerate(zip(summary.clips, meters[1:], strict=True)):
        assert float(attributes["aria-valuenow"] or "") == pytest.approx(100 * summary.applied.share(source), abs=0.06)
        assert f"lip {letter(index)}" in (attributes["aria-label"] or "")
        assert clips[index].label in (attributes["aria-label"] or "")
        assert letter(index) in tree.words
    images = [attributes for _, attributes in tree.elements if attributes.get("role") == "img"]
    by_layer = sum(count > 0 for source, count in zip(summary.sources, summary.tokens, strict=True)) - 1
    assert len(images) == len(clips) + 2 + by_layer, (
        "a strip for each clip, the stack, the layers: of audio and sources"
    )
    assert all(attributes.get("aria-label") for attributes in images)
    before = sum("es-natural" in (attributes.get("class") or "") for _, attributes in tree.elements)
    assert before == (1 + len(clips) if summary.boosted else 0)


@settings(max_examples=30)
@given(answers())
def test_the_bar_of_all_sources_adds_to_the_whole(readings: list[AttentionReading]) -> None:
    summary = summary_of(readings)
    html = card(trace_of(readings), [clip() for _ in summary.clips])
    widths = [float(width) for width in re.findall(r'es-part[^"]*" style="[^"]*width:([\d.]+)%', html)]
    assert len(widths) == (len(summary.sources) if summary.clips else 0)
    if widths:
        assert sum(widths) == pytest.approx(100, abs=0.01)


def test_a_source_without_tokens_is_not_drawn() -> None:
    row = (0.5, 0.0, 0.2, 0.3, 0.0)
    reading = AttentionReading(
        sources=("template", "history", "question", "clip A", "answer"),
        tokens=(4, 0, 7, 9, 0),
        layers=(0,),
        weights=(row,),
        natural=(row,),
        head_spread=(0.1,),
        profiles=((0.3,),),
    )
    html = card(trace_of([reading]), [clip()])
    assert strings.SOURCES["history"] not in html and strings.SOURCES["question"] in html
    assert len(re.findall("es-part", html)) == 3


def brightness(colour: str) -> float:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_heat_is_never_darker(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert brightness(cividis(low)) <= brightness(cividis(high)) + 1  # whole numbers of 0..255 round


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80))
def test_drawings_are_well_formed_with_one_mark_a_bin(levels: list[float]) -> None:
    assert ElementTree.fromstring(waveform(levels))[0].attrib["d"].count("M") == len(levels)
    assert len(ElementTree.fromstring(heat(levels, "a strip"))) == len(levels)

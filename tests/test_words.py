"""The rows of single words against sums of their own, and the numbers as the page unpacks them."""

import json
from base64 import b64decode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_app import strings
from chat_app.meter import card, tools
from chat_app.trace import Trace
from chat_app.waveform import SHADES, cividis
from chat_app.words import packed_levels, packed_numbers, rows_of, word_starts, words_of
from core.types import AttentionReading, Token
from tests.test_meter import answers, clip, parsed, trace_of

TEXTS = st.lists(st.text("a .,é\n\u3000中文가😀", max_size=4), min_size=1, max_size=20)
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@given(TEXTS)
def test_words_are_the_answer_cut_between_tokens(texts: list[str]) -> None:
    words, starts = words_of(texts), word_starts(texts)
    assert "".join(words) == "".join(texts)
    assert len(words) == len(starts) and starts[0] == 0
    assert list(starts) == sorted(set(starts)) and starts[-1] < len(texts)
    assert all(word.strip() for word in words) or len(words) == 1, "white space alone is no word"


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["That", " is", " a", " d", "og", "."], ["That", " is", " a", " dog."]),
        (["That ", "is ", "a ", "d", "og."], ["That ", "is ", "a ", "dog."]),
        (["One", ".", "\n\n", "Two"], ["One.\n\n", "Two"]),
        ([" caf", "", "é", " x"], [" café", " x"]),
        (["a", "", "", " 😀", " b"], ["a", " 😀", " b"]),
        (["狗", "在", "叫", "。"], ["狗", "在", "叫", "。"]),
        (["cut", "", ""], ["cut"]),
        (["\n", "x"], ["\nx"]),
        (["", ""], [""]),
    ],
)
def test_words_as_people_see_them(texts: list[str], words: list[str]) -> None:
    assert list(words_of(texts)) == words


def test_an_incomplete_character_counts_to_the_word_it_completes() -> None:
    assert word_starts(["a", "", "", " 😀", " b"]) == (0, 1, 4)


@st.composite
def spoken(draw: st.DrawFn) -> tuple[Trace, list[AttentionReading]]:
    """A trace with at least one clip, its tokens of any texts, and the readings it was made of."""
    readings = draw(answers().filter(lambda found: len(found[0].profiles) > 0))
    texts = draw(st.lists(st.sampled_from([" a", "b", "", " ", "c "]), min_size=len(readings), max_size=len(readings)))
    trace = Trace.of([Token(text, reading) for text, reading in zip(texts, readings, strict=True)])
    assert trace is not None
    return trace, readings


@settings(max_examples=60)
@given(spoken())
def test_a_row_is_the_mean_over_its_tokens(answer: tuple[Trace, list[AttentionReading]]) -> None:
    trace, readings = answer
    clips = len(trace.profiles)
    seconds = [0.5 + index for index in range(clips)]
    rows = rows_of(trace, seconds, most_words=99)
    starts = word_starts(trace.texts)
    spans = [(0, len(readings)), *zip(starts, [*starts[1:], len(readings)], strict=True)]
    assert len(rows.shares) == len(spans) == 1 + len(rows.words)
    for row, (start, stop) in enumerate(spans):
        of_word = readings[start:stop]
        weights = np.mean([layer for reading in of_word for layer in reading.weights], axis=0)
        natural = np.mean([layer for reading in of_word for layer in reading.natural], axis=0)
        tokens = np.mean([reading.tokens for reading in of_word], axis=0)
        heat = []
        for index in range(clips):
            place = trace.sources.index(f"clip {'ABCDE'[index]}")
            share = weights[place] / weights[1:].sum()
            assert rows.shares[row, index] == pytest.approx(share, abs=1e-6)
            assert rows.natural[row, index] == pytest.approx(natural[place] / natural[1:].sum(), abs=1e-6)
            assert rows.lifts[row, index] == pytest.approx(share / (tokens[place] / tokens[1:].sum()), rel=1e-5)
            profile = np.mean([reading.profiles[index] for reading in of_word], axis=0)
            heat.append(profile * len(profile) / seconds[index])
        for index in range(clips):
            assert rows.levels[index][row] == pytest.approx(heat[index] / max(map(max, heat)), abs=1e-6)
    summary = trace.summary
    assert rows.shares[0] == pytest.approx([summary.applied.share(source) for source in summary.clips])
    assert rows.lifts[0] == pytest.approx([summary.applied.lift(source) for source in summary.clips])
    assert rows.natural[0] == pytest.approx([summary.before_boost.share(source) for source in summary.clips])


@given(spoken())
def test_what_is_packed_comes_out_again(answer: tuple[Trace, list[AttentionReading]]) -> None:
    trace, _ = answer
    rows = rows_of(trace, [1.0] * len(trace.profiles), most_words=99)
    numbers = np.frombuffer(b64decode(packed_numbers(rows.shares, rows.lifts)), "<f4").reshape(2, *rows.shares.shape)
    assert numbers[0] == pytest.approx(rows.shares) and numbers[1] == pytest.approx(rows.lifts, rel=1e-6)
    levels = [DIGITS.index(character) / (SHADES - 1) for character in packed_levels(rows.levels)]
    exact = np.concatenate(rows.levels, axis=1).ravel()
    assert levels == pytest.approx(exact, abs=0.5 / (SHADES - 1) + 1e-9)


def test_words_after_the_most_have_no_row() -> None:
    trace = trace_of([reading()] * 5)
    rows = rows_of(trace, [1.0], most_words=3)
    assert rows.words == ("0 ", "1 ", "2 ") and rows.shares.shape == (4, 1)


def reading() -> AttentionReading:
    row = (0.5, 0.2, 0.3)
    return AttentionReading(
        sources=("template", "question", "clip A"),
        tokens=(4, 7, 9),
        layers=(0,),
        weights=(row,),
        natural=(row,),
        head_spread=(0.1,),
        profiles=((0.1, 0.2),),
    )


@settings(max_examples=30)
@given(answers().filter(lambda found: len(found[0].profiles) > 0), st.text(max_size=12))
def test_the_card_holds_a_button_and_numbers_for_each_word(readings: list[AttentionReading], word: str) -> None:
    hostile = f" {word.strip()}<img onerror='x'>\"{{share}}${{1}}"
    trace = Trace.of([Token(hostile, reading) for reading in readings])
    assert trace is not None
    clips = [clip() for _ in trace.profiles]
    tree = parsed(card(trace, clips, ["a"] * len(clips)))
    assert "img" not in {tag for tag, _ in tree.elements}
    words = [attributes for _, attributes in tree.elements if "es-word" in (attributes.get("class") or "").split()]
    assert len(words) == 1 + len(words_of(trace.texts))
    assert [attributes["tabindex"] for attributes in words] == ["0"] + ["-1"] * (len(words) - 1)
    data = next(attributes for _, attributes in tree.elements if "data-levels" in attributes)
    kinds = 3 if trace.boosted else 2
    assert len(b64decode(data["data-numbers"] or "")) == 4 * kinds * len(words) * len(clips)
    assert len(data["data-levels"] or "") == len(words) * sum(profile.shape[1] for profile in trace.profiles)
    assert json.loads(data["data-texts"] or "")["whole"] == strings.SHOWN_WHOLE


def test_an_answer_of_nothing_but_white_space_has_no_words_to_pick() -> None:
    trace = Trace.of([Token(" \n", reading())])
    assert trace is not None
    assert "es-word" not in card(trace, [clip()], ["a"]) and "es-place" in card(trace, [clip()], ["a"])


def test_the_page_has_the_colours_of_the_strips() -> None:
    dialog = next(attributes for tag, attributes in parsed(tools()).elements if tag == "dialog")
    shades = (dialog["data-shades"] or "").split()
    assert len(shades) == SHADES and (shades[0], shades[-1]) == (cividis(0), cividis(1))

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from core.observation import BINS, Observation, spread
from core.types import Boost, Span

moments = st.floats(-5.0, 700.0, width=32)


def tokens(*pairs: tuple[float, float]) -> Tensor:
    return torch.tensor(pairs, dtype=torch.float32).view(-1, 2)


@given(st.lists(st.tuples(moments, moments), min_size=1, max_size=20), st.floats(0.1, 600.0))
def test_every_token_is_spread_whole(pairs: list[tuple[float, float]], seconds: float) -> None:
    parts = spread(tokens(*pairs), seconds)
    assert parts.shape == (len(pairs), BINS)
    assert parts.min() >= 0.0
    torch.testing.assert_close(parts.sum(1), torch.ones(len(pairs)))


@given(st.integers(0, 47), st.integers(1, 48))
def test_a_token_falls_into_the_bins_it_covers(first: int, count: int) -> None:
    last = min(first + count, BINS)
    parts = spread(tokens((first / 4, last / 4)), BINS / 4)[0]
    wanted = torch.zeros(BINS)
    wanted[first:last] = 1 / (last - first)
    torch.testing.assert_close(parts, wanted)


def test_a_token_that_covers_half_a_bin_gives_it_half_as_much() -> None:
    parts = spread(tokens((0.5, 2.0)), float(BINS))[0]
    torch.testing.assert_close(parts[:3], torch.tensor([1 / 3, 2 / 3, 0.0]))


def test_what_lies_outside_the_clip_does_not_count() -> None:
    parts = spread(tokens((-3.0, 1.0), (47.0, 60.0), (50.0, 55.0), (5.0, 5.0)), float(BINS))
    assert parts.argmax(1).tolist() == [0, 47, 47, 5]
    torch.testing.assert_close(parts.max(1).values, torch.ones(4))


def observation(boost: Boost = Boost(), max_keys: int = 12) -> Observation:
    spans = (Span(0, 2, "clip B"), Span(2, 3, "question"), Span(3, 6, "clip A"), Span(6, 8, "clip B"))
    whole = tokens((0.0, 1.0))
    return Observation.of(spans, [whole.repeat(3, 1), whole.repeat(4, 1)], [1.0, 1.0], boost, max_keys)


def test_columns_are_words_then_clips_by_letter_then_the_answer() -> None:
    seen = observation()
    assert seen.sources == ("template", "system", "history", "question", "pairs", "hint", "clip A", "clip B", "answer")
    assert seen.on_clip.tolist() == [1, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert [seen.sources[column] for column in seen.one_hot.argmax(1)] == (
        ["clip B"] * 2 + ["question"] + ["clip A"] * 3 + ["clip B"] * 2 + ["answer"] * 4
    )
    assert torch.equal(seen.one_hot.sum(1), torch.ones(12))


def test_tokens_are_counted_up_to_the_key_that_is_asked_for() -> None:
    seen = observation()
    counted = dict(zip(seen.sources, seen.tokens(10), strict=True))
    assert {name: tokens for name, tokens in counted.items() if tokens} == {
        "question": 1,
        "clip A": 3,
        "clip B": 4,
        "answer": 2,
    }
    assert dict(zip(seen.sources, seen.tokens(8), strict=True)) == counted | {"answer": 0}


def test_gain_is_the_clips_weight_on_its_keys() -> None:
    assert observation(Boost("mata")).gain.tolist() == [1, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert observation(Boost("mata", clip_weights=(0.5,))).gain.tolist() == [1, 1, 0, 0.5, 0.5, 0.5, 1, 1, 0, 0, 0, 0]


def test_a_boost_acts_only_where_it_changes_something() -> None:
    assert observation(Boost("mata")).acts
    assert not observation(Boost("mata", 0.0)).acts
    assert not observation(Boost("off")).acts
    assert not observation(Boost("mata", clip_weights=(0.0, 0.0))).acts
    assert observation(Boost("mata", clip_weights=(0.0, 1.0))).acts


@pytest.mark.parametrize(
    ("spans", "match"),
    [
        ([Span(0, 2, "question"), Span(3, 5, "clip A")], "partition"),
        ([Span(1, 5, "clip A")], "partition"),
        ([Span(0, 3, "clip A"), Span(2, 5, "question")], "partition"),
        ([Span(0, 3, "clip A"), Span(3, 5, "question")], "have a time"),
        ([Span(0, 5, "clip A"), Span(5, 9, "question")], "does not fit"),
    ],
)
def test_a_wrong_plan_is_our_mistake(spans: list[Span], match: str) -> None:
    with pytest.raises(AssertionError, match=match):
        Observation.of(spans, [tokens((0.0, 1.0)).repeat(5, 1)], [1.0], Boost(), 8)

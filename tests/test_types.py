"""The values: equal by content, frozen, and refusing what is out of range with a sentence."""

import copy
import dataclasses
import itertools
import string
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import core.errors
from core.errors import AudioError, LalmError, SettingsError
from core.types import METHODS, Boost, Clip, Conversation, Settings, Turn, letter


def test_clips_are_equal_when_they_sound_equal(tone_clip: Callable[..., Clip]) -> None:
    first, second, other = tone_clip("a.wav"), tone_clip("b.wav"), tone_clip("a.wav", 441.0)
    assert first == second and hash(first) == hash(second) and first.digest == second.digest
    assert first != other and first != "a.wav"
    assert len({first, second, other}) == 2


def test_clips_cannot_be_changed_and_cost_nothing_to_copy(tone_clip: Callable[..., Clip]) -> None:
    clip = tone_clip()
    with pytest.raises(ValueError, match="read-only"):
        clip.samples[0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        clip.label = "other"  # type: ignore[misc]
    assert copy.deepcopy(Conversation((Turn("user", (clip,)),))).clips[0] is clip
    assert clip.seconds == pytest.approx(0.6)


def test_clips_are_mono_float32() -> None:
    for samples in (np.zeros((2, 4), np.float32), np.zeros(4, np.float64), np.zeros(4, np.int16)):
        with pytest.raises(AssertionError, match="mono float32"):
            Clip(samples, "x")


def test_a_clip_of_every_other_sample_hashes_what_it_holds() -> None:
    samples = np.arange(8, dtype=np.float32) / 8
    assert Clip(samples[::2], "x") == Clip(samples[::2].copy(), "y")


def test_letters_count_as_columns_of_a_spreadsheet() -> None:
    ones = list(string.ascii_uppercase)
    twos = ["".join(pair) for pair in itertools.product(ones, repeat=2)]
    threes = ["".join(triple) for triple in itertools.product(ones, repeat=3)]
    expected = ones + twos + threes
    assert [letter(index) for index in range(len(expected))] == expected


@given(st.lists(st.integers(0, 3), max_size=4))
def test_letters_go_on_across_turns_in_the_order_dropped(counts: list[int]) -> None:
    number = itertools.count(1)
    conversation = Conversation()
    for count in counts:
        clips = tuple(Clip(np.full(next(number), 0.5, np.float32), "same.wav") for _ in range(count))
        conversation = conversation.with_turn(Turn("user", (*clips, "?"))).with_turn(Turn("assistant", ("!",)))
    assert len(conversation.turns) == 2 * len(counts)
    assert [len(clip.samples) for clip in conversation.clips] == list(range(1, sum(counts) + 1))
    assert [name for name, _ in conversation.lettered()] == [letter(index) for index in range(sum(counts))]


def test_one_recording_dropped_twice_has_two_letters(tone_clip: Callable[..., Clip]) -> None:
    clip = tone_clip()
    conversation = Conversation((Turn("user", (clip, clip, "Are A and B the same?")),))
    assert [name for name, _ in conversation.lettered()] == ["A", "B"]


def test_a_turn_keeps_the_order_of_words_and_sounds(tone_clip: Callable[..., Clip]) -> None:
    one, two = tone_clip("1", 300.0), tone_clip("2", 500.0)
    turn = Turn("user", ("first", one, "then", two))
    assert turn.text == "first\nthen" and turn.clips == (one, two)


def test_a_conversation_is_a_value(tone_clip: Callable[..., Clip]) -> None:
    before = Conversation()
    after = before.with_turn(Turn("user", (tone_clip(), "x")))
    assert before == Conversation() and len(after.turns) == 1
    assert after == Conversation((Turn("user", (tone_clip("other name"), "x")),))


@given(
    depth=st.integers(1, 80),
    band=st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda band: band[0] < band[1]),
)
def test_a_band_is_never_empty_and_never_outside(depth: int, band: tuple[float, float]) -> None:
    layers = Boost(band=band).layers(depth)
    assert len(layers) >= 1 and layers[0] >= 0 and layers[-1] < depth


def test_the_default_band_is_the_one_of_the_paper() -> None:
    assert Boost().layers(28) == range(10, 20), "arXiv 2509.18816: layers 10-20 of 28"


def test_full_band_is_every_layer() -> None:
    assert Boost(band=(0.0, 1.0)).layers(30) == range(30)


@pytest.mark.parametrize("method", METHODS)
def test_a_boost_is_on_where_it_would_change_a_score(method: str) -> None:
    assert Boost(method, alpha=0.3).on == (method != "off")
    if method != "target":
        assert not Boost(method, alpha=0.0).on


def test_weights_beyond_the_end_count_as_one() -> None:
    boost = Boost(clip_weights=(2.0, 0.0))
    assert [boost.weight(index) for index in range(4)] == [2.0, 0.0, 1.0, 1.0]


NAN = float("nan")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Boost("louder"),
        lambda: Boost("mata", alpha=11.0),
        lambda: Boost("mata", alpha=NAN),
        lambda: Boost("target", alpha=0.0),
        lambda: Boost("target", alpha=1.0),
        lambda: Boost("target", alpha=-0.5),
        lambda: Boost(band=(0.5, 0.5)),
        lambda: Boost(band=(0.7, 0.3)),
        lambda: Boost(band=(-0.1, 0.5)),
        lambda: Boost(band=(0.5, NAN)),
        lambda: Boost(clip_weights=(1.0, -1.0)),
        lambda: Boost(clip_weights=(NAN,)),
        lambda: Settings(temperature=-0.1),
        lambda: Settings(temperature=NAN),
        lambda: Settings(top_p=0.0),
        lambda: Settings(top_p=1.1),
        lambda: Settings(max_tokens=0),
        lambda: Settings(max_tokens=5000),
    ],
)
def test_settings_out_of_range_say_what_to_give(make: Callable[[], object]) -> None:
    with pytest.raises(SettingsError, match=r"(choose one of|takes|give) .*\.$"):
        make()


def test_every_error_is_caught_as_one_kind() -> None:
    kinds = [kind for kind in vars(core.errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) >= 6 and all(issubclass(kind, LalmError) for kind in kinds)
    assert all(kind.__name__ in (core.errors.__doc__ or "") for kind in kinds), "the tree names each"
    error = AudioError("<dog>.wav", "it is empty: record it again.")
    assert str(error) == "<dog>.wav: it is empty: record it again." and error.name == "<dog>.wav"

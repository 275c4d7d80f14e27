"""Orders of clips: permutations, balance, the question in each of them, and what the answers agree on."""

import math
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.orders import Group, Order, boost_in_order, in_order, inverse, orders, vote
from core.types import Boost, Clip, Conversation, Turn
from tests import tiny

CLIPS = tuple(tiny.tone(hz, 0.1, f"{hz}.wav") for hz in (220, 330, 440, 550, 660))
an_order = st.integers(0, 6).flatmap(lambda count: st.permutations(range(count))).map(tuple)


def asked(*parts: Clip | str) -> Conversation:
    return Conversation((Turn("user", parts),))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_up_to_four_clips_are_asked_about_in_every_order(count: int) -> None:
    found = orders(count)
    assert found[0] == tuple(range(count))
    assert set(found) == set(permutations(range(count))) and len(found) == math.factorial(count)


@given(st.integers(1, 12), st.integers(1, 60), st.integers(0, 99))
def test_drawn_orders_are_distinct_permutations_and_balanced(count: int, most: int, seed: int) -> None:
    found = orders(count, most, seed)
    assert len(set(found)) == len(found) == min(most, math.factorial(count))
    assert found[0] == tuple(range(count)) and found == orders(count, most, seed)
    assert all(sorted(order) == list(range(count)) for order in found)
    for place in range(count):
        stood = Counter({clip: 0 for clip in range(count)})
        stood.update(order[place] for order in found)
        assert max(stood.values()) - min(stood.values()) <= 1


@given(st.integers(3, 8), st.integers(1, 3), st.integers(0, 99))
def test_after_whole_pairs_of_rows_each_clip_is_before_each_other_in_half(count: int, pairs: int, seed: int) -> None:
    found = orders(count, min(2 * count * pairs, math.factorial(count)), seed)
    for one, other in permutations(range(count), 2):
        assert 2 * sum(order.index(one) < order.index(other) for order in found) == len(found)


def test_another_seed_draws_other_orders() -> None:
    assert set(orders(6, 24, 0)) != set(orders(6, 24, 1))


@given(an_order)
def test_the_inverse_undoes_an_order(order: Order) -> None:
    back = inverse(order)
    assert inverse(back) == order
    assert [order[place] for place in back] == list(range(len(order)))


@given(st.permutations(range(5)).map(tuple))
def test_each_sound_stands_where_the_order_says_and_words_and_slots_stay(order: Order) -> None:
    a, b, c, d, e = CLIPS
    earlier = Turn("user", (a, "Is it a dog?", b))
    conversation = Conversation((earlier, Turn("assistant", ("Clip A is.",)), Turn("user", (c, "and", d, "or", e))))
    found = in_order(conversation, order)
    assert [clip.label for clip in found.clips] == [CLIPS[index].label for index in order]
    (turn,) = found.turns
    shape = [part if isinstance(part, str) else None for part in turn.parts]
    assert (turn.role, shape) == ("user", [None, None, None, "and", None, "or", None])


def test_the_words_of_the_question_name_the_clips_where_they_stand_now() -> None:
    found = in_order(asked(*CLIPS[:3], "How do B and C differ?"), (2, 0, 1))
    assert found == asked(CLIPS[2], CLIPS[0], CLIPS[1], "How do C and A differ?")


@given(st.permutations(range(3)).map(tuple))
def test_asking_back_in_the_inverse_order_is_the_question_as_it_was(order: Order) -> None:
    conversation = asked(CLIPS[0], "first,", *CLIPS[1:3], "Is clip A louder than clip B, or than C?")
    assert in_order(in_order(conversation, order), inverse(order)) == conversation
    assert in_order(conversation, (0, 1, 2)) == conversation


def test_a_question_without_clips_has_one_order() -> None:
    assert in_order(asked("Is A a letter?"), ()) == asked("Is A a letter?")


@given(st.permutations(range(3)).map(tuple), st.lists(st.floats(0.0, 10.0), max_size=3))
def test_a_clips_weight_goes_with_its_sound(order: Order, weights: list[float]) -> None:
    boost = Boost("mata", 0.5, clip_weights=tuple(weights))
    moved = boost_in_order(boost, order)
    assert [moved.weight(place) for place in range(3)] == [boost.weight(index) for index in order]
    assert boost_in_order(moved, inverse(order)).weight(0) == boost.weight(0)


def test_a_vote_says_who_won_and_who_is_odd() -> None:
    first, second, third = orders(3)[:3]
    found = vote({third: "A", first: "B", second: "A"})
    assert found.groups == (Group("A", (second, third)), Group("B", (first,)))
    assert (found.winner, found.agreement, found.odd) == ("A", 2 / 3, ((first, "B"),))


def test_a_tie_is_a_tie() -> None:
    one, two, three, four, five = orders(3)[:5]
    found = vote({one: "yes", two: "no", three: "yes", four: "no", five: "none"})
    assert found.winner is None and found.agreement == 2 / 5
    assert [group.verdict for group in found.leading] == ["no", "yes"]
    assert found.odd == ((five, "none"),)


verdicts = st.dictionaries(st.sampled_from(orders(4)), st.sampled_from(["yes", "no", "A", "A, B"]), min_size=1)


@given(verdicts, st.data())
def test_a_vote_does_not_depend_on_the_order_of_asking(given: dict[Order, str], data: st.DataObject) -> None:
    assert vote(dict(data.draw(st.permutations(list(given.items()))))) == vote(given)


@given(verdicts)
def test_a_vote_holds_each_answer_once_and_counts_right(given: dict[Order, str]) -> None:
    found, counted = vote(given), Counter(given.values())
    assert {order: group.verdict for group in found.groups for order in group.orders} == given
    assert sum(len(group.orders) for group in found.groups) == len(given)
    assert found.agreement == max(counted.values()) / len(given)
    assert len(found.leading) == sum(number == max(counted.values()) for number in counted.values())
    assert len(found.odd) == len(given) - sum(len(group.orders) for group in found.leading)
    assert (found.winner is None) == (len(found.leading) > 1)

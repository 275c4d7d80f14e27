"""How a question is put: silence, orders and letters that follow them; what a plan refuses."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SettingsError
from core.evaluation.arms import BoostAt, Plan, grid, posed, put_back, read_boosts, settings_of
from core.evaluation.benchmarks import BENCHMARKS, pairs
from core.evaluation.item import Item, Sound
from core.orders import orders
from core.training.corpus import Corpus
from core.training.gates import EVALUATION_TASKS, gate_questions, seeded
from core.types import Clip, letter
from tests import tiny
from tests.corpora import EVENTS, sounding, write_corpus
from tests.evaluation_tiny import engine


def question(clips: int, movable: int | None = None) -> Item:
    """Which of the clips is the second."""
    names = tuple(map(letter, range(clips)))
    sounds = tuple(Sound(name, lambda: tiny.noise(1, 0.2)) for name in names)
    return Item("q", "t", sounds, "Is it clip B?", "clips", names, ("B",), clips if movable is None else movable)


def noises(count: int) -> tuple[Clip, ...]:
    return tuple(tiny.noise(seed, 0.1 + 0.1 * seed) for seed in range(count))


def test_each_arm_puts_the_clips_as_it_says() -> None:
    item, clips = question(3), noises(3)
    found = list(posed(item, clips, Plan(arms=("audio", "silence", "reversed"))))
    assert [(put.silenced, put.order) for put in found] == [(False, (0, 1, 2)), (True, (0, 1, 2)), (False, (2, 1, 0))]
    assert found[0].clips == clips and found[0].item == item
    assert [len(clip.samples) for clip in found[1].clips] == [len(clip.samples) for clip in clips]
    assert not any(clip.samples.any() for clip in found[1].clips) and found[1].item == item
    assert found[2].clips == clips[::-1] and found[2].item.answers == ("B",)


def test_an_order_is_put_once_whatever_it_is_for() -> None:
    plan = Plan(arms=("audio", "reversed", "orders"))
    assert sorted(put.order for put in posed(question(3), noises(3), plan)) == sorted(orders(3))
    assert len(list(posed(question(5), noises(5), replace(plan, most_orders=4)))) == 5, "the reverse is not drawn"
    assert plan.every_order(3) == orders(3) and len(replace(plan, most_orders=4).every_order(3)) == 4


def test_what_may_not_move_stays() -> None:
    every = Plan(arms=("audio", "silence", "reversed", "orders"))
    still = list(posed(question(2, movable=0), noises(2), every))
    assert [(put.silenced, put.order) for put in still] == [(False, ()), (True, ())]
    clips = noises(3)
    moving = list(posed(question(3, movable=2), clips, every))
    assert {put.clips[2] for put in moving if not put.silenced} == {clips[2]}
    assert [put.clips for put in moving if put.order == (1, 0)] == [(clips[1], clips[0], clips[2])]


@given(st.integers(2, 5), st.data())
def test_a_choice_is_told_in_the_letters_of_the_item(clips: int, data: st.DataObject) -> None:
    item, sounds = question(clips), noises(clips)
    put = data.draw(st.sampled_from(list(posed(item, sounds, Plan(arms=("orders",), most_orders=12)))))
    for place, clip in enumerate(put.clips):
        assert put_back(item, put.order, letter(place)) == letter(sounds.index(clip))
    assert put_back(item, put.order, put.item.answers[0]) == "B"
    assert put_back(item, put.order, None) is None


def test_a_text_that_names_a_clip_is_told_back_too() -> None:
    texts = ("clip A has rain", "clip B has rain", "neither")
    item = replace(question(2), options="texts", choices=texts, answers=texts[:1])
    (put,) = posed(item, noises(2), Plan(arms=("reversed",)))
    assert put.item.choices == ("clip B has rain", "clip A has rain", "neither")
    assert [put_back(item, put.order, choice) for choice in put.item.choices] == list(texts)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), ("sound", "ambience", "instrument"))


@pytest.fixture
def items(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Item]:
    monkeypatch.setattr(pairs, "QUESTIONS", 6)
    return BENCHMARKS["pairs"].items(corpus)


def test_in_the_reversed_arm_of_every_gate_the_answer_follows_the_clip(items: Iterator[Item]) -> None:
    tasks = set()
    for item in items:
        clips = tuple(sound.read() for sound in item.sounds)
        found = list(posed(item, clips, Plan(arms=("reversed",))))
        assert len(found) == (len(clips) > 1)
        for put in found:
            assert put.clips == clips[::-1]
            if item.options == "clips":
                assert put.clips[ord(put.item.answers[0]) - 65] == clips[ord(item.answers[0]) - 65]
            else:
                assert put.item.answers == item.answers
            tasks.add(item.task)
    assert {"which_clip_4", "added_event", "louder", "odd_one_out"} <= tasks <= set(EVALUATION_TASKS)


def test_a_reversed_which_clip_question_is_true_of_the_sounds(tmp_path: Path) -> None:
    still = replace(Corpus.read(write_corpus(tmp_path, ("sound",)), "dev"), augment=False)
    for number, asked in enumerate(gate_questions(still, seeded("which_clip_3"), "which_clip_3", 6)):
        item = pairs._item("which_clip_3", number, asked, True)
        (put,) = posed(item, asked.clips, Plan(arms=("reversed",)))
        wanted = str(asked.facts["label"])
        assert wanted in put.item.question
        having = [wanted in sounding(clip, EVENTS, 0.2) for clip in put.clips]
        assert having == ["ABC".index(put.item.answers[0]) == place for place in range(3)]


def test_the_grid_covers_every_layer_once_for_each_strength() -> None:
    found = grid(30)
    assert len(found) == 12 and [str(boost) for boost in found[:2]] == ["0.05:0-9", "0.1:0-9"]
    for alpha in {boost.alpha for boost in found}:
        layers = [layer for boost in found if boost.alpha == alpha for layer in boost.boost(30).layers(30)]
        assert sorted(layers) == list(range(30))


def test_boosts_are_read_as_they_are_written() -> None:
    assert read_boosts("0.1:10-19,0.2:0-9") == (BoostAt(0.1, 10, 19), BoostAt(0.2, 0, 9))
    (found,) = read_boosts("pai:0.2:1-2")
    assert found == BoostAt(0.2, 1, 2, "pai") and str(found) == "pai:0.2:1-2" and found.boost(3).method == "pai"
    for wrong in ("", "0.1", "0.1:3", "a:1-2", "off:0.1:1-2", "mata:pai:0.1:1-2", "0.1:1-2,"):
        with pytest.raises(SettingsError, match="no list of boosts"):
            read_boosts(wrong)
    with pytest.raises(SettingsError, match="several methods"):
        read_boosts("0.1:1-2,pai:0.1:1-2")
    with pytest.raises(SettingsError, match="no layers 20 to 30"):
        BoostAt(0.1, 20, 30).boost(30)


def test_a_plan_that_cannot_be_is_refused_before_anything_is_asked() -> None:
    lalm, boosts = engine(), (BoostAt(0.1, 0, 1),)
    Plan(boosts=boosts).check(lalm)
    for plan, words in (
        (Plan(boosts=(BoostAt(0.1, 0, 3),)), "no layers 0 to 3"),
        (Plan(boosts=(BoostAt(0.5, 0, 1, "target"),)), "target has no likelihoods"),
        (Plan(boosts=boosts, adapters=("off",)), "arm audio and the adapter on"),
        (Plan(boosts=boosts, arms=("silence",)), "arm audio and the adapter on"),
        (Plan(effects=True), "add --read"),
    ):
        with pytest.raises(SettingsError, match=words):
            plan.check(lalm)
    with pytest.raises(SettingsError, match="has no adapter"):
        settings_of(tiny.engine("embedded"), "on")

"""The rules that judge answers in free words: hand-made answers of every style, laws, published rules as oracles."""

import re
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.evaluation.benchmarks import BENCHMARKS
from core.evaluation.benchmarks.instructions import RULES, follows, sentences
from core.evaluation.benchmarks.mae import symmetric
from core.evaluation.benchmarks.rules import by_tokens, named_choices, named_clips, spelt
from core.evaluation.benchmarks.star_bench import chosen_letter, restoring, rotated, segment_order
from core.types import letter
from tests import verdict_table as table
from tests.verdict_table import item, verdict

WORDS = ("dog", "cat", "rain", "loud", "soft", "bell", "horn", "drum", "wind", "song")
words = st.sampled_from(WORDS)
choices = st.lists(st.lists(words, min_size=1, max_size=3).map(" ".join), min_size=2, max_size=5, unique=True)


@pytest.mark.parametrize("answer", table.TEXTS)
def test_answers_to_choices_of_texts(answer: str) -> None:
    by_words, by_letters = table.TEXTS[answer]
    of_pro = item("texts", table.VOICES, ["A woman"], task_identifier="", kwargs={})
    assert [verdict(name, table.TEXT, answer) for name in ("mmau", "mmar")] == [by_words] * 2
    assert verdict("mmau-pro", of_pro, answer) is by_words
    assert verdict("star-bench", table.TEXT, answer) is by_letters


@pytest.mark.parametrize("answer", table.CLIPS)
def test_answers_to_choices_of_clips(answer: str) -> None:
    of_five, of_two = table.CLIPS[answer]
    assert verdict("mugen", table.FIVE, answer) is verdict("pairs", table.FIVE, answer) is of_five
    assert verdict("mae", table.TWO, answer) is of_two


@pytest.mark.parametrize("answer", table.YES_NO)
def test_answers_of_yes_and_no(answer: str) -> None:
    assert verdict("mae", table.NO, answer) is verdict("pairs", table.NO, answer) is table.YES_NO[answer]


@pytest.mark.parametrize("case", table.INSTRUCTIONS, ids=[case[0] for case in table.INSTRUCTIONS])
def test_instructions(case: tuple[str, dict[str, object], str, str]) -> None:
    task, facts, does, does_not = case
    of = table.instruction(task, facts)
    assert verdict("mmau-pro", of, does) is True
    assert verdict("mmau-pro", of, does_not) is False


def test_every_instruction_has_its_case() -> None:
    assert {case[0] for case in table.INSTRUCTIONS} == {*RULES, "Repeat Prompt"}
    assert follows("JSON Format", "{}", {}, "") is None


def test_the_docs_have_the_verdicts_that_the_rules_give() -> None:
    found = table.BLOCK.search(table.DOCS.read_text(encoding="utf-8"))
    assert found is not None
    assert found[0] == table.tables(), "run python -m tests.verdict_table"


def test_what_no_rule_can_tell_is_not_judged() -> None:
    story = item("open", (), ["It rains, then a dog barks."], 2)
    for name in ("mae", "mmau-pro"):
        for answer in ("", "It rains, then a dog barks."):
            found = BENCHMARKS[name].judge(story, answer)
            assert (found.right, found.choice) == (None, None)


@pytest.mark.parametrize(
    ("answer", "choice"),
    [("(B)", "A woman"), ("a robot", "A robot"), ("A man or a woman", None), ("", None), ("A cow", None)],
)
def test_a_verdict_says_what_was_chosen(answer: str, choice: str | None) -> None:
    assert BENCHMARKS["mmau"].judge(table.TEXT, answer).choice == choice


def test_a_reference_may_be_named_beside_the_choice() -> None:
    of = item("clips", "ABCDE", "B", 6)
    assert verdict("mugen", of, "Clip B has the accent of clip F.") is True
    assert verdict("mugen", of, "F") is False


# The published rule of MMAU, written from its description.
def oracle(answer: str, gold: str, options: list[str]) -> bool:
    def bag(text: str) -> set[str]:
        return set(re.findall(r"\b\w+\b", text.lower()))

    wrong: set[str] = set()
    for option in options:
        wrong |= bag(option) - bag(gold)
    return bag(answer) != set() and bag(gold) <= bag(answer) and bag(answer).isdisjoint(wrong)


@given(st.lists(words, max_size=6).map(" ".join), choices, st.data())
def test_token_sets_against_the_published_rule(answer: str, options: list[str], data: st.DataObject) -> None:
    gold = data.draw(st.sampled_from(options))
    assert by_tokens(answer, gold, options) is oracle(answer, gold, options)


@given(choices, st.data())
def test_the_right_words_are_right_and_other_words_wrong(options: list[str], data: st.DataObject) -> None:
    gold, other = data.draw(st.sampled_from(options)), data.draw(st.sampled_from(options))
    of = item("texts", options, [gold])
    assert verdict("mmau", of, gold.upper() + ".")
    assert not verdict("mmau", of, "")
    if set(other.split()) != set(gold.split()):
        assert not verdict("mmau", of, other)


@given(choices, st.data())
def test_a_word_of_another_choice_makes_it_wrong(options: list[str], data: st.DataObject) -> None:
    gold = data.draw(st.sampled_from(options))
    others = sorted({word for option in options for word in option.split()} - set(gold.split()))
    assume(others)
    assert not verdict("mmau", item("texts", options, [gold]), f"{gold} {data.draw(st.sampled_from(others))}")


@given(choices, st.data())
def test_token_sets_are_blind_to_order(options: list[str], data: st.DataObject) -> None:
    gold = data.draw(st.sampled_from(options))
    turned = data.draw(st.permutations(gold.split()))
    assert verdict("mmau", item("texts", options, [gold]), " ".join(turned))


def test_token_sets_cannot_judge_an_order() -> None:
    orders = ["the dog before the bell", "the bell before the dog"]
    assert verdict("mmau", item("texts", orders, orders[:1]), orders[1])


FORMS = (
    *("{}", "({})", "{}.", "{})", "{}:", "[{}]", "**{}**", "**({})**", " {}\n", "Answer: {}", "answer is {}."),
    *("The answer is ({}).", "The correct option is {}", "So the answer is: **{}**", "{}. {text}", "({}) {text}"),
    *("{}: {text}", "Answer: ({}) {text}", "Option {}"),
)


@given(choices, st.sampled_from(FORMS), st.data())
def test_a_letter_stands_for_its_words(options: list[str], form: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(options) - 1))
    answer = form.format(letter(index), text=options[index])
    assert by_tokens(spelt(answer, options), options[index], options), spelt(answer, options)


@pytest.mark.parametrize(
    "answer", ["A dog barks.", "I hear a cat.", "Bells", "a cat", "E.", "", "C minor", "dog (E)", "Answer:", "B-flat"]
)
def test_what_is_no_letter_stays(answer: str) -> None:
    assert spelt(answer, ("A dog barks", "a cat", "Bells")) == answer


def test_a_choice_of_one_letter_is_itself() -> None:
    notes = ("C", "A", "B")
    assert spelt("B", notes) == "B"
    assert verdict("mmau", item("texts", notes, ["B"]), "B")


WAYS: tuple[Callable[[int], str], ...] = (
    lambda index: letter(index),
    lambda index: f"({letter(index)})",
    lambda index: f"Clip {letter(index)} it is.",
    lambda index: f"audio{index + 1}",
    lambda index: f"It is Audio {index + 1}.",
    lambda index: f"The {('first', 'second', 'third', 'fourth', 'fifth')[index]} recording.",
    lambda index: f"{index + 1}",
    lambda index: f"clip {('one', 'two', 'three', 'four', 'five')[index]}",
)
ways, places = st.sampled_from(WAYS), st.integers(0, 4)


@given(ways, places, places)
def test_one_clip_is_one_clip_however_it_is_named(way: Callable[[int], str], named: int, right: int) -> None:
    of = item("clips", "ABCDE", [letter(right)], 5)
    assert verdict("mugen", of, way(named)) is (named == right)
    assert BENCHMARKS["mugen"].judge(of, way(named)).choice == letter(named)


@given(st.sampled_from(WAYS[1:6]), st.sampled_from(WAYS[1:6]), places, places)
def test_two_clips_are_none(way: Callable[[int], str], other: Callable[[int], str], one: int, two: int) -> None:
    assume(one != two)
    assert not verdict("mugen", item("clips", "ABCDE", [letter(one)], 5), f"{way(one)} Or: {other(two)}")


@pytest.mark.parametrize(
    ("answer", "clips"),
    [
        ("audio 1 and 2", "AB"),
        ("clips 1, 2 and 3", "ABC"),
        ("the first and the second clip", "AB"),
        ("options 4 or 5", "DE"),
        ("audio 2.5 s long", ""),
        ("clip 9", ""),
        ("a sound 3 seconds long", ""),
        ("the dog barks first", ""),
        ("in the second half of clip C", "C"),
        ("track no. 4", "D"),
        (f"audio 1{'1' * 9_999}", ""),
        (f"the{' ' * 20_000}x", ""),  # takes no time either
    ],
)
def test_named_clips(answer: str, clips: str) -> None:
    assert named_clips(answer, 5) == set(clips)


@given(choices, st.data())
def test_named_choices_are_those_within_no_longer_one(options: list[str], data: st.DataObject) -> None:
    gold = data.draw(st.sampled_from(options))
    assert named_choices(f"I hear {gold}!", [*options, "zebra"]) == {gold}
    assert named_choices("", options) == set()


def test_a_choice_within_another() -> None:
    assert named_choices("An old man.", ("man", "old man")) == {"old man"}
    assert named_choices("A man, no old man.", ("man", "old man")) == {"man", "old man"}
    assert named_choices("a woman", ("man", "old man")) == set()


@given(choices, st.integers(0, 6))
def test_star_bench_finds_the_bracketed_letter(options: list[str], place: int) -> None:
    right = letter(place % len(options))
    for form in ("({})", "<{}>", "I say [{}]", "Answer: {{{}}}", "answer: {}", "B or C? No, ({})"):
        assert chosen_letter(form.format(right), options) == right
    assert chosen_letter("", options) is None


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("(A) looks right. Answer: B", "B"),  # a keyword goes before brackets
        ("Answer: (A). The other option: C", "A"),  # behind keywords brackets go before bare letters
        ("Answer: A. No, answer: B", "B"),  # the last of a kind
        ("It is a cat, not D", "B"),  # words go before bare letters
        ("Not a bell but a dog", "A"),  # the last words, whatever the order of the options
        ("cat (A)", "A"),  # brackets before words
        ("a cat", None),  # two words are too few
        ("the cats and dogs", None),  # whole words only
        ("So C it is, C and then D", "D"),
        ("answer: b", "b"),
        ("答案是 C", "C"),
    ],
)
def test_star_bench_priorities(answer: str, found: str | None) -> None:
    assert chosen_letter(answer, ("dog", "cat", "bell", "horn")) == found


@given(st.lists(words, min_size=2, max_size=5, unique=True))
def test_rotations_put_each_option_at_each_place(options: list[str]) -> None:
    runs = [rotated(options, run) for run in range(len(options))]
    assert runs[0] == tuple(options)
    assert all(sorted(run) == sorted(options) for run in runs)
    assert all(set(column) == set(options) for column in zip(*runs, strict=True))
    assert runs[1] == (options[-1], *options[:-1])


@given(st.sampled_from(["OSM", "ISSE", "TAO", "DSS", "ETC"]), st.integers(0, 900), st.integers(0, 2))
def test_the_right_order_puts_the_segments_back(subtask: str, number: int, run: int) -> None:
    played = segment_order(f"x_{subtask}_{number}", run)
    places = [int(clip.split()[1]) - 1 for clip in restoring(played).split(" -> ")]
    assert [played[place] for place in places] == [1, 2, 3]
    assert len({segment_order(f"x_{subtask}_{number}", each) for each in range(6)}) == 6


def test_segment_orders_by_hand() -> None:
    assert segment_order("t_OSM_0", 0) == (1, 2, 3)
    assert segment_order("t_ISSE_1", 1) == (2, 3, 1)
    assert restoring((2, 3, 1)) == "clip 3 -> clip 1 -> clip 2"


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("One.", 1), ("One", 1), ("One. Two", 2), ("Is it? Yes! It is.", 3), ('"One." Two.', 2), ("3.5 s", 1)],
)
def test_sentences(text: str, count: int) -> None:
    assert sentences(text) == count


@pytest.mark.parametrize(
    ("question", "either"),
    [
        ("Do both clips have the same speaker?", True),
        ("Which audio contains the word dog?", True),
        ("Which has a dog, audio 1 or audio 2?", True),
        ("Which one is it, the first or the second audio?", True),
        ("Are audio 1 and audio 2 of one speaker?", True),
        ("Is the first audio louder?", False),
        ("Is the sound of audio 1 in audio 2?", False),
    ],
)
def test_a_question_that_names_one_clip_is_not_turned(question: str, either: bool) -> None:
    assert symmetric(question) is either

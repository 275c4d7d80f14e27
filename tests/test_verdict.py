"""What answers of many styles come to."""

import time
import tomllib
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.letters import renamed
from core.orders import Order, in_order, inverse, orders, vote
from core.texts import PROMPTS
from core.types import Conversation, Turn, letter
from core.verdict import verdict
from tests import tiny


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes", "yes"),
        ("yes.", "yes"),
        ("**Yes**, both clips are a dog.", "yes"),
        ("Yes - in clip B", "yes"),
        ("Yeah, I hear rain in clip A.", "yes"),
        ("No", "no"),
        ("NO!", "no"),
        ("No. Clip B is a cat.", "no"),
        ("No, clip A is a dog and clip B is a cat.", "no"),
        ("No\nThey differ.", "no"),
        ("No there is not.", "no"),
        ("**No**, they differ", "no"),
        ("No — A is longer", "no"),
        ("Nope.", "no"),
        # none
        ("None", "none"),
        ("none of them.", "none"),
        ('None of the clips says "stop".', "none"),
        ("Neither clip has rain.", "none"),
        ("I hear rain neither in clip A nor in clip B.", "none"),
        ("I do not hear rain in any of them.", "none"),
        ("I hear rain in no clip.", "none"),
        ("No clip has rain.", "none"),
        ("Nobody says it.", "none"),
        ("It is in neither.", "none"),
        # letters
        ("B", "B"),
        ("(b)", "B"),
        ("C.", "C"),
        ("Clip B", "B"),
        ("The answer is B.", "B"),
        ("A, C", "A, C"),
        ("C and A", "A, C"),
        ("Clips B, C and A.", "A, B, C"),
        ("It's clip **B**.", "B"),
        ("A dog barks in clip B.", "B"),
        ("A is louder.", "A"),
        ("Clip B is louder than clip A.", "B"),
        ("B is louder than A and C.", "B"),
        ("I hear rain in clip A, not in clip B.", "A"),
        ("I hear rain in A but not in B.", "A"),
        ("I hear rain in A and not in B.", "A"),
        ("Unlike clip A, clip B has rain.", "B"),
        ("Between A and B, B is louder.", "B"),
        ("Compared to clip A and clip C, clip B is louder.", "B"),
        ("B, because A is quiet.", "B"),
        ("It is not A but B.", "B"),
        ("It is B. I hear a cat there and dogs in the others.", "B"),
        ("Clip A is the odd one out: it is a bell, while the others are dogs.", "A"),
        ("Clip B has a sound that none of the others has.", "B"),
        ("I listened closely. The loudest is B.", "B"),
        ("Only clip A and clip C have it.", "A, C"),
        ('Clip C says "A or B".', "C"),
        ("All of them", "A, B, C"),
        ("I hear rain in all three clips.", "A, B, C"),
        # words
        ("", ""),
        ("a dog barking", "a dog barking"),
        ("A dog  BARKING!", "a dog barking"),
        ("rain and wind", "rain; wind"),
        ("Wind, rain.", "rain; wind"),
        ("No difference.", "no difference"),
        ("About 3.5 s", "about 3.5 s"),
        ("Yes and no.", "no; yes"),
        ("Both are rain.", "both are rain"),
        ("A dog and rain, after all.", "a dog; after all; rain"),
        ("Clip A does not have rain.", "A does not have rain"),
        ("Clip D", "clip d"),
        ("Clip A is a dog, while clip B is a cat.", "A is a dog; B is a cat"),
        ("B is a cat. A is a dog!", "A is a dog; B is a cat"),
        ("- **Clip B:** a cat\n- **Clip A:** a dog", "A a dog; B a cat"),
        ("In clip A I hear a dog; in clip B a cat", "in A i hear a dog; in B a cat"),
        ("Clip A: yes. Clip B: no.", "A yes; B no"),
    ],
)
def test_an_answer_about_three_clips_comes_to(answer: str, expected: str) -> None:
    assert verdict(answer, 3) == expected


@pytest.mark.parametrize("answer", ["Both", "Both clips have rain.", "It is in both.", "I hear it in both A and B."])
def test_both_are_all_of_two(answer: str) -> None:
    assert verdict(answer, 2) == "A, B"


@pytest.mark.parametrize(
    "question", ["Which clip is louder?", "Where is it loudest?", "The letter of the louder clip?"]
)
def test_where_the_question_asks_which_a_later_sentence_is_a_reason(question: str) -> None:
    answer = "Clip B is louder. Clip A is a whisper."
    assert verdict(answer, 2, question) == "B"
    assert verdict(answer, 2, "How do they differ?") == verdict(answer, 2) == "A is a whisper; B is louder"
    assert verdict("A says yes, B says no.", 2, question) == "A says yes; B says no"


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("What do you hear in clip A?", "Clip A is a dog.", "A is a dog"),
        ("Does clip A sound like rain?", "Clip A has wind.", "A has wind"),
        ("Does clip A sound like rain?", "No, clip A has wind.", "no"),
        ("How do A and B differ?", "They share rain. Only clip B has a dog.", "only B has a dog; they share rain"),
        ("Which sound does A have that B has not?", "Clip A has a dog.", "A has a dog"),
        ("What is the odd one out, and why?", "Clip C is a dog.", "C"),
        ("What clip is louder?", "It is clip B.", "B"),
        ("What is louder, A or B?", "B.", "B"),
        ("Is the rain in A, in B, in both or in neither?", "It is in A.", "A"),
        ("Is the rain in A, in B, in both or in neither?", "I hear it in both A and B.", "A, B"),
        ("Is the rain in A, in B, in both or in neither?", "Neither.", "none"),
        ("Are A and B the same?", "A and B are the same.", "A B are the same"),
        ("Are A and B the same?", "A and B differ.", "A B differ"),
        ("Are they the same?", "Clips A, B and C differ.", "A B C differ"),
        ("Which clip has rain?", "* **Clip A:** a dog.\n* **Clip B:** rain.", "A a dog; B rain"),
        ("Which clip has rain?", "**Clip B** has rain.\n\n* Clip A: a dog\n* Clip C: a cat", "B"),
        ("Which are alike?", "A, B and C are alike.", "A, B, C"),
    ],
)
def test_the_question_says_whether_a_clip_is_chosen(question: str, answer: str, expected: str) -> None:
    assert verdict(answer, 3, question) == expected


OUTCOMES = {"clip": "B", "other": "A", "both": "A, B", "neither": "none", "none": "none", "yes": "yes", "no": "no"}
FACTS = {
    **{"clip": "clip B", "other": "clip A", "clip_letter": "B", "other_letter": "A", "words": "good A"},
    **{"label": "a dog", "other_label": "rain", "true_label": "wind", "other_words": "no", "place": "a street"},
    **{"gender": "a man"},
}


@pytest.mark.parametrize("file", ["discriminative.toml", "training.toml"])
def test_the_wordings_of_the_built_in_model_come_to_their_outcomes(file: str) -> None:
    """Every answer it was trained to give to every question it was trained on, where the outcome is a choice."""
    tasks = tomllib.loads((PROMPTS / file).read_text(encoding="utf-8"))["task"]
    seen = 0
    for task in tasks.keys() - {"words_difference"}:  # its "other" are other words, no other clip
        for outcome in OUTCOMES.keys() & tasks[task]["answers"].keys():
            pairs = [*product(tasks[task]["free"], tasks[task]["answers"][outcome])]
            if "short" in tasks[task]:
                pairs += product(tasks[task]["short"], [tasks[task]["short_answers"][outcome]])
            for pair in pairs:
                question, answer = (text.format(**FACTS) for text in pair)
                assert verdict(answer[0].upper() + answer[1:], 2, question) == OUTCOMES[outcome], (question, answer)
            seen += len(pairs)
    assert seen > 50


@pytest.mark.parametrize(
    "form",
    [
        "Clip {0} is louder than clip {1}.",
        "{1} and {0}",
        "{0} is a dog, {1} is a cat",
        "No. Clip {0} is a cat.",
        "I hear it in {0}, not in {1}.",
        "None.",
        "A cat is in ({0}).",
    ],
)
@given(order=st.permutations(range(4)).map(tuple), one=st.integers(0, 3), step=st.integers(1, 3))
def test_a_model_that_hears_the_same_says_the_same_in_every_order(form: str, order: Order, one: int, step: int) -> None:
    """A listener who speaks of sounds, wherever they stand, is told back to one verdict."""
    other, now = (one + step) % 4, inverse(order)
    plain = form.format(letter(one), letter(other))
    said = form.format(letter(now[one]), letter(now[other]))
    assert verdict(renamed(said, order), 4) == verdict(plain, 4)


def test_a_model_that_always_names_the_first_place_is_found_out() -> None:
    clips = [tiny.tone(hz, 0.1) for hz in (220, 440)]
    conversation = Conversation((Turn("user", (*clips, "Which is louder?")),))
    asked = {order: in_order(conversation, order) for order in orders(2)}
    assert [clip.digest for clip in asked[1, 0].clips] == [clip.digest for clip in reversed(clips)]
    said = {order: verdict(renamed("A.", order), 2, conversation.question) for order in asked}
    assert said == {(0, 1): "A", (1, 0): "B"}
    assert vote(said).winner is None


@given(st.text(max_size=200), st.integers(0, 8), st.text(max_size=30))
def test_any_answer_has_a_verdict(answer: str, count: int, question: str) -> None:
    found = verdict(answer, count, question)
    assert found == verdict(answer, count, question)
    assert not any("\ue000" <= char <= "\uf8ff" for char in found)


@pytest.mark.parametrize("piece", ["*", " ", "not ", "“", '"', "A, ", "a ", "\n", "do not ", "A and ", "clip "])
def test_odd_answers_take_no_time(piece: str) -> None:
    """They take a quarter of a second at most; a pattern that tries every pair of places takes ten."""
    answer = piece * (16_000 // len(piece))
    began = time.process_time()
    verdict(renamed(answer, (1, 2, 0)), 3)
    assert time.process_time() - began < 1.0

"""Letters of clips among articles, pronouns, notes and quotations, and their exchange."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.letters import named, renamed
from core.orders import Order, inverse
from core.types import letter

TURNED = (1, 2, 0)
"""A is told of B, B of C, C of A."""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Clip B is louder.", "Clip C is louder."),
        ("clip b is louder", "clip c is louder"),
        ("CLIP A IS LOUDER THAN B", "CLIP B IS LOUDER THAN C"),
        ("A", "B"),
        ("a", "b"),
        ("b.", "c."),
        ("(A)", "(B)"),
        ("**B**", "**C**"),
        ("A and C", "B and A"),
        ("a, b and c", "b, c and a"),
        ("B.", "C."),
        ("Clips A, B and C", "Clips B, C and A"),
        ("clips a, b or c", "clips b, c or a"),
        ("Both A and B.", "Both B and C."),
        ("B's rain is softer than A's.", "C's rain is softer than B's."),
        ('It is clip "A".', 'It is clip "B".'),
        ("It is 'A'.", "It is 'B'."),
        ("The answer is: B", "The answer is: C"),
        ("A: a dog\nB: a cat", "B: a dog\nC: a cat"),
        ("A/B differ", "B/C differ"),
        ("A B C", "B C A"),
        # the article
        ("A dog barks in clip B.", "A dog barks in clip C."),
        ("A is louder.", "B is louder."),
        ("A barks, B does not.", "B barks, C does not."),
        ("A bus passes in A.", "A bus passes in B."),
        ("A glass breaks.", "A glass breaks."),
        ("Clip B: A dog.", "Clip C: A dog."),
        ("Yes. A man speaks in A.", "Yes. A man speaks in B."),
        ("- A dog\n- A is rain", "- A dog\n- B is rain"),
        ("1) A dog", "1) A dog"),
        ("I hear rain in A with wind.", "I hear rain in B with wind."),
        ("I hear rain in A, not in B", "I hear rain in B, not in C"),
        ("In this clip a dog barks.", "In this clip a dog barks."),
        ("In clip a dog noises; clip a is loud.", "In clip a dog noises; clip b is loud."),
        ("In clip A dog noises dominate.", "In clip B dog noises dominate."),
        ("clip b and a dog", "clip c and a dog"),
        ("THERE IS A DOG IN B", "THERE IS A DOG IN C"),
        ("A DOG BARKS IN A", "A DOG BARKS IN B"),
        ("This Is A Title Of B", "This Is A Title Of C"),
        # what only looks like a letter of a clip
        ("A piano in A minor, in B minor, and the note C", "A piano in A minor, in B minor, and the note C"),
        ("C#, B-flat, A4, e.g. U.S.A., vitamin", "C#, B-flat, A4, e.g. U.S.A., vitamin"),
        ('Clip A says "plan B and C".', 'Clip B says "plan B and C".'),
        ("Clip A says “B or C”.", "Clip B says “B or C”."),
        ("Clip D and Z are not there, B is.", "Clip D and Z are not there, C is."),
        ("I'd say it is B; I hear a cat.", "I'd say it is C; I hear a cat."),
        ("An apple, a pear, all in bb.", "An apple, a pear, all in bb."),
        ("", ""),
    ],
)
def test_names_are_exchanged_and_nothing_else(text: str, told: str) -> None:
    assert renamed(text, TURNED) == told


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I think it is B and I hear a dog.", "B"),
        ("Clip I is louder than clip A.", "IA"),
        ("Clips H and I.", "HI"),
        ("In clip H I hear rain, in clip I none.", "HI"),
        ("Clip H and I heard it.", "H"),
        ("I", "I"),
    ],
)
def test_the_ninth_clip_is_told_from_the_pronoun(text: str, found: str) -> None:
    assert "".join(letter(index) for _, index in named(text, 9)) == found


PLAIN = [
    "Clip {} is louder than clip {}.",
    "{} and {} are alike.",
    "It is ({}), not ({}).",
    "I hear rain in {}, and in {} wind.",
    "clips {}, {} and {}",
    "No. {} barks; {}'s cat does not.",
    "{}: a dog\n{}: a cat",
    "A dog barks in clip {}, a cat in {}.",
    'Clip {} says "A or B", clip {} does not.',
]


@given(st.permutations(range(8)).map(tuple), st.sampled_from(PLAIN), st.data())
def test_there_and_back_is_the_text_as_it_was(order: Order, form: str, data: st.DataObject) -> None:
    places = [data.draw(st.integers(0, 7)) for _ in range(form.count("{}"))]
    text = form.format(*map(letter, places))
    assert [index for _, index in named(text, 8)] == places
    told = renamed(text, order)
    assert told == form.format(*(letter(order[place]) for place in places))
    assert renamed(told, inverse(order)) == text


@given(st.text(alphabet="ABCIabci dogsclip.,:;!?()'\"“”*-/#\n", max_size=80), st.integers(0, 9))
def test_any_text_keeps_its_length_its_case_and_all_but_the_names(text: str, count: int) -> None:
    found = list(named(text, count))
    assert [place for place, _ in found] == sorted({place for place, _ in found})
    assert all(index < count and text[place].upper() == letter(index) for place, index in found)
    assert renamed(text, range(count)) == text
    told = renamed(text, tuple(reversed(range(count))))
    changed = {place for place, (old, new) in enumerate(zip(text, told, strict=True)) if old != new}
    assert changed <= {place for place, _ in found}
    assert all(text[place].isupper() == told[place].isupper() for place in changed)

"""What the ears hear, what becomes of it as rows, and what is said of two clips."""

import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.embedded import joiner
from core.embedded.ct2 import read_convolutions
from core.embedded.ears import Heard
from core.embedded.joiner import Joiner, by_token, class_rows, token_seconds
from core.embedded.pairs import FACTS, MEASURED, PairFacts, beyond, beyond_each, measured_facts, more_words, only_rows
from core.embedded.speech import Speech, SpeechEar, Word, period
from core.errors import LoadError
from core.measure import measure
from tests import tiny

HIDDEN = 16
MEASURES = measure(tiny.tone(440.0, 2.0).samples)
WORDS = (Word("red", 0.2, 0.6), Word("lamp", 0.6, 1.1))


def word_rows(text: str) -> torch.Tensor:
    """Two rows a word, the same for the same word."""
    generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
    return torch.randn(2, HIDDEN, generator=generator)


def heard(patches: int = 5, words: tuple[Word, ...] | None = WORDS, seed: int = 0) -> Heard:
    generator = torch.Generator().manual_seed(seed)
    speech = None
    if words is not None:
        timbre, manner = torch.randn(2, 768, generator=generator)
        speech = Speech(words, timbre, manner)
    pooled = torch.randn(patches, 1024, generator=generator).relu()
    return Heard(speech, pooled, torch.randn(patches, 521, generator=generator) - 5, MEASURES)


def test_the_convolutions_are_whispers() -> None:
    ear = SpeechEar(tiny.whisper_folder())
    model, _ = tiny.whisper()
    encoder = model.model.encoder
    mel = ear._mel(tiny.noise(0, 9.0).samples)
    with torch.inference_mode():
        below = torch.nn.functional.gelu(encoder.conv1(torch.from_numpy(mel)))
        expected = torch.nn.functional.gelu(encoder.conv2(below))[0].T
    torch.testing.assert_close(ear._convolved(mel), expected, atol=1e-5, rtol=1e-5)


def test_the_manner_is_that_of_whispers_encoder() -> None:
    samples = tiny.noise(0, 30.0).samples
    ear = SpeechEar(tiny.whisper_folder())
    model, _ = tiny.whisper()
    with torch.inference_mode():
        frames = model.model.encoder(torch.from_numpy(ear._mel(samples))).last_hidden_state[0]
    expected = torch.cat([frames.mean(0), frames.std(0, correction=0)])
    assert float(torch.cosine_similarity(ear(samples).manner, expected, dim=0)) > 0.999  # CTranslate2 counts in int8


@pytest.mark.parametrize("seconds", [0.05, 1.0, 31.0])
def test_the_speech_ear_takes_any_length_and_says_no_word_outside_the_clip(seconds: float) -> None:
    speech = SpeechEar(tiny.whisper_folder())(tiny.noise(0, seconds).samples)
    assert speech.timbre.isfinite().all() and speech.manner.isfinite().all()
    assert all(0.0 <= word.start <= word.stop <= seconds + 1e-6 and word.text for word in speech.words)


@pytest.mark.parametrize("damage", ["cut", "version"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, damage: str) -> None:
    data = (tiny.whisper_folder() / "model.bin").read_bytes()
    (tmp_path / "model.bin").write_bytes(data[:-200] if damage == "cut" else b"\5" + data[1:])
    with pytest.raises(LoadError, match="remove it and start again"):
        read_convolutions(tmp_path / "model.bin")


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=5), st.integers(1, 4))
def test_words_that_only_repeat_are_said_once(words: list[str], times: int) -> None:
    length = period(words * times)
    assert 1 <= length <= len(words * times)
    once = (words * times)[:length]
    assert all(word == once[place % length] for place, word in enumerate(words * times))


def test_a_clip_is_its_words_its_voice_and_its_events() -> None:
    join = Joiner(HIDDEN).eval()
    torch.nn.init.normal_(join.center)
    with_voice, without = heard(), heard(words=None)
    rows = join(with_voice, word_rows)
    assert torch.equal(rows[:4], torch.cat([word_rows("red"), word_rows("lamp")]))
    assert len(rows) == 4 + 1 + 3 + 1 and len(join(without, word_rows)) == 3 + 1
    for one in (with_voice, without):
        times = token_seconds(one, 2.0, lambda word: 2)
        assert len(times) == len(join(one, word_rows)) and bool((times[:, 0] <= times[:, 1]).all())
    assert token_seconds(with_voice, 2.0, lambda word: 2)[2].tolist() == pytest.approx([0.6, 1.1])


def test_an_untrained_event_token_names_the_class_it_hears() -> None:
    torch.manual_seed(0)
    embeddings = torch.randn(40, HIDDEN)
    names = [f"class {index}" for index in range(521)]
    ids = {name: [index % 40] for index, name in enumerate(names)}
    rows, center = class_rows(names, embeddings, ids)
    assert torch.allclose(rows.norm(dim=1), torch.full((521,), joiner.ROW_NORM))
    join = Joiner(HIDDEN)
    join.load_state_dict({**join.state_dict(), "classes": rows, "center": center})
    logits = torch.full((2, 521), -20.0)
    logits[:, 7] = 10
    token = join.event_tokens(Heard(None, torch.zeros(2, 1024), logits, MEASURES))[0]
    assert int(torch.cosine_similarity(token - center, embeddings - center).argmax()) == 7


def test_patches_are_taken_in_pairs() -> None:
    patches = torch.tensor([[1.0], [3.0], [5.0]])
    assert by_token(patches, "max").tolist() == [[3.0], [5.0]]
    assert by_token(patches, "mean").tolist() == [[2.0], [5.0]]


def test_what_only_one_clip_has_is_named_by_its_classes_and_words() -> None:
    join = Joiner(HIDDEN).eval()
    torch.nn.init.normal_(join.classes)
    quiet = torch.full((2, 521), -20.0)
    barking = quiet.clone()
    barking[:, 7] = 10
    one, other = (Heard(None, torch.zeros(2, 1024), logits, MEASURES) for logits in (barking, quiet))
    assert int(torch.cosine_similarity(beyond(join, one, other, word_rows), join.classes).argmax()) == 7
    assert not beyond(join, one, one, word_rows).any()
    assert more_words(["the", "red", "lamp"], ["the", "lamp"]) == ["red"]
    said = beyond(join, heard(), heard(words=WORDS[1:]), word_rows)
    torch.testing.assert_close(said, word_rows("red").mean(0) - join.center)


def test_pair_tokens_turn_with_their_clips() -> None:
    join = Joiner(HIDDEN).eval()
    torch.nn.init.normal_(join.classes)
    a, b = heard(seed=1), heard(3, None, seed=2)
    there, back = (only_rows(join, beyond_each(join, clips, word_rows))[0, 1] for clips in ((a, b), (b, a)))
    assert there.shape == (2, HIDDEN)
    torch.testing.assert_close(there, back.flip(0))


def test_nothing_is_said_of_the_voices_of_clips_without_one() -> None:
    torch.manual_seed(0)
    facts = PairFacts().eval()
    assert facts(heard(seed=1), heard(seed=2)).all()
    quiet = facts(heard(seed=1), heard(words=None, seed=2))
    assert [fact for fact, logit in zip(FACTS, quiet, strict=True) if logit == 0] == ["voice", "words"]


def test_level_length_and_pitch_are_compared_with_their_sign() -> None:
    quiet = heard(words=None)
    loud = replace(quiet, measures=replace(MEASURES, level_lufs=MEASURES.level_lufs + 6, seconds=4.0, pitch_hz=880.0))
    facts, back = measured_facts(loud, quiet), measured_facts(quiet, loud)
    assert len(facts) == MEASURED and facts[-3:] == [1.0, 1.0, 1.0] and back[-3:] == [-1.0, -1.0, -1.0]
    assert facts[6] == pytest.approx(1.0) and facts[7] == pytest.approx(1.0)
    assert facts[8] == pytest.approx(1.0, abs=0.02)
    noise = replace(quiet, measures=replace(MEASURES, pitch_hz=None))
    assert measured_facts(loud, noise)[8] == 0.0

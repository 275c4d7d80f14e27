"""The fake engine keeps the laws of a real one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConversationError, EngineError
from core.fake import LAYERS, FakeEngine
from core.types import METHODS, Boost, Clip, Conversation, Done, Settings, Token, Turn


def sound(seed: int, seconds: float = 0.5) -> Clip:
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * 16_000)).astype(np.float32)
    return Clip(samples, f"sound {seed}.wav")


def ask(clips: int, text: str = "Which one is louder?") -> Conversation:
    return Conversation((Turn("user", (*(sound(seed) for seed in range(clips)), text)),))


def readings(conversation: Conversation, chosen: Settings) -> list:
    events = list(FakeEngine(delay_seconds=0).stream(conversation, chosen))
    return [event.reading for event in events if isinstance(event, Token)]


@settings(max_examples=20)
@given(
    clips=st.integers(0, 4),
    method=st.sampled_from(METHODS),
    alpha=st.floats(0.05, 0.9),
    system=st.sampled_from(["", "Be brief."]),
)
def test_rows_sum_to_one_and_profiles_to_their_clip(clips: int, method: str, alpha: float, system: str) -> None:
    chosen = Settings(boost=Boost(method=method, alpha=alpha), system=system, max_tokens=3)
    for reading in readings(ask(clips), chosen):
        assert np.array(reading.weights).shape == (LAYERS, len(reading.sources))
        np.testing.assert_allclose(np.sum(reading.weights, axis=1), 1)
        np.testing.assert_allclose(np.sum(reading.natural, axis=1), 1)
        columns = [reading.sources.index(f"clip {name}") for name in "ABCD"[:clips]]
        of_clips = np.mean(reading.weights, axis=0)[columns]
        np.testing.assert_allclose([sum(profile) for profile in reading.profiles], of_clips)


def test_a_boost_raises_audio_in_its_band_and_nowhere_else() -> None:
    boost = Boost(method="bias", alpha=1.0, band=(0.25, 0.5))
    for reading in readings(ask(2), Settings(boost=boost, max_tokens=4)):
        audio = [reading.sources.index("clip A"), reading.sources.index("clip B")]
        raised = np.array(reading.weights)[:, audio].sum(axis=1) - np.array(reading.natural)[:, audio].sum(axis=1)
        assert reading.boosted == tuple(boost.layers(LAYERS)) == (2, 3)
        inside = np.isin(reading.layers, reading.boosted)
        assert (raised[inside] > 0).all()
        assert (raised[~inside] == 0).all()


def test_target_is_met_exactly() -> None:
    reading = readings(ask(3), Settings(boost=Boost(method="target", alpha=0.8, band=(0, 1)), max_tokens=1))[0]
    audio = [source.startswith("clip ") for source in reading.sources]
    np.testing.assert_allclose(np.array(reading.weights)[:, audio].sum(axis=1), 0.8)


def test_same_question_same_answer_and_it_ends_with_its_cost() -> None:
    first, second = (list(FakeEngine(delay_seconds=0).stream(ask(2), Settings())) for _ in range(2))
    assert first[:-1] == second[:-1]
    assert all(isinstance(event, Token) for event in first[:-1])
    done = first[-1]
    assert isinstance(done, Done)
    assert (done.reason, done.stats.answer_tokens) == ("stop", len(first) - 1)
    text = "".join(event.text for event in first[:-1])
    assert "fake" in text and "Which one is louder?" in text


def test_the_token_limit_cuts() -> None:
    events = list(FakeEngine(delay_seconds=0).stream(ask(1), Settings(max_tokens=5)))
    assert len(events) == 6
    assert events[-1].reason == "length"


def test_it_fails_when_told_to() -> None:
    stream = FakeEngine(delay_seconds=0, fail_after_tokens=2).stream(ask(1), Settings())
    assert [next(stream).text, next(stream).text] == ["This ", "is "]
    with pytest.raises(EngineError, match="ask again"):
        next(stream)


def test_what_it_says_mattered_depends_on_what_it_was_given() -> None:
    engine, answer = FakeEngine(delay_seconds=0), "Clip A is the louder one."
    partial = list(engine.matter(ask(2), answer, Settings()))
    assert [len(effect.clips_nats) for effect in partial] == [0, 1, 2]
    assert len({effect.whole_nats for effect in partial}) == 1 and "".join(partial[0].tokens).strip() == answer
    boosted = list(engine.matter(ask(2), answer, Settings(boost=Boost("mata", 0.5))))[-1]
    np.testing.assert_allclose(boosted.whole_nats, np.multiply(partial[-1].whole_nats, 1.5))
    silence = Clip(np.zeros(8_000, np.float32), "nothing.wav")
    *_, effect = engine.matter(Conversation((Turn("user", (sound(1), silence, "Which?")),)), answer, Settings())
    assert not any(effect.clips_nats[1]) and effect.clips_nats[0] == effect.whole_nats == partial[-1].clips_nats[1]
    with pytest.raises(ConversationError, match="no clip"):
        next(engine.matter(ask(0), answer, Settings()))


def test_too_many_clips_are_refused_with_the_number_allowed() -> None:
    engine = FakeEngine(delay_seconds=0)
    with pytest.raises(ConversationError, match=f"at most {engine.info.max_clips}"):
        next(engine.stream(ask(engine.info.max_clips + 1), Settings()))

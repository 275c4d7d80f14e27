"""A session is a value: it grows by new values, survives copying, and letters go on across turns."""

import copy
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.session import Attachment, Box, Exchange, Session
from core.fake import FakeEngine
from core.serial import dumps, loads
from core.types import Clip, Conversation, Settings, Token

SAMPLES = np.linspace(-0.5, 0.5, 800, dtype=np.float32)


def exchange(clips=(), text: str = "Which?") -> Exchange:
    return Exchange(text, tuple(Attachment(f"/uploads/{clip.label}", clip.label, clip) for clip in clips), Settings())


def test_an_answer_grows_ends_and_becomes_part_of_the_conversation(tone_clip) -> None:
    asked = Session().asked(exchange([tone_clip("a.wav")]))
    events = FakeEngine(delay_seconds=0).stream(asked.conversation, Settings(max_tokens=3))
    tokens = tuple(event for event in events if isinstance(event, Token))
    assert asked.answering
    assert [turn.role for turn in asked.conversation.turns] == ["user"]

    heard = asked.heard(tokens[0]).heard(*tokens[1:])
    ended = heard.ended("stop")
    assert heard.answering and not ended.answering
    assert [turn.role for turn in ended.conversation.turns] == ["user", "assistant"]
    assert ended.conversation.turns[-1].text == "This is a "
    assert ended.exchanges[-1].tokens == ()
    assert ended.exchanges[-1].summary.steps == 3


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_letters_and_files_go_on_across_turns(clips_of_turn: list[int]) -> None:
    session, labels = Session(), []
    for turn, count in enumerate(clips_of_turn):
        clips = [Clip(SAMPLES, f"{turn}-{index}.wav") for index in range(count)]
        labels += [clip.label for clip in clips]
        session = session.asked(exchange(clips)).heard(Token("Yes.")).ended("stop")
    assert [clip.label for _, clip in session.conversation.lettered()] == labels
    assert [one.path for one in session.attached] == [f"/uploads/{label}" for label in labels]


def test_taking_back_undoes_asking(tone_clip) -> None:
    before = Session().asked(exchange([tone_clip("a.wav")], "First?")).heard(Token("Yes.")).ended("stop")
    after, box = before.asked(exchange([tone_clip("b.wav")], "Second?")).without_last()
    assert after == before
    assert box == Box("Second?", (Attachment("/uploads/b.wav", "b.wav", tone_clip("b.wav")),))


def test_a_session_survives_copying_and_its_conversation_json(tone_clip) -> None:
    session = Session().asked(exchange([tone_clip("a.wav")])).heard(Token("Yes.")).ended("stop")
    assert copy.deepcopy(session) == session
    assert loads(dumps(session.conversation), Conversation) == session.conversation
    attachment = Attachment("/uploads/a.wav", "a.wav", tone_clip("a.wav"))
    assert copy.deepcopy((attachment,)) == (attachment,)


def test_it_is_frozen_and_an_answer_ends_once() -> None:
    session = Session().asked(exchange()).heard(Token("Yes.")).ended("stop")
    with pytest.raises(FrozenInstanceError):
        session.exchanges = ()
    with pytest.raises(AssertionError):
        session.ended("stop")
    with pytest.raises(AssertionError):
        session.heard(Token("more"))

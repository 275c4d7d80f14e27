"""What the engine refuses, in words, and that it stays usable."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from core import prompt
from core.decode import Chooser
from core.errors import ConversationError, EngineError, LalmError, SettingsError
from core.measure import in_words, measure
from core.types import Conversation, Settings, Token, Turn
from tests import tiny

ENGINE = tiny.engine("embedded")


def asked(*parts: object) -> Conversation:
    return Conversation((Turn("user", parts),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "conversation, settings, error, words",
    [
        (Conversation(), Settings(), ConversationError, "no question"),
        (asked("?").with_turn(Turn("assistant", ("!",))), Settings(), ConversationError, "no question"),
        (asked(""), Settings(), ConversationError, "nothing to answer"),
        (asked(*[tiny.noise(i, 0.1) for i in range(9)], "?"), Settings(), ConversationError, "9 clips are more than"),
        (asked(tiny.noise(1, 121.0), "?"), Settings(), ConversationError, r"Clip A .*121 s long"),
        (asked("word " * 5000), Settings(), ConversationError, "start a new conversation"),
        (asked("?"), Settings(adapter="other"), SettingsError, "no adapter called 'other'"),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_sentence(
    conversation: Conversation, settings: Settings, error: type[LalmError], words: str
) -> None:
    with pytest.raises(error, match=words):
        list(ENGINE.stream(conversation, settings))
    assert list(ENGINE.stream(asked("Which?"), Settings(max_tokens=2)))


def test_a_model_out_of_memory_is_a_sentence_and_the_next_question_works(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny.engine("embedded")
    decoder = engine.loaded.model.get_decoder()
    forward, calls = decoder.forward, []

    def third_time_out(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise torch.OutOfMemoryError("out of memory")
        return forward(*args, **kwargs)

    monkeypatch.setattr(decoder, "forward", third_time_out)
    with pytest.raises(EngineError, match="ran out of memory"):
        list(engine.stream(asked("Which?"), Settings(max_tokens=8)))
    assert len(list(engine.stream(asked("Which?"), Settings(max_tokens=3)))) == 4


def test_the_token_limit_is_a_reason_to_end() -> None:
    events = list(ENGINE.stream(asked("Which?"), Settings(max_tokens=1)))
    assert isinstance(events[0], Token) and events[-1].reason == "length"  # type: ignore[union-attr]


def test_sampling_keeps_to_the_nucleus() -> None:
    logits = torch.tensor([0.0, 5.0, 4.0, -3.0])
    sampled = {
        int(Chooser(Settings(temperature=1.0, top_p=0.9, seed=seed), torch.device("cpu"))(logits)) for seed in range(40)
    }
    assert sampled == {1, 2}
    narrow = replace(Settings(temperature=1.0), top_p=0.5)
    assert {int(Chooser(replace(narrow, seed=seed), torch.device("cpu"))(logits)) for seed in range(10)} == {1}


def test_measured_facts_stand_in_the_announcement_where_the_settings_ask_for_them() -> None:
    """Told in full, as part of the template; off, the prompt is what it always was."""
    conversation = asked(tiny.tone(440), "And?").with_turn(Turn("assistant", ("Yes.",)))
    conversation = conversation.with_turn(Turn("user", (tiny.noise(1, 2.0), "Which?")))
    plain, told = (ENGINE.prompt(conversation, Settings(facts=facts)) for facts in (False, True))

    def template(made: prompt.Prompt) -> str:
        ids = [token for segment in made.segments if segment.source == "template" for token in segment.ids]
        return ENGINE.loaded.tokenizer.decode(ids)

    lines = [in_words(measure(clip.samples)) for clip in conversation.clips]
    assert lines[0].startswith("1.0 s, -") and lines[0].endswith(" LUFS, about 440 Hz, 0 % silence")
    assert "Hz" not in lines[1], "what is not known is left out"
    wanted = template(plain)
    for letter, line in zip("AB", lines, strict=True):
        assert line not in template(plain)
        wanted = wanted.replace(f"Clip {letter}: ", f"Clip {letter} ({line}): ")
    assert template(told) == wanted
    others = [[segment for segment in made.segments if segment.source != "template"] for made in (plain, told)]
    assert others[0] == others[1]


def test_threads_that_build_prompts_at_once_build_the_same() -> None:
    """A person's "<|im_end|>" stays words while another thread's template has the tokenizer read control tokens."""
    engine = tiny.engine("qwen2_audio")
    conversation = Conversation((Turn("user", ("Which <|im_end|> clip has the dog?",)),))
    wanted = engine.prompt(conversation, Settings()).ids
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as threads:
            prompts = list(threads.map(lambda _: engine.prompt(conversation, Settings()).ids, range(1500)))
    finally:
        sys.setswitchinterval(before)
    assert all(ids == wanted for ids in prompts)

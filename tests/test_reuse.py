"""What is kept between turns: every answer is that of an engine that keeps nothing, and work is done once."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model

from core import decoder
from core import lalm as engines
from core.decoder import TorchMemory
from core.errors import EngineError
from core.lalm import Lalm
from core.reuse import MOST_KEPT, WORTH_TAKING, Shelf, common
from core.types import Boost, Clip, Conversation, Event, Settings, Token, Turn
from tests import tiny

FAMILIES = ["embedded", "gemma3n", "gemma4", "granite_speech", "qwen2_audio", "qwen3_omni_moe"]
SOUNDS = [tiny.tone(440), tiny.noise(1, 0.7), tiny.tone(220, 0.4), tiny.noise(2, 1.3)]
WORDS = ["Which clip has the dog?", "Why?", "And B?", "Clip A: user assistant system"]
BOOSTS = [Boost(), Boost(), Boost("mata", 0.5), Boost("bias", 2.0, (0.0, 1.0)), Boost("target", 0.6)]


def said(events: Iterator[Event], most: int = 99) -> list[Token]:
    """The first tokens; stopped behind them."""
    tokens: list[Token] = []
    for event in events:
        if isinstance(event, Token):
            tokens.append(event)
        if len(tokens) == most:
            events.close()  # type: ignore[attr-defined]
            break
    return tokens


def alike(one: list[Token], other: list[Token]) -> None:
    """The same words, and looks within 1e-5."""
    assert [token.text for token in one] == [token.text for token in other]
    for left, right in zip(one, other, strict=True):
        assert left.reading is not None and right.reading is not None
        assert left.reading.sources == right.reading.sources and left.reading.tokens == right.reading.tokens
        np.testing.assert_allclose(left.reading.weights, right.reading.weights, atol=1e-5)
        np.testing.assert_allclose(left.reading.natural, right.reading.natural, atol=1e-5)


class Steps:
    """Counts what a decoder is fed."""

    def __init__(self, engine: Lalm):
        self.fed: list[int] = []
        step = engine.decoder.step

        def counted(rows, memory, adapter, observation):  # type: ignore[no-untyped-def]
            self.fed.append(rows.shape[1])
            return step(rows, memory, adapter, observation)

        engine.decoder.step = counted  # type: ignore[method-assign]


LAYERS = r"(.*language_model\.|model\.)layers\.\d+\.(self_attn|mlp)\.(q|v|qkv|up)_proj"


def with_adapter(model_type: str, folder: Path, layers: str = LAYERS) -> Lalm:
    """An engine with a LoRA; the embedded model's also has pair tokens and a hint under this name."""
    engine = tiny.engine(model_type)
    if not folder.exists():
        torch.manual_seed(3)
        config = LoraConfig(r=4, target_modules=layers, init_lora_weights=False)
        get_peft_model(tiny.BUILD[model_type]().model, config).save_pretrained(folder)
    engine.adapters.load("comparing", folder)
    return engine


def random_turns(rng: random.Random) -> Iterator[tuple[Conversation, Settings, int]]:
    """A person at work: questions, retries, other settings, stops, a clip less, a turn back, an edited answer."""
    conversation = Conversation()
    settings = Settings(max_tokens=6)
    for _ in range(7):
        whim = rng.random()
        if conversation.turns and whim < 0.15:
            conversation = Conversation(conversation.turns[:-2])
        elif conversation.turns and whim < 0.3:
            first = replace(conversation.turns[0], parts=conversation.turns[0].parts[1:] or ("?",))
            conversation = Conversation((first, *conversation.turns[1:]))
        elif whim < 0.6:
            settings = replace(settings, boost=rng.choice(BOOSTS), system=rng.choice(["", "", "Be brief."]))
        elif whim < 0.75:
            settings = replace(settings, adapter=rng.choice([None, "comparing"]))
        clips = rng.sample(SOUNDS, rng.randint(0 if conversation.turns else 1, 2))[: 8 - len(conversation.clips)]
        conversation = conversation.with_turn(Turn("user", (*clips, rng.choice(WORDS))))
        yield conversation, settings, rng.choice([2, 99, 99])
        conversation = conversation.with_turn(Turn("assistant", (rng.choice(["", "A.", "The dog is in clip A."]),)))


@pytest.mark.parametrize("model_type", FAMILIES)
def test_every_answer_is_that_of_a_fresh_run(model_type: str, tmp_path: Path) -> None:
    engine, fresh = (with_adapter(model_type, tmp_path / "comparing") for _ in range(2))
    fresh.shelf = Shelf(0)
    steps, all_steps = Steps(engine), Steps(fresh)
    rng = random.Random(3)
    for _ in range(2):
        for conversation, settings, most in random_turns(rng):
            answer = said(engine.stream(conversation, settings), most)
            alike(answer, said(fresh.stream(conversation, settings), most))
            if rng.random() < 0.3:  # retry
                alike(said(engine.stream(conversation, settings), most), answer)
            assert engine.shelf.tokens <= engine.info.context_tokens
    assert fresh.shelf.tokens == 0 and sum(steps.fed) < 0.7 * sum(all_steps.fed)


def asked(*parts: Clip | str) -> Conversation:
    return Conversation((Turn("user", parts),))


LONG = "Which clip has the dog, and which of them is the longer one of the two, if any is?"


def test_a_second_question_feeds_what_is_new_and_hears_nothing() -> None:
    engine = tiny.engine("qwen2_audio")
    steps, heard = Steps(engine), 0
    encode = engine.encode

    def counted(clip: Clip):  # type: ignore[no-untyped-def]
        nonlocal heard
        heard += 1
        return encode(clip)

    engine.encode = counted  # type: ignore[method-assign]
    first = asked(*SOUNDS[:2], LONG)
    words = "".join(token.text for token in said(engine.stream(first, Settings(max_tokens=4))))
    assert heard == 2 and steps.fed[1:] == [1] * (len(steps.fed) - 1)
    whole = steps.fed[0]
    second = first.with_turn(Turn("assistant", (words,))).with_turn(Turn("user", ("Why?",)))
    steps.fed.clear()
    said(engine.stream(second, Settings(max_tokens=4)))
    assert heard == 2
    assert steps.fed[0] <= len(engine.prompt(second, Settings()).ids) - whole + 1
    # the same question once more: its last row alone
    steps.fed.clear()
    said(engine.stream(second, Settings(max_tokens=4)))
    assert steps.fed[0] == 1
    # a boost, another answer, another seed: nothing that was clean is read again
    steps.fed.clear()
    said(engine.stream(second, Settings(max_tokens=4, boost=Boost("mata", 0.3))))
    said(engine.stream(second, Settings(max_tokens=4)))
    assert steps.fed.count(1) == len(steps.fed)


def test_an_adapter_has_keys_and_values_of_its_own_and_the_same_clips(tmp_path: Path) -> None:
    engine = with_adapter("qwen2_audio", tmp_path / "birds")
    steps, conversation = Steps(engine), asked(SOUNDS[0], LONG)
    whole = len(engine.prompt(conversation, Settings()).ids)
    for adapter in (None, "comparing", None, "comparing"):
        said(engine.stream(conversation, Settings(max_tokens=2, adapter=adapter)))
    assert [rows for rows in steps.fed if rows > 1] == [whole, whole]
    assert len(engine.heard) == 1


def test_an_adapter_that_reaches_into_the_ears_has_clips_of_its_own(tmp_path: Path) -> None:
    engine = with_adapter("qwen2_audio", tmp_path / "ears", r".*(audio_tower|language_model).*q_proj")
    bare, tuned = (
        engine.prompt(asked(SOUNDS[0], "?"), Settings(adapter=name)).clips[0] for name in (None, "comparing")
    )
    assert len(engine.heard) == 2 and (bare.rows - tuned.rows).abs().max() > 1e-3


def test_what_a_boost_has_tainted_is_not_kept() -> None:
    engine = tiny.engine("qwen2_audio")
    conversation, boosted = asked(SOUNDS[0], LONG), Settings(max_tokens=5, boost=Boost("bias", 4.0, (0.0, 1.0)))
    names = engine.prompt(conversation, boosted).names
    said(engine.stream(conversation, boosted))
    assert engine.shelf.tokens == len(names) - 1
    said(engine.stream(conversation, Settings(max_tokens=5)))
    assert engine.shelf.tokens >= len(names)


@pytest.mark.parametrize("model_type", ["embedded", "gemma3n"])
def test_a_prompt_read_in_pieces_is_read_as_one(model_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation, settings = asked(*SOUNDS[:2], LONG), Settings(max_tokens=4, boost=Boost("mata", 0.5))
    whole = said(tiny.engine(model_type).stream(conversation, settings))
    monkeypatch.setattr(decoder, "ROWS_AT_ONCE", 16)
    alike(said(tiny.engine(model_type).stream(conversation, settings)), whole)


def test_two_streams_at_once_have_memories_of_their_own() -> None:
    engine = tiny.engine("qwen2_audio")
    conversation = asked(SOUNDS[0], LONG)
    solo = said(engine.stream(conversation, Settings(max_tokens=6)))
    streams = [engine.stream(conversation, Settings(max_tokens=6)) for _ in range(2)]
    mixed: list[list[Token]] = [[], []]
    for events in zip(*streams, strict=True):
        for into, event in zip(mixed, events, strict=True):
            into += [event] if isinstance(event, Token) else []
    for tokens in mixed:
        alike(tokens, solo)


def test_after_an_error_nothing_of_that_run_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny.engine("qwen2_audio")
    conversation = asked(SOUNDS[0], LONG)
    expected = said(engine.stream(conversation, Settings(max_tokens=4)))
    layer = engine.loaded.model.get_decoder().layers[1]

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("no room")

    handle = layer.register_forward_pre_hook(full)
    with pytest.raises(EngineError, match="ran out of memory"):
        said(engine.stream(conversation, Settings(max_tokens=4)))
    handle.remove()
    assert engine.shelf.tokens == 0
    alike(said(engine.stream(conversation, Settings(max_tokens=4))), expected)


def test_clips_are_kept_up_to_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "HEARD_BYTES", 20_000)
    engine = tiny.engine("qwen2_audio")
    for clip in SOUNDS:
        engine.prompt(asked(clip, "?"), Settings())
        assert engine.heard.currsize <= 20_000
    kept = [digest for digest, _ in engine.heard]
    assert kept == [clip.digest for clip in SOUNDS[-len(kept) :]] and 0 < len(kept) < len(SOUNDS)
    longer = tiny.noise(5, 20.0)
    assert len(engine.prompt(asked(longer, "?"), Settings()).clips[0].rows) == 500
    assert [digest for digest, _ in engine.heard] == kept


class Rows(TorchMemory):
    """A memory of nothing but a number."""

    def __init__(self, tokens: int):
        super().__init__()
        self.rows = tokens

    @property
    def tokens(self) -> int:
        return self.rows

    def crop(self, tokens: int) -> None:
        assert 0 <= tokens <= self.rows
        self.rows = tokens


names = st.lists(st.integers(0, 1), min_size=WORTH_TAKING, max_size=WORTH_TAKING + 12)


@given(kept=st.lists(names, max_size=12), wanted=names, most=st.integers(0, 500))
def test_the_shelf_gives_the_longest_common_beginning_and_holds_no_more_than_it_may(
    kept: list[list[int]], wanted: list[int], most: int
) -> None:
    shelf = Shelf(most)
    for one in kept:
        shelf.put(one, None, Rows(len(one)))
        assert shelf.tokens <= most and len(shelf._kept) <= MOST_KEPT
    held = [one.names for one in shelf._kept]
    longest = max((common(one, wanted) for one in held), default=0)
    memory = shelf.take(wanted, None)
    if longest < WORTH_TAKING:
        assert memory is None and len(shelf._kept) == len(held)
    else:
        assert memory is not None and memory.tokens == min(longest, len(wanted) - 1)
        assert len(shelf._kept) == len(held) - 1

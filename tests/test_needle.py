"""The causal needle against one plain forward of the whole forced sequence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import linear
from transformers import DynamicCache

from core.adapter import Adapters
from core.decoder import finished, last_logits
from core.embedded.onnx_decoder import OnnxDecoder
from core.errors import ConversationError, EngineError, SettingsError
from core.evaluation.scoring import Forced, likelihoods
from core.graph import GraphDecoder
from core.lalm import Lalm
from core.needle import answer_ids, silent, with_silence
from core.reuse import Shelf
from core.types import Boost, Clip, Conversation, Effect, Settings, Turn
from tests import tiny
from tests.test_onnx_decoder import oracle
from tests.test_reuse import Steps, alike, said, with_adapter

FAMILIES = ["embedded", "gemma3n", "gemma4", "granite_speech", "qwen2_audio", "qwen3_omni_moe", "voxtral"]
ANSWER = "The dog is in clip A, häh?"
A, B = tiny.tone(440), tiny.noise(1, 0.7)


def asked(*parts: Clip | str) -> Conversation:
    return Conversation((Turn("user", parts),))


def two_turns(first: Clip, second: Clip) -> Conversation:
    """The second clip comes with the second question."""
    answered = asked(first, "Which clip has the dog?").with_turn(Turn("assistant", ("Clip A.",)))
    return answered.with_turn(Turn("user", (second, "And B?")))


def mattered(engine: Lalm, conversation: Conversation, settings: Settings = Settings()) -> Effect:
    """What is known in the end."""
    *_, last = engine.matter(conversation, ANSWER, settings)
    return last


@torch.inference_mode()
def in_one_forward(engine: Lalm, conversation: Conversation, settings: Settings) -> np.ndarray:
    """Log-probability of each token of the answer by the stock model: no cache, no lens, all rows at once."""
    loaded, ids = engine.loaded, answer_ids(engine, ANSWER, settings)
    prompt = engine.prompt(conversation, settings).embed(loaded.embed_tokens)
    engine.adapters.select(settings.adapter)
    rows = torch.cat([prompt, loaded.embed_tokens(ids[:-1])[None]], 1)
    hidden = loaded.model.get_decoder()(inputs_embeds=rows, use_cache=False).last_hidden_state
    chosen = linear(hidden[0, -len(ids) :], loaded.model.get_output_embeddings().weight)
    logits = finished(loaded.model, chosen.float())
    return logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0].numpy()


@torch.inference_mode()
def by_single_steps(engine: Lalm, conversation: Conversation, settings: Settings) -> np.ndarray:
    """The same under a boost: a fresh cache, and the lens put on by hand for each row that chooses a token."""
    ids, built, found = answer_ids(engine, ANSWER, settings), engine.prompt(conversation, settings), []
    rows, cache = built.embed(engine.loaded.embed_tokens), DynamicCache()
    plan = engine.observation(built, settings, rows.shape[1] + len(ids))
    for token in ids:
        with engine.lens.observed(plan, cache.get_seq_length() + rows.shape[1]):
            engine.adapters.select(settings.adapter)
            found.append(float(last_logits(engine.loaded, rows, cache).log_softmax(-1)[token]))
        rows = engine.loaded.embed_tokens([token])[None]
    return np.array(found)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_it_is_the_difference_of_two_forwards_of_the_whole(model_type: str, tmp_path: Path) -> None:
    engine = with_adapter(model_type, tmp_path / "comparing")
    for adapter in (None, "comparing"):
        settings = Settings(adapter=adapter, system="Be brief.", facts=True)
        effect = mattered(engine, two_turns(A, B), settings)
        heard = in_one_forward(engine, two_turns(A, B), settings)
        others = [two_turns(silent(A), silent(B)), two_turns(silent(A), B), two_turns(A, silent(B))]
        for nats, other in zip((effect.whole_nats, *effect.clips_nats), others, strict=True):
            expected = heard - in_one_forward(engine, other, settings)
            np.testing.assert_allclose(nats, expected, atol=1e-4)
            assert abs(expected).max() > 1e-3, "an effect of nothing proves nothing"
        assert "".join(effect.tokens) == ANSWER
        assert effect.whole_nats_per_token == pytest.approx(np.mean(effect.whole_nats))
        assert effect.clips_nats_per_token == pytest.approx(np.mean(effect.clips_nats, axis=1).tolist())


@pytest.mark.parametrize("boost", [Boost("mata", 2.0, (0.0, 1.0), (1.0, 0.5)), Boost("target", 0.6, (0.3, 1.0))])
@pytest.mark.parametrize("model_type", ["embedded", "gemma3n", "qwen2_audio"])
def test_a_boost_acts_on_every_row_that_chooses_a_token(model_type: str, boost: Boost, tmp_path: Path) -> None:
    engine = with_adapter(model_type, tmp_path / "comparing")
    settings = Settings(adapter="comparing", boost=boost)
    conversation, silence = asked(A, B, "Which clip?"), asked(silent(A), silent(B), "Which clip?")
    effect = mattered(engine, conversation, settings)
    heard, unheard = (by_single_steps(engine, one, settings) for one in (conversation, silence))
    np.testing.assert_allclose(effect.whole_nats, heard - unheard, atol=1e-4)
    off = mattered(engine, conversation, replace(settings, boost=Boost()))
    assert abs(np.subtract(effect.whole_nats, off.whole_nats)).max() > 1e-3


def test_the_evaluation_reads_the_same_of_one_packed_forward() -> None:
    engine, settings = tiny.engine("qwen2_audio"), Settings(boost=Boost("mata", 2.0, (0.0, 1.0)))
    conversation = asked(A, B, "Which clip?")
    means = []
    for one in (conversation, with_silence(conversation, (1,))):
        case = Forced(engine.prompt(one, settings), (answer_ids(engine, ANSWER, settings),))
        means.append(likelihoods(engine, case, settings, [settings.boost])[0][0])
    assert mattered(engine, conversation, settings).clips_nats_per_token[1] == pytest.approx(
        means[0] - means[1], abs=1e-4
    )


def test_the_onnx_decoder_finds_what_torch_finds_with_its_weights(tmp_path: Path) -> None:
    engine, loaded = tiny.engine("embedded"), tiny.embedded()
    model = loaded.model
    engine.decoder = OnnxDecoder.of(lambda: model, model.config, {}, tmp_path, 1, "float32")
    rounded = oracle(model, "float32")
    plain = Lalm(replace(loaded, model=rounded), engine.family, engine.info, Adapters(rounded))
    for settings in (Settings(), Settings(boost=Boost("bias", 1.0, (0.0, 1.0)))):
        found, expected = (mattered(one, asked(A, B, "Which?"), settings) for one in (engine, plain))
        np.testing.assert_allclose(found.whole_nats, expected.whole_nats, atol=1e-4)
        np.testing.assert_allclose(found.clips_nats, expected.clips_nats, atol=1e-4)
        assert np.abs(expected.whole_nats).max() > 1e-2


def test_recorded_steps_find_what_plain_ones_find() -> None:
    engine, plain = tiny.engine("qwen2_audio"), tiny.engine("qwen2_audio")
    engine.decoder = GraphDecoder(engine.loaded, engine.lens, engine.adapters)
    for settings in (Settings(boost=Boost("bias", 1.0, (0.0, 1.0))), Settings()):
        said(engine.stream(asked(A, B, "Which?"), replace(settings, max_tokens=4)))
        found, expected = (mattered(one, asked(A, B, "Which?"), settings) for one in (engine, plain))
        np.testing.assert_allclose(found.whole_nats, expected.whole_nats, atol=1e-4)
        np.testing.assert_allclose(found.clips_nats, expected.clips_nats, atol=1e-4)


@pytest.mark.parametrize("model_type", ["embedded", "qwen2_audio"])
def test_silencing_a_clip_that_is_silent_is_nothing_at_all(model_type: str) -> None:
    engine = tiny.engine(model_type)
    effect = mattered(engine, asked(silent(A), B, "Which?"))
    assert not any(effect.clips_nats[0]) and effect.whole_nats == effect.clips_nats[1] and any(effect.whole_nats)


def test_clips_that_change_places_take_their_effects_with_them() -> None:
    engine = tiny.engine("qwen2_audio")
    one, other = mattered(engine, asked(A, silent(B), "Which?")), mattered(engine, asked(silent(B), A, "Which?"))
    assert not any(one.clips_nats[1]) and not any(other.clips_nats[0])
    assert one.clips_nats[0] == one.whole_nats and other.clips_nats[1] == other.whole_nats


def test_the_same_recording_twice_is_silenced_one_at_a_time() -> None:
    first, second = (with_silence(asked(A, A, "Same?"), (place,)).clips for place in (0, 1))
    assert (first, second) == ((silent(A), A), (A, silent(A)))
    assert [clip.label for clip in first] == [A.label] * 2 and first[0].seconds == A.seconds
    spread = with_silence(two_turns(A, B), (1,))
    assert spread == two_turns(A, silent(B))


@pytest.mark.parametrize("boost", [Boost(), Boost("bias", 3.0, (0.0, 1.0))])
def test_the_engine_is_as_it_was_and_reads_no_prompt_again(boost: Boost, tmp_path: Path) -> None:
    engine = with_adapter("embedded", tmp_path / "comparing")
    settings = Settings(max_tokens=6, adapter="comparing", boost=boost)
    conversation = asked(A, B, "Which clip has the dog, and which is the longer one of the two?")
    before = said(engine.stream(conversation, settings))
    kept = engine.shelf.tokens
    steps = Steps(engine)
    found = mattered(engine, conversation, settings)
    assert steps.fed[0] == 1 and engine.shelf.tokens >= kept
    steps.fed.clear()
    alike(said(engine.stream(conversation, settings)), before)
    assert set(steps.fed) == {1}
    fresh = with_adapter("embedded", tmp_path / "comparing")
    fresh.shelf = Shelf(0)
    np.testing.assert_allclose(found.whole_nats, mattered(fresh, conversation, settings).whole_nats, atol=1e-5)


def test_it_can_be_ended_after_every_clip_and_answers_meanwhile() -> None:
    engine, conversation = tiny.engine("qwen2_audio"), asked(A, B, "Which clip?")
    whole = mattered(engine, conversation)
    alone = said(engine.stream(conversation, Settings(max_tokens=5)))
    steps = Steps(engine)
    partial = engine.matter(conversation, ANSWER, Settings())
    first = next(partial)
    assert first.clips_nats == () and first.whole_nats == pytest.approx(whole.whole_nats, abs=1e-5)
    alike(said(engine.stream(conversation, Settings(max_tokens=5))), alone)
    second = next(partial)
    assert len(second.clips_nats) == 1
    steps.fed.clear()
    partial.close()  # type: ignore[attr-defined]
    assert not steps.fed
    alike(said(engine.stream(conversation, Settings(max_tokens=5))), alone)


def test_one_clip_is_silenced_once() -> None:
    engine = tiny.engine("qwen2_audio")
    steps = Steps(engine)
    effects = list(engine.matter(asked(A, "Which?"), ANSWER, Settings()))
    assert len(effects) == 2 and effects[1].clips_nats == (effects[1].whole_nats,)
    assert len(steps.fed) == 2 * len(effects[0].tokens)


@pytest.mark.parametrize(
    "conversation, answer, settings, error, words",
    [
        (asked("?"), ANSWER, Settings(), ConversationError, "no clip that could have mattered"),
        (asked(A, "?"), " \n", Settings(), ConversationError, "no answer to which"),
        (asked(A, "?").with_turn(Turn("assistant", ("!",))), ANSWER, Settings(), ConversationError, "no question"),
        (asked(A, "?"), "word " * 5000, Settings(), ConversationError, "start a new conversation"),
        (asked(A, "?"), ANSWER, Settings(adapter="other"), SettingsError, "no adapter called 'other'"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(conversation, answer, settings, error, words) -> None:  # type: ignore[no-untyped-def]
    engine = tiny.engine("qwen2_audio")
    with pytest.raises(error, match=words):
        list(engine.matter(conversation, answer, settings))
    assert mattered(engine, asked(A, "Which?")).tokens


def test_out_of_memory_is_a_sentence_and_leaves_nothing() -> None:
    engine = tiny.engine("qwen2_audio")
    expected = mattered(engine, asked(A, "Which?"))
    partial = engine.matter(asked(A, B, "Which?"), ANSWER, Settings())
    next(partial)

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("no room")

    handle = engine.loaded.model.get_decoder().layers[1].register_forward_pre_hook(full)
    with pytest.raises(EngineError, match="ran out of memory"):
        next(partial)
    handle.remove()
    assert engine.shelf.tokens == 0
    assert mattered(engine, asked(A, "Which?")).whole_nats == pytest.approx(expected.whole_nats, abs=1e-5)

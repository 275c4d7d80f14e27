"""How likely an answer is: one packed forward against plain forwards, and against the engine's own decoding."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers.decoders import DecodeStream
from transformers import DynamicCache

from core import decode
from core.decoder import last_logits
from core.evaluation.chat import mean_log_probability
from core.evaluation.scoring import Forced, forced, likelihoods
from core.lalm import Lalm
from core.types import Boost, Conversation, Settings, Token, Turn
from tests import tiny
from tests.evaluation_tiny import engine

CHOICES = ("A", "the dog", "Clip A: the dog", "No")


def case_of(lalm: Lalm, settings: Settings, choices: Sequence[str] = CHOICES) -> Forced:
    clips = [tiny.noise(1, 0.7), tiny.tone(440, 1.1)]
    return forced(lalm, clips, "Which clip has the dog?", choices, settings)


def plainly(lalm: Lalm, case: Forced, settings: Settings) -> list[float]:
    """One whole forward an answer."""
    lalm.adapters.select(settings.adapter)
    scores = []
    for answer in case.answers:
        with torch.inference_mode():
            rows = case.prompt.embed(lalm.loaded.embed_tokens)
            rows = torch.cat([rows, lalm.loaded.embed_tokens(answer)[None]], 1)
            logits = lalm.loaded.model(inputs_embeds=rows).logits[0, -len(answer) - 1 : -1].float()
        scores.append(float(logits.log_softmax(-1)[range(len(answer)), list(answer)].mean()))
    return scores


def stepwise(lalm: Lalm, case: Forced, settings: Settings) -> list[float]:
    """Token by token on the engine's own path: each forward under the lens, as the decoding loop makes it."""
    scores = []
    for answer in case.answers:
        with torch.inference_mode():
            rows, cache, total = case.prompt.embed(lalm.loaded.embed_tokens), DynamicCache(), 0.0
            plan = lalm.observation(case.prompt, settings, rows.shape[1] + len(answer))
            for token in answer:
                with lalm.lens.observed(plan, cache.get_seq_length() + rows.shape[1]):
                    lalm.adapters.select(settings.adapter)
                    logits = last_logits(lalm.loaded, rows, cache)
                total += float(logits.log_softmax(-1)[token])
                rows = lalm.loaded.embed_tokens([token])[None]
        scores.append(total / len(answer))
    return scores


@pytest.mark.parametrize("model_type", ["embedded", "qwen2_audio", "gemma3n", "gemma4", "gemma4_unified"])
def test_one_forward_scores_as_one_forward_an_answer_does(model_type: str) -> None:
    lalm = engine(model_type)
    for adapter in (*lalm.info.adapters, None):
        settings = Settings(adapter=adapter)
        case = case_of(lalm, settings)
        (found,) = likelihoods(lalm, case, settings)
        assert found == pytest.approx(plainly(lalm, case, settings), abs=1e-4)


@pytest.mark.parametrize("model_type", ["embedded", "qwen2_audio", "gemma3n", "gemma4", "gemma4_unified"])
def test_boosts_packed_together_score_as_the_engine_decodes(model_type: str) -> None:
    lalm = engine(model_type)
    settings = Settings(adapter=next(iter(lalm.info.adapters), None))
    boosts = [Boost("mata", 0.3, (0.0, 0.4)), Boost(), Boost("mata", 2.0, (0.3, 1.0)), Boost("mata", -1.0, (0.0, 1.0))]
    case = case_of(lalm, settings)
    found = likelihoods(lalm, case, settings, boosts)
    expected = [stepwise(lalm, case, replace(settings, boost=boost)) for boost in boosts]
    assert np.allclose(found, expected, atol=1e-4)
    assert abs(np.array(expected[0]) - expected[2]).max() > 1e-3, "a boost that changes nothing proves nothing"


def test_what_the_engine_says_under_a_boost_is_the_likeliest_of_all_first_tokens() -> None:
    lalm = engine()
    boost = Boost("mata", 3.0, (0.0, 1.0))
    settings = Settings(adapter="probe", boost=boost, max_tokens=4)
    clips = (tiny.noise(1, 0.7), tiny.tone(440, 1.1))
    asked = Conversation((Turn("user", (*clips, "Which?")),))
    prompt = lalm.prompt(asked, settings)
    ids: list[int] = []
    for _ in range(4):
        answers = tuple((*ids, token) for token in range(len(lalm.loaded.tokenizer)))
        (scores,) = likelihoods(lalm, Forced(prompt, answers), settings, [boost])
        ids.append(int(np.argmax(scores)))
    stops = decode.stop_ids(lalm.loaded)
    said = "".join(event.text for event in lalm.stream(asked, settings) if isinstance(event, Token))
    spoken = ids[: next((place for place, token in enumerate(ids) if token in stops), 4)]
    text = DecodeStream(skip_special_tokens=True)  # the last character may be incomplete, and is then not shown
    assert said == "".join(text.step(lalm.loaded.tokenizer._tokenizer, token) or "" for token in spoken)


def test_the_answers_tokens_are_those_of_the_whole_conversation() -> None:
    lalm = engine()
    settings, clip = Settings(), tiny.tone(440)
    case = forced(lalm, [clip], "Which?", CHOICES, settings)
    for choice, answer in zip(CHOICES, case.answers, strict=True):
        whole = lalm.prompt(Conversation((Turn("user", (clip, "Which?")), Turn("assistant", (choice,)))), settings)
        assert [*case.prompt.ids, *answer] == whole.ids[: len(case.prompt.ids) + len(answer)]
        assert answer[-1] == lalm.loaded.tokenizer.eos_token_id


def test_chat_is_scored_without_the_token_that_ends_it() -> None:
    lalm, settings = engine(), Settings(adapter=None)
    answers = [("Which clip?", "the dog"), ("Why?", "You are a helpful assistant.")]
    expected = []
    for prompt, answer in answers:
        case = forced(lalm, (), prompt, (answer,), settings)
        expected += plainly(lalm, Forced(case.prompt, (case.answers[0][:-1],)), settings)
    assert mean_log_probability(lalm, answers, settings) == pytest.approx(np.mean(expected), abs=1e-4)

"""What the lens leaves alone: the model outside an observation, other rows, answers, threads, towers."""

import copy
import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Phi4MultimodalConfig,
    Phi4MultimodalForCausalLM,
    PreTrainedModel,
)

from core.attention import ATTENTION, Lens
from core.observation import WORDS, Observation
from core.types import Boost, Span
from tests.decoders import (
    BOOSTS,
    FAMILIES,
    PROMPT,
    STEPS,
    VOCABULARY,
    Step,
    llama,
    made,
    plain_steps,
    planned,
    prompt_ids,
    qwen2_audio,
    steps,
    text_sizes,
)


@pytest.mark.parametrize("build", FAMILIES)
def test_outside_an_observation_the_model_is_stock_sdpa(build: Callable[[], PreTrainedModel]) -> None:
    stock, model = made(build), made(build)
    lens = Lens(model)
    for wanted, logits in zip(plain_steps(stock), plain_steps(model), strict=True):
        assert torch.equal(logits, wanted)
    list(steps(model, lens, planned(BOOSTS[2])))
    for wanted, logits in zip(plain_steps(stock), plain_steps(model), strict=True):
        assert torch.equal(logits, wanted)


@pytest.mark.parametrize("build", FAMILIES)
def test_padded_batches_keep_their_mask(build: Callable[[], PreTrainedModel]) -> None:
    stock, model = made(build), made(build)
    Lens(model)
    ids = torch.cat([prompt_ids(1), prompt_ids(2)])
    mask = torch.ones_like(ids)
    mask[1, :7] = 0
    with torch.no_grad():
        wanted = stock(input_ids=ids, attention_mask=mask).logits
        assert torch.equal(model(input_ids=ids, attention_mask=mask).logits, wanted)
        assert not torch.allclose(stock(input_ids=ids).logits[1, -1], wanted[1, -1], atol=1e-3)


@pytest.mark.parametrize("build", FAMILIES)
def test_the_meter_leaves_a_prefill_bit_identical(build: Callable[[], PreTrainedModel]) -> None:
    stock, model = made(build), made(build)
    lens = Lens(model)
    with torch.no_grad():
        wanted = stock(input_ids=prompt_ids()).logits
        with lens.observed(planned(Boost()), PROMPT) as probe:
            assert torch.equal(model(input_ids=prompt_ids()).logits, wanted)
    assert probe.reading() is not None


def test_a_boost_moves_the_last_row_of_a_prefill_only() -> None:
    stock, model = made(llama), made(llama)
    lens = Lens(model)
    with torch.no_grad():
        wanted = stock(input_ids=prompt_ids()).logits[0]
        with lens.observed(planned(BOOSTS[1]), PROMPT):
            logits = model(input_ids=prompt_ids()).logits[0]
    assert torch.equal(logits[:-1], wanted[:-1])
    assert (logits[-1] - wanted[-1]).abs().max() > 0.01


def test_an_exception_inside_leaves_the_model_as_it_was() -> None:
    stock, model = made(llama), made(llama)
    lens = Lens(model)
    before = copy.deepcopy(dict(model.config.to_dict()))
    boom = model.model.layers[2].register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("boom")))
    with (
        pytest.raises(RuntimeError, match="boom"),
        torch.no_grad(),
        lens.observed(planned(BOOSTS[2]), PROMPT) as probe,
    ):
        model(input_ids=prompt_ids())
    boom.remove()
    with pytest.raises(AssertionError, match="no whole forward"):
        probe.reading()
    assert model.config.to_dict() == before
    for wanted, logits in zip(plain_steps(stock), plain_steps(model), strict=True):
        assert torch.equal(logits, wanted)
    assert next(steps(model, lens, planned(BOOSTS[1]))).reading is not None


def same(one: Step, other: Step) -> bool:
    return torch.equal(one.logits, other.logits) and one.reading == other.reading


def test_interleaved_answers_equal_their_solo_runs() -> None:
    model = made(llama)
    lens = Lens(model)
    plans = [(planned(BOOSTS[1]), 1), (planned(BOOSTS[4]), 1), (planned(Boost()), 2)]
    solo = [list(steps(model, lens, plan, seed)) for plan, seed in plans]
    together = zip(*(steps(model, lens, plan, seed) for plan, seed in plans), strict=True)
    for number, row in enumerate(together):
        assert all(same(step, solo[index][number]) for index, step in enumerate(row))
    assert not torch.equal(solo[0][0].logits, solo[1][0].logits)


def test_an_answer_closed_in_the_middle_leaves_no_boost() -> None:
    stock, model = made(llama), made(llama)
    lens = Lens(model)
    answer = steps(model, lens, planned(BOOSTS[2]))
    next(answer), next(answer)
    answer.close()
    assert all(torch.equal(a, b) for a, b in zip(plain_steps(stock), plain_steps(model), strict=True))


def test_two_threads_get_what_each_would_get_alone() -> None:
    model = made(llama)
    lens = Lens(model)
    plans = [(planned(BOOSTS[1]), 1), (planned(BOOSTS[4]), 2)]
    solo = [list(steps(model, lens, plan, seed)) for plan, seed in plans]
    rounds: list[list[list[Step]]] = [[], []]

    def answer(index: int) -> None:
        plan, seed = plans[index]
        rounds[index].extend(list(steps(model, lens, plan, seed)) for _ in range(5))

    threads = [threading.Thread(target=answer, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in (0, 1):
        assert len(rounds[index]) == 5
        for run in rounds[index]:
            assert all(same(a, b) for a, b in zip(run, solo[index], strict=True))


def test_a_plain_forward_of_another_thread_is_not_boosted() -> None:
    """The other thread runs its whole answer while this one stands in the middle of an observed forward."""
    stock, model = made(llama), made(llama)
    lens = Lens(model)
    plain: list[Tensor] = []
    observation = planned(BOOSTS[2])
    alone = next(steps(model, lens, observation))

    def pause(*_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            thread = threading.Thread(target=lambda: plain.extend(plain_steps(model)))
            thread.start()
            thread.join()

    hook = model.model.layers[2].register_forward_pre_hook(pause)
    boosted = next(steps(model, lens, observation))
    hook.remove()
    assert all(torch.equal(a, b) for a, b in zip(plain, plain_steps(stock), strict=True))
    assert same(boosted, alone)


def test_one_forward_is_observed_at_a_time() -> None:
    model = made(llama)
    lens = Lens(model)
    with torch.no_grad(), lens.observed(planned(Boost()), PROMPT):
        model(input_ids=prompt_ids())
        with pytest.raises(AssertionError, match="one forward"):
            model(input_ids=prompt_ids())
        with pytest.raises(AssertionError, match="one forward"), lens.observed(planned(Boost()), PROMPT):
            pass
    with pytest.raises(AssertionError, match="one conversation"), lens.observed(planned(Boost()), PROMPT):
        model(input_ids=prompt_ids().repeat(2, 1))


def test_a_wrong_number_of_keys_is_our_mistake() -> None:
    model = made(llama)
    lens = Lens(model)
    for keys in (PROMPT - 1, PROMPT + STEPS + 1):
        with pytest.raises(AssertionError, match="do not fit"), lens.observed(planned(Boost()), keys):
            pass
    with pytest.raises(AssertionError, match="announced"), lens.observed(planned(Boost()), PROMPT + 1):
        model(input_ids=prompt_ids())


@pytest.mark.parametrize("option", ["softcap", "position_bias", "s_aux"])
def test_an_attention_the_lens_does_not_know_is_refused(option: str) -> None:
    model = made(llama)
    lens = Lens(model)
    row = torch.zeros(1, 4, 1, 8)
    with lens.observed(planned(Boost()), PROMPT) as probe, pytest.raises(AssertionError, match=option):
        probe.attend(model.model.layers[0].self_attn, row, row[:, :2], row[:, :2], None, **{option: torch.ones(1)})


@pytest.mark.parametrize("build", FAMILIES)
def test_remove_gives_the_model_back(build: Callable[[], PreTrainedModel]) -> None:
    model = made(build)
    before = {name: module.__dict__.copy() for name, module in model.named_modules()}
    lens = Lens(model)
    assert model.get_decoder().config._attn_implementation == ATTENTION
    with pytest.raises(AssertionError, match="already"):
        Lens(model)
    lens.remove()
    assert model.get_decoder().config._attn_implementation == "sdpa"
    assert all(module.__dict__.keys() == before[name].keys() for name, module in model.named_modules())
    assert Lens(model).layers == (0, 1, 2, 3)


def test_the_audio_tower_keeps_its_own_attention() -> None:
    stock, model = made(qwen2_audio), made(qwen2_audio)
    lens = Lens(model)
    assert model.config.audio_config._attn_implementation == "sdpa"
    assert lens.layers == (0, 1, 2, 3) and lens.depth == 4 and lens.heads == 4
    mel = torch.randn(1, 8, 40, generator=torch.Generator().manual_seed(3))
    # 40 frames: halved by the convolution, then by the pooling
    ids = torch.cat([torch.full((1, 10), VOCABULARY - 1), prompt_ids()[:, 10:]], 1)
    inputs = {"input_features": mel, "feature_attention_mask": torch.ones(1, 40, dtype=torch.long), "input_ids": ids}
    heard: dict[str, Tensor] = {}
    for name, net in (("stock", stock), ("lens", model)):
        net.model.audio_tower.register_forward_hook(
            lambda module, args, output, name=name: heard.update({name: output.last_hidden_state})
        )
    observation = Observation.of(
        [Span(0, 10, "clip A"), Span(10, PROMPT, "question")],
        [torch.tensor([[0.0, 1.0]] * 10)],
        [1.0],
        Boost("bias", 2.0, (0.0, 1.0)),
        PROMPT,
    )
    with torch.no_grad():
        wanted = stock(**inputs).logits[0]
        with lens.observed(observation, PROMPT) as probe:
            logits = model(**inputs).logits[0]
    assert torch.equal(heard["lens"], heard["stock"])
    assert torch.equal(logits[:-1], wanted[:-1]) and not torch.allclose(logits[-1], wanted[-1], atol=0.01)
    reading = probe.reading()
    assert reading is not None and len(reading.weights) == 4


def test_a_decoder_that_holds_its_towers_does_not_pass_the_attention_down() -> None:
    torch.manual_seed(0)
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    config = Phi4MultimodalConfig(
        **text_sizes(),
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4},
        vision_config=tower | {"num_hidden_layers": 2, "image_size": 28, "patch_size": 14},
        audio_config=tower
        | {"num_blocks": 1, "ext_pw_out_channel": 16, "depthwise_separable_out_channel": 16}
        | {"nemo_conv_channels": 16, "input_size": 16},
    )
    model = Phi4MultimodalForCausalLM(config).eval()
    lens = Lens(model)
    assert model.config._attn_implementation == ATTENTION
    assert model.config.audio_config._attn_implementation == model.config.vision_config._attn_implementation == "sdpa"
    reading = next(steps(model, lens, planned(Boost("target", 0.62)))).reading
    assert reading is not None and reading.boosted == (1, 2)
    assert abs(sum(reading.weights[2][len(WORDS) : len(WORDS) + 2]) - 0.62) <= 1e-5


def test_two_models_of_one_config_do_not_disturb_each_other() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(**text_sizes())
    first, second = LlamaForCausalLM(config).eval(), LlamaForCausalLM(config).eval()
    stock = list(plain_steps(second))
    lens = Lens(first)
    with torch.no_grad(), lens.observed(planned(BOOSTS[2]), PROMPT):
        assert torch.equal(next(plain_steps(second)), stock[0])
        first(input_ids=prompt_ids())
    assert all(torch.equal(a, b) for a, b in zip(plain_steps(second), stock, strict=True))

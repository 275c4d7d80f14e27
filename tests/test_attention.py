import copy
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    Cache,
    DynamicCache,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Phi4MultimodalConfig,
    Phi4MultimodalForCausalLM,
    PreTrainedModel,
    Qwen2AudioConfig,
    Qwen2AudioEncoderConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2Config,
    StaticCache,
)
from transformers.masking_utils import eager_mask

from core.attention import ATTENTION, Lens
from core.observation import Observation
from core.types import AttentionReading, Boost, Span

VOCABULARY, PROMPT, STEPS = 64, 24, 5
# text stands between the clips, and clip A comes in two pieces
SPANS = (
    Span(0, 2, "template"),
    Span(2, 6, "clip A"),
    Span(6, 8, "question"),
    Span(8, 10, "clip A"),
    Span(10, 12, "template"),
    Span(12, 19, "clip B"),
    Span(19, 24, "question"),
)
BOOSTS = (
    Boost(),
    Boost("mata", 0.5),
    Boost("mata", -0.5, (0.0, 1.0)),
    Boost("pai", 0.5, clip_weights=(1.5, 0.5)),
    Boost("bias", 1.5, clip_weights=(0.0, 2.0)),
    Boost("target", 0.7),
)


def text_sizes() -> dict[str, int | float]:
    """Of a decoder whose scores are some units wide, so that a boost has something to move."""
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "initializer_range": 0.15,
    }


def llama() -> PreTrainedModel:
    return LlamaForCausalLM(LlamaConfig(**text_sizes()))


def gemma3() -> PreTrainedModel:
    """A sliding window of 9 keys in every second layer: shorter than the prompt."""
    kinds = ["sliding_attention", "full_attention"] * 2
    config = Gemma3TextConfig(**text_sizes(), head_dim=8, sliding_window=9, layer_types=kinds, query_pre_attn_scalar=8)
    return Gemma3ForCausalLM(config)


def qwen2_audio() -> PreTrainedModel:
    text = Qwen2Config(**text_sizes())
    tower = Qwen2AudioEncoderConfig(
        num_mel_bins=8,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=32,
        d_model=16,
        max_source_positions=20,
    )
    config = Qwen2AudioConfig(audio_config=tower, text_config=text, audio_token_index=VOCABULARY - 1)
    return Qwen2AudioForConditionalGeneration(config)


FAMILIES = (llama, gemma3, qwen2_audio)


def made(build: Callable[[], PreTrainedModel], attention: str = "sdpa") -> PreTrainedModel:
    """The same random model at every call."""
    torch.manual_seed(0)
    model = build().eval()
    model.set_attn_implementation(attention)
    return model


def prompt_ids(seed: int = 1) -> Tensor:
    return torch.randint(0, VOCABULARY - 1, (1, PROMPT), generator=torch.Generator().manual_seed(seed))


def planned(boost: Boost, meter: bool = True, max_keys: int = PROMPT + STEPS) -> Observation:
    starts = torch.arange(0.0, 12.0, 2.0)
    times = (torch.stack([starts, starts + 2.0], 1), torch.tensor([[0.0, 3.5]] * 7))
    return Observation.of(SPANS, times, (12.0, 3.5), boost, max_keys, meter=meter)


@dataclass(frozen=True)
class Step:
    logits: Tensor
    reading: AttentionReading | None


def steps(
    model: PreTrainedModel, lens: Lens, observation: Observation, seed: int = 1, cache: Cache | None = None
) -> Iterator[Step]:
    """The greedy answer, each forward observed, yielded between the forwards."""
    fed, keys = prompt_ids(seed), 0
    cache = DynamicCache(config=model.config) if cache is None else cache
    for _ in range(STEPS):
        keys += fed.shape[1]
        with torch.no_grad(), lens.observed(observation, keys) as probe:
            logits = model(input_ids=fed, past_key_values=cache).logits[0, -1]
        yield Step(logits, probe.reading())
        fed = logits.argmax().view(1, 1)


def plain_steps(model: PreTrainedModel, seed: int = 1) -> Iterator[Tensor]:
    """The greedy answer of the model as it is: logits of the last row."""
    fed, cache = prompt_ids(seed), DynamicCache(config=model.config)
    for _ in range(STEPS):
        with torch.no_grad():
            logits = model(input_ids=fed, past_key_values=cache).logits[0, -1]
        yield logits
        fed = logits.argmax().view(1, 1)


# --- the naive reference: every row eager, keys and values repeated, the formulas spelled out ---


@dataclass
class Naive:
    boost: Boost
    layers: range
    keys: int = 0
    natural: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)


def naive_attention(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float, **_):
    plan: Naive = module.config.naive
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.transpose(2, 3) * scaling
    natural = torch.softmax(scores + mask, -1)
    first = plan.keys - key.shape[2]
    if module.layer_idx in plan.layers:
        for span in SPANS:
            if span.source.startswith("clip"):
                weight = plan.boost.weight("AB".index(span.source[-1]))
                here = slice(max(span.start - first, 0), max(span.stop - first, 0))
                scores[:, :, -1, here] = naive_boost(plan.boost, weight, scores[:, :, -1, here], natural, first)
    weights = torch.softmax(scores + mask, -1)
    plan.natural.append(natural[0, :, -1])
    plan.weights.append(weights[0, :, -1])
    return (weights @ value).transpose(1, 2), None


def naive_boost(boost: Boost, weight: float, scores: Tensor, natural: Tensor, first: int) -> Tensor:
    if boost.method == "mata":
        return (1 + boost.alpha * weight) * scores
    if boost.method == "pai":
        return scores + boost.alpha * weight * scores.abs()
    if boost.method == "bias":
        return scores + boost.alpha * weight
    clips = [k for s in SPANS if s.source.startswith("clip") for k in range(s.start - first, s.stop - first) if k >= 0]
    if not clips:
        return scores
    t, share = boost.alpha, natural[:, :, -1, clips].sum(-1, keepdim=True)
    return scores + weight * torch.log(t * (1 - share) / (share * (1 - t)))


AttentionInterface.register("naive_eager", naive_attention)
AttentionMaskInterface.register("naive_eager", eager_mask)


def naive_steps(model: PreTrainedModel, boost: Boost) -> Iterator[tuple[Tensor, list[Tensor], list[Tensor]]]:
    """Logits, weights and natural weights of the last row: one (heads, keys) by layer."""
    config = model.get_decoder().config
    band = boost.layers(config.num_hidden_layers) if boost.method != "off" else range(0)
    fed, keys, cache = prompt_ids(), 0, DynamicCache(config=model.config)
    for _ in range(STEPS):
        keys += fed.shape[1]
        config.naive = plan = Naive(boost, band, keys)
        with torch.no_grad():
            logits = model(input_ids=fed, past_key_values=cache).logits[0, -1]
        yield logits, plan.weights, plan.natural
        fed = logits.argmax().view(1, 1)


def by_source(rows: list[Tensor], observation: Observation, keys: int) -> list[list[float]]:
    """Mean over heads of the weight on each source, by summing key for key."""
    table = []
    for row in rows:
        sums = [0.0] * len(observation.sources)
        mean = row.double().mean(0).tolist()
        for position, weight in enumerate(mean, start=keys - len(mean)):
            source = next((span.source for span in SPANS if span.start <= position < span.stop), "answer")
            sums[observation.sources.index(source)] += weight
        table.append(sums)
    return table


@pytest.mark.parametrize("boost", BOOSTS, ids=str)
@pytest.mark.parametrize("build", FAMILIES)
def test_boost_and_reading_equal_the_naive_reference(build: Callable[[], PreTrainedModel], boost: Boost) -> None:
    model, reference = made(build), made(build, "naive_eager").double()
    observation = planned(boost)
    lensed = steps(model, Lens(model), observation)
    for number, (step, (logits, weights, natural)) in enumerate(
        zip(lensed, naive_steps(reference, boost), strict=True)
    ):
        assert (step.logits - logits).abs().max() <= 4e-6
        assert step.reading is not None
        keys = PROMPT + number
        torch.testing.assert_close(
            torch.tensor(step.reading.weights), torch.tensor(by_source(weights, observation, keys)), atol=1e-6, rtol=0
        )
        torch.testing.assert_close(
            torch.tensor(step.reading.natural), torch.tensor(by_source(natural, observation, keys)), atol=1e-6, rtol=0
        )
        clips = [row[:, observation.on_clip[keys - row.shape[1] : keys] > 0].sum(-1) for row in weights]
        spread = torch.stack(clips).std(1, correction=0).float()
        torch.testing.assert_close(torch.tensor(step.reading.head_spread), spread, atol=1e-6, rtol=0)


@pytest.mark.parametrize("build", FAMILIES)
def test_readings_equal_the_attentions_of_the_eager_model(build: Callable[[], PreTrainedModel]) -> None:
    model, eager = made(build), made(build, "eager")
    observation = planned(Boost())
    with torch.no_grad():
        attentions = eager(input_ids=prompt_ids(), output_attentions=True).attentions
    wanted = torch.tensor(by_source([layer[0, :, -1] for layer in attentions], observation, PROMPT))
    reading = next(steps(model, Lens(model), observation)).reading
    assert reading is not None
    torch.testing.assert_close(torch.tensor(reading.weights), wanted, atol=1e-6, rtol=0)
    assert reading.natural == reading.weights and reading.boosted == ()


def test_profiles_follow_the_tokens_times() -> None:
    model, eager = made(llama), made(llama, "eager")
    with torch.no_grad():
        attentions = eager(input_ids=prompt_ids(), output_attentions=True).attentions
    mean = torch.stack([layer[0, :, -1] for layer in attentions]).mean((0, 1))
    reading = next(steps(model, Lens(model), planned(Boost()))).reading
    assert reading is not None
    first, second = torch.tensor(reading.profiles)
    # clip A has six tokens of 2 s each, 8 bins a token; every token of clip B covers all of it
    torch.testing.assert_close(first, mean[[2, 3, 4, 5, 8, 9]].repeat_interleave(8) / 8, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(second, (mean[12:19].sum() / 48).expand(48), atol=1e-6, rtol=1e-5)


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


def test_without_meter_the_boost_is_the_same_and_nothing_is_read() -> None:
    model = made(llama)
    lens = Lens(model)
    for boost in BOOSTS:
        metered, silent = steps(model, lens, planned(boost)), steps(model, lens, planned(boost, meter=False))
        for one, other in zip(metered, silent, strict=True):
            assert torch.equal(one.logits, other.logits)
            assert other.reading is None


@pytest.mark.parametrize("boost", [Boost("mata", 0.0), Boost("bias", 3.0, clip_weights=(0.0, 0.0))])
def test_a_boost_of_nothing_is_off(boost: Boost) -> None:
    model = made(llama)
    lens = Lens(model)
    for off, step in zip(steps(model, lens, planned(Boost())), steps(model, lens, planned(boost)), strict=True):
        assert torch.equal(step.logits, off.logits) and step.reading == off.reading


def test_a_conversation_without_clips_is_read_and_not_boosted() -> None:
    model = made(llama)
    lens = Lens(model)
    observation = Observation.of([Span(0, PROMPT, "question")], [], [], BOOSTS[1], PROMPT + STEPS)
    for step in steps(model, lens, observation):
        assert step.reading is not None
        assert step.reading.boosted == () and step.reading.profiles == ()
        assert step.reading.head_spread == (0.0,) * 4


@pytest.mark.parametrize("build", FAMILIES)
def test_target_brings_the_boosted_layers_to_the_share_asked_for(build: Callable[[], PreTrainedModel]) -> None:
    model = made(build)
    observation = planned(Boost("target", 0.62, (0.5, 1.0)))
    reading = next(steps(model, Lens(model), observation)).reading
    assert reading is not None and reading.boosted == (2, 3)
    for layer in range(4):
        share = sum(reading.weights[layer][4:6])
        assert (abs(share - 0.62) <= 1e-5) == (layer in reading.boosted)


def test_only_the_layers_of_the_band_are_boosted() -> None:
    model = made(llama)
    lens = Lens(model)
    off = next(steps(model, lens, planned(Boost()))).reading
    reading = next(steps(model, lens, planned(Boost("bias", 2.0, (0.25, 0.75))))).reading
    assert off is not None and reading is not None and reading.boosted == (1, 2)
    assert reading.weights[0] == off.weights[0]
    assert reading.natural[1] == off.weights[1] and reading.weights[1] != off.weights[1]
    assert reading.weights[2] != reading.natural[2]
    assert reading.weights[3] == reading.natural[3] != off.weights[3]


def test_a_static_cache_gives_what_a_dynamic_one_gives() -> None:
    for build in (llama, gemma3):
        model = made(build)
        lens = Lens(model)
        static = StaticCache(config=model.config, max_cache_len=PROMPT + STEPS + 11)
        dynamic = steps(model, lens, planned(BOOSTS[1]))
        for one, other in zip(dynamic, steps(model, lens, planned(BOOSTS[1]), cache=static), strict=True):
            torch.testing.assert_close(other.logits, one.logits, atol=4e-6, rtol=0)
            assert one.reading is not None and other.reading is not None
            assert other.reading.tokens == one.reading.tokens
            torch.testing.assert_close(
                torch.tensor(other.reading.weights), torch.tensor(one.reading.weights), atol=1e-6, rtol=0
            )


def test_a_prompt_fed_in_two_parts_is_read_as_one() -> None:
    model = made(gemma3)
    lens = Lens(model)
    whole = next(steps(model, lens, planned(BOOSTS[1])))
    cache = DynamicCache(config=model.config)
    with torch.no_grad():
        model(input_ids=prompt_ids()[:, :15], past_key_values=cache)
        with lens.observed(planned(BOOSTS[1]), PROMPT) as probe:
            logits = model(input_ids=prompt_ids()[:, 15:], past_key_values=cache).logits[0, -1]
    torch.testing.assert_close(logits, whole.logits, atol=4e-6, rtol=0)
    reading = probe.reading()
    assert reading is not None and whole.reading is not None
    torch.testing.assert_close(torch.tensor(reading.weights), torch.tensor(whole.reading.weights), atol=1e-6, rtol=0)


def test_half_precision_is_no_less_exact_than_stock() -> None:
    exact, stock, model = made(llama), made(llama).bfloat16(), made(llama).bfloat16()
    lens = Lens(model)
    ids = prompt_ids()
    caches = [DynamicCache(config=exact.config) for _ in range(3)]
    with torch.no_grad():
        for net, cache in zip((exact, stock, model), caches, strict=True):
            net(input_ids=ids, past_key_values=cache)
        wanted, bfloat = (
            net(input_ids=ids[:, :1], past_key_values=cache).logits.float()
            for net, cache in zip((exact, stock), caches[:2], strict=True)
        )
        with lens.observed(planned(Boost()), PROMPT + 1) as probe:
            logits = model(input_ids=ids[:, :1], past_key_values=caches[2]).logits.float()
    assert (logits - wanted).norm() <= 1.5 * (bfloat - wanted).norm()
    reading = probe.reading()
    assert reading is not None
    assert all(abs(sum(row) - 1.0) <= 1e-6 for row in reading.weights)


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
    assert abs(sum(reading.weights[2][4:6]) - 0.62) <= 1e-5


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


@st.composite
def partitions(draw: st.DrawFn) -> tuple[tuple[Span, ...], int]:
    clips = draw(st.integers(0, 4))
    names = ["template", "system", "history", "question", *(f"clip {'ABCD'[index]}" for index in range(clips))]
    spans, start = [], 0
    for _ in range(draw(st.integers(1, 8))):
        stop = start + draw(st.integers(1, 6))
        spans.append(Span(start, stop, draw(st.sampled_from(names))))
        start = stop
    return tuple(spans), clips


LAW_MODEL = made(llama)
LAW_LENS = Lens(LAW_MODEL)


@settings(max_examples=40)
@given(partitions(), st.sampled_from(BOOSTS), st.integers(0, 2))
def test_a_reading_is_a_partition_of_the_row(partition: tuple[tuple[Span, ...], int], boost: Boost, later: int) -> None:
    spans, clips = partition
    tokens = [sum(s.stop - s.start for s in spans if s.source == f"clip {'ABCD'[i]}") for i in range(clips)]
    times = [torch.rand(count, 2).cumsum(1) for count in tokens]
    observation = Observation.of(spans, times, [2.0] * clips, boost, spans[-1].stop + later)
    keys = observation.max_keys
    with torch.no_grad(), LAW_LENS.observed(observation, keys) as probe:
        LAW_MODEL(input_ids=torch.arange(keys)[None] % VOCABULARY)
    reading = probe.reading()
    assert reading is not None
    assert sum(reading.tokens) == keys and reading.tokens[-1] == later
    assert reading.sources[4:] == (*(f"clip {'ABCD'[index]}" for index in range(clips)), "answer")
    for row in (*reading.weights, *reading.natural):
        assert abs(sum(row) - 1.0) <= 2e-6 and min(row) >= 0.0
    for index, profile in enumerate(reading.profiles):
        mean = sum(row[4 + index] for row in reading.weights) / len(reading.layers)
        assert abs(sum(profile) - mean) <= 2e-6
    assert reading.boosted == ((1, 2) if boost.band != (0.0, 1.0) else (0, 1, 2, 3)) or not observation.acts

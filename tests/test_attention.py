"""What the lens computes, against attention spelled out naively and against eager models."""

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
    DynamicCache,
    PreTrainedModel,
    StaticCache,
)
from transformers.masking_utils import eager_mask

from core.attention import Lens
from core.observation import WORDS, Observation
from core.types import Boost, Span
from tests.decoders import (
    BOOSTS,
    FAMILIES,
    PROMPT,
    SPANS,
    STEPS,
    VOCABULARY,
    gemma3,
    llama,
    made,
    planned,
    prompt_ids,
    steps,
)


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
        share = sum(reading.weights[layer][len(WORDS) : len(WORDS) + 2])
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
    assert reading.sources[len(WORDS) :] == (*(f"clip {'ABCD'[index]}" for index in range(clips)), "answer")
    for row in (*reading.weights, *reading.natural):
        assert abs(sum(row) - 1.0) <= 2e-6 and min(row) >= 0.0
    for index, profile in enumerate(reading.profiles):
        mean = sum(row[len(WORDS) + index] for row in reading.weights) / len(reading.layers)
        assert abs(sum(profile) - mean) <= 2e-6
    assert reading.boosted == ((1, 2) if boost.band != (0.0, 1.0) else (0, 1, 2, 3)) or not observation.acts

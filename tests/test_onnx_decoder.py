"""The ONNX decoder against torch: the dequantised weights under the lens are the oracle."""

import copy
import itertools
import statistics
import threading
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from core.attention import Lens
from core.embedded.assembly import WEIGHTS, load_embedded
from core.embedded.onnx_decoder import OnnxDecoder, merged
from core.embedded.onnx_graph import head_graph
from core.embedded.onnx_nodes import BLOCK, Activations, dequantised, quantised
from core.embedded.store import LOCK
from core.observation import Observation
from core.types import AttentionReading, Boost, Span
from tests import tiny
from tests.decoders import BOOSTS, PROMPT, STEPS, llama, made, planned, prompt_ids, steps

ADAPTER = "adapter"
READ = ("weights", "natural", "head_spread", "profiles")


def rounded(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """What an int8 product makes of its input: codes of -127 to 127, a scale for each block of a row."""
    rows = inputs[0]
    blocks = nn.functional.pad(rows, (0, -rows.shape[-1] % BLOCK)).unflatten(-1, (-1, BLOCK))
    scales = blocks.abs().amax(-1, keepdim=True) / 127
    return ((blocks / scales.clamp(min=1e-30)).round() * scales).flatten(-2)[..., : rows.shape[-1]]


def oracle(model: LlamaForCausalLM, activations: Activations) -> LlamaForCausalLM:
    """Torch, with the weights that the int8 codes stand for."""
    whole = copy.deepcopy(model).float()
    # a tied head is quantised, the embedding rows are not
    whole.lm_head.weight = nn.Parameter(whole.lm_head.weight.detach().clone())
    for module in whole.modules():
        if isinstance(module, nn.Linear):
            module.weight = nn.Parameter(dequantised(module.weight))
            if activations == "int8":
                module.register_forward_pre_hook(rounded)
    return whole


def wide() -> LlamaForCausalLM:
    """The tiny embedded model's, whose blocks are filled up."""
    found: LlamaForCausalLM = tiny.embedded().model
    return found


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    found: LlamaForCausalLM = made(llama)  # type: ignore[assignment]
    return found


@pytest.fixture(scope="module")
def adapter(model: LlamaForCausalLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(3)
    modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(r=4, target_modules=modules, init_lora_weights=False)
    get_peft_model(copy.deepcopy(model), config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def exact(model: LlamaForCausalLM, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxDecoder:
    """Its products do not round their inputs: what it does otherwise can be compared to the last digits."""
    return OnnxDecoder.of(
        lambda: model, model.config, {ADAPTER: adapter}, tmp_path_factory.mktemp("exact"), 1, "float32"
    )


@pytest.fixture(scope="module")
def int8(model: LlamaForCausalLM, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxDecoder:
    return OnnxDecoder.of(lambda: model, model.config, {ADAPTER: adapter}, tmp_path_factory.mktemp("int8"), 1)


def apart(one: AttentionReading | None, other: AttentionReading | None) -> float:
    """Largest difference of two readings of the same columns."""
    assert one is not None and other is not None
    for name in ("sources", "tokens", "layers", "boosted"):
        assert getattr(one, name) == getattr(other, name)
    pairs = ((torch.tensor(getattr(one, name)), torch.tensor(getattr(other, name))) for name in READ)
    return max(float((first - second).abs().max()) for first, second in pairs if first.numel())


def differences(
    decoder: OnnxDecoder, reference: LlamaForCausalLM, boost: Boost, adapter: str | None = None, seed: int = 1
) -> Iterator[float]:
    """Largest difference of logits and reading at each step of the oracle's greedy answer."""
    plan, memory, fed = planned(boost), decoder.memory(), prompt_ids(seed) % reference.config.vocab_size
    lens = Lens(reference)
    try:
        for wanted in steps(reference, lens, plan, seed):
            logits, reading = decoder.step(reference.get_input_embeddings()(fed), memory, adapter, plan)
            yield max(float((logits - wanted.logits).abs().max()), apart(reading, wanted.reading))
            fed = wanted.logits.argmax().view(1, 1)
    finally:
        lens.remove()


@pytest.mark.parametrize("boost", BOOSTS, ids=lambda boost: boost.method)
@pytest.mark.parametrize("name", [None, ADAPTER])
def test_every_boost_is_the_lens(
    exact: OnnxDecoder, model: LlamaForCausalLM, adapter: Path, name: str | None, boost: Boost
) -> None:
    reference = oracle(model if name is None else merged(model, adapter), "float32")
    assert max(differences(exact, reference, boost, name)) < 1e-4


@pytest.mark.parametrize("boost", BOOSTS, ids=lambda boost: boost.method)
def test_blocks_that_are_filled_up_count_for_nothing(boost: Boost, tmp_path: Path) -> None:
    decoder = OnnxDecoder.of(wide, wide().config, {}, tmp_path, 1, "float32")
    assert max(differences(decoder, oracle(wide(), "float32"), boost)) < 1e-3


def test_int8_products_round_their_inputs_and_nothing_else(int8: OnnxDecoder, model: LlamaForCausalLM) -> None:
    # where an input lies between two codes the last digit decides: such a step differs by more, and there are few
    reference = oracle(model, "int8")
    found = [step for boost in BOOSTS for seed in (1, 2) for step in differences(int8, reference, boost, seed=seed)]
    assert len(found) == 2 * len(BOOSTS) * STEPS and statistics.median(found) < 1e-4
    plain = [step for boost in BOOSTS for step in differences(int8, oracle(model, "float32"), boost)]
    assert statistics.median(plain) > 1e-3


@pytest.mark.parametrize("hidden", [96, 576, 1536])
def test_a_wide_product_is_rounded_by_blocks(hidden: int) -> None:
    config = LlamaConfig(hidden_size=hidden, vocab_size=256, num_attention_heads=3, num_hidden_layers=1)
    torch.manual_seed(hidden)
    model, rows = LlamaForCausalLM(config), torch.randn(1, 1, hidden) * torch.randn(hidden).exp()
    session = onnxruntime.InferenceSession(head_graph(model).SerializeToString(), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"hidden": rows.numpy()})
    weight = dequantised(model.lm_head.weight)
    wanted = rounded(model.lm_head, (rows,)) @ weight.T
    assert torch.allclose(torch.from_numpy(logits), wanted, atol=1e-4)
    assert not torch.allclose(rows @ weight.T, wanted, atol=1e-3)


def test_a_head_without_clips_is_left_alone_by_a_target(exact: OnnxDecoder, model: LlamaForCausalLM) -> None:
    boost = Boost("target", 0.5, (0.0, 1.0), clip_weights=(1.0,))
    plan = Observation.of((Span(0, 6, "clip A"),), (torch.rand(6, 2).cumsum(1),), (3.0,), boost, 6)
    rows, reference = model.get_input_embeddings()(prompt_ids()[:, :6]), oracle(model, "float32")
    logits, _ = exact.step(rows, exact.memory(), None, plan)
    with torch.no_grad():
        assert torch.allclose(logits, reference(inputs_embeds=rows).logits[0, -1], atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_it_does_not_matter_how_rows_are_divided(
    exact: OnnxDecoder, model: LlamaForCausalLM, data: st.DataObject
) -> None:
    """However a prompt is fed, and whatever was fed and forgotten before, the last logits are those of the whole."""
    length = data.draw(st.integers(1, model.config.max_position_embeddings))
    cuts = data.draw(st.lists(st.integers(1, length), max_size=3).map(lambda cuts: sorted({*cuts, length})))
    kept = data.draw(st.integers(0, cuts[0]))
    rows = torch.randn(1, length, 32, generator=torch.Generator().manual_seed(length))
    plan = Observation.of((), (), (), Boost(), 128)
    memory = exact.memory()
    exact.step(rows[:, : cuts[0]], memory, None, plan)
    if kept < cuts[0]:
        exact.step(torch.ones(1, 128 - cuts[0], 32), memory, None, plan) if cuts[0] < 128 else None
        memory.crop(kept)
        exact.step(rows[:, kept : cuts[0]], memory, None, plan)
    for start, stop in itertools.pairwise(cuts):
        exact.step(rows[:, start:stop], memory, None, plan)
    assert memory.tokens == length
    memory.crop(length - 1)
    logits, reading = exact.step(rows[:, -1:], memory, None, plan)
    fresh, fresh_reading = exact.step(rows, exact.memory(), None, plan)
    assert torch.allclose(logits, fresh, atol=1e-4) and apart(reading, fresh_reading) < 1e-5
    with torch.no_grad():
        wanted = oracle(model, "float32")(inputs_embeds=rows).logits[0, -1]
    assert torch.allclose(logits, wanted, atol=1e-3)


@pytest.mark.parametrize("boost", BOOSTS, ids=lambda boost: boost.method)
def test_only_the_last_of_two_rows_is_boosted(exact: OnnxDecoder, model: LlamaForCausalLM, boost: Boost) -> None:
    rows = torch.randn(1, PROMPT + 4, 32, generator=torch.Generator().manual_seed(5))
    plan, memory, cache = planned(boost), exact.memory(), DynamicCache(config=model.config)
    reference = oracle(model, "float32")
    lens = Lens(reference)
    for start, stop in ((0, PROMPT), (PROMPT, PROMPT + 1), (PROMPT + 1, PROMPT + 3), (PROMPT + 3, PROMPT + 4)):
        logits, reading = exact.step(rows[:, start:stop], memory, None, plan)
        with torch.no_grad(), lens.observed(plan, stop) as probe:
            wanted = reference(inputs_embeds=rows[:, start:stop], past_key_values=cache).logits[0, -1]
        assert torch.allclose(logits, wanted, atol=1e-4) and apart(reading, probe.reading()) < 1e-5


@pytest.mark.parametrize("boost", BOOSTS, ids=lambda boost: boost.method)
def test_the_meter_changes_no_logit(int8: OnnxDecoder, model: LlamaForCausalLM, boost: Boost) -> None:
    memories = int8.memory(), int8.memory()
    for fed in (prompt_ids(), prompt_ids()[:, :1]):
        rows = model.get_input_embeddings()(fed)
        with_meter, reading = int8.step(rows, memories[0], None, planned(boost))
        without, nothing = int8.step(rows, memories[1], None, planned(boost, meter=False))
        assert torch.equal(with_meter, without) and reading is not None and nothing is None


def test_off_is_the_bare_model_exactly(int8: OnnxDecoder, model: LlamaForCausalLM, tmp_path: Path) -> None:
    bare = OnnxDecoder.of(lambda: model, model.config, {}, tmp_path, 1)
    rows, plan = model.get_input_embeddings()(prompt_ids()), planned(BOOSTS[1])
    wanted = bare.step(rows, bare.memory(), None, plan)
    before, on, after = (int8.step(rows, int8.memory(), name, plan) for name in (None, ADAPTER, None))
    assert torch.equal(before[0], wanted[0]) and before[1] == wanted[1]
    assert torch.equal(after[0], wanted[0]) and after[1] == wanted[1]
    assert not torch.allclose(on[0], wanted[0], atol=0.1)


def test_an_adapter_may_change_within_a_memory(exact: OnnxDecoder, model: LlamaForCausalLM, adapter: Path) -> None:
    rows, plan = model.get_input_embeddings()(prompt_ids()), planned(Boost(), max_keys=PROMPT + 3)
    bare, adapted = oracle(model, "float32"), oracle(merged(model, adapter), "float32")
    memory, cache = exact.memory(), DynamicCache(config=model.config)
    order = (
        (bare, None, rows),
        (adapted, ADAPTER, rows[:, :1]),
        (bare, None, rows[:, 1:2]),
        (adapted, ADAPTER, rows[:, 2:3]),
    )
    for reference, name, fed in order:
        logits, _ = exact.step(fed, memory, name, plan)
        with torch.no_grad():
            wanted = reference(inputs_embeds=fed, past_key_values=cache).logits[0, -1]
        assert torch.allclose(logits, wanted, atol=1e-4)


def answered(decoder: OnnxDecoder, model: LlamaForCausalLM, seed: int, name: str | None) -> Iterator[Tensor]:
    """Logits of a greedy answer."""
    memory, plan, fed = decoder.memory(), planned(BOOSTS[3]), prompt_ids(seed)
    for _ in range(STEPS):
        logits, _ = decoder.step(model.get_input_embeddings()(fed), memory, name, plan)
        yield logits
        fed = logits.argmax().view(1, 1)


def test_two_memories_know_nothing_of_each_other(int8: OnnxDecoder, model: LlamaForCausalLM) -> None:
    alone = [list(answered(int8, model, seed, None)) for seed in (1, 2)]
    in_turn = zip(answered(int8, model, 1, None), answered(int8, model, 2, None), strict=True)
    for step, found in enumerate(in_turn):
        assert all(torch.equal(logits, wanted[step]) for logits, wanted in zip(found, alone, strict=True))
    assert not torch.equal(alone[0][0], alone[1][0])


def test_two_threads_share_a_decoder(int8: OnnxDecoder, model: LlamaForCausalLM) -> None:
    asked = [(seed, name) for seed in range(4) for name in (None, ADAPTER)]
    alone = [list(answered(int8, model, *one)) for one in asked]
    found: dict[int, list[Tensor]] = {}

    def work(places: range) -> None:
        for place in places:
            found[place] = list(answered(int8, model, *asked[place]))

    threads = [threading.Thread(target=work, args=(range(first, len(asked), 2),)) for first in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place, wanted in enumerate(alone):
        assert all(torch.equal(logits, other) for logits, other in zip(found[place], wanted, strict=True))


def test_a_memory_counts_its_bytes(exact: OnnxDecoder, model: LlamaForCausalLM) -> None:
    memory, plan = exact.memory(), Observation.of((), (), (), Boost(), 128)
    assert memory.tokens == memory.bytes == 0
    exact.step(torch.randn(1, 100, 32), memory, None, plan)
    a_token = 2 * 4 * 2 * 8 * 4  # keys and values, layers, key heads, head size, bytes of a float
    assert memory.tokens == 100 and memory.bytes >= 100 * a_token
    before = memory.bytes
    memory.crop(3)
    assert (memory.tokens, memory.bytes) == (3, before)


def test_an_export_cut_short_is_not_loaded(
    model: LlamaForCausalLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = onnx.save

    def cut(graph: onnx.ModelProto, file: Path) -> None:
        whole(graph, file)
        file.write_bytes(file.read_bytes()[:1000])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(onnx, "save", cut)
        OnnxDecoder.of(lambda: model, model.config, {}, tmp_path, 1)
    assert [left.name for left in tmp_path.iterdir()] == [LOCK]
    OnnxDecoder.of(lambda: model, model.config, {}, tmp_path, 1)
    monkeypatch.setattr(onnx, "save", cut)  # the second time nothing is exported
    decoder = OnnxDecoder.of(lambda: model, model.config, {}, tmp_path, 1)
    assert decoder.step(torch.randn(1, 3, 32), decoder.memory(), None, planned_nothing())[0].isfinite().all()


def planned_nothing() -> Observation:
    return Observation.of((), (), (), Boost(), 8, meter=False)


@settings(max_examples=50, deadline=None)
@given(
    outputs=st.integers(1, 5),
    inputs=st.integers(1, 150),
    seed=st.integers(0, 99),
    scale=st.sampled_from([0.0, 1e-6, 1.0]),
)
def test_no_weight_moves_by_more_than_half_a_step(outputs: int, inputs: int, seed: int, scale: float) -> None:
    weight = scale * torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(seed))
    codes, scales = quantised(weight)
    step = scales.repeat_interleave(BLOCK, 1)[:, :inputs]
    assert codes.shape == (outputs, -(-inputs // BLOCK), BLOCK) and codes.min() >= 1
    assert bool(((dequantised(weight) - weight).abs() <= 0.5001 * step).all())
    assert torch.allclose(dequantised(dequantised(weight)), dequantised(weight), rtol=1e-6)


@pytest.fixture(scope="module")
def shipped() -> LlamaForCausalLM:
    return load_embedded(progress=lambda line: None)[0]


@pytest.fixture(scope="module")
def shipped_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where head and bare body are exported once."""
    return tmp_path_factory.mktemp("shipped")


@pytest.mark.weights
@pytest.mark.parametrize("name", [None, "discriminative"])
def test_the_shipped_model_is_the_lens_on_its_dequantised_weights(
    shipped: LlamaForCausalLM, name: str | None, shipped_graphs: Path
) -> None:
    adapters = {"discriminative": WEIGHTS / "discriminative"} if name else {}
    decoder = OnnxDecoder.of(lambda: shipped, shipped.config, adapters, shipped_graphs, 1, "float32")
    reference = oracle(merged(shipped, adapters[name]) if name else shipped, "float32")
    for boost in (BOOSTS[1], BOOSTS[5]):
        assert max(differences(decoder, reference, boost, name)) < 1e-3

"""Models of 7B on a GPU: loading in bf16 and nf4, memory, prefill and decoding, with meter and boost off and on.

"Recorded" decodes each token as one CUDA graph (`core.graph`); "compiled" records what `torch.compile` made of it.

    python -m bench.large_models

Random weights in the real shapes of Qwen2.5-Omni-7B (its thinker) and Qwen2-Audio-7B are written to a temporary
folder, 17 GB each, and loaded as a checkpoint is: neither speed nor memory depends on what the weights say. Asked about
four clips of 30 s. The conditions take turns; each figure is the median of the repetitions, with quartiles.

Without a GPU the same is done on tiny shapes, to see that it runs; those times say nothing. Prints a table, then one
JSON line.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel, WhisperFeatureExtractor

from bench.shapes import SHAPES
from core.decode import on_host
from core.decoder import last_logits
from core.families import Loaded
from core.footprint import GIB, footprint
from core.graph import GraphDecoder
from core.lalm import Lalm
from core.load import load
from core.types import Boost, Conversation, Settings, Turn
from tests import tiny
from tests.folders import save

MODELS = {"qwen2_5_omni": "Qwen/Qwen2.5-Omni-7B", "qwen2_audio": "Qwen/Qwen2-Audio-7B-Instruct"}
CLIPS, CLIP_SECONDS = 4, 30.0
MEL_BANDS = 128
MATA = Boost("mata", 0.1)
CONDITIONS: dict[str, tuple[Boost, bool] | None] = {
    "plain SDPA": None,
    "meter": (Boost(), True),
    "boost": (MATA, False),
    "meter + boost": (MATA, True),
    "recorded": (Boost(), False),
    "recorded, meter + boost": (MATA, True),
    "compiled": (Boost(), False),
    "compiled, meter + boost": (MATA, True),
}
"""Boost and meter, or no lens at all."""


def checkpoint(model_type: str, folder: Path, device: str) -> None:
    """Writes random weights, of the real shape where there is a GPU, with the tokenizer of the tests."""
    small = tiny.BUILD[model_type]()
    if device == "cuda":
        torch.manual_seed(0)
        torch.set_default_dtype(torch.bfloat16)
        with torch.device(device):
            model = SHAPES[MODELS[model_type]]()
        torch.set_default_dtype(torch.float32)
        small.hearing.feature_extractor = WhisperFeatureExtractor(feature_size=MEL_BANDS)
        small = Loaded(speaking(model, small.model), small.tokenizer, small.hearing)
    save(small, model_type, folder)


def speaking(model: PreTrainedModel, small: PreTrainedModel) -> PreTrainedModel:
    """A model that takes the tests' tokenizer for its own."""
    for name, value in vars(small.config).items():
        if name.endswith("_token_id") and value is not None:
            setattr(model.config, name, value)
    model.generation_config.eos_token_id = small.generation_config.eos_token_id
    return model


def seconds_of(work: Callable[[], Any], device: str) -> float:
    began = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def measured(engine: Lalm, device: str, repetitions: int, tokens: int) -> list[dict[str, Any]]:
    """Prefill and decoding under each condition."""
    clips = tuple(tiny.noise(seed, CLIP_SECONDS) for seed in range(CLIPS))
    asked = Conversation((Turn("user", (*clips, "How do they differ?")),))
    prompts = []
    encode = seconds_of(lambda: prompts.append(engine.prompt(asked, Settings())), device)
    (prompt,) = prompts
    times: dict[str, dict[str, list[float]]] = {name: {"prefill": [], "decode": []} for name in CONDITIONS}
    # inductor takes a minute for each shape, which tells nothing without a GPU
    backends = {"recorded": None, "compiled": "inductor" if device == "cuda" else "aot_eager"}
    decoders = {
        name: GraphDecoder(engine.loaded, engine.lens, engine.adapters, backend) for name, backend in backends.items()
    }
    with torch.inference_mode():
        rows = prompt.embed(engine.loaded.embed_tokens)
        length = rows.shape[1]
        for _ in range(repetitions + 1):  # the first warms up
            for name, lens in CONDITIONS.items():
                decoder = decoders.get(name.split(",")[0])
                if decoder is None:
                    forward = forwards(engine, prompt, lens, length + tokens, DynamicCache())
                else:
                    assert lens is not None
                    forward = steps(engine, prompt, lens, length + tokens, decoder)
                times[name]["prefill"].append(seconds_of(lambda: forward(rows, length), device))  # noqa: B023
                one = rows[:, -1:]
                spent = seconds_of(lambda: [forward(one, length + n + 1) for n in range(tokens)], device)  # noqa: B023
                times[name]["decode"].append(spent / tokens)
    return [
        {
            "condition": name,
            "prompt_tokens": length,
            "encode_seconds": round(encode, 3),
            **{f"{phase}_seconds": quartiles(spent[1:]) for phase, spent in phases.items()},
            "tokens_per_second": round(1 / statistics.median(phases["decode"][1:]), 1),
        }
        for name, phases in times.items()
    ]


def forwards(
    engine: Lalm, prompt: Any, lens: tuple[Boost, bool] | None, keys: int, cache: DynamicCache
) -> Callable[[torch.Tensor, int], None]:
    """A forward under a condition, of rows that bring the cache to so many keys."""
    plan = None if lens is None else engine.observation(prompt, Settings(boost=lens[0]), keys, lens[1])

    def forward(rows: torch.Tensor, total: int) -> None:
        if plan is None:
            last_logits(engine.loaded, rows, cache)
            return
        with engine.lens.observed(plan, keys=total) as probe:
            last_logits(engine.loaded, rows, cache)
        probe.reading()

    return forward


def steps(
    engine: Lalm, prompt: Any, lens: tuple[Boost, bool], keys: int, decoder: GraphDecoder
) -> Callable[[torch.Tensor, int], None]:
    """The same by a decoder, with the choice of a token and its one copy to the host."""
    plan = engine.observation(prompt, Settings(boost=lens[0]), keys, lens[1])
    memory = decoder.memory()

    def forward(rows: torch.Tensor, total: int) -> None:
        logits, look = decoder.step(rows, memory, None, plan)
        on_host(logits.argmax(), look)
        assert memory.tokens == total

    return forward


def quartiles(values: list[float]) -> tuple[float, ...]:
    """Lower quartile, median and upper quartile."""
    return tuple(round(value, 5) for value in statistics.quantiles(values, n=4, method="inclusive"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--precisions", nargs="+", default=["bf16", "nf4"])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=32, help="decoded in each repetition")
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    where = torch.cuda.get_device_name() if device == "cuda" else "no GPU: tiny shapes, times say nothing"
    print(f"{where}, torch {torch.__version__}, {CLIPS} clips of {CLIP_SECONDS:g} s, {given.repetitions} repetitions\n")
    print(
        "| model | precision | condition | prompt tokens | prefill, s | decode, ms | tokens/s | load, s | peak, GiB |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    results = []
    for model_type in given.models:
        with tempfile.TemporaryDirectory() as name:
            checkpoint(model_type, Path(name), device)
            torch.cuda.empty_cache()
            for precision in given.precisions:
                results += report(model_type, name, precision, device, given.repetitions, given.tokens)
    print(json.dumps({"device": where, "real_shapes": device == "cuda", "results": results}))


def report(
    model_type: str, folder: str, precision: str, device: str, repetitions: int, tokens: int
) -> list[dict[str, Any]]:
    """Loads, measures and prints one model in one precision."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    engines: list[Any] = []
    loading = seconds_of(lambda: engines.append(load(folder, precision, progress=lambda line: None)), device)
    rows = measured(engines.pop(), device, repetitions, tokens)
    peak = round(torch.cuda.max_memory_allocated() / GIB, 2) if device == "cuda" else None
    expected = footprint(folder, "thinker." if model_type == "qwen2_5_omni" else "").gib(precision)
    for row in rows:
        row |= {"model": MODELS[model_type], "precision": precision, "load_seconds": round(loading, 2)}
        row |= {"peak_gib": peak, "expected_gib": round(expected, 2)}
        prefill, decode = row["prefill_seconds"], row["decode_seconds"]
        print(
            f"| {model_type} | {precision} | {row['condition']} | {row['prompt_tokens']} | "
            f"{prefill[1]:.3f} ({prefill[0]:.3f}-{prefill[2]:.3f}) | "
            f"{1e3 * decode[1]:.1f} ({1e3 * decode[0]:.1f}-{1e3 * decode[2]:.1f}) | {row['tokens_per_second']} | "
            f"{loading:.1f} | {peak or '-'} of {expected:.2f} |",
            flush=True,
        )
    return rows


if __name__ == "__main__":
    main()

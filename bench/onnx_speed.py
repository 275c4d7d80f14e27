"""How fast the embedded model's decoder is in ONNX Runtime with int8 weights, against torch with bf16 weights.

    python -m bench.onnx_speed

After a prompt of 600 tokens, three clips of it in four fifths: prefill and decoding with meter and boost off and on,
adapter off and on, on one thread and two. The two paths take turns, token by token, and each ratio is of one turn:
other work on the machine slows both. Quartiles: lower, median, upper. Embedding and choice of the token are left out,
the reading is in.

Prints a table, then one JSON line.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from transformers import DynamicCache, LlamaForCausalLM

from core.adapter import Adapters
from core.attention import Lens
from core.embedded.assembly import WEIGHTS, load_embedded
from core.embedded.onnx_decoder import OnnxDecoder
from core.observation import Observation
from core.types import Boost, Span

ADAPTER = "discriminative"
CONDITIONS = {
    "plain": (Boost(), False),
    "boost": (Boost("mata", 0.1), False),
    "meter": (Boost(), True),
    "meter + boost": (Boost("mata", 0.1), True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", type=int, default=600, help="tokens")
    parser.add_argument("--prefills", type=int, default=3)
    parser.add_argument("--decoded", type=int, default=25, help="tokens after each prefill")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    model, *_ = load_embedded(progress=lambda line: None)
    decoders = {
        threads: OnnxDecoder.of(
            lambda: model, model.config, {ADAPTER: WEIGHTS / ADAPTER}, Path(model.name_or_path), threads
        )
        for threads in arguments.threads
    }
    adapters, lens = Adapters(model), Lens(model)
    adapters.load(ADAPTER, WEIGHTS / ADAPTER)
    lines = []
    for threads, decoder in decoders.items():
        torch.set_num_threads(threads)
        for adapter in (None, ADAPTER):
            adapters.select(adapter)
            for name, (boost, meter) in CONDITIONS.items():
                observation = planned(arguments.prompt, arguments.decoded, boost, meter)
                seconds: dict[str, list[tuple[float, float]]] = {"prefill": [], "decode": []}
                for _ in range(arguments.prefills):
                    steps = torch_steps(model, lens, observation), onnx_steps(decoder, adapter, observation)
                    for place in range(arguments.decoded + 1):
                        rows = torch.randn(1, 1 if place else arguments.prompt, model.config.hidden_size) * 0.1
                        spent = tuple(timed(step, rows) for step in steps)
                        seconds["decode" if place else "prefill"].append((spent[0], spent[1]))
                for phase, pairs in seconds.items():
                    tokens = arguments.prompt if phase == "prefill" else 1
                    line = {
                        "threads": threads,
                        "adapter": adapter,
                        "condition": name,
                        "phase": phase,
                        "torch_tokens_per_second": quartiles([tokens / first for first, _ in pairs]),
                        "onnx_tokens_per_second": quartiles([tokens / second for _, second in pairs]),
                        "times_as_fast": quartiles([first / second for first, second in pairs]),
                    }
                    lines.append(line)
                    print("  ".join(f"{key} {value}" for key, value in line.items()), flush=True)
    print(json.dumps(lines))


def planned(prompt: int, decoded: int, boost: Boost, meter: bool) -> Observation:
    """Text, three clips, text."""
    edges = [prompt // 10 + prompt * 4 * part // 15 for part in range(4)]
    clips = [Span(edges[part], edges[part + 1], f"clip {'ABC'[part]}") for part in range(3)]
    spans = [Span(0, edges[0], "template"), *clips, Span(edges[3], prompt, "question")]
    times = [torch.arange(float(clip.stop - clip.start))[:, None] + torch.tensor([0.0, 1.0]) for clip in clips]
    return Observation.of(spans, times, [float(len(time)) for time in times], boost, prompt + decoded, meter=meter)


def torch_steps(model: LlamaForCausalLM, lens: Lens, observation: Observation) -> Callable[[Tensor], None]:
    """The present path, as `core.decode` goes."""
    cache = DynamicCache()

    @torch.inference_mode()
    def step(rows: Tensor) -> None:
        with lens.observed(observation, cache.get_seq_length() + rows.shape[1]) as probe:
            output = model.get_decoder()(
                inputs_embeds=rows.to(model.dtype), past_key_values=cache, use_cache=True
            ).last_hidden_state
            model.get_output_embeddings()(output[:, -1:])
        probe.reading()

    return step


def onnx_steps(decoder: OnnxDecoder, adapter: str | None, observation: Observation) -> Callable[[Tensor], None]:
    """The path measured here."""
    memory = decoder.memory()

    def step(rows: Tensor) -> None:
        decoder.step(rows, memory, adapter, observation)

    return step


def timed(step: Callable[[Tensor], None], rows: Tensor) -> float:
    """Seconds."""
    start = time.perf_counter()
    step(rows)
    return time.perf_counter() - start


def quartiles(values: list[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return [round(value, 2) for value in statistics.quantiles(values, n=4)]


if __name__ == "__main__":
    main()

"""What the meter and the boost cost against plain SDPA, in the same run.

    python bench/attention_cost.py --threads 1

The model has the shape of SmolLM2-135M and random weights: time does not depend on what the weights say. Prefill is
bound by arithmetic and the lens adds one row per layer to hundreds, so the cost falls with the length of the prompt.
Decode is bound by memory traffic and by the number of operators; there the lens's row takes the place of SDPA, which
torch does slowly for a single bf16 row.

Each repetition runs all conditions in a new random order, one prefill and some decoded tokens each, and divides by
plain SDPA of the same repetition: other work on the machine slows both. Prefill includes planning the turn and reducing
the reading, decode the reading of each token. Prints a table, then one JSON line.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from sys import path

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

path.insert(0, str(Path(__file__).parent.parent))

from core.attention import Lens
from core.observation import Observation
from core.types import Boost, Span

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
CONDITIONS: dict[str, tuple[Boost, bool] | None] = {
    "plain SDPA": None,
    "lens, not observed": None,
    "observed, nothing on": (Boost(), False),
    "boost": (Boost("mata", 0.1), False),
    "meter": (Boost(), True),
    "meter + boost": (Boost("mata", 0.1), True),
    "meter + boost, all layers": (Boost("mata", 0.1, (0.0, 1.0)), True),
}
CLIPS = 3


def smollm2_shape(precision: str) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    return LlamaForCausalLM(config).to(PRECISIONS[precision]).eval()


def plan(tokens: int, boost: Boost, meter: bool, max_keys: int) -> Observation:
    """A prompt of which four fifths are three clips, with a line of text before each."""
    length, line = tokens * 4 // 5 // CLIPS, tokens // 20
    spans, start = [], 0
    for clip in "ABC"[:CLIPS]:
        spans.append(Span(start, start + line, "template"))
        spans.append(Span(start + line, start + line + length, f"clip {clip}"))
        start += line + length
    spans.append(Span(start, tokens, "question"))
    starts = torch.arange(float(length)) / length * 5
    times = torch.stack([starts, starts + 5 / length], 1)
    return Observation.of(spans, [times] * CLIPS, [5.0] * CLIPS, boost, max_keys, meter=meter)


def answer(model: LlamaForCausalLM, condition: str, prompt: torch.Tensor, decoded: int) -> Iterator[float]:
    """Seconds of the prefill, then of each decoded token."""
    wanted = CONDITIONS[condition]
    lens = None if condition == "plain SDPA" else Lens(model)
    fed, keys, cache, observation = prompt, 0, DynamicCache(config=model.config), None
    for _ in range(decoded + 1):
        keys += fed.shape[1]
        began = time.perf_counter()
        if lens is not None and wanted is not None and observation is None:
            observation = plan(prompt.shape[1], *wanted, prompt.shape[1] + decoded)
        with lens.observed(observation, keys) if lens and observation else nullcontext() as probe:
            logits = model(input_ids=fed, past_key_values=cache, logits_to_keep=1).logits
        if probe is not None:
            probe.reading()
        fed = logits[:, -1].argmax(-1, keepdim=True)
        yield time.perf_counter() - began
    if lens is not None:
        lens.remove()


def measure(precision: str, tokens: int, repetitions: int, decoded: int) -> list[dict[str, object]]:
    model, order = smollm2_shape(precision), list(CONDITIONS)
    prompt = torch.randint(0, 49152, (1, tokens), generator=torch.Generator().manual_seed(1))
    seconds: dict[str, dict[str, list[float]]] = {name: {"prefill": [], "decode": []} for name in CONDITIONS}
    for repetition in range(repetitions + 1):
        random.Random(repetition).shuffle(order)
        for name in order:
            prefill, *steps = answer(model, name, prompt, decoded)
            if repetition:  # the first warms caches and threads
                seconds[name]["prefill"].append(prefill)
                seconds[name]["decode"].append(statistics.median(steps))
    rows: list[dict[str, object]] = []
    for name, phases in seconds.items():
        for phase, values in phases.items():
            ratios = [value / plain for value, plain in zip(values, seconds["plain SDPA"][phase], strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            rows.append(
                {
                    "precision": precision,
                    "prompt_tokens": tokens,
                    "phase": phase,
                    "condition": name,
                    "milliseconds": round(1000 * statistics.median(values), 2),
                    "ratio": round(middle, 4),
                    "quartiles": [round(low, 4), round(high, 4)],
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, nargs="+", default=[250, 600])
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--decoded", type=int, default=8, help="tokens decoded in each repetition")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{'':28}{'':8}{'prompt':>8}{'':10}{'ms':>9}{'ratio':>8}  quartiles")
    rows = []
    with torch.inference_mode():
        for precision in args.precision:
            for tokens in args.tokens:
                for row in measure(precision, tokens, args.repetitions, args.decoded):
                    rows.append(row)
                    low, high = row["quartiles"]  # type: ignore[misc]
                    print(
                        f"{row['condition']:28}{precision:8}{tokens:8}  {row['phase']:8}{row['milliseconds']:9.2f}"
                        f"{row['ratio']:8.3f}  {low:.3f}-{high:.3f}",
                        flush=True,
                    )
    print(json.dumps({"bench": "attention_cost", "threads": args.threads, "torch": torch.__version__, "rows": rows}))


if __name__ == "__main__":
    main()

"""What the meter and the boost cost against plain SDPA, in the same run.

    python bench/attention_cost.py --threads 1

The model has the shape of SmolLM2-135M and random weights: time does not depend on what the weights say. Prefill is
bound by arithmetic and the lens adds one row per layer to hundreds, so the cost falls with the length of the prompt.
Decode is bound by memory traffic and by the number of operators; there the lens's row takes the place of SDPA, which
torch does slowly for a single bf16 row.

The conditions take turns, one forward each in an order drawn anew, and each forward is divided by the plain one of the
same round: other work on the machine slows both. "plain SDPA, again" is the same thing twice, so its spread is what the
machine adds. Prefill includes planning the turn, and both include reducing the reading. Where the machine is busy,
`--clock cpu` with one thread counts the time this process ran, not the time it waited for a core.

Prints a table, then one JSON line.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from sys import path

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

path.insert(0, str(Path(__file__).parent.parent))

from core.attention import Lens
from core.observation import Observation
from core.types import Boost, Span

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
PLAIN = ("plain SDPA", "plain SDPA, again")
CONDITIONS: dict[str, tuple[Boost, bool] | None] = {
    PLAIN[0]: None,
    PLAIN[1]: None,
    "lens, not observed": None,
    "boost": (Boost("mata", 0.1), False),
    "meter": (Boost(), True),
    "meter + boost": (Boost("mata", 0.1), True),
}


@dataclass(frozen=True)
class Cost:
    """Milliseconds of one forward, and its ratio to plain SDPA: medians, with the ratio's quartiles."""

    precision: str
    prompt_tokens: int
    phase: str
    condition: str
    milliseconds: float
    ratio: float
    quartiles: tuple[float, float]


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
    length, line = tokens * 4 // 15, tokens // 20
    spans, start = [], 0
    for clip in "ABC":
        spans.append(Span(start, start + line, "template"))
        spans.append(Span(start + line, start + line + length, f"clip {clip}"))
        start += line + length
    spans.append(Span(start, tokens, "question"))
    starts = torch.arange(float(length)) / length * 5
    times = torch.stack([starts, starts + 5 / length], 1)
    return Observation.of(spans, [times] * 3, [5.0] * 3, boost, max_keys, meter=meter)


def answer(
    model: LlamaForCausalLM, condition: str, prompt: torch.Tensor, decoded: int, clock: Callable[[], float]
) -> Iterator[float]:
    """Seconds of the prefill, then of each decoded token. Between them the model is as it was."""
    wanted = CONDITIONS[condition]
    fed, keys, cache, observation = prompt, 0, DynamicCache(config=model.config), None
    for _ in range(decoded + 1):
        keys += fed.shape[1]
        lens = None if condition in PLAIN else Lens(model)
        began = clock()
        if wanted and observation is None:
            observation = plan(prompt.shape[1], *wanted, prompt.shape[1] + decoded)
        with lens.observed(observation, keys) if lens and observation else nullcontext() as probe:
            logits = model(input_ids=fed, past_key_values=cache, logits_to_keep=1).logits
        if probe:
            probe.reading()
        fed = logits[:, -1].argmax(-1, keepdim=True)
        seconds = clock() - began
        if lens:
            lens.remove()
        yield seconds


def measure(precision: str, tokens: int, repetitions: int, decoded: int, clock: Callable[[], float]) -> list[Cost]:
    model, order, draw = smollm2_shape(precision), list(CONDITIONS), random.Random(0)
    prompt = torch.randint(0, 49152, (1, tokens), generator=torch.Generator().manual_seed(1))
    seconds: dict[tuple[str, str], list[float]] = {
        (name, phase): [] for name in CONDITIONS for phase in ("prefill", "decode")
    }
    for repetition in range(repetitions + 1):
        answers = {name: answer(model, name, prompt, decoded, clock) for name in CONDITIONS}
        for step in range(decoded + 1):
            draw.shuffle(order)
            for name in order:
                spent = next(answers[name])
                if repetition:  # the first one warms caches and threads
                    seconds[name, "decode" if step else "prefill"].append(spent)
    costs = []
    for (name, phase), values in seconds.items():
        ratios = [value / plain for value, plain in zip(values, seconds[PLAIN[0], phase], strict=True)]
        low, middle, high = (round(ratio, 4) for ratio in statistics.quantiles(ratios, n=4))
        milliseconds = round(1000 * statistics.median(values), 2)
        costs.append(Cost(precision, tokens, phase, name, milliseconds, middle, (low, high)))
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description="What the meter and the boost cost against plain SDPA.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--tokens", type=int, nargs="+", default=[250, 600])
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--decoded", type=int, default=8, help="tokens decoded in each repetition")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{'':22}{'':8}{'prompt':>8}{'':10}{'ms':>9}{'ratio':>8}  quartiles")
    costs: list[Cost] = []
    with torch.inference_mode():
        for precision in args.precision:
            for tokens in args.tokens:
                fresh = measure(precision, tokens, args.repetitions, args.decoded, CLOCKS[args.clock])
                for cost in fresh:
                    low, high = cost.quartiles
                    print(
                        f"{cost.condition:22}{precision:8}{tokens:8}  {cost.phase:8}{cost.milliseconds:9.2f}"
                        f"{cost.ratio:8.3f}  {low:.3f}-{high:.3f}",
                        flush=True,
                    )
                costs += fresh
    about = {"bench": "attention_cost", "threads": args.threads, "clock": args.clock, "torch": torch.__version__}
    print(json.dumps(about | {"costs": [asdict(cost) for cost in costs]}))


if __name__ == "__main__":
    main()

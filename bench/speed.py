"""How fast the built-in model is, all in one run on one machine, beside what else could run it and beside physics.

    python -m bench.speed [--llama-bench PATH]

- load, hearing a clip, first token cold and for a second question about 2, 4 and 8 clips (the shipped examples, the
  adapter on);
- decoding after 600 tokens, without the adapter where it is not named, so that all can be compared: ours with and
  without meter and boost, the torch decoder, plain transformers `generate` with SDPA and with eager attention that
  gives its rows out, and llama.cpp's own benchmark on the file the weights came from, where a program of it is named
  (it reads the weights as they were before training, of the same shape);
- what the machine's memory would allow: bytes of weights, keys and values read for a token over measured bandwidth;
- peak memory, and how much 200 turns add.

Conditions take turns, and each figure is a median with its quartiles. Prints a table, then one JSON line.
"""

import argparse
import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from transformers import AutoModelForCausalLM

from core.audio import read_clip
from core.decoder import Decoder, TorchDecoder
from core.embedded import parts
from core.embedded.assembly import assembled
from core.lalm import Lalm
from core.load import load
from core.observation import Observation
from core.types import SAMPLING_RATE_HZ, Boost, Clip, Conversation, Done, Settings, Span, Turn

EXAMPLES = Path(__file__).parent.parent / "chat_app" / "examples"
CLIPS = (
    "woman_meeting_monday",
    "dog_bark",
    "stream_water",
    "violin_a4",
    "cat_meow",
    "man_order_coffee",
    "applause",
    "piano_a4",
)
PROMPT_TOKENS = 600
MIB = 2**20
BOOST = Boost("mata", 0.1)
QUESTIONS = ("Describe every clip and say how they differ.", "Which one is the loudest?")


def clocked(work: Callable[[], object]) -> float:
    """Seconds of wall time."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def middle(values: list[float]) -> float:
    return round(statistics.median(values), 4)


def spread(values: list[float], digits: int = 3) -> str:
    low, mid, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{mid:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def first_tokens(engine: Lalm, counts: tuple[int, ...], repetitions: int) -> dict[str, dict[int, list[float]]]:
    """Seconds to the first token, cold and for the next question, by number of clips; and of hearing one clip."""
    found: dict[str, dict[int, list[float]]] = {"cold": {}, "follow": {}, "hear": {}}
    settings = Settings(max_tokens=12, adapter=engine.info.default.adapter, boost=BOOST)
    for count in counts:
        clips = tuple(read_clip(EXAMPLES / f"{name}.flac") for name in CLIPS[:count])
        for repetition in range(repetitions + 1):  # the first warms up
            engine.heard.clear()
            engine.shelf.clear()
            asked = Conversation((Turn("user", (*clips, QUESTIONS[0])),))
            *tokens, done = engine.stream(asked, settings)
            words = "".join(token.text for token in tokens)  # type: ignore[union-attr]
            again = asked.with_turn(Turn("assistant", (words,))).with_turn(Turn("user", (QUESTIONS[1],)))
            *_, later = engine.stream(again, settings)
            assert isinstance(done, Done) and isinstance(later, Done)
            if repetition:
                found["cold"].setdefault(count, []).append(done.stats.first_token_seconds)
                found["follow"].setdefault(count, []).append(later.stats.first_token_seconds)
                found["hear"].setdefault(count, []).append(done.stats.encode_seconds / count)
    return found


def observed(boost: Boost, meter: bool, keys: int) -> Observation:
    """A prompt of which four fifths are two clips."""
    edges = (0, 60, 300, 320, 560, PROMPT_TOKENS)
    sources = ("template", "clip A", "template", "clip B", "question")
    spans = [Span(a, b, source) for a, b, source in zip(edges, edges[1:], sources, strict=False)]
    times = [torch.stack([torch.arange(240.0), torch.arange(1.0, 241.0)], 1) for _ in range(2)]
    return Observation.of(spans, times, [240.0, 240.0], boost, keys, meter=meter)


def decoding(engine: Lalm, repetitions: int, tokens: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of a prefill, and of a token behind it, for every way of running the bare model."""
    torch.manual_seed(0)
    ids = torch.randint(0, 40_000, (1, PROMPT_TOKENS))
    with torch.inference_mode():
        rows = engine.loaded.embed_tokens(ids[0].tolist())[None]
    reference = TorchDecoder(engine.loaded, engine.lens, engine.adapters)
    off, on, adapter = (Boost(), False), (BOOST, True), engine.info.default.adapter
    ways: dict[str, Callable[[], tuple[float, float]]] = {
        "ours_plain": lambda: by_decoder(engine.decoder, rows, None, *off, tokens),
        "ours": lambda: by_decoder(engine.decoder, rows, None, *on, tokens),
        "ours_adapter": lambda: by_decoder(engine.decoder, rows, adapter, *on, tokens),
        "torch_plain": lambda: by_decoder(reference, rows, None, *off, tokens),
        "torch": lambda: by_decoder(reference, rows, None, *on, tokens),
        "torch_adapter": lambda: by_decoder(reference, rows, adapter, *on, tokens),
    }
    for name, attention in (("generate", "sdpa"), ("generate_eager_attentions", "eager")):
        model = AutoModelForCausalLM.from_pretrained(
            assembled(), dtype=torch.bfloat16, attn_implementation=attention
        ).eval()
        ways[name] = lambda model=model, rows_too=attention == "eager": by_generate(model, ids, rows_too, tokens)  # type: ignore[misc]
    found: dict[str, dict[str, list[float]]] = {name: {"prefill": [], "token": []} for name in ways}
    order = list(ways)
    for repetition in range(repetitions + 1):
        random.Random(repetition).shuffle(order)
        for name in order:
            prefill, token = ways[name]()
            if repetition:
                found[name]["prefill"].append(prefill)
                found[name]["token"].append(token)
    return found


@torch.inference_mode()
def by_decoder(
    decoder: Decoder, rows: torch.Tensor, adapter: str | None, boost: Boost, meter: bool, tokens: int
) -> tuple[float, float]:
    """Through the seam of the engine."""
    memory, plan = decoder.memory(), observed(boost, meter, PROMPT_TOKENS + tokens)
    prefill = clocked(lambda: decoder.step(rows, memory, adapter, plan))
    one = rows[:, -1:]
    return prefill, clocked(lambda: [decoder.step(one, memory, adapter, plan) for _ in range(tokens)]) / tokens


@torch.inference_mode()
def by_generate(model: Any, ids: torch.Tensor, rows_too: bool, tokens: int) -> tuple[float, float]:
    """Through transformers' own loop; the time of one token is that of many less that of one."""

    def run(count: int) -> None:
        model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=count,
            min_new_tokens=count,
            do_sample=False,
            output_attentions=rows_too,
            return_dict_in_generate=rows_too,
        )

    prefill = clocked(lambda: run(1))
    return prefill, (clocked(lambda: run(1 + tokens)) - prefill) / tokens


def by_llama_cpp(program: str | None, threads: int, tokens: int, repetitions: int) -> list[float] | None:
    """Tokens a second of llama.cpp's own benchmark behind as many tokens; None where there is no such program."""
    program = program or shutil.which("llama-bench")
    if program is None:
        return None
    weights = str(parts.unpacked(parts.MIND)[0])
    options = ["-p", "0", "-n", str(tokens), "-d", str(PROMPT_TOKENS), "-t", str(threads), "-r", str(repetitions)]
    ran = subprocess.run([program, "-m", weights, *options, "-o", "json"], capture_output=True, text=True, check=True)
    return [float(rate) for rate in json.loads(ran.stdout)[0]["samples_ts"]]


def bandwidth_gb_s(repetitions: int) -> list[float]:
    """Bytes a second that one copy reads; what it writes counts once more."""
    source, target = np.ones(64 * MIB, np.float32), np.empty(64 * MIB, np.float32)
    return [2 * source.nbytes / clocked(lambda: np.copyto(target, source)) / 1e9 for _ in range(repetitions + 1)][1:]


def bytes_per_token(engine: Lalm, weight_bytes: float) -> float:
    """Weights, and the keys and values of the prompt in fp32, which are all read for every token."""
    config = engine.loaded.model.config
    cache = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * PROMPT_TOKENS * 4
    return weight_bytes * sum(weight.numel() for weight in engine.loaded.model.parameters()) + cache


def growth_mib(engine: Lalm, turns: int) -> float:
    """Memory that turns of new conversations about new clips add, behind 20 that fill what may be filled."""
    rng, process, before = np.random.default_rng(0), psutil.Process(), 0
    for turn in range(20 + turns):
        if turn == 20:
            before = process.memory_info().rss
        clips = [
            Clip(rng.standard_normal(SAMPLING_RATE_HZ).astype(np.float32) / 10, "noise") for _ in range(1 + turn % 2)
        ]
        asked = Conversation((Turn("user", (*clips, QUESTIONS[turn % 2])),))
        list(engine.stream(asked, Settings(max_tokens=2)))
    return (process.memory_info().rss - before) / MIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=48, help="decoded in each repetition")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--llama-bench", help="llama.cpp's program; looked for on the path where not named")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    engines: list[Any] = []
    loading = clocked(lambda: engines.append(load("embedded", progress=lambda line: print(line, file=sys.stderr))))
    engine: Lalm = engines[0]
    first = first_tokens(engine, (2, 4, 8), given.repetitions)
    grown = growth_mib(engine, given.turns)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # of ours alone: the others are loaded below
    ways = decoding(engine, given.repetitions, given.tokens)
    rates = {name: [1 / seconds for seconds in found["token"]] for name, found in ways.items()}
    llama = by_llama_cpp(given.llama_bench, given.threads, given.tokens, given.repetitions)
    copied = bandwidth_gb_s(given.repetitions)
    roof = {
        name: statistics.median(copied) * 1e9 / bytes_per_token(engine, size)
        for name, size in (("int8", 1), ("bf16", 2))
    }

    def ratio(phase: str) -> list[float]:
        return [a / b for a, b in zip(ways["ours"][phase], ways["ours_plain"][phase], strict=True)]

    print(f"{given.threads} threads, {given.repetitions} repetitions, {engine.info.precision}, load {loading:.2f} s\n")
    print("| clips | first token cold, s | for a second question, s | hearing, s a clip |\n|---|---|---|---|")
    for count in first["cold"]:
        print(f"| {count} | " + " | ".join(spread(first[phase][count]) for phase in ("cold", "follow", "hear")) + " |")
    print(f"\n| decoding behind {PROMPT_TOKENS} tokens | prefill, s | tokens/s |\n|---|---|---|")
    for name, found in ways.items():
        print(f"| {name} | {spread(found['prefill'])} | {spread(rates[name], 1)} |")
    print(f"| llama.cpp | - | {spread(llama, 1) if llama else 'no program of it was named'} |")
    print(f"| what {statistics.median(copied):.0f} GB/s allow | - | int8 {roof['int8']:.0f}, bf16 {roof['bf16']:.0f} |")
    print(f"\nMeter and boost: prefill {spread(ratio('prefill'))}, decoding {spread(ratio('token'))} of plain.")
    print(f"Peak {peak:.2f} GiB; {given.turns} turns add {grown:.0f} MiB.\n")
    decode = {name: middle(rates[name]) for name in ways} | {"llama_cpp": middle(llama) if llama else None}
    print(
        json.dumps(
            {
                "threads": given.threads,
                "load_s": round(loading, 2),
                "hear_clip_s": {count: middle(values) for count, values in first["hear"].items()},
                "first_token_cold_s": {count: middle(values) for count, values in first["cold"].items()},
                "first_token_follow_s": {count: middle(values) for count, values in first["follow"].items()},
                "decode_tokens_per_s": decode,
                "roofline_tokens_per_s": round(roof["int8"], 1),
                "prefill_overhead": middle(ratio("prefill")),
                "decode_overhead": middle(ratio("token")),
                "peak_gib": round(peak, 2),
                "memory_growth_mib_200_turns": round(grown, 1),
            }
        )
    )


if __name__ == "__main__":
    main()

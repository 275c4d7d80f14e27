"""How fast the embedded model answers: raw audio to first token, decoding rate, peak memory.

`python -m bench.answer_speed` prints a table, then one JSON line. Clips are the shipped examples; each figure is the
median of several runs with its quartiles. What the physics says: decoding reads 270 MB of bf16 weights a token, so 42
GB/s of memory bandwidth would allow 156 tokens/s; plain torch spends most of its time on a thousand small operators.
"""

import argparse
import json
import resource
import statistics
import time
from pathlib import Path

import torch

from core.audio import read_clip
from core.load import load
from core.types import Boost, Conversation, Done, Settings, Turn

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    began = time.perf_counter()
    engine = load("embedded", progress=lambda line: None)
    rows = [{"load_seconds": round(time.perf_counter() - began, 2), "threads": arguments.threads}]
    settings = Settings(max_tokens=48, boost=Boost("mata", 0.1), adapter=engine.info.default.adapter)
    for count in (1, 3, 8):
        paths = [EXAMPLES / f"{name}.flac" for name in CLIPS[:count]]
        first, rate, seconds = [], [], 0.0
        for _ in range(arguments.repetitions + 1):
            start = time.perf_counter()
            clips = [read_clip(path) for path in paths]
            seconds = sum(clip.seconds for clip in clips)
            question = "Describe every clip in detail and say how they differ."
            stream = engine.stream(Conversation((Turn("user", (*clips, question)),)), settings)
            next(stream)
            first.append(time.perf_counter() - start)
            (done,) = (event for event in stream if isinstance(event, Done))
            spent = done.stats.total_seconds - done.stats.first_token_seconds
            rate.append((done.stats.answer_tokens - 1) / spent if done.stats.answer_tokens > 4 else float("nan"))
        rows.append(
            {
                "clips": count,
                "audio_seconds": round(seconds, 1),
                "prompt_tokens": done.stats.prompt_tokens,
                "first_token_seconds": quartiles(first[1:]),
                "tokens_per_second": quartiles(rate[1:]),
            }
        )
    rows.append({"peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024})
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    print(json.dumps(rows))


def quartiles(values: list[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return [round(value, 3) for value in statistics.quantiles(values, n=4)]


if __name__ == "__main__":
    main()

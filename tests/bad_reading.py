"""Reads files in a process of its own: `python -m tests.bad_reading UPLOADS < PATHS`, paths as one JSON list.

Prints one line of JSON when it begins a file and one when it is done, so that whoever started it sees at
which file it crashed or hung, and what each took. Linux only: the peak of memory comes from /proc.
"""

import faulthandler
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import core.audio
from chat_app.dropping import Dropping
from core.audio import Limits, read_clip
from core.errors import AudioError
from core.types import Clip

HANG_SECONDS = 60
"""The slowest file takes two seconds of one core; the rest is for a busy machine."""

NOBODY = 65_534


class Decoded:
    """What came out of the decoders for one file."""

    def __init__(self) -> None:
        self.seconds, self.largest_block_bytes = 0.0, 0


@contextmanager
def watched(path: Path, decoded: Decoded) -> Iterator[None]:
    """Counts what is decoded inside, and ends the process where it hangs."""
    plain = core.audio._blocks

    def counted(*args: object) -> Iterator[core.audio.Block]:
        for hz, block in plain(*args):
            decoded.seconds += len(block) / max(hz, Limits().min_hz)  # a lower rate is refused at its first block
            decoded.largest_block_bytes = max(decoded.largest_block_bytes, block.nbytes)
            yield hz, block

    somebody_else = path.name == "unreadable.wav" and os.geteuid() == 0  # root may read everything
    core.audio._blocks = counted
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    if somebody_else:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if somebody_else:
            os.seteuid(0)
        faulthandler.cancel_dump_traceback_later()
        core.audio._blocks = plain


def memory_kib(field: str) -> int:
    """`VmRSS` or `VmHWM` of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def told(path: Path) -> dict[str, object]:
    """What `read_clip` makes of a file, and what that takes."""
    decoded = Decoded()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before_kib, start = memory_kib("VmRSS"), time.process_time()
    with watched(path, decoded):
        try:
            outcome: Clip | AudioError = read_clip(path)
        except AudioError as error:
            outcome = error
    took = {
        "cpu_seconds": time.process_time() - start,
        "peak_mib": (memory_kib("VmHWM") - before_kib) / 1024,
        "decoded_seconds": decoded.seconds,
        "block_bytes": decoded.largest_block_bytes,
    }
    if isinstance(outcome, Clip):
        loudest = float(abs(outcome.samples).max())  # NaN where one sample is
        return took | {"label": outcome.label, "clip_seconds": outcome.seconds, "loudest": loudest, "sentence": ""}
    return took | {"label": outcome.name, "sentence": str(outcome)}


def main(uploads: Path) -> None:
    """Reads each file, then drops it."""
    warnings.simplefilter("error")
    for path in map(Path, json.load(sys.stdin)):
        print(json.dumps(str(path)), flush=True)
        said = os.fstat(2).st_size
        read = told(path)
        with watched(path, Decoded()):
            [dropped] = Dropping(uploads, Limits()).attach((), (), (str(path),))
        line = read | {"dropped_label": dropped.label, "problem": dropped.problem, "kept": dropped.clip is not None}
        print(json.dumps(line | {"stderr_bytes": os.fstat(2).st_size - said}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

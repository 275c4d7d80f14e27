"""Many turns in one process, and what the process holds after them. Linux with glibc 2.33 or later only.

python -m tests.soak --model embedded --turns 1000
"""

import argparse
import ctypes
import gc
import os
import random
import tempfile
import threading
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

import gradio as gr
from gradio import route_utils

from chat_app import visits
from core.engine import Engine
from core.fake import FakeEngine
from core.load import load
from tests.serving import running
from tests.tabs import Tab

EXAMPLES = Path(__file__).parents[1] / "chat_app" / "examples"
STAY_TURNS = 25
"""Of one visitor, who then leaves for good."""
DOES = {"ask": 10, "retry": 2, "edit": 1, "undo": 2, "clear": 1, "matter": 1, "orders": 1, "refused": 1, "kept": 1}
"""What a visitor does, and how often beside the rest."""
MOST_CLIPS = 3
"""In one conversation: beyond, it is cleared."""


@dataclass(frozen=True)
class Held:
    """What the process holds after so many turns."""

    turns: int
    mib: float
    in_use_mib: float
    threads: int
    descriptors: int
    sessions: int
    files: int
    folders: int


class Guest:
    """A visitor who does one thing after the other, drawn from a seed."""

    def __init__(self, address: str, draw: random.Random, **settings: object):
        self.tab, self.draw, self.settings, self.clips = Tab(address), draw, settings, 0

    def turn(self) -> str:
        """Does something; returns what."""
        what = self.draw.choices(list(DOES), list(DOES.values()))[0]
        if what == "ask":
            self._ask()
        elif what == "refused":
            ended = self.tab.ask("And this?", Path(__file__))
            assert ended[-1]["success"], "a text is no sound, which is a sentence and no error"
        elif what == "kept":
            self._press("save-conversation")
            self._press("save-report")
        else:
            self._press(what)
            self.clips = 0 if what == "clear" else self.clips
        return what

    def _ask(self) -> None:
        new = self.draw.sample(sorted(EXAMPLES.glob("*.flac")), self.draw.randint(0 if self.clips else 1, 2))
        if self.clips + len(new) > MOST_CLIPS:
            self._press("clear")
            self.clips = 0
        self.clips += len(new)
        messages = self.tab.ask("Which of these is the loudest?", *new, **self.settings)
        assert all(message["success"] for message in messages if message["msg"] == "process_completed")

    def _press(self, button: str) -> None:
        messages = self.tab.press(button, **self.settings)
        assert all(message["success"] for message in messages if message["msg"] == "process_completed")


def soak(engine: Engine, turns: int, looks: int, seed: int = 0) -> tuple[list[Held], int, int]:
    """Serves a page and lets visitors come and go.

    Args:
        engine: Who answers.
        turns: In all.
        looks: How often to look at what is held, evenly.
        seed: Of everything that is drawn.

    Returns:
        What was held at each look; turns in which the model was asked; files left once all are a day old.
    """
    draw, seen, asked = random.Random(seed), list[Held](), 0
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, GRADIO_TEMP_DIR=folder),
        running(engine) as demo,
    ):
        for turn in range(turns):
            if turn % STAY_TURNS == 0:
                all_leave(demo)
                guest = Guest(demo.local_url, draw, **{"max-tokens": 12})
            asked += guest.turn() in {"ask", "retry", "matter", "orders"}
            if isinstance(engine, FakeEngine):
                engine.asked.clear()  # it keeps all for the tests
            if (turn + 1) % (turns // looks) == 0:
                seen.append(held(turn + 1, demo, Path(folder)))
        a_day_later(demo)
        left = held(turns, demo, Path(folder)).files
    return seen, asked, left


def held(turns: int, demo: gr.Blocks, uploads: Path) -> Held:
    """What this process holds now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Held(
        turns,
        pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        in_use_mib(),
        threading.active_count(),
        len(os.listdir("/proc/self/fd")),
        len(demo.state_holder.session_data),
        sum(path.is_file() for path in uploads.rglob("*")),
        sum(path.is_dir() for path in uploads.rglob("*")),
    )


MALLINFO = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class Mallinfo(ctypes.Structure):
    """What glibc's mallinfo2(3) tells, in bytes but for the counts."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in MALLINFO)


def in_use_mib() -> float:
    """What was taken through malloc and not given back; the rest of the process is code, maps and what malloc keeps."""
    tell = ctypes.CDLL("libc.so.6").mallinfo2
    tell.restype = Mallinfo
    told = tell()
    return float(told.uordblks + told.hblkhd) / 2**20


def all_leave(demo: gr.Blocks) -> None:
    """As if nobody had been seen for a day."""
    seen = demo.state_holder.time_last_used
    seen.update(dict.fromkeys(seen, datetime.now() - timedelta(seconds=visits.KEPT_SECONDS + 1)))


def a_day_later(demo: gr.Blocks) -> None:
    """Deletes files as Gradio would after a day without a sign."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now() + timedelta(seconds=visits.KEPT_SECONDS + 1)

    with mock.patch.object(route_utils, "datetime", Later):
        route_utils.delete_files_created_by_app(demo, visits.KEPT_SECONDS)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="fake")
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--looks", type=int, default=10)
    chosen = parser.parse_args()
    engine = FakeEngine(0) if chosen.model == "fake" else load(chosen.model)
    seen, asked, left = soak(engine, chosen.turns, chosen.looks)
    print(
        "| turns | MiB | in use | threads | descriptors | conversations | files | folders |",
        "|---" + "|---:" * 7 + "|",
        sep="\n",
    )
    for look in seen:
        print("|", " | ".join(f"{value:.0f}" for value in astuple(look)), "|")
    print(f"asked in {asked} turns; {left} files left once all were a day old")


if __name__ == "__main__":
    main()

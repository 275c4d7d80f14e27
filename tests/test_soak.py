"""Turn after turn in one process: nothing piles up. EARSHOT_SLOW=1 takes a thousand turns, the built-in model too."""

import os
from itertools import pairwise

import pytest

from core.fake import FakeEngine
from core.load import load
from tests.slow import SLOW, slow
from tests.soak import Held, soak

WORKERS = 40
"""Threads that the web server's pool has at most, and starts one by one."""

pytestmark = [
    pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="Linux only: the figures come from /proc"),
    # The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_nothing_piles_up_turn_after_turn() -> None:
    seen, asked, left = soak(FakeEngine(0), turns=1000 if SLOW else 40, looks=4)
    flat(seen, asked, left)


@pytest.mark.weights
@slow
def test_nothing_piles_up_in_the_built_in_model() -> None:
    flat(*soak(load("embedded", progress=lambda line: None), turns=1000, looks=4))


def flat(seen: list[Held], asked: int, left: int) -> None:
    """What was held in the middle is held at the end, but for what a day takes away."""
    print(*seen, sep="\n")
    assert asked > seen[-1].turns / 2
    assert {look.sessions for look in seen} == {1}, "those of visitors who left are gone"
    middle, end = seen[1], seen[-1]
    assert end.threads <= seen[0].threads + WORKERS
    assert end.descriptors <= middle.descriptors + 5
    assert left == 0, "files that nothing deletes"
    if SLOW:
        assert end.in_use_mib - middle.in_use_mib < 50  # eight memories are longer or shorter
        assert end.mib - middle.mib < 80, "more than pieces that the allocator keeps"
        assert all(later.threads <= earlier.threads + WORKERS / 2 for earlier, later in pairwise(seen[1:]))

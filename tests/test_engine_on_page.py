"""The page's handlers over real, tiny engines of every family: what one gives the other must fit."""

import pytest

from chat_app.panes import Panes
from chat_app.session import Box
from core.families import FAMILIES
from core.types import Stats
from tests import tiny
from tests.pages import form, handling


@pytest.mark.parametrize("model_type", sorted(FAMILIES))
def test_two_turns_stream_and_each_ends_with_a_meter(model_type: str, sound_file, tmp_path) -> None:
    engine = tiny.engine(model_type)
    handlers, panes = handling(tmp_path, engine), Panes()
    chosen = form(engine, method="mata", alpha=0.5, band_from=0.0, band_to=1.0, max_tokens=6)
    for name in ("a.wav", "b.wav"):
        box = Box("Which one?", handlers.attach(panes, (), (str(sound_file(name)),)))
        panes = list(handlers.send("tab", panes, box, [chosen]))[-1].panes
        assert panes.first.notice == ""
    for number, exchange in enumerate(panes.first.exchanges, start=1):
        assert exchange.problem == ""
        assert exchange.ending in {"stop", "length"}
        assert isinstance(exchange.stats, Stats)
        assert exchange.summary.steps == exchange.stats.answer_tokens
        assert exchange.summary.clips == tuple(f"clip {name}" for name in "AB"[:number])
        assert exchange.summary.boosted == exchange.summary.layers
        assert sum(exchange.summary.applied.weights) == pytest.approx(1, abs=1e-3)
        assert 0 < exchange.summary.applied.audio < 1
        for profile, source in zip(exchange.summary.profiles, exchange.summary.clips, strict=True):
            weight = exchange.summary.applied.weights[exchange.summary.sources.index(source)]
            assert sum(profile) == pytest.approx(weight, rel=1e-2)

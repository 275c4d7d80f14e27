"""The page's handlers over real, tiny engines of every family: what one gives the other must fit."""

import pytest

from chat_app.form import Form
from chat_app.handlers import Handlers
from chat_app.session import Box, Session
from core.families import FAMILIES
from core.types import Stats
from tests import tiny

FORM = Form("mata", 0.5, 0.0, 1.0, "", "", 0.0, 6, 0)


@pytest.mark.parametrize("model_type", sorted(FAMILIES))
def test_two_turns_stream_and_each_ends_with_a_meter(model_type: str, sound_file, tmp_path) -> None:
    handlers = Handlers(tiny.engine(model_type), tmp_path)
    session = Session()
    for name in ("a.wav", "b.wav"):
        views = list(handlers.send("tab", session, (), Box("Which one?", (str(sound_file(name)),)), FORM))
        session = views[-1].session
        assert session.notice == ""
    for number, exchange in enumerate(session.exchanges, start=1):
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

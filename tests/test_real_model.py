"""The embedded model as it ships, once: real parts, shipped weights, shipped clips."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from core.audio import read_clip
from core.engine import Engine
from core.load import load
from core.types import Boost, Conversation, Done, Settings, Token, Turn

EXAMPLES = Path(__file__).parent.parent / "chat_app" / "examples"
pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """With two threads, as it has them on most machines, whatever the tests around it are given."""
    given = torch.get_num_threads()
    torch.set_num_threads(2)
    yield load("embedded", progress=lambda line: None)
    torch.set_num_threads(given)


def ask(engine: Engine, question: str, *names: str, settings: Settings) -> tuple[str, list[Token], Done]:
    clips = [read_clip(EXAMPLES / f"{name}.flac") for name in names]
    events = list(engine.stream(Conversation((Turn("user", (*clips, question)),)), settings))
    tokens = [event for event in events if isinstance(event, Token)]
    assert isinstance(events[-1], Done)
    return "".join(token.text for token in tokens), tokens, events[-1]


def test_it_says_what_it_hears_and_shows_where_it_looked(engine: Engine) -> None:
    text, tokens, done = ask(engine, "What do you hear in the clip?", "dog_bark", settings=engine.info.default)
    assert "dog" in text.lower()
    reading = tokens[0].reading
    assert reading is not None and len(reading.layers) == 30
    assert all(sum(row) == pytest.approx(1, abs=1e-3) for row in reading.weights)
    assert done.reason == "stop"


def test_the_adapter_goes_on_and_off(engine: Engine) -> None:
    assert engine.info.adapters == ("discriminative",)
    question, names = "How do clip A and clip B differ?", ("dog_bark", "stream_water")
    on, off, again = (
        ask(engine, question, *names, settings=Settings(adapter=adapter, max_tokens=40))[0]
        for adapter in ("discriminative", None, "discriminative")
    )
    assert on == again and on != off


def test_a_boost_raises_the_share_it_acts_on(engine: Engine) -> None:
    settings = Settings(boost=Boost("target", 0.6), max_tokens=3)
    _, tokens, _ = ask(engine, "What is in each clip?", "dog_bark", "violin_a4", settings=settings)
    reading = tokens[0].reading
    assert reading is not None
    clips = [index for index, source in enumerate(reading.sources) if source.startswith("clip")]
    for layer in reading.boosted:
        place = reading.layers.index(layer)
        assert sum(reading.weights[place][index] for index in clips) == pytest.approx(0.6, abs=1e-3)


def test_a_clip_matters_to_the_word_for_what_is_in_it(engine: Engine) -> None:
    clips = [read_clip(EXAMPLES / f"{name}.flac") for name in ("dog_bark", "stream_water")]
    conversation, settings = Conversation((Turn("user", (*clips, "What is in clip A?")),)), engine.info.default
    text = "".join(event.text for event in engine.stream(conversation, settings) if isinstance(event, Token))
    *_, effect = engine.matter(conversation, text, settings)
    assert "".join(effect.tokens) == text.strip() and "dog" in text.lower()
    first, second = effect.clips_nats_per_token
    assert effect.whole_nats_per_token > 0.1 and first > 0.1 and first > second
    place = next(index for index, token in enumerate(effect.tokens) if "dog" in token.lower())
    assert effect.clips_nats[0][place] > 1.0

"""Asking in one call: order, endings, and that all of it can go to another process and come back."""

import multiprocessing
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import strings
from chat_app.asking import Answers, Ask, Asks, Probe, Problem, asker
from core.errors import SettingsError
from core.fake import FakeEngine
from core.types import Boost, Clip, Conversation, Done, Effect, Settings, Turn
from tests.test_serial import all_settings, conversations, events, finite

TONE = Clip(np.sin(np.arange(8000, dtype=np.float32) / 8), "tone.wav")
ASKED = Conversation((Turn("user", (TONE, "Which note?")),))
SHORT, BOOSTED = Settings(max_tokens=3), Settings(Boost("mata", 0.5), max_tokens=5)


def fake(**options: Any) -> FakeEngine:
    return FakeEngine(delay_seconds=0, **options)


def untimed(event: Any) -> Any:
    """Without what differs from run to run."""
    if not isinstance(event, Done):
        return event
    return replace(event, stats=replace(event.stats, first_token_seconds=0, total_seconds=0))


def came(answers: Answers, asks: Asks, together: bool = False) -> list[tuple[int, Any]]:
    return [(place, untimed(event)) for place, event in answers(asks, together)]


def alone(asks: Asks) -> list[list[Any]]:
    return [[untimed(event) for _, event in asker([fake()])((ask,), False)] for ask in asks]


MIXED: Asks = (Ask(0, ASKED, SHORT), Probe(0, ASKED, "It is a note.", BOOSTED), Ask(0, ASKED, BOOSTED))


def test_one_ask_is_what_the_engine_says() -> None:
    engine = fake()
    assert [event for _, event in came(asker([engine]), MIXED[:1])] == [
        untimed(event) for event in engine.stream(ASKED, SHORT)
    ]
    assert [event for _, event in came(asker([engine]), MIXED[1:2])] == list(
        engine.matter(ASKED, "It is a note.", BOOSTED)
    )


@pytest.mark.parametrize("together", [False, True])
def test_several_are_asked_in_turn_or_together_and_each_gets_what_it_would_have_got_alone(together: bool) -> None:
    found = came(asker([fake()]), MIXED, together)
    assert [[event for at, event in found if at == place] for place in range(3)] == alone(MIXED)
    # Four events, two and six: three words and an end; no clip and one; five words and an end.
    order = "012012020222" if together else "000011222222"
    assert "".join(str(place) for place, _ in found) == order


def test_the_engine_of_each_is_asked() -> None:
    engines = fake(), fake()
    came(asker(engines), (Ask(1, ASKED, SHORT), Probe(0, ASKED, "Yes.", SHORT)))
    assert [len(engine.asked) for engine in engines] == [0, 1]


def test_one_that_breaks_off_ends_with_its_sentence_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeEngine):
        def stream(self, *_: Any) -> Any:
            yield from ()
            raise ZeroDivisionError

        def matter(self, *_: Any) -> Any:
            yield from ()
            raise SettingsError("This engine cannot tell.")

    asks = Ask(1, ASKED, SHORT), Probe(1, ASKED, "Yes.", SHORT), Probe(0, ASKED, "", SHORT), MIXED[0]
    found = came(asker([fake(), Broken()]), asks, together=True)
    assert [event for place, event in found if place == 0] == [Problem(strings.CRASHED)]
    assert [event for place, event in found if place == 1] == [Problem("This engine cannot tell.")]
    assert [type(event) for place, event in found if place == 2] == [Problem]
    assert [event for place, event in found if place == 3] == alone(MIXED[:1])[0]
    assert "ZeroDivisionError" in caplog.text


def there_and_back(value: Any) -> Any:
    """As a queue between two processes does it."""
    return ForkingPickler.loads(ForkingPickler.dumps(value))


asks = st.one_of(
    st.builds(Ask, st.integers(0, 3), conversations, all_settings),
    st.builds(Probe, st.integers(0, 3), conversations, st.text(max_size=9), all_settings),
)


@given(st.lists(asks, max_size=3).map(tuple), st.booleans())
def test_what_goes_in_comes_out_of_a_pickle_equal(asked: Asks, together: bool) -> None:
    back, _ = there_and_back((asked, together))
    assert back == asked
    for one, other in zip(asked, back, strict=True):
        for clip, copy in zip(one.conversation.clips, other.conversation.clips, strict=True):
            assert (copy.label, copy.source_hz, copy.digest) == (clip.label, clip.source_hz, clip.digest)
            assert copy.samples.tobytes() == clip.samples.tobytes() and copy.samples.dtype == np.float32
            assert not copy.samples.flags.writeable, "read-only there too"


def effect(tokens: list[str], data: st.DataObject) -> Effect:
    row = st.lists(finite, min_size=len(tokens), max_size=len(tokens)).map(tuple)
    return Effect(tuple(tokens), data.draw(row), data.draw(st.lists(row, max_size=3).map(tuple)))


@given(st.one_of(events, st.builds(Problem, st.text())), st.lists(st.text(max_size=4), min_size=1), st.data())
def test_what_comes_out_comes_out_of_a_pickle_equal(event: Any, tokens: list[str], data: st.DataObject) -> None:
    for value in (event, effect(tokens, data)):
        assert there_and_back((0, value)) == (0, value)


def answer_there(asked: Connection, told: Connection) -> None:
    """A process that gets what is asked and sends each thing that comes, as a lent GPU's does."""
    asks, together = asked.recv()
    for each in asker([fake()])(asks, together):
        told.send(each)
    told.send(None)


@pytest.mark.parametrize("together", [False, True])
def test_another_process_answers_the_same(together: bool) -> None:
    context = multiprocessing.get_context("spawn")
    (asked, ask_it), (telling, told) = context.Pipe(duplex=False), context.Pipe(duplex=False)
    process = context.Process(target=answer_there, args=(asked, told))
    process.start()
    ask_it.send((MIXED, together))
    found = [(place, untimed(event)) for place, event in iter(telling.recv, None)]
    process.join()
    assert process.exitcode == 0
    assert found == came(asker([fake()]), MIXED, together)
    for end in (asked, ask_it, telling, told):
        end.close()

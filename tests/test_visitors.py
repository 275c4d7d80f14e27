"""Twenty people on one server: each gets the words a lone visitor gets, nobody sees another's, and the line is fair."""

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile
from gradio_client import Client
from gradio_client.exceptions import AppError

from chat_app import strings
from chat_app.turns import Turn, Turns
from core.engine import Engine
from core.fake import FakeEngine
from core.load import load
from core.types import Conversation, Event, Settings
from tests import tiny, wire
from tests.conftest import sine
from tests.serving import served
from tests.slow import SLOW, slow
from tests.visitors import PATIENCE_SECONDS, Message, Visitor, Written, phases, until

# The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("no_reports")]


@dataclass(frozen=True)
class Guest:
    """One script: who, and with which files. The name is in every word, file name and setting that is theirs."""

    number: int
    seed: int
    turns: int
    files: tuple[Path, ...]
    interrupts: bool = True

    @property
    def mark(self) -> str:
        return f"zq{self.number:02d}x"


def guests(folder: Path, count: int, seed: int, turns: int, interrupts: bool = True) -> list[Guest]:
    made = []
    for number in range(count):
        files = []
        for place in range(2):
            files.append(folder / f"zq{number:02d}x-{place}.wav")
            soundfile.write(files[-1], sine(200.0 + 37 * number + 400 * place, 0.3 + 0.1 * place), 16_000)
        made.append(Guest(number, seed, turns, tuple(files), interrupts))
    return made


def nth(count: int, action: Callable[[], Any], after: bool, phase: str = "") -> Callable[[Message], bool]:
    """For `Visitor.send`: does `action` at an update of the status line.

    Args:
        count: Which update it is.
        action: What is done.
        after: Whether the visitor goes on listening.
        phase: Only updates that say this are counted.
    """
    left = [count]

    def seen(message: Message) -> bool:
        left[0] -= message["msg"] == "process_generating" and any(phase in said for said in phases(message))
        if left[0] == 0:
            left[0] = -1
            action()
            return after
        return True

    return seen


def visit(address: str, guest: Guest) -> tuple[Visitor, list[str]]:
    """Plays the script of a guest; the visitor, and the questions its chat has to show at the end."""
    chance, visitor = random.Random(f"{guest.seed} {guest.number}"), Visitor(address)
    paths = [visitor.upload(file) for file in guest.files]
    asked: list[str] = []
    before: list[list[str]] = []
    for turn in range(guest.turns):
        question = f"{guest.mark} asks {turn}: which is louder?"
        files = paths[: chance.randint(1, 2)] if not asked else []
        settings = {"temperature": 0.8, "seed": guest.number, "max_tokens": chance.randint(8, 40), "system": guest.mark}
        does = chance.choice(["send", "send", "retry", "undo", "stop", "leave"] if guest.interrupts else ["send"])
        seen: Callable[[Message], bool] = bool
        if does == "stop":
            seen = nth(chance.randint(1, 2), visitor.stop, True, chance.choice(["", strings.ANSWERING]))
        if does == "leave" and turn == guest.turns - 1:
            seen = nth(chance.randint(1, 2), visitor.leave, False, chance.choice(["", strings.ANSWERING]))
        stayed = visitor.send(question, files, seen, **settings)
        if not stayed:
            return visitor, asked
        box = visitor.ready()
        if does == "stop" and "value" in box:  # it was not its turn yet
            assert box["value"]["text"] == question and visitor.phases[-1] == strings.TAKEN_BACK
        else:
            before, asked = [*before, asked], [*asked, question]
        if does == "retry" and asked:
            visitor.retry(**settings | {"seed": guest.number + 100})
            visitor.ready()
            before = [*before, asked]
        if does == "undo" and before:
            visitor.undo()
            before, asked = before[:-1], before[-1]
        assert [shown for shown, _ in visitor.shown] == asked, (guest, does)
    visitor.leave()
    return visitor, asked


def plain(words: str) -> str:
    return " ".join(words.split())


def crowd(engine: Engine, lone: Callable[[], Engine], script: Sequence[Guest]) -> dict[str, int]:
    """Plays all scripts at once; every law of this file. Counts what happened.

    Args:
        engine: Behind the page.
        lone: An engine of the same kind that has not been asked anything, for each guest.
        script: The guests.
    """
    written, places = Written(engine), []
    with served(written) as address, ThreadPoolExecutor(len(script)) as threads:
        visits = list(threads.map(lambda guest: visit(address, guest), script))
    assert written.most_running == 1, "one question at a time"
    marks = {guest.mark for guest in script}
    said: dict[str, set[tuple[str, str]]] = {mark: set() for mark in marks}
    engines = {mark: lone() for mark in marks}
    for call in written.calls:
        owner = call.settings.system
        turns = call.conversation.turns
        names = {name for turn in turns if turn.role == "user" for name in marks if name in turn.text}
        clips = {name for clip in call.conversation.clips for name in marks if name in clip.label}
        assert names == {owner} and clips <= {owner}, "nobody is asked about another's clips"
        again = Written(engines[owner])
        list(again.stream(call.conversation, call.settings))
        words = again.calls[0].words
        assert call.words == (words if call.ended else words[: len(call.words)]), "the words a lone visitor gets"
        said[owner].add((turns[-1].text, plain(call.text)))
    for guest, (visitor, asked) in zip(script, visits, strict=True):
        everything = "".join(visitor.received)
        assert guest.mark in everything
        assert not [mark for mark in marks - {guest.mark} if mark in everything], "nobody sees another's words or clips"
        assert [question for question, _ in visitor.shown][: len(asked)] == asked
        shown = {(question, plain(words)) for question, words in visitor.shown}
        assert {pair for pair in shown if pair[1]} <= said[guest.mark], guest
        places += [phase for phase in visitor.phases if "before yours" in phase]
    ended = sum(call.ended for call in written.calls)
    return {
        "visitors": len(script),
        "questions": len(written.calls),
        "tokens": sum(len(call.words) for call in written.calls),
        "ended early": len(written.calls) - ended,
        "places shown": len(places),
    }


def test_each_of_many_visitors_gets_the_words_of_a_lone_one(tmp_path: Path) -> None:
    rounds = [(20, 3, seed) for seed in range(3)] if SLOW else [(6, 2, 0)]
    for count, turns, seed in rounds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        script = guests(folder, count, seed, turns)
        counted = crowd(FakeEngine(delay_seconds=0.005), lambda: FakeEngine(delay_seconds=0), script)
        print(f"seed {seed}: {counted}")
        assert counted["questions"] > count // 2 and counted["places shown"]


def test_the_same_with_a_real_decoder_and_what_it_keeps_between_questions(tmp_path: Path) -> None:
    count, turns = (20, 2) if SLOW else (4, 2)
    script = guests(tmp_path, count, 7, turns)
    counted = crowd(tiny.engine("qwen2_audio"), lambda: tiny.engine("qwen2_audio"), script)
    print(counted)
    assert counted["questions"] > count // 2


@slow
@pytest.mark.weights
def test_the_same_with_the_embedded_model(tmp_path: Path) -> None:
    engine, another = (load("embedded", progress=lambda line: None) for _ in range(2))
    script = guests(tmp_path, 6, 11, 3 if SLOW else 1)
    counted = crowd(engine, lambda: another, script)
    print(counted)
    assert counted["questions"] > 3


def test_a_script_gives_the_same_chat_in_a_crowd_and_alone(tmp_path: Path) -> None:
    script = guests(tmp_path, 20 if SLOW else 4, 3, 2, interrupts=False)
    with served(FakeEngine(delay_seconds=0.002)) as address, ThreadPoolExecutor(len(script)) as threads:
        together = [visitor.shown for visitor, _ in threads.map(lambda guest: visit(address, guest), script)]
    for guest, shown in list(zip(script, together, strict=True))[:: 5 if SLOW else 3]:
        with served(FakeEngine(delay_seconds=0)) as address:
            assert visit(address, guest)[0].shown == shown


class Gated(FakeEngine):
    """Gives a token for each that is let through."""

    def __init__(self) -> None:
        super().__init__(delay_seconds=0)
        self.gate, self.given, self.closed = threading.Semaphore(0), 0, 0

    def stream(self, conversation: Conversation, settings: Settings) -> Iterator[Event]:
        try:
            for event in super().stream(conversation, settings):
                assert self.gate.acquire(timeout=PATIENCE_SECONDS)
                self.given += 1
                yield event
        finally:
            self.closed += 1


@dataclass(frozen=True)
class Scene:
    """One page over an engine that waits for the test.

    Attributes:
        address: Of the page.
        engine: Behind it.
        turns: The line, with three places to wait.
        threads: For what takes its time.
        closing: Closes the tabs.
    """

    address: str
    engine: Gated
    turns: Turns
    threads: ThreadPoolExecutor
    closing: ExitStack

    def tab(self) -> Visitor:
        """A tab that is closed at the end."""
        visitor = Visitor(self.address)
        self.closing.callback(visitor.leave)
        return visitor

    def sends(self, visitor: Visitor, question: str, seen: Callable[[Message], bool] = bool) -> "Future[bool]":
        """Asks, and comes back when the question stands in line."""
        places = len(self.line)
        sent = self.threads.submit(visitor.send, question, [], seen)
        until(lambda: len(self.line) > places)
        return sent

    @property
    def line(self) -> list[Turn]:
        return self.turns._line

    @property
    def asked(self) -> list[str]:
        """The questions that were asked, in that order."""
        return [conversation.turns[-1].text for conversation, _ in self.engine.asked]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    turns, engine = Turns(3), Gated()
    monkeypatch.setattr("chat_app.layout.Turns", lambda most: turns)
    with served(engine) as address, ThreadPoolExecutor(20) as threads, ExitStack() as closing:
        try:
            yield Scene(address, engine, turns, threads, closing)
        finally:
            engine.gate.release(10_000)
        until(lambda: not turns._line and not turns._writing)  # and nothing is left of anybody


def test_who_leaves_frees_the_model_at_the_next_token(scene: Scene) -> None:
    visitor, engine = scene.tab(), scene.engine
    running = scene.sends(visitor, "Which?", nth(2, visitor.leave, after=False))
    engine.gate.release(3)
    assert running.result() is False
    until(lambda: engine.given == 3 and scene.line[0].stopped)
    engine.gate.release(100)
    until(lambda: not scene.line)
    assert engine.given <= 4 and engine.closed == 1  # 3 where Gradio heard first that nobody reads the updates


def test_who_leaves_while_waiting_is_not_answered(scene: Scene) -> None:
    first, visitor = scene.sends(scene.tab(), "First?"), scene.tab()
    waiting = scene.sends(visitor, "Second?", nth(1, visitor.leave, after=False))
    assert waiting.result() is False and visitor.phases == [strings.waiting(1)]
    until(lambda: len(scene.line) == 1)
    scene.engine.gate.release(100)
    assert first.result() is True and scene.asked == ["First?"]


def test_a_connection_that_is_lost_is_a_leaving(scene: Scene) -> None:
    """Without a heartbeat only the stream of messages tells: then the next update is the end."""
    first, visitor = scene.sends(scene.tab(), "First?"), scene.tab()
    waiting = scene.sends(visitor, "Second?", nth(1, bool, after=False))  # hangs up, and its heart beats on
    assert waiting.result() is False
    until(lambda: len(scene.line) == 1)
    scene.engine.gate.release(100)
    assert first.result() is True and scene.asked == ["First?"]


PROGRAM: list[Any] = ["From a program?", *[None] * 8, {"max_tokens": 60}, None, None, True]


def test_a_program_that_leaves_while_waiting_is_not_answered(scene: Scene) -> None:
    first = scene.sends(scene.tab(), "First?")
    with wire.asking(scene.address, "ask", PROGRAM), wire.asking(scene.address, "ask", PROGRAM):
        until(lambda: len(scene.line) == 2)
    until(lambda: len(scene.line) == 1)
    scene.engine.gate.release(100)
    assert first.result() is True and scene.asked == ["First?"]


def test_a_program_that_leaves_frees_the_model(scene: Scene) -> None:
    engine = scene.engine
    with wire.asking(scene.address, "ask", PROGRAM):
        engine.gate.release(2)
        until(lambda: engine.given == 2)
    while not engine.closed:  # how soon Gradio hears of it nobody can see
        engine.gate.release(1)
        time.sleep(0.05)
    assert engine.given < 20 < len(_whole(engine))


def _whole(engine: Gated) -> list[Event]:
    return list(FakeEngine(delay_seconds=0).stream(*engine.asked[0]))


def test_first_come_first_served_and_programs_have_one_place_together(scene: Scene) -> None:
    client, sent = Client(scene.address, verbose=False), [scene.sends(scene.tab(), "1")]
    jobs = [client.submit(f"program {number}", api_name="/ask") for number in range(3)]
    until(lambda: len(scene.line) == 2)
    visitors = [scene.tab(), scene.tab()]
    sent += [scene.sends(visitor, question) for visitor, question in zip(visitors, "23", strict=True)]
    scene.engine.gate.release(10_000)
    assert all(one.result() for one in sent) and all(job.result() for job in jobs)
    who = [question.split()[0] for question in scene.asked]
    assert who == ["1", "program", "2", "3", "program", "program"]
    for visitor, before in zip(visitors, (2, 3), strict=True):
        places = [strings.waiting(place) for place in range(before, 0, -1)]
        told = list(dict.fromkeys(phase for phase in visitor.phases if phase in places))
        assert told[0] == places[0] and told == [place for place in places if place in told]


def test_a_full_line_is_a_sentence_and_loses_nothing(scene: Scene) -> None:
    sent = [scene.sends(scene.tab(), f"Question {number}") for number in range(4)]
    sentence, late = strings.LINE_FULL.format(questions=strings.questions(3)), scene.tab()
    assert late.send("One too many", []) is True
    assert sentence in late.received[-1] and "One too many" not in late.received[-1]
    assert "value" not in late.ready(), "the words stay in the box"
    with pytest.raises(AppError) as refused:
        Client(scene.address, verbose=False).predict("One too many", api_name="/ask")
    assert str(refused.value) == sentence
    scene.engine.gate.release(10_000)
    assert all(one.result() for one in sent) and len(scene.asked) == 4
    assert late.send("Now", []) is True and late.shown[0][0] == "Now"


def test_stop_while_waiting_takes_the_question_back(scene: Scene) -> None:
    first, visitor = scene.sends(scene.tab(), "First?"), scene.tab()
    waiting = scene.sends(visitor, "Second?", nth(1, visitor.stop, after=True))
    assert waiting.result() is True and visitor.shown == [] and visitor.phases[-1] == strings.TAKEN_BACK
    assert visitor.ready()["value"]["text"] == "Second?", "at once, while the other is still answered"
    assert not first.done() and len(scene.line) == 1
    scene.engine.gate.release(100)
    assert first.result() is True and scene.asked == ["First?"]


def test_a_second_press_in_one_tab_takes_no_second_place(scene: Scene) -> None:
    visitor = scene.tab()
    first = scene.sends(visitor, "First?")
    second = visitor.press("Second?")
    until(lambda: any(second in line and "process_completed" in line for line in visitor.received))
    assert len(scene.line) == 1
    scene.engine.gate.release(100)
    assert first.result() is True and scene.asked == ["First?"]


def test_a_fault_while_an_answer_is_drawn_frees_the_model(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, visitor = scene.engine, scene.tab()
    with monkeypatch.context() as broken:
        broken.setattr("gradio.Chatbot.postprocess", lambda *_: 1 / 0)
        with pytest.raises(AssertionError):
            visitor.send("First?", [])
    until(lambda: not scene.line)
    engine.gate.release(100)
    assert scene.tab().send("Second?", []) is True


def test_an_address_is_made_of_what_is_in_the_file(scene: Scene, tmp_path: Path) -> None:
    """Who has the same file has the same address; nobody else can know it."""
    mine, same, other = tmp_path / "a" / "a.wav", tmp_path / "b" / "a.wav", tmp_path / "c" / "a.wav"
    for path, hz in ((mine, 440.0), (same, 440.0), (other, 441.0)):
        path.parent.mkdir()
        soundfile.write(path, sine(hz), 16_000)
    addresses = [Path(wire.upload(scene.address, path)) for path in (mine, same, other)]
    assert addresses[0] == addresses[1] != addresses[2]
    assert addresses[0].parent.name != hashlib.sha256(mine.read_bytes()).hexdigest(), "with a secret of the server"

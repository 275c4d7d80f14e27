"""The command on a tiny model: what is asked, what is heard, what fails and is passed over, and what is written."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import AudioError, EngineError, LalmError, LoadError
from core.evaluation import __main__ as command
from core.evaluation.arms import BoostAt, Plan, settings_of
from core.evaluation.benchmarks import BENCHMARKS, pairs
from core.evaluation.item import Benchmark, Item, Sound
from core.evaluation.record import Log, Record
from core.evaluation.runner import Asking, cost, run, said
from core.evaluation.survey import Survey, header
from core.summary import SINK
from core.training.corpus import Corpus
from core.training.gates import gate_questions, seeded
from core.types import Clip, Conversation, Settings, Turn
from tests import benchmark_files, tiny
from tests.corpora import write_corpus
from tests.evaluation_tiny import engine, evaluate

CLIPS = (tiny.noise(1, 0.7), tiny.tone(440, 1.1), tiny.tone(880, 0.4))


def broken() -> Clip:
    raise AudioError("odd.wav", "it holds no sound: record it again.")


def item(key: str, clips: int = 2, movable: int | None = None, read: object = None) -> Item:
    sounds = tuple(Sound(clip.label, read or (lambda clip=clip: clip)) for clip in CLIPS[:clips])  # type: ignore[arg-type]
    names = ("A", "B", "C")[:clips] if clips > 1 else ("yes", "no")
    options = "clips" if clips > 1 else "texts"
    movable = (clips if clips > 1 else 0) if movable is None else movable
    return Item(key, f"of {clips}", sounds, "Which clip has the dog?", options, names, names[1:2], movable)  # type: ignore[arg-type]


ITEMS = (item("one", 1), item("two"), item("three", 3))


def benchmark(*items: Item) -> Benchmark:
    return replace(BENCHMARKS["pairs"], items=lambda folder: iter(items))


def asked(*items: Item, plan: Plan, log: Log | None = None) -> list[Record]:
    """The records of a run on the tiny engine."""
    log = log or Log()
    costs = {one.key: cost(one, plan) for one in items}
    run(Asking(engine(), benchmark(*items), plan, log), items, costs, tell=lambda line: None)
    return list(log.known.values())


EVERYTHING = Plan(
    arms=("audio", "silence", "reversed", "orders"),
    boosts=(BoostAt(0.3, 0, 0), BoostAt(2.0, 1, 2)),
    readings=("likelihood", "free"),
    effects=True,
)


def test_every_question_is_asked_in_every_way_once() -> None:
    found = Counter((record.item, record.arm, record.reading) for record in asked(*ITEMS, plan=EVERYTHING))
    for reading in EVERYTHING.readings:
        # adapter on and off, and the boosts with the adapter on
        assert found["one", "audio", reading] == found["two", "audio", reading] == 2 + 2
        assert found["three", "silence", reading] == found["three", "reversed", reading] == 2
        assert found["three", "orders", reading] == 2 * 4 and found["one", "reversed", reading] == 0


def test_a_clip_is_heard_once_for_all_arms(monkeypatch: pytest.MonkeyPatch) -> None:
    lalm, heard = engine(), Counter[str]()
    encode = lalm.encode
    lalm.heard.clear()
    monkeypatch.setattr(lalm, "encode", lambda clip: (heard.update([clip.digest]), encode(clip))[1])
    asked(*ITEMS, plan=EVERYTHING)
    assert set(heard.values()) == {1} and len(heard) == 2 * len(CLIPS), "each, and its silence"


def test_an_answer_is_what_the_engine_says_and_its_share_what_the_meter_shows() -> None:
    records = asked(ITEMS[1], plan=Plan(readings=("free",), arms=("audio",), adapters=("on",), effects=True))
    (record,) = records
    lalm, conversation = engine(), Conversation((Turn("user", (*CLIPS[:2], ITEMS[1].question)),))
    words, shares = said(lalm, conversation, settings_of(lalm, "on"))
    assert record.words == words and words and shares is not None
    by_source = dict(zip(shares.sources, shares.weights, strict=True))
    on_clips = by_source["clip A"] + by_source["clip B"]
    assert record.audio == pytest.approx(on_clips / (1 - by_source[SINK])) and 0 < record.audio < 1
    (*_, effect) = lalm.matter(conversation, words, settings_of(lalm, "on"))
    assert record.effect == pytest.approx(effect.whole_nats_per_token, abs=1e-4)


def test_the_likeliest_choice_counts_in_the_letters_of_the_item() -> None:
    for record in asked(ITEMS[2], plan=Plan(arms=("orders",), adapters=("on",))):
        place = int(np.argmax(record.scores))
        assert record.choice == record.order[place] and record.right == (record.choice == "B")


def test_what_fails_is_recorded_and_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    lalm, stream = engine(), engine().stream

    def failing(conversation: Conversation, settings: Settings) -> Iterator[object]:
        if settings.adapter is None and conversation == Conversation((Turn("user", (*CLIPS[:2], ITEMS[1].question)),)):
            raise EngineError("The model ran out of memory.")
        yield from stream(conversation, settings)

    monkeypatch.setattr(lalm, "stream", failing)
    log, plan = Log(), Plan(arms=("audio",), readings=("likelihood", "free"))
    unread, long = item("unread", read=broken), replace(item("long"), question="dog " * 5000)
    found = asked(ITEMS[0], unread, ITEMS[1], long, ITEMS[2], plan=plan, log=log)
    failed = {(record.item, record.adapter, record.reading): record.error for record in found if record.error}
    assert failed.pop(("unread", "", "")) == "odd.wav: it holds no sound: record it again."
    assert failed.pop(("two", "off", "free")) == "The model ran out of memory."
    assert len(failed) == 4 and all("tokens and tiny embedded holds 4096" in error for error in failed.values())
    assert all(record.right is None for record in found if record.error)
    assert Counter(record.item for record in found if not record.error) == {"one": 4, "two": 3, "three": 4}
    assert asked(ITEMS[0], unread, ITEMS[1], long, ITEMS[2], plan=plan, log=log) == found, "nothing is asked twice"


def test_memory_that_runs_out_while_scoring_is_passed_over_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(clip: Clip) -> None:
        raise MemoryError

    engine().heard.clear()
    monkeypatch.setattr(engine(), "encode", out_of_memory)
    found = asked(ITEMS[0], plan=Plan(arms=("audio",), adapters=("on",)))
    assert [record.error[:28] for record in found] == ["The model ran out of memory:"]


def test_sounds_that_changed_under_a_log_are_not_mixed() -> None:
    log, plan = Log(), Plan(arms=("audio",), adapters=("on",))
    asked(ITEMS[1], plan=plan, log=log)
    with pytest.raises(LoadError, match="sounds of two are not those"):
        asked(item("two", read=lambda: CLIPS[2]), plan=plan, log=log)


def test_a_survey_counts_the_first_of_each_task_and_pins_all(tmp_path: Path) -> None:
    four = benchmark(*ITEMS, replace(ITEMS[1], key="more"))
    whole = Survey.of(four, None)
    few = Survey.of(four, None, ("of 2",), 1)
    assert list(whole.items) == ["one", "two", "three", "more"] and list(few.items) == ["two"]
    assert few.digest == whole.digest, "so a run can be widened"
    assert [one.key for one in few.asked(four, None)] == ["two"]
    for changed in (replace(ITEMS[1], question="Which?"), replace(ITEMS[1], answers=("A",)), item("two", 3)):
        assert (
            Survey.of(benchmark(ITEMS[0], changed, ITEMS[2]), None).digest != Survey.of(benchmark(*ITEMS), None).digest
        )
    with pytest.raises(LoadError, match=r"has no task odd here: name some of of 1, of 2, of 3"):
        Survey.of(benchmark(*ITEMS), None, ("of 1", "odd"))


def test_a_header_tells_models_apart() -> None:
    lalm, one = engine(), BENCHMARKS["pairs"]
    first = header(lalm, one, "digest")
    assert header(lalm, one, "digest") == first == json.loads(json.dumps(first))
    assert header(lalm, one, "other") != first != header(lalm, one, "digest", effects=True)
    weights = lalm.loaded.model.get_input_embeddings().weight.data  # type: ignore[operator, union-attr]
    weights[5:] *= 1.05
    changed = header(lalm, one, "digest")
    weights[5:] /= 1.05
    assert changed["noise"] != first["noise"]
    lalm.info, kept = replace(lalm.info, default=replace(lalm.info.default, system="Be brief.")), lalm.info
    changed = header(lalm, one, "digest")
    lalm.info = kept
    assert (changed["prompt"], changed["system"]) != (first["prompt"], first["system"])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), ("sound", "ambience"))


def test_a_question_is_seen_when_training_had_all_it_is_about(corpus: Path) -> None:
    dev = Corpus.read(corpus, "dev")
    for one in gate_questions(dev, seeded("presence"), "presence", 20):
        names = pairs.names_of(one)
        assert str(one.facts["label"]) in names and one.heard[0].recording.label in names
        rows = [row for row in dev.recordings if row.label not in one.facts.values()]
        assert names <= pairs.known_names(dev.recordings) and not names <= pairs.known_names(rows)


def test_the_command_writes_a_report_and_ends_with_json(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old_names = ["--corpus", str(corpus), "--questions", "3"]  # cards quote commands with them
    more = ["--tasks", "presence", "which_clip_3", "--boost", "0.3:0-1", "--free", "2", "--out", str(tmp_path)]
    evaluate(["pairs", *old_names, *more])
    printed = capsys.readouterr().out
    found = json.loads(printed.rstrip("\n").splitlines()[-1])
    assert found == json.loads((tmp_path / "pairs.json").read_text())
    assert list(found["counts"]) == ["likelihood"]
    assert list(found["counts"]["likelihood"]) == ["presence", "which_clip_3"]
    for task, adapters in found["counts"]["likelihood"].items():
        assert set(adapters) == {"on", "off"}
        for arms in adapters.values():
            assert set(arms) == {"audio", "silence"} | ({"reversed"} if task != "presence" else set())
            assert all(total == 3 and 0 <= right <= total for right, total in arms.values())
    gates = {row["task"]: (row["gate"], row["is"]) for row in found["tables"]["By task: likeliest choice"]}
    assert gates["presence"][0] == "85 %" and gates["which_clip_3"][1] in ("reached", "missed")
    assert {row["task"] for row in found["tables"]["Seen and unseen: likeliest choice"]} == {"presence", "which_clip_3"}
    assert found["settings"]["asked"] == "6 questions, of which 6 have answers"
    assert (tmp_path / "pairs.md").read_text() in printed and printed.count("adapter off: ") == 2
    assert (tmp_path / "pairs.html").read_text().startswith("<!doctype html>")


def test_a_run_can_be_widened_and_a_report_has_what_was_asked_for(tmp_path: Path) -> None:
    folder, out = benchmark_files.write_mae(tmp_path / "mae"), tmp_path / "out"
    arguments = ["mae", "--data", str(folder), "--out", str(out), "--arms", "audio"]
    evaluate([*arguments, "--read", "free", "--per-task", "1"])
    (file,) = out.glob("*.jsonl")
    few = file.read_text()
    evaluate([*arguments, "--read", "likelihood", "free"])
    assert file.read_text().startswith(few) and file.read_text() != few
    whole = json.loads((out / "mae.json").read_text())
    assert set(whole["counts"]) == {"likelihood", "free"}
    answers = whole["tables"]["Answers: free words"]
    assert [(row["answers"], row["not judged"]) for row in answers] == [("6", "1"), ("6", "1")], "one is open"
    evaluate([*arguments, "--read", "free", "--per-task", "1"])
    narrow = json.loads((out / "mae.json").read_text())
    assert set(narrow["counts"]) == {"free"} and len(narrow["counts"]["free"]) == 2
    assert narrow["settings"]["asked"] == "3 questions, of which 3 have answers"


def test_what_cannot_be_had_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["mae", "--model", "fake", "--out", str(tmp_path)]) == 2
    assert (
        capsys.readouterr().err == "Only a model that is loaded here can be measured: name a checkpoint or a folder.\n"
    )
    with pytest.raises(LalmError, match="holds no MAE"):
        evaluate(["mae", "--data", str(tmp_path)])
    with pytest.raises(SystemExit):
        command.parser().parse_args(["pairs", "--per-task", "0"])

"""Benchmarks in their published layouts: every item as it is read, moved, asked and written, and what is refused."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import datasets
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import AudioError, LoadError
from core.evaluation.benchmarks import BENCHMARKS, mae, mmar, mmau, mugen, pairs, rows, star_bench
from core.evaluation.item import Item, Sound, moved
from core.orders import inverse, orders
from core.training.corpus import Corpus
from core.training.gates import EVALUATION_TASKS, gate_questions, seeded
from core.types import letter
from tests import benchmark_files as files
from tests.corpora import write_corpus
from tests.verdict_table import unread


def items(name: str, folder: Path | None) -> list[Item]:
    """All items of a benchmark."""
    return list(BENCHMARKS[name].items(folder))


def told(item: Item) -> tuple[object, ...]:
    """What an item is, but for its question and sounds."""
    return (item.key, item.task, item.options, item.choices, item.answers, item.movable)


def test_the_table() -> None:
    assert set(BENCHMARKS) == {"pairs", "mae", "mugen", "mmau", "mmar", "mmau-pro", "star-bench"}
    assert all(name == benchmark.name for name, benchmark in BENCHMARKS.items())
    assert len(mae.OPEN + mae.CLOSED) == len(set(mae.OPEN + mae.CLOSED)) == 20
    tasks = [task for group in mugen.TASKS.values() for task in group]
    assert len(tasks) == len(set(tasks)) == 35
    assert [len(group) for group in mugen.TASKS.values()] == [3, 4, 8, 5, 5, 5, 5]


def test_mae(tmp_path: Path) -> None:
    found = items("mae", files.write_mae(tmp_path))
    yes_no, clips = ("yes", "no"), ("A", "B")
    assert [told(item) for item in found] == [
        ("meld-dialog/1", "meld-dialog", "open", (), ("A: Hello. B: Oh no.",), 0),
        ("esc50-comparison/1", "esc50-comparison", "texts", yes_no, ("no",), 2),
        ("esc50-comparison/2", "esc50-comparison", "texts", yes_no, ("yes",), 0),
        ("esc50-comparison/3", "esc50-comparison", "texts", yes_no, ("yes",), 2),
        ("esc50-retrieval/1", "esc50-retrieval", "clips", clips, ("B",), 2),
        ("esc50-retrieval/2", "esc50-retrieval", "clips", clips, ("A",), 2),
    ]
    assert [files.heard(item) for item in found] == [[1, 2], [1, 2], [3, 4], [5, 6], [1, 2], [1, 2]]
    assert BENCHMARKS["mae"].prompt(found[4]) == (
        "Clip A is audio 1, clip B is audio 2.\nWhich audio has the dog?\nAnswer with one letter, A or B."
    )
    assert BENCHMARKS["mae"].prompt(found[1]).endswith("Are audio 1 and audio 2 of one kind?\nAnswer yes or no.")


@pytest.mark.parametrize("labels", [["maybe"], ["yes", "no"], ["audio 1", "audio 2"], ["yes", "audio 1"]])
def test_labels_of_mae_that_are_no_answer(tmp_path: Path, labels: list[str]) -> None:
    file = tmp_path / "esc50-comparison" / "test.parquet"
    files.write_parquet(file, [files.mae_row("Same?", ["yes"]), files.mae_row("Same?", labels)])
    with pytest.raises(LoadError, match=rf"^Row 2 of {re.escape(str(file))} has labels that are not one answer"):
        items("mae", tmp_path)


def test_mugen(tmp_path: Path) -> None:
    found = items("mugen", files.write_mugen(tmp_path))
    five = ("A", "B", "C", "D", "E")
    assert [told(item) for item in found] == [
        ("Keyword_Spotting/1", "Keyword_Spotting", "clips", five, ("B",), 5),
        ("Keyword_Spotting/2", "Keyword_Spotting", "clips", five, ("E",), 5),
        ("Speaker_Verification/1", "Speaker_Verification", "clips", five, ("A",), 5),
    ]
    assert [files.heard(item) for item in found] == [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]]
    assert BENCHMARKS["mugen"].prompt(found[1]).startswith("Clip A is option (A), clip B is option (B)")
    assert "clip F is the reference audio.\nWhich one is the speaker" in BENCHMARKS["mugen"].prompt(found[2])
    assert "reference" not in BENCHMARKS["mugen"].prompt(found[1])


def test_mugen_moved(tmp_path: Path) -> None:
    item = items("mugen", files.write_mugen(tmp_path))[2]
    turned = moved(item, (4, 0, 1, 2, 3))
    assert files.heard(turned) == [5, 1, 2, 3, 4, 6]
    assert turned.answers == ("B",)
    assert turned.choices == item.choices
    assert BENCHMARKS["mugen"].prompt(turned) == BENCHMARKS["mugen"].prompt(item)


def test_predictions_for_the_judge_of_mugen(tmp_path: Path) -> None:
    found = items("mugen", files.write_mugen(tmp_path / "data"))
    mugen.write_predictions(tmp_path / "out", [(item, f"It is “{item.key}”") for item in found])
    written = {path.parent.name: json.loads(path.read_text("utf-8")) for path in tmp_path.glob("out/*/output.json")}
    assert written == {
        "Keyword_Spotting": [
            {
                "id": 7,
                "instruction": "Which clip says rain? (A) (B) (C) (D) (E)",
                "answer": "(B)",
                "response": "It is “Keyword_Spotting/1”",
            },
            {
                "id": 9,
                "instruction": "Which one says snow?",
                "answer": "(E)",
                "response": "It is “Keyword_Spotting/2”",
            },
        ],
        "Speaker_Verification": [
            {
                "id": 0,
                "instruction": "Which one is the speaker of the reference?",
                "answer": "(A)",
                "response": "It is “Speaker_Verification/1”",
            }
        ],
    }


@pytest.mark.parametrize("write", [files.write_mmau, files.write_mmau_of_hub])
def test_mmau(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    found = items("mmau", write(tmp_path))
    assert [told(item) for item in found] == [
        ("3fe64f3d", "sound", "texts", ("Man", "Woman", "Child", "Robot"), ("Man",), 0),
        ("9b2c", "music", "texts", ("C major", "A minor"), ("A minor",), 0),
    ]
    assert [files.heard(item) for item in found] == [[1], [2]]
    assert [dict(item.row) for item in found] == list(files.MMAU_ROWS)
    assert BENCHMARKS["mmau"].prompt(found[1]) == (
        "Which key?\n(A) C major\n(B) A minor\nChoose one option and answer with its words."
    )


@pytest.mark.parametrize("lines", [False, True])
def test_mmar(tmp_path: Path, lines: bool) -> None:
    found = items("mmar", files.write_mmar(tmp_path, lines))
    choices, answer = ("first the bell", "first the dog"), ("first the dog",)
    assert [told(item) for item in found] == [
        ("id_1", "speech", "texts", choices, answer, 0),
        ("id_2", "mix-sound-music", "texts", choices, answer, 0),
    ]
    assert [files.heard(item) for item in found] == [[1], [2]]


ANSWERS = ("(A)", "B", "Man", "a woman or a man", "", "A minor key, not C", "Answer: A. Man")


@pytest.mark.parametrize("answer", ANSWERS)
def test_predictions_get_the_same_verdict_by_the_published_script(tmp_path: Path, answer: str) -> None:
    found = items("mmau", files.write_mmau(tmp_path))
    mmau.write_predictions(tmp_path / "out", [(item, answer) for item in found], mmau.PREDICTION)
    written = json.loads((tmp_path / "out" / "predictions.json").read_text("utf-8"))
    assert [{**row, "model_prediction": 0, "model_output": 0} for row in written] == [
        {**row, "model_prediction": 0, "model_output": 0} for row in files.MMAU_ROWS
    ]
    for item, row in zip(found, written, strict=True):
        said, gold, *others = (
            set(re.findall(r"\b\w+\b", text.lower()))
            for text in (row["model_prediction"], row["answer"], *row["choices"])
        )
        right = bool(said) and gold <= said and not said & (set().union(*others) - gold)
        assert row["model_output"] == row["model_prediction"]
        assert BENCHMARKS["mmau"].judge(item, answer).right is right


def test_predictions_of_mmar(tmp_path: Path) -> None:
    found = items("mmar", files.write_mmar(tmp_path))
    mmau.write_predictions(tmp_path / "out", [(item, "(B)") for item in found], mmar.PREDICTION)
    written = json.loads((tmp_path / "out" / "predictions.json").read_text("utf-8"))
    said = {"model_prediction": "first the dog", "answer_prediction": "first the dog"}
    assert written == [{**dict(item.row), **said} for item in found]


def test_mmau_pro(tmp_path: Path) -> None:
    found = items("mmau-pro", files.write_mmau_pro(tmp_path))
    assert [told(item) for item in found] == [
        ("p1", "sound", "texts", ("a dog", "a cat"), ("a cat",), 0),
        ("p2", "multi", "texts", ("one", "two", "three"), ("two",), 0),
        ("p3", "open", "open", (), ("Rain on a roof.",), 0),
        ("p4", "instruction following", "open", (), (), 0),
    ]
    assert [files.heard(item) for item in found] == [[1], [3, 1, 2], [2], [1]]
    judge = BENCHMARKS["mmau-pro"].judge
    assert judge(found[0], "(B)").right is True
    assert judge(found[2], "Rain on a roof.").right is None
    assert judge(found[3], "A dog is a dog.").right is True
    assert judge(found[3], "A dog.").right is False
    prompt = BENCHMARKS["mmau-pro"].prompt
    assert prompt(found[1]).startswith("Clip A is audio 1, clip B is audio 2, clip C is audio 3.\nWhich?\n(A) one")
    assert prompt(found[2]) == prompt(found[3]) == "Which?"


def test_an_instruction_without_its_number_is_refused(tmp_path: Path) -> None:
    files.put(tmp_path, "data/1.wav", 1)
    row = files.pro_row(1, "instruction following", [1], task_identifier="Number Bullets")
    files.write_parquet(tmp_path / "test.parquet", [row])
    with pytest.raises(LoadError, match=r"Row 1 of .*test\.parquet does not say in the column 'kwargs'"):
        items("mmau-pro", tmp_path)


def test_star_bench(tmp_path: Path) -> None:
    found = items("star-bench", files.write_star_bench(tmp_path))
    keys = ["temporal/water_ISSE_4@{}", "spatial/left_1@{}", "perception/loud_1@{}", "perception/high_1@{}"]
    runs = [3, 3, 2, 3]
    assert [item.key for item in found] == [
        key.format(run) for key, count in zip(keys, runs, strict=True) for run in range(count)
    ]
    # 4 + run + 1 modulo 6: the orders 321, 123 and 132
    assert [files.heard(item) for item in found[:3]] == [[3, 2, 1], [1, 2, 3], [1, 3, 2]]
    assert [item.answers[0] for item in found[:3]] == [
        "clip 3 -> clip 2 -> clip 1",
        "clip 1 -> clip 2 -> clip 3",
        "clip 1 -> clip 3 -> clip 2",
    ]
    assert all(item.choices == tuple(files.ORDERS) for item in found[:3])
    assert [item.choices for item in found[3:6]] == [
        ("left", "right", "above", "below"),
        ("below", "left", "right", "above"),
        ("above", "below", "left", "right"),
    ]
    assert {item.answers for item in found[3:6]} == {("right",)}
    assert [item.task for item in found[::3]] == [
        "temporal: Continuous",
        "spatial: Static",
        "perception: Loudness",
        "perception: Pitch",
    ]
    prompt = BENCHMARKS["star-bench"].prompt
    assert prompt(found[4]) == "What of left_1?\n<A>: below\n<B>: left\n<C>: right\n<D>: above"
    assert prompt(found[0]).startswith("Clip A is clip 1, clip B is clip 2, clip C is clip 3.\nWhat of water_ISSE_4?\n")
    assert prompt(found[6]).startswith("Clip A is audio 1, clip B is audio 2.\n")
    assert BENCHMARKS["star-bench"].judge(found[4], "<C>") == BENCHMARKS["star-bench"].judge(found[3], "<B>")


def test_the_older_files_of_star_bench(tmp_path: Path) -> None:
    meta = files.write_star_bench(tmp_path) / "meta_info"
    for name in ("temporal", "spatial"):
        (meta / f"holistic_reasoning_{name}.json").unlink()
    text = json.loads((meta / "foundation_perception.json").read_text("utf-8"))
    files.write_json(meta / "foundation_perception_spatial.json", text[:1])
    files.write_json(meta / "foundation_perception_nonspatial.json", text[1:])
    whole = [told(item) for item in items("star-bench", tmp_path)]
    (meta / "foundation_perception.json").unlink()
    assert [told(item) for item in items("star-bench", tmp_path)] == whole
    assert len(whole) == 5


def test_scores_of_star_bench(tmp_path: Path) -> None:
    found = items("star-bench", files.write_star_bench(tmp_path))
    right = {"temporal/water_ISSE_4@0", "perception/loud_1@0", "perception/loud_1@1", "perception/high_1@2"}
    right |= {f"spatial/left_1@{run}" for run in range(3)}
    scores = star_bench.scores((item, item.key in right) for item in found)
    assert scores == {
        "temporal: Continuous": star_bench.Score(1 / 3, 0.0),
        "temporal": star_bench.Score(1 / 3, 0.0),
        "spatial: Static": star_bench.Score(1.0, 1.0),
        "spatial": star_bench.Score(1.0, 1.0),
        "perception: Loudness": star_bench.Score(1.0, 1.0),
        "perception: Pitch": star_bench.Score(1 / 3, 0.0),
        "perception": star_bench.Score((1 + 1 / 3) / 2, 0.5),  # the plain mean of two tasks, not of five runs
    }
    shown = star_bench.published([(item, item.key in right) for item in found])
    assert shown["spatial"] == {"AA": "100.0 %", "ACR": "100.0 %"} and shown["perception"]["AA"] == "66.7 %"
    partial = star_bench.scores((item, True) for item in found[:5])
    assert partial["spatial"] == star_bench.Score(1.0, None)
    assert partial["temporal"] == star_bench.Score(1.0, 1.0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus with held-out sounds, and all speech held out."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), ("sound", "ambience", "instrument", "speech"))
    manifest = folder / "manifest.jsonl"
    kept = [json.loads(line) for line in manifest.read_text("utf-8").splitlines()]
    held_out = [{**row, "split": "dev"} if row["kind"] == "speech" else row for row in kept]
    manifest.write_text("\n".join(map(json.dumps, held_out)), encoding="utf-8")
    return folder


def test_pairs(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "QUESTIONS", 4)
    found = items("pairs", corpus)
    dev = Corpus.read(corpus, "dev")
    tasks = list(dict.fromkeys(item.task for item in found))
    assert tasks == list(EVALUATION_TASKS)
    for task in tasks:
        of_task = [item for item in found if item.task == task]
        for item, asked in zip(of_task, gate_questions(dev, seeded(task), task, 4), strict=True):
            assert tuple(sound.read() for sound in item.sounds) == asked.clips
            assert (item.question, item.choices) == (asked.exchange.question, asked.exchange.choices)
            assert item.answers == (asked.exchange.answer,)
            assert BENCHMARKS["pairs"].judge(item, f"{asked.exchange.answer}.").right is True
            assert (asked.swapped is None) is (item.movable == 0)
            if asked.swapped is not None:  # the gates' own reversed form is what `moved` makes
                reverse = moved(item, tuple(reversed(range(len(item.sounds)))))
                assert reverse.question == asked.swapped.question
                assert reverse.answers == (asked.swapped.answer,)
                assert set(reverse.choices) == set(asked.swapped.choices)
    options = {item.task: item.options for item in found}
    assert (options["which_clip_3"], options["louder"]) == ("clips", "clips")
    assert (options["presence"], options["same_kind"], options["added_event"]) == ("texts", "texts", "texts")


def test_pairs_need_a_corpus(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="made of your own clips: give a folder"):
        items("pairs", None)
    with pytest.raises(LoadError, match="is no corpus"):
        items("pairs", tmp_path)


@given(st.integers(2, 5), st.data())
def test_moved_there_and_back(count: int, data: st.DataObject) -> None:
    extra = data.draw(st.integers(0, 1))
    sounds = tuple(Sound(str(index), unread) for index in range(count + extra))
    names = tuple(letter(index) for index in range(count))
    answer = data.draw(st.sampled_from(names))
    item = Item("1", "t", sounds, f"Is clip {answer} it?", "clips", names, (answer,), movable=count)
    order = data.draw(st.sampled_from(orders(count)))
    there = moved(item, order)
    assert there.sounds[ord(there.answers[0]) - ord("A")] == item.sounds[ord(answer) - ord("A")]
    assert there.question == f"Is clip {there.answers[0]} it?"
    assert there.choices == names
    assert moved(there, inverse(order)) == item


# What is wrong with a folder, a row or a sound.


@pytest.mark.parametrize("name", sorted(set(BENCHMARKS) - {"pairs"}))
def test_an_empty_folder_is_refused_with_what_it_should_hold(name: str, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=re.escape(BENCHMARKS[name].folder)):
        items(name, tmp_path)


COLUMNS = ("id", "task", "audio_id", "question", "choices", "answer")


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("value", [None, "", [], {}, 1.5])
def test_a_row_with_a_column_amiss_is_named(tmp_path: Path, column: str, value: object) -> None:
    files.write_mmau(tmp_path)
    rows_now = [dict(files.MMAU_ROWS[0]), {**files.MMAU_ROWS[1], column: value}]
    file = files.write_json(tmp_path / "mmau-test-mini.json", rows_now)
    with pytest.raises(LoadError, match=rf"^Row 2 of {re.escape(str(file))} has no .*'{column}': fetch"):
        items("mmau", tmp_path)
    del rows_now[1][column]
    files.write_json(file, rows_now)
    with pytest.raises(LoadError, match=r"^Row 2 of "):
        items("mmau", tmp_path)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"answer": "Fish"}, r"has an answer that is not among its choices \('Fish'\)"),
        ({"choices": ["A minor"]}, "leaves no choice"),
        ({"choices": ["A minor", 3]}, "has no list of texts in the column 'choices'"),
        ({"audio_id": "./test-mini-audios/none.wav"}, "names a sound that is not there"),
        ({"audio_id": "../outside.wav"}, "names a file outside the folder"),
        ({"audio_id": "/etc/hostname"}, "names a file outside the folder"),
        ({"audio_id": "test-mini-audios"}, "names a sound that is not there"),
        ({"audio_id": "a\0b"}, "names a sound that is not there"),
        ({"audio_id": "x" * 5000}, "names a sound that is not there"),
        ({"audio_id": "link.wav"}, "names a file outside the folder"),
    ],
)
def test_a_wrong_row_is_refused(tmp_path: Path, change: dict[str, object], what: str) -> None:
    files.put(tmp_path, "outside.wav", 1)
    folder = files.write_mmau(tmp_path / "mmau")
    (folder / "link.wav").symlink_to(tmp_path / "outside.wav")
    files.write_json(folder / "mmau-test-mini.json", [{**files.MMAU_ROWS[1], **change}])
    with pytest.raises(LoadError, match=f"^Row 1 of .*mmau-test-mini.json {what}"):
        items("mmau", folder)


def test_an_error_quotes_a_row_in_one_short_line(tmp_path: Path) -> None:
    files.write_mmau(tmp_path)
    row = {**files.MMAU_ROWS[1], "answer": "x\n\u202e" * 5000}
    files.write_json(tmp_path / "mmau-test-mini.json", [row])
    with pytest.raises(LoadError) as caught:
        items("mmau", tmp_path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < len(str(tmp_path)) + 350


@pytest.mark.parametrize("content", ["{", '{"id": 1}', "[1]", "\udcff", "[" * 200_000], ids=range(5))
def test_a_damaged_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "mmau-test-mini.json"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(LoadError, match=re.escape(str(file))):
        items("mmau", tmp_path)
    (tmp_path / "test.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(LoadError, match=r"test\.parquet cannot be read"):
        items("mmau-pro", tmp_path)


@pytest.mark.parametrize(
    "sound", [None, {"bytes": None, "path": None}, {"bytes": b"", "path": None}, {"bytes": None, "path": "no.wav"}]
)
def test_a_row_of_parquet_without_sound_is_refused(tmp_path: Path, sound: object) -> None:
    row = {**files.mae_row("Same?", ["yes"]), "audio2": sound}
    files.write_parquet(tmp_path / "esc50-comparison" / "test.parquet", [files.mae_row("Same?", ["yes"]), row])
    with pytest.raises(LoadError, match=r"Row 2 of .*(has no sound in the column 'audio2'|names a sound that is not)"):
        items("mae", tmp_path)


def test_parquet_may_name_sounds_beside_it(tmp_path: Path) -> None:
    subset = tmp_path / "esc50-comparison"
    files.put(subset, "sounds/b.wav", 4)
    row = {**files.mae_row("Same?", ["yes"]), "audio2": {"bytes": None, "path": "sounds/b.wav"}}
    files.write_parquet(subset / "test.parquet", [row])
    (item,) = items("mae", tmp_path)
    assert files.heard(item) == [1, 4]
    assert item.sounds[1].name == "b.wav"


def test_jsonl_may_stand_for_parquet(tmp_path: Path) -> None:
    subset = tmp_path / "esc50-comparison"
    row = {"audio1": files.put(subset, "a.wav", 2), "audio2": files.put(subset, "b.wav", 3)}
    text = json.dumps({**row, "question": "Same?", "labels": ["no"]})
    (subset / "test.jsonl").write_text(f"{text}\n\n{text}\n", encoding="utf-8")
    assert [files.heard(item) for item in items("mae", tmp_path)] == [[2, 3], [2, 3]]


def test_bytes_that_are_no_sound_are_an_error_when_they_are_read(tmp_path: Path) -> None:
    row = {**files.mae_row("Same?", ["yes"]), "audio1": {"bytes": b"no sound", "path": "../x/odd\n.wav"}}
    files.write_parquet(tmp_path / "esc50-comparison" / "test.parquet", [row])
    (item,) = items("mae", tmp_path)
    with pytest.raises(AudioError, match=r"^odd \.wav: no sound can be read from it"):
        item.sounds[0].read()


# The hub.


def test_rows_stream_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = files.write_mae(tmp_path)
    local = [(told(item), files.heard(item)) for item in items("mae", folder)]
    monkeypatch.setattr(mae, "REPOSITORY", str(folder))  # `datasets` reads a folder as it reads a repository
    monkeypatch.setattr(mae, "OPEN", ("meld-dialog",))
    monkeypatch.setattr(mae, "CLOSED", ("esc50-comparison", "esc50-retrieval"))
    assert [(told(item), files.heard(item)) for item in items("mae", None)] == local
    assert len(local) == 6


def test_mmau_streams_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = files.write_mmau_of_hub(tmp_path)
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: test\n    path: test_mini.parquet\n---\n"
    )
    monkeypatch.setattr(mmau, "REPOSITORY", str(folder))
    assert [(told(item), files.heard(item)) for item in items("mmau", None)] == [
        (told(item), files.heard(item)) for item in items("mmau", folder)
    ]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("Couldn't reach 'hlt-lab/mae' on the Hub"),
        httpx2.ConnectError("no route"),
        ValueError("BuilderConfig not found"),
        RuntimeError("Dataset scripts are no longer supported, but found mae.py"),
        datasets.exceptions.DatasetNotFoundError("no such data set"),
        datasets.exceptions.DatasetGenerationError("broken"),
    ],
)
def test_a_hub_that_cannot_be_reached_is_a_sentence(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    for name in ("mae", "mugen", "mmau"):
        with pytest.raises(LoadError, match=r"could not be had from the hub \(.*hf download .* and give that folder"):
            items(name, None)


@pytest.mark.parametrize("name", ["mmar", "mmau-pro", "star-bench"])
def test_archives_are_not_streamed(name: str) -> None:
    with pytest.raises(LoadError, match=r"cannot be streamed: run `hf download .*unpack"):
        items(name, None)


@pytest.mark.parametrize("library", ["datasets", "pyarrow"])
def test_without_the_extra_there_is_a_way_out(tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_mae(tmp_path)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(LoadError, match=rf"need {library}.*pip install -r requirements-evaluation\.txt"):
        items("mae", None if library == "datasets" else tmp_path)


def test_nothing_is_imported_before_it_is_needed() -> None:
    code = "import sys, core.evaluation.benchmarks; print('pyarrow' in sys.modules, 'datasets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_rows_of_a_hub_have_no_paths(tmp_path: Path) -> None:
    row = rows.Row({"audio": {"bytes": None, "path": "/etc/hostname"}}, "hub", 1)
    with pytest.raises(LoadError, match="has no sound in the column 'audio'"):
        row.sound("audio")

"""Benchmarks in their published layouts, small, with tones as sounds: the n-th sound has n times `STEP_HZ`."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import soundfile

from core.evaluation.item import Item
from tests.corpora import tone

STEP_HZ = 200.0
SECONDS = 0.25
Fields = Mapping[str, object]


def wav(number: int) -> bytes:
    """The n-th sound as the bytes of a wav file."""
    content = io.BytesIO()
    soundfile.write(content, tone(number * STEP_HZ, SECONDS), 16_000, format="WAV")
    return content.getvalue()


def packed(number: int, path: str | None = None) -> dict[str, object]:
    """The n-th sound as parquet files of the hub have it."""
    return {"bytes": wav(number), "path": path}


def put(folder: Path, path: str, number: int) -> str:
    """The n-th sound as a file; gives the path back."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(wav(number))
    return path


def heard(item: Item) -> list[int]:
    """Which sounds an item has, told by listening."""
    clips = [sound.read() for sound in item.sounds]
    return [round(float(np.abs(np.fft.rfft(clip.samples)).argmax()) / clip.seconds / STEP_HZ) for clip in clips]


def write_parquet(file: Path, rows: Sequence[Fields], audio: Sequence[str] = ()) -> Path:
    """A parquet file as the hub's converter writes it: `audio` columns are told apart in its metadata."""
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.Table.from_pylist([dict(row) for row in rows])
    if audio:
        stored = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
        kinds = {name: stored if name in audio else table.schema.field(name).type for name in table.column_names}
        table = table.cast(pyarrow.schema(kinds))
        sounds = {name: {"_type": "Audio"} for name in audio}
        text = {name: {"dtype": "string", "_type": "Value"} for name in table.column_names if name not in audio}
        lists = {name: {"feature": text[name], "_type": "List"} for name in text if name in ("labels", "choices")}
        features = {**text, **lists, **sounds}
        if "id" in features:
            features["id"] = {"dtype": "int64", "_type": "Value"}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pyarrow.parquet.write_table(table, file)
    return file


def write_json(file: Path, rows: object) -> Path:
    """A JSON file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows), encoding="utf-8")
    return file


def mae_row(question: str, labels: Sequence[str], first: int = 1) -> Fields:
    """A row of MAE whose sounds are `first` and the next."""
    return {"audio1": packed(first), "audio2": packed(first + 1), "question": question, "labels": list(labels)}


def write_mae(folder: Path) -> Path:
    """Four subsets of MAE, one of each kind and one in two files."""
    audio = ("audio1", "audio2")
    shards = {
        "esc50-comparison/test-00000-of-00002": [
            mae_row("Are audio 1 and audio 2 of one kind?", ["no", "No."]),
            mae_row("Is the first audio a dog?", ["yes"], 3),
        ],
        "esc50-comparison/test-00001-of-00002": [mae_row("Is it one kind of sound?", ["Yes"], 5)],
        "esc50-retrieval/test-00000-of-00001": [
            mae_row("Which audio has the dog?", ["audio2", "the second audio", "Audio 2"]),
            mae_row("Where is it, in the first or the second audio?", ["the first"]),
        ],
        "meld-dialog/test-00000-of-00001": [mae_row("Make up a dialogue.", ["A: Hello. B: Oh no."])],
    }
    for name, rows in shards.items():
        write_parquet(folder / f"{name}.parquet", rows, audio)
    subsets = sorted({name.split("/")[0] for name in shards})
    configs = [{"config_name": name, "data_files": [{"split": "test", "path": f"{name}/test-*"}]} for name in subsets]
    (folder / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n", encoding="utf-8")
    return folder


CANDIDATES = [f"audio{number}" for number in range(1, 6)]


def mugen_row(instruction: str, answer: str, reference: int | None = None, **more: object) -> Fields:
    """A row of MUGEN with the sounds 1 to 5."""
    row = {name: packed(number) for number, name in enumerate(CANDIDATES, start=1)}
    if reference is not None:
        row["reference_audio"] = packed(reference)
    return {**more, "instruction": instruction, "answer": answer, **row}


def write_mugen(folder: Path) -> Path:
    """Two tasks of MUGEN, one with references; another split beside."""
    which = "Which clip says rain? (A) (B) (C) (D) (E)"
    rows = [mugen_row(which, "(B)", id=7), mugen_row("Which one says snow?", "(E)", id=9)]
    write_parquet(folder / "Keyword_Spotting" / "data" / "test-00000-of-00001.parquet", rows, CANDIDATES)
    write_parquet(folder / "Keyword_Spotting" / "data" / "test_2-00000-of-00001.parquet", rows[:1], CANDIDATES)
    same = [mugen_row("Which one is the speaker of the reference?", "(A)", reference=6)]
    file = folder / "Speaker_Verification" / "data" / "test-00000-of-00001.parquet"
    write_parquet(file, same, [*CANDIDATES, "reference_audio"])
    return folder


MMAU_ROWS: tuple[dict[str, object], ...] = (
    {
        "id": "3fe64f3d",
        "audio_id": "./test-mini-audios/3fe64f3d.wav",
        "question": "Who speaks?",
        "choices": ["Man", "Woman", "Child", "Robot"],
        "answer": "Man",
        "dataset": "AudioSet",
        "task": "sound",
        "split": "test-mini",
        "category": "Reasoning",
        "sub-category": "Acoustic Source Inference",
        "difficulty": "medium",
    },
    {
        "id": "9b2c",
        "audio_id": "./test-mini-audios/9b2c.wav",
        "question": "Which key?",
        "choices": ["C major", "A minor"],
        "answer": "A minor",
        "dataset": "GTZAN",
        "task": "music",
        "split": "test-mini",
        "category": "Perception",
        "sub-category": "Key",
        "difficulty": "hard",
    },
)


def write_mmau(folder: Path) -> Path:
    """MMAU test-mini as its repository has it."""
    for number, row in enumerate(MMAU_ROWS, start=1):
        put(folder, str(row["audio_id"]), number)
    write_json(folder / "mmau-test-mini.json", list(MMAU_ROWS))
    return folder


def write_mmau_of_hub(folder: Path) -> Path:
    """The same rows as the hub's parquet has them."""
    rows = []
    for number, row in enumerate(MMAU_ROWS, start=1):
        choices = [f"({letter}) {choice}" for letter, choice in zip("ABCD", row["choices"], strict=False)]
        answer = next(choice for choice in choices if choice.endswith(f") {row['answer']}"))
        other = {key: value for key, value in row.items() if key not in ("audio_id", "question", "choices", "answer")}
        fields = {"instruction": row["question"], "choices": choices, "answer": answer}
        rows.append({"context": packed(number), **fields, "other_attributes": json.dumps(other)})
    write_parquet(folder / "test_mini.parquet", rows, ["context"])
    return folder


def mmar_row(number: int, modality: str) -> dict[str, object]:
    """A row of MMAR."""
    return {
        "id": f"id_{number}",
        "audio_path": f"./audio/id_{number}.wav",
        "question": "What is the order?",
        "choices": ["first the bell", "first the dog"],
        "answer": "first the dog",
        "modality": modality,
        "category": "Signal Layer",
        "sub-category": "Anomaly",
        "language": "en",
        "source": "youtube",
        "url": "https://example.org",
        "timestamp": "00:00:01,00:00:02",
    }


def write_mmar(folder: Path, lines: bool = False) -> Path:
    """MMAR as JSON, or as one object a line."""
    rows = [mmar_row(1, "speech"), mmar_row(2, "mix-sound-music")]
    for number, row in enumerate(rows, start=1):
        put(folder, str(row["audio_path"]), number)
    if lines:
        text = "\n".join(json.dumps(row) for row in rows)
        (folder / "MMAR-meta.jsonl").write_text(text + "\n", encoding="utf-8")
    else:
        write_json(folder / "MMAR-meta.json", rows)
    return folder


def pro_row(number: int, category: str, sounds: Sequence[int], **more: object) -> dict[str, object]:
    """A row of MMAU-Pro."""
    none = {"choices": None, "answer": None, "task_identifier": None, "kwargs": {"N": None, "keyword": None}}
    paths = [f"data/{sound}.wav" for sound in sounds]
    return {"id": f"p{number}", "audio_path": paths, "question": "Which?", "category": category, **none, **more}


def write_mmau_pro(folder: Path) -> Path:
    """A row of every category of MMAU-Pro that is read in its own way."""
    for number in range(1, 4):
        put(folder, f"data/{number}.wav", number)
    task = {"task_identifier": "Keyword Frequency", "kwargs": {"N": 2.0, "keyword": "dog"}}
    rows = [
        pro_row(1, "sound", [1], choices=["a dog", "a cat"], answer="a cat"),
        pro_row(2, "multi", [3, 1, 2], choices=["one", "two", "three"], answer="two"),
        pro_row(3, "open", [2], answer="Rain on a roof."),
        pro_row(4, "instruction following", [1], **task),
        pro_row(5, "music", [1], choices=["only"], answer="only"),
        pro_row(6, "speech", [1], answer="none to choose"),
    ]
    write_parquet(folder / "test.parquet", rows)
    return folder


ORDERS = [f"clip {a} -> clip {b} -> clip {6 - a - b}" for a in (1, 2, 3) for b in (1, 2, 3) if a != b]


def star_row(key: str, category: str, options: Sequence[str], sounds: Sequence[str], **more: object) -> Fields:
    """A row of STAR-Bench."""
    row = {"id": key, "task": "x", "category": "c", "sub-category": category, "question": f"What of {key}?"}
    return {**row, "options": list(options), "audio_paths": list(sounds), **more}


def write_star_bench(folder: Path) -> Path:
    """The three sets of STAR-Bench v1.0; temporal rows have no answer."""
    paths = [put(folder, f"starbench_audios/{number}.wav", number) for number in range(1, 4)]
    meta = folder / "meta_info"
    temporal = star_row("water_ISSE_4", "Continuous", ORDERS, paths, global_caption="Water runs.")
    write_json(meta / "holistic_reasoning_temporal.json", [temporal])
    spatial = star_row("left_1", "Static", ["left", "right", "above", "below"], paths[:1], answer="right")
    write_json(meta / "holistic_reasoning_spatial.json", [spatial])
    loud = star_row("loud_1", "Loudness", ["first", "second"], paths[:2], answer="first")
    high = star_row("high_1", "Pitch", ["up", "down", "same"], paths[2:], answer="same")
    write_json(meta / "foundation_perception.json", [loud, high])
    return folder

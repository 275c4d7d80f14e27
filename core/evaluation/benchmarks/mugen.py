"""MUGEN: which of five clips, in 35 tasks (arXiv 2603.09714)."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from core.errors import LoadError
from core.evaluation.benchmarks import rows
from core.evaluation.benchmarks.rules import exactly_one
from core.evaluation.item import Anchor, Benchmark, Item
from core.files import save_whole
from core.types import letter

OWNER = "MUGEN-Benchmark"

TASKS = {
    "Semantics & Pragmatics": ("Keyword_Spotting", "Intent_Classification", "Language_Identification"),
    "Speaker & Demographics": (
        *("Speaker_Verification", "Gender_Classification", "Accent_Identification", "Dysarthria_Detection"),
    ),
    "Affective & Paralinguistic State": (
        *("Emotion_Recognition", "Emotion_Intensity_Comparison", "Pitch_Level_Distinction", "Vocal_Effort_Recognition"),
        *("Vocal_Fry_Detection", "Disfluency_Detection", "Prosodic_Stress_Matching", "Prosody_Semantic_Mismatch"),
    ),
    "Temporal Awareness": (
        *("Duration_Extremes_Extraction", "Duration_Ordinal_Selection", "Duration_Precise_Selection"),
        *("Speaking_Rate_Extremes", "Ordinal_Speaking_Rate"),
    ),
    "Acoustic Scene & Event Analysis": (
        *("Noise_Environment_Classification", "Interruption_Detection", "Speech_Concurrent_Event_Detection"),
        *("Cocktail_Party_Extraction", "Signal_to_Noise_Comparison"),
    ),
    "Music Analysis": (
        *("Music_Tagging", "Genre_Classification", "Key_Detection", "Instrument_Classification"),
        "Vocal_Technique_Detection",
    ),
    "Compositional Acoustic Reasoning": (
        *("Gender_Emotion_Filtering", "Accent_Tempo_Filtering", "Specific_Speaker_State"),
        *("Negative_Constraint_Filtering", "Max_Attribute_Selection"),
    ),
}
"""Dimension -> tasks, by the names of their data sets."""

CANDIDATES = tuple(f"audio{number}" for number in range(1, 6))
CHOICES = ("A", "B", "C", "D", "E")
ANSWERS = {f"({choice})": choice for choice in CHOICES}


def items(folder: Path | None) -> Iterator[Item]:
    """The fifty questions of the split `test` of every task that is there.

    The splits test_2 to test_4 are left out: the paper's 1,750 problems and 9,250 clips are 35 times 50.

    Args:
        folder: Has a folder for each task with the files of its split `test`; None takes the hub.

    Raises:
        LoadError: None is there, or a row is wrong.
    """
    count = 0
    for task in (task for tasks in TASKS.values() for task in tasks):
        found = rows.of_hub(f"{OWNER}/{task}") if folder is None else rows.of_split(folder / task, "test")
        for number, row in enumerate(found, start=1):
            count += 1
            yield _item(task, number, row)
    if not count:
        raise LoadError(f"{folder} holds no MUGEN: {BENCHMARK.folder}")


def _item(task: str, number: int, row: rows.Row) -> Item:
    """The candidates are clips A to E as published; the reference, where there is one, is F behind them."""
    reference = [row.sound("reference_audio")] if row.fields.get("reference_audio") is not None else []
    answer = row.chosen(row.text("answer"), tuple(ANSWERS))
    return Item(
        key=f"{task}/{number}",
        task=task,
        sounds=(*map(row.sound, CANDIDATES), *reference),
        question=row.text("instruction"),
        options="clips",
        choices=CHOICES,
        answers=(ANSWERS[answer],),
        movable=len(CANDIDATES),
        row={"id": row.fields.get("id", number - 1)},
    )


def prompt(item: Item) -> str:
    """The instruction as published, which clip is which, and how to answer."""
    names = [f"clip {name} is option ({name})" for name in item.choices]
    if len(item.sounds) > len(item.choices):
        names.append(f"clip {letter(len(item.choices))} is the reference audio")
    return f"C{', '.join(names)[1:]}.\n{item.question}\nAnswer with the letter of one option."


def write_predictions(folder: Path, answered: Iterable[tuple[Item, str]]) -> None:
    """Writes answers as the published judge, a language model, takes them: `TASK/output.json`, a list of rows.

    Args:
        folder: Made if it is not there.
        answered: Items, moved or not, with what the model wrote.
    """
    tasks: dict[str, list[dict[str, object]]] = {}
    for item, answer in answered:
        row = {"id": item.row["id"], "instruction": item.question, "answer": f"({item.answers[0]})"}
        tasks.setdefault(item.task, []).append({**row, "response": answer})
    for task, entries in tasks.items():
        save_whole(folder / task / "output.json", json.dumps(entries, ensure_ascii=False, indent=1))


BENCHMARK = Benchmark(
    name="mugen",
    title="MUGEN",
    source=f"arXiv 2603.09714, {OWNER} on the hub",
    items=items,
    prompt=prompt,
    judge=exactly_one,
    predictions=write_predictions,
    anchors=tuple(
        Anchor(model, percent, "arXiv 2603.09714, judged by a language model")
        for model, percent in (
            ("Gemini-3-pro, thinking high", 69.60),
            ("Qwen2.5-Omni-7B", 28.69),
            ("Voxtral-Small-24B", 28.63),
            ("Voxtral-Mini-3B", 27.83),
            ("Phi-4-Multimodal", 26.29),
            ("Audio Flamingo 3", 17.43),
        )
    ),
    folder="give a folder with a folder for each task, such as Keyword_Spotting, that has test-*.parquet in it.",
)

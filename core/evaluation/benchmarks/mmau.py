"""MMAU test-mini, version 05.15.25: one clip, one of several texts (arXiv 2410.19168)."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import LoadError
from core.evaluation.benchmarks import rows
from core.evaluation.benchmarks.rules import lettered, spelt, token_verdict
from core.evaluation.item import Benchmark, Item
from core.files import save_whole

REPOSITORY = "gamma-lab-umd/MMAU-test-mini"
FILE = "mmau-test-mini.json"

_LABEL = re.compile(r"^\([A-Z]\)\s*")


def items(folder: Path | None) -> Iterator[Item]:
    """The thousand questions.

    Args:
        folder: Has `mmau-test-mini.json` beside `test-mini-audios/`, or the parquet of the hub; None takes the hub.

    Raises:
        LoadError: Neither is there, or a row is wrong.
    """
    if folder is not None and (folder / FILE).is_file():
        yield from map(_of_file, rows.of_json(folder / FILE))
        return
    count = 0
    for row in rows.of_hub(REPOSITORY) if folder is None else rows.of_split(folder, "test*"):
        count += 1
        yield _of_hub(row)
    if not count:
        raise LoadError(f"{folder} holds no MMAU: {BENCHMARK.folder}")


def _of_file(row: rows.Row) -> Item:
    """A row of the JSON file."""
    choices = row.texts("choices")
    return Item(
        key=row.key("id"),
        task=row.text("task"),
        sounds=(row.file(row.text("audio_id")),),
        question=row.text("question"),
        options="texts",
        choices=choices,
        answers=(row.chosen(row.text("answer"), choices),),
        row=row.fields,
    )


def _of_hub(row: rows.Row) -> Item:
    """A row of the hub's parquet: other names, letters before the choices, the rest packed as JSON in one column."""
    try:
        other: Any = json.loads(row.text("other_attributes"))
    except ValueError:
        other = None
    if not isinstance(other, dict):
        raise row.wrong("has no JSON object in the column 'other_attributes'")
    fields = {
        **other,
        "audio_id": f"./test-mini-audios/{other.get('id')}.wav",
        "question": row.text("instruction"),
        "choices": [_LABEL.sub("", choice) for choice in row.texts("choices")],
        "answer": _LABEL.sub("", row.text("answer")),
    }
    plain = rows.Row(fields, row.source, row.number)
    choices = plain.texts("choices")
    return Item(
        key=plain.key("id"),
        task=plain.text("task"),
        sounds=(row.sound("context"),),
        question=plain.text("question"),
        options="texts",
        choices=choices,
        answers=(plain.chosen(plain.text("answer"), choices),),
        row=fields,
    )


def prompt(item: Item) -> str:
    """Question and choices. The rule counts words, so words are asked for."""
    return f"{item.question}\n{lettered(item.choices)}\nChoose one option and answer with its words."


def write_predictions(folder: Path, answered: Iterable[tuple[Item, str]], keys: tuple[str, ...]) -> None:
    """Writes the published rows with an answer each, as the published script takes them.

    The answer is the one that is judged: a letter that stood for a choice is replaced by it, since the script gives
    nothing for a letter.

    Args:
        folder: Made if it is not there; a JSON list is written to its `predictions.json`.
        answered: Every item, with what the model wrote: the script counts a missing row as wrong or refuses the file.
        keys: What the answer is called (`PREDICTION`).
    """
    entries = [{**item.row, **dict.fromkeys(keys, spelt(answer, item.choices))} for item, answer in answered]
    save_whole(folder / "predictions.json", json.dumps(entries, ensure_ascii=False, indent=1))


PREDICTION = ("model_prediction", "model_output")
"""Keys of the answer: by the README, and by older versions of the script."""

BENCHMARK = Benchmark(
    name="mmau",
    title="MMAU v05.15.25, test-mini",
    source=f"arXiv 2410.19168, {REPOSITORY} on the hub",
    items=items,
    prompt=prompt,
    predictions=partial(write_predictions, keys=PREDICTION),
    judge=token_verdict,
    folder=f"give a folder with {FILE} and test-mini-audios/, or with the parquet file of the hub.",
)

"""MMAR: one clip of speech, sound, music or a mix, one of several texts (arXiv 2505.13032)."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from core.errors import LoadError
from core.evaluation.benchmarks import rows
from core.evaluation.benchmarks.mmau import prompt, write_predictions
from core.evaluation.benchmarks.rules import token_verdict
from core.evaluation.item import Anchor, Benchmark, Item

REPOSITORY = "BoJack/MMAR"
FILES = ("MMAR-meta.json", "MMAR-meta.jsonl")

PREDICTION = ("model_prediction", "answer_prediction")
"""Keys of the answer: by the README, and by newer versions of the script (`mmau.write_predictions`)."""


def items(folder: Path | None) -> Iterator[Item]:
    """The thousand questions.

    Args:
        folder: Has `MMAR-meta.json` or `MMAR-meta.jsonl` beside `audio/`.

    Raises:
        LoadError: It has not (the hub has the sounds as one archive, which cannot be streamed), or a row is wrong.
    """
    if folder is None:
        raise rows.archived(BENCHMARK.title, REPOSITORY, "mmar-audio.tar.gz")
    file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is None:
        raise LoadError(f"{folder} holds no MMAR: {BENCHMARK.folder}")
    for row in rows.of_json(file):
        choices = row.texts("choices")
        yield Item(
            key=row.key("id"),
            task=row.text("modality"),
            sounds=(row.file(row.text("audio_path")),),
            question=row.text("question"),
            options="texts",
            choices=choices,
            answers=(row.chosen(row.text("answer"), choices),),
            row=row.fields,
        )


BENCHMARK = Benchmark(
    name="mmar",
    title="MMAR",
    source=f"arXiv 2505.13032, {REPOSITORY} on the hub",
    items=items,
    prompt=prompt,
    predictions=partial(write_predictions, keys=PREDICTION),
    judge=token_verdict,
    anchors=tuple(
        Anchor(model, percent, "reported for MMAR, second hand")
        for model, percent in (
            ("Gemini 2.5 Pro", 74.7),
            ("Qwen3-Omni-Thinking", 66.4),
            ("Qwen2.5-Omni-7B", 56.7),
            ("Qwen2-Audio", 30.4),
            ("Mellow", 30.0),
        )
    ),
    folder="give a folder with MMAR-meta.json and audio/, unpacked from mmar-audio.tar.gz.",
)

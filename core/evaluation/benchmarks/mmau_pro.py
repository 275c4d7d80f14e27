"""MMAU-Pro: one or several clips, a choice, an instruction or an open question (arXiv 2508.13992)."""

from collections.abc import Iterator
from pathlib import Path

from core.errors import LoadError
from core.evaluation.benchmarks import rows
from core.evaluation.benchmarks.instructions import follows
from core.evaluation.benchmarks.rules import called, lettered, token_verdict
from core.evaluation.item import NOT_JUDGED, Anchor, Benchmark, Item, Verdict

REPOSITORY = "gamma-lab-umd/MMAU-Pro"
FILE = "test.parquet"
OPEN = "open"
INSTRUCTION = "instruction following"


def items(folder: Path | None) -> Iterator[Item]:
    """The questions of all categories; closed ones with fewer than two choices are left out, as published.

    Args:
        folder: Has `test.parquet` beside `data/`.

    Raises:
        LoadError: It has not (the hub has the sounds as one archive of 47 GB), or a row is wrong.
    """
    if folder is None:
        raise rows.archived(BENCHMARK.title, REPOSITORY, "data.zip")
    if not (folder / FILE).is_file():
        raise LoadError(f"{folder} holds no MMAU-Pro: {BENCHMARK.folder}")
    for row in rows.of_parquet(folder / FILE):
        category = row.text("category")
        if category in (OPEN, INSTRUCTION):
            yield _free(row, category)
        elif len(row.fields.get("choices") or ()) > 1:
            yield _closed(row, category)


def _free(row: rows.Row, category: str) -> Item:
    facts = {key: value for key, value in (row.fields.get("kwargs") or {}).items() if value is not None}
    task = row.text("task_identifier") if category == INSTRUCTION else ""
    question, answer = row.text("question"), row.fields.get("answer")
    try:
        follows(task, "", facts, question)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise row.wrong(f"does not say in the column 'kwargs' what its instruction {task!r} needs") from error
    return Item(
        key=row.key("id"),
        task=category,
        sounds=tuple(map(row.file, row.texts("audio_path"))),
        question=question,
        options="open",
        choices=(),
        answers=(answer,) if isinstance(answer, str) and answer else (),
        row={"task_identifier": task, "kwargs": facts},
    )


def _closed(row: rows.Row, category: str) -> Item:
    choices = row.texts("choices")
    return Item(
        key=row.key("id"),
        task=category,
        sounds=tuple(map(row.file, row.texts("audio_path"))),
        question=row.text("question"),
        options="texts",
        choices=choices,
        answers=(row.chosen(row.text("answer"), choices),),
    )


def prompt(item: Item) -> str:
    """Which clip is which where there are several, the question, and its choices."""
    lines = [line for line in (called("audio", len(item.sounds)), item.question) if line]
    if item.choices:
        lines += [lettered(item.choices), "Choose one option and answer with its words."]
    return "\n".join(lines)


def judge(item: Item, answer: str) -> Verdict:
    """Closed questions by MMAU's rule, instructions by the published rules, open questions not at all.

    The published script takes the choice whose embedding by NV-Embed-v2 is nearest to the answer, and for open
    questions a language model's grade: figures by this rule are not those of its leaderboard.
    """
    if item.options != "open":
        return token_verdict(item, answer)
    if item.task != INSTRUCTION:
        return NOT_JUDGED
    return Verdict(follows(item.row["task_identifier"], answer, item.row["kwargs"], item.question))


BENCHMARK = Benchmark(
    name="mmau-pro",
    title="MMAU-Pro",
    source=f"arXiv 2508.13992, {REPOSITORY} on the hub",
    items=items,
    prompt=prompt,
    judge=judge,
    anchors=tuple(
        Anchor(model, percent, "reported for its questions about several clips, judged by embedding, second hand")
        for model, percent in (("GPT-4o", 26.5), ("Qwen2.5-Omni (about)", 20.0))
    ),
    folder=f"give a folder with {FILE} and data/, unpacked from data.zip.",
)

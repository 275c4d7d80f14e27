"""STAR-Bench v1.0: order, place and fine differences of sounds, each question several times over (arXiv 2510.24693)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import LoadError
from core.evaluation.benchmarks import rows
from core.evaluation.benchmarks.rules import called
from core.evaluation.item import Benchmark, Item, Sound, Verdict
from core.types import letter

REPOSITORY = "internlm/STAR-Bench"
TEMPORAL, SPATIAL, PERCEPTION = "temporal", "spatial", "perception"
FILES = {
    TEMPORAL: (("holistic_reasoning_temporal",),),
    SPATIAL: (("holistic_reasoning_spatial",),),
    PERCEPTION: (
        ("foundation_perception",),
        ("foundation_perception_total",),
        ("foundation_perception_spatial", "foundation_perception_nonspatial"),
    ),
}
"""Set -> the files of `meta_info/` that hold it, by version: the first that are there are read."""

RUNS = 3
"""Of each temporal and spatial question; a question of perception is asked once for each option."""

SUBTASKS = ("OSM", "ISSE", "TAO", "DSS", "ETC")
SEGMENT_ORDERS = ((1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1))


def items(folder: Path | None) -> Iterator[Item]:
    """Every run of every question of the three sets that are there.

    Args:
        folder: Has `meta_info/`, and the sounds where its rows say.

    Raises:
        LoadError: It has not (the hub has the sounds in an archive), or a row is wrong.
    """
    if folder is None:
        raise rows.archived(BENCHMARK.title, REPOSITORY, "an archive")
    count = 0
    for name, versions in FILES.items():
        files = [[folder / "meta_info" / f"{stem}.json" for stem in version] for version in versions]
        for file in next((group for group in files if all(path.is_file() for path in group)), []):
            for row in rows.of_json(file, folder):
                runs = len(row.texts("options")) if name == PERCEPTION else RUNS
                for run in range(runs):
                    count += 1
                    yield (_reordered if name == TEMPORAL else _rotated)(name, row, run, runs)
    if not count:
        raise LoadError(f"{folder} holds no STAR-Bench: {BENCHMARK.folder}")


def rotated(options: Sequence[str], run: int) -> tuple[str, ...]:
    """The options of a run: the last `run` of them come first."""
    return (*options[len(options) - run :], *options[: len(options) - run])


def segment_order(key: str, run: int) -> tuple[int, ...]:
    """The numbers of the segments in the order in which a run plays them.

    Args:
        key: Of the question; ends in one of `SUBTASKS` and a number, as in `x_OSM_12`.
        run: From 0.

    Raises:
        ValueError: The key ends otherwise.
    """
    _, subtask, number = key.rsplit("_", 2)
    return SEGMENT_ORDERS[(int(number) + run + SUBTASKS.index(subtask)) % len(SEGMENT_ORDERS)]


def restoring(order: Sequence[int]) -> str:
    """The option that puts segments which were played in this order back: "clip 2 -> clip 1 -> clip 3"."""
    return " -> ".join(f"clip {order.index(segment) + 1}" for segment in sorted(order))


def _rotated(name: str, row: rows.Row, run: int, runs: int) -> Item:
    options = row.texts("options")
    answer = row.chosen(row.text("answer"), options)
    sounds = tuple(map(row.file, row.texts("audio_paths")))
    return _item(name, row, run, runs, sounds, rotated(options, run), answer)


def _reordered(name: str, row: rows.Row, run: int, runs: int) -> Item:
    paths = row.texts("audio_paths")
    try:
        order = segment_order(row.key("id"), run)
        sounds = tuple(row.file(paths[segment - 1]) for segment in order)
    except (ValueError, IndexError) as error:
        raise row.wrong("has not three sounds and an id such as x_OSM_12") from error
    options = row.texts("options")
    return _item(name, row, run, runs, sounds, options, row.chosen(restoring(order), options))


def _item(
    name: str, row: rows.Row, run: int, runs: int, sounds: tuple[Sound, ...], options: tuple[str, ...], answer: str
) -> Item:
    key, category = f"{name}/{row.key('id')}", row.fields.get("sub-category") or row.fields.get("category") or "all"
    return Item(
        key=f"{key}@{run}",
        task=f"{name}: {category}",
        sounds=sounds,
        question=row.text("question"),
        options="texts",
        choices=options,
        answers=(answer,),
        row={"set": name, "question": key, "runs": runs},
    )


def prompt(item: Item) -> str:
    """Which clip is which, the question, and a line "<A>: option" each, as published.

    There the clips are announced as "Audio 1:", of the temporal set as "clip 1:" behind the text; here each has its
    letter before its sound, as everywhere.
    """
    names = called("clip" if item.row["set"] == TEMPORAL else "audio", len(item.sounds))
    options = [f"<{letter(index)}>: {choice}" for index, choice in enumerate(item.choices)]
    return "\n".join([*([names] if names else []), item.question, *options])


def chosen_letter(answer: str, options: Sequence[str]) -> str | None:
    """The letter that an answer comes to, by the published extraction.

    First what follows a keyword (answer, solution, choice, option, in any case, a colon or not): of bracketed letters
    the last, else of bare ones. Without any: bracketed letters anywhere, then the words of an option in answers of more
    than two words, then bare capitals; of the first kind that is found, the last. A small letter behind a keyword is
    taken as it stands and is no option, so "answer: b" is wrong, and so is "the answer is a dog".
    """
    letters = "".join(letter(index) for index in range(len(options)))
    bracketed = rf"[(<\[{{]\s*([{letters}])\s*[)\]>}}]"
    behind = r"(?:answer|solution|choice|option|correct option is|answer is|答案是|选项是)\s*[:：]*\s*"
    keyword = re.findall(rf"{behind}(?:{bracketed}|\b([{letters}])\b)", answer, re.IGNORECASE)
    anywhere = re.findall(rf"{bracketed}|\b([{letters}])\b", answer)
    words = [
        (match.start(), letter(index))
        for index, option in enumerate(options)
        for match in re.finditer(rf"(?<![A-Za-z]){re.escape(option)}(?![A-Za-z])", answer, re.IGNORECASE)
        if len(answer.split()) > 2
    ]
    kinds = (
        [bracket for bracket, _ in keyword if bracket],
        [bare for _, bare in keyword if bare],
        [bracket for bracket, _ in anywhere if bracket],
        [found for _, found in sorted(words, key=lambda word: word[0])],
        [bare for _, bare in anywhere if bare],
    )
    return next((found[-1] for found in kinds if found), None)


def judge(item: Item, answer: str) -> Verdict:
    """The option by `chosen_letter`."""
    by_letter = {letter(index): choice for index, choice in enumerate(item.choices)}
    choice = by_letter.get(chosen_letter(answer, item.choices) or "")
    return Verdict(choice in item.answers, choice)


@dataclass(frozen=True)
class Score:
    """The two figures of a set or category, as shares.

    Attributes:
        average: AA, of all runs those that are right.
        consistent: ACR, of the questions those that are right in every run; None where no question has all its runs.
    """

    average: float
    consistent: float | None


def scores(judged: Iterable[tuple[Item, bool]]) -> dict[str, Score]:
    """AA and ACR of each task, and of each set under its name.

    A set's figures are over its runs and questions; those of perception are plain means of its tasks', as published.
    Questions of which a run is missing are not in ACR.
    """
    by_task: dict[str, list[tuple[Item, bool]]] = {}
    for item, right in judged:
        by_task.setdefault(item.task, []).append((item, right))
    found = {task: _score(pairs) for task, pairs in by_task.items()}
    for name in FILES:
        tasks = [task for task, pairs in by_task.items() if pairs[0][0].row["set"] == name]
        if tasks and name != PERCEPTION:
            found[name] = _score([pair for task in tasks for pair in by_task[task]])
        elif tasks:
            shares = [found[task].consistent for task in tasks]
            whole = [share for share in shares if share is not None]
            average = sum(found[task].average for task in tasks) / len(tasks)
            found[name] = Score(average, sum(whole) / len(tasks) if len(whole) == len(tasks) else None)
    return found


def _score(judged: Sequence[tuple[Item, bool]]) -> Score:
    questions: dict[str, list[bool]] = {}
    runs: dict[str, int] = {}
    for item, right in judged:
        questions.setdefault(item.row["question"], []).append(right)
        runs[item.row["question"]] = item.row["runs"]
    whole = [all(rights) for question, rights in questions.items() if len(rights) == runs[question]]
    return Score(sum(right for _, right in judged) / len(judged), sum(whole) / len(whole) if whole else None)


def published(judged: Sequence[tuple[Item, bool]]) -> dict[str, dict[str, str]]:
    """AA and ACR in words, by task and set."""
    return {
        name: {
            "AA": f"{100 * score.average:.1f} %",
            "ACR": "-" if score.consistent is None else f"{100 * score.consistent:.1f} %",
        }
        for name, score in scores(judged).items()
    }


BENCHMARK = Benchmark(
    name="star-bench",
    title="STAR-Bench v1.0",
    source=f"arXiv 2510.24693, {REPOSITORY} on the hub",
    items=items,
    prompt=prompt,
    judge=judge,
    published=published,
    folder="give a folder with meta_info/ and the sounds where its rows say, starbench_audios/.",
)

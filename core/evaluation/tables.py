"""Records as tables. Never a bare percentage: each share comes with its count and its interval."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.evaluation.arms import ADAPTERS, ARMS
from core.evaluation.record import Record
from core.evaluation.statistics import mcnemar, mean_over_tasks, wilson

Way = tuple[str, str, str]
"""Arm, adapter, boost: how a question was asked."""

FEWEST = 8
"""Answers of which quarters are made, or points drawn."""

QUARTERS = (
    "Quarters of the answers by that number, from the lowest to the highest. Tasks differ in the number and in how "
    "hard they are: what is seen over all of them need not hold within one."
)


@dataclass(frozen=True)
class Table:
    """A table with a caption.

    Attributes:
        head: Of the columns.
        rows: Of text.
        caption: How to read it.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


def share(right: Sequence[bool]) -> str:
    """A count with its share and Wilson's interval: `14/24 = 58 % (39-76)`."""
    if not right:
        return "-"
    low, high = wilson(sum(right), len(right))
    return f"{sum(right)}/{len(right)} = {100 * np.mean(right):.0f} % ({100 * low:.0f}-{100 * high:.0f})"


def way(record: Record) -> Way:
    """How a question was asked."""
    return record.arm, record.adapter, record.boost


def ways(records: Sequence[Record]) -> list[Way]:
    """Each way there is: adapter on before off, arms and boosts in the order in which they are listed and tried."""
    found = list(dict.fromkeys(map(way, records)))
    return sorted(found, key=lambda one: (bool(one[2]), ADAPTERS.index(one[1]), ARMS.index(one[0])))


def way_name(one: Way) -> str:
    """A way in words."""
    arm, adapter, boost = one
    return ", ".join((arm, f"adapter {adapter}", *([f"boost {boost}"] if boost else [])))


def rights(records: Sequence[Record]) -> list[bool]:
    """Whether each answer was right, of those that were judged."""
    return [record.right for record in records if record.right is not None]


def plain(records: Sequence[Record]) -> list[Record]:
    """Without boosts, and without the further orders of the clips."""
    return [record for record in records if not record.boost and record.arm != "orders"]


def by_task(records: Sequence[Record], wanted: Mapping[str, float] | None = None) -> Table:
    """Right answers of each task in each way, without boost; the mean over tasks last.

    Args:
        records: Of one reading.
        wanted: The share of right answers that tasks are meant to reach in arm `audio` with the adapter on; None where
            nothing is meant.
    """
    asked = plain(records)
    columns, tasks = ways(asked), list(dict.fromkeys(record.task for record in asked))
    rows = []
    for task in tasks:
        of_task = [record for record in asked if record.task == task]
        cells = [share(rights([record for record in of_task if way(record) == one])) for one in columns]
        rows.append((task, _chance(of_task), *cells, *(_gate(of_task, wanted.get(task)) if wanted is not None else ())))
    means = []
    for one in columns:
        answers = [rights([record for record in asked if way(record) == one and record.task == task]) for task in tasks]
        means.append(_mean([right for right in answers if right]))
    rows.append(("mean over tasks", "", *means, *(("", "") if wanted is not None else ())))
    return Table(
        ("task", "chance", *map(way_name, columns), *(("gate", "is") if wanted is not None else ())),
        tuple(rows),
        "Right answers of those judged, with Wilson's interval of 95 %; the mean over tasks with a bootstrap's.",
    )


def tallies(records: Sequence[Record]) -> Table:
    """What became of the questions in each way: how many answers count, and how many do not and why."""
    rows = []
    for one in ways(records):
        asked = [record for record in records if way(record) == one]
        failed = [record for record in asked if record.error]
        open_ones = [record for record in asked if not record.error and record.right is None]
        unread = [record for record in asked if record.right is not None and record.chance and record.choice is None]
        right = rights(asked)
        numbers = (len(asked), sum(right), len(right) - sum(right), len(unread), len(open_ones), len(failed))
        rows.append((way_name(one), *map(str, numbers)))
    return Table(
        ("asked", "answers", "right", "wrong", "of these not read", "not judged", "failed"),
        tuple(rows),
        "Not read: the answer names no choice, or several, and counts as wrong. Not judged: no rule can tell; neither "
        "right nor wrong. Failed: there is no answer.",
    )


def seen_and_unseen(records: Sequence[Record]) -> Table:
    """Arm `audio`, apart by whether training had everything that a question is about."""
    rows = []
    asked = [record for record in plain(records) if record.arm == "audio" and record.seen is not None]
    for task, adapter in dict.fromkeys((record.task, record.adapter) for record in asked):
        found = [record for record in asked if (record.task, record.adapter) == (task, adapter)]
        rows.append((task, adapter, *(share(rights([r for r in found if r.seen == seen])) for seen in (True, False))))
    return Table(("task", "adapter", "seen in training", "unseen"), tuple(rows))


def pairs_of(records: Sequence[Record], first: Way, second: Way) -> list[tuple[bool, bool]]:
    """Whether each question that was asked in both ways was right in the first, and in the second."""
    found = {(record.item, way(record)): record.right for record in records if record.right is not None}
    both = [(found[item, first], found.get((item, second))) for item, one in found if one == first]
    return [(one, other) for one, other in both if other is not None]


def partner(one: Way, all_ways: Sequence[Way]) -> Way | None:
    """What a way is compared with: the same without boost, with the sound as it comes, with the adapter off."""
    arm, adapter, boost = one
    other = (arm, adapter, "") if boost else ("audio", adapter, "") if arm != "audio" else (arm, "off", "")
    return other if other != one and other in all_ways else None


def paired(records: Sequence[Record]) -> Table:
    """The same questions asked in two ways: boost off and on, adapter off and on, sound and silence, the order."""
    asked = [record for record in records if record.arm != "orders"]
    found = ways(asked)
    rows = []
    for second in found:
        first = partner(second, found)
        if first is not None:
            pairs = pairs_of(asked, first, second)
            lost, won = pairs.count((True, False)), pairs.count((False, True))
            counts = (pairs.count((True, True)), lost, won, pairs.count((False, False)))
            rows.append((way_name(first), way_name(second), *map(str, counts), f"{mcnemar(lost, won):.3g}"))
    return Table(
        ("first", "second", "both right", "only first", "only second", "both wrong", "p"),
        tuple(rows),
        "The same questions asked in two ways; p is McNemar's exact test, not corrected for how many tests there are.",
    )


def boosts_by_task(records: Sequence[Record]) -> Table:
    """Right answers by task and boost: arm `audio`, with the adapter that boosts were tried with."""
    adapters = {record.adapter for record in records if record.boost}
    asked = [record for record in records if record.arm == "audio" and record.adapter in adapters]
    settings = list(dict.fromkeys(record.boost for record in asked))
    rows = []
    for task in dict.fromkeys(record.task for record in asked):
        cells = [rights([r for r in asked if (r.task, r.boost) == (task, boost)]) for boost in settings]
        rows.append((task, *(f"{sum(right)}/{len(right)}" for right in cells)))
    return Table(
        ("task", *(boost or "no boost" for boost in settings)),
        tuple(rows),
        "Right answers of those judged, a column for each boost: strength, first and last layer. The tests are above.",
    )


def against(records: Sequence[Record], value: Callable[[Record], float | None], name: str) -> Table:
    """Right answers by quarters of a number that was read beside them; no rows with too few."""
    known = [(number, record.right) for record in records if (number := value(record)) is not None]
    judged = sorted((number, right) for number, right in known if right is not None)
    if len(judged) < FEWEST:
        return Table((name, "right"), ())
    rows = []
    for part in np.array_split(np.arange(len(judged)), 4):
        numbers, right = zip(*(judged[index] for index in part), strict=True)
        rows.append((f"{numbers[0]:.4g} to {numbers[-1]:.4g}", share(right)))
    return Table((name, "right"), tuple(rows), QUARTERS)


def _mean(tasks: Sequence[Sequence[bool]]) -> str:
    if not tasks:
        return "-"
    mean, low, high = mean_over_tasks(tasks)
    return f"{len(tasks)} tasks: {100 * mean:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def _gate(of_task: Sequence[Record], wanted: float | None) -> tuple[str, str]:
    if wanted is None:
        return "-", ""
    right = rights([record for record in of_task if way(record) == ("audio", "on", "")])
    return f"{100 * wanted:.0f} %", ("reached" if sum(right) >= wanted * len(right) else "missed") if right else ""


def _chance(records: Sequence[Record]) -> str:
    chances = [record.chance for record in records if record.chance is not None]
    return f"{100 * np.mean(chances):.0f} %" if chances else "-"

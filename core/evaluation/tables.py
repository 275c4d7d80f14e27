"""Records as tables. Never a bare percentage: each share comes with its count and its interval."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.evaluation.record import Record
from core.evaluation.statistics import mcnemar, mean_over_tasks, wilson
from core.types import letter

Way = tuple[str, str, str]
"""Arm, adapter, boost."""


@dataclass(frozen=True)
class Table:
    """A table with a caption.

    Attributes:
        head: Of the columns.
        rows: Of text.
        caption: What it says and how to read it.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


def share(right: int, total: int) -> str:
    """A count with its share and Wilson's interval: `14/24 = 58 % (39-76)`."""
    if not total:
        return "-"
    low, high = wilson(right, total)
    return f"{right}/{total} = {100 * right / total:.0f} % ({100 * low:.0f}-{100 * high:.0f})"


def way(record: Record) -> Way:
    """How a question was asked. Among the orders, that in which the clips came is also the arm `audio`."""
    return record.arm, record.adapter, record.boost


def by_task(records: Sequence[Record], wanted: Mapping[str, float] | None = None) -> Table:
    """Right answers of each task in each arm and with each adapter, without boost; the mean over tasks last.

    What could not be judged counts as wrong, and is counted in a column of its own.

    Args:
        records: Of one reading.
        wanted: The share of right answers each task is meant to reach, with the adapter on, where one is meant.
    """
    plain = [record for record in records if not record.boost and record.arm != "orders" and not record.error]
    ways = sorted({way(record) for record in plain}, key=lambda one: (one[1] != "on", _place(one[0])))
    tasks = list(dict.fromkeys(record.task for record in plain))
    rows = []
    for task in tasks:
        of_task = [record for record in plain if record.task == task]
        cells = [_share([record for record in of_task if way(record) == one]) for one in ways]
        row = [task, _chance(of_task), *cells, str(sum(record.choice is None for record in of_task))]
        if wanted is not None:
            row += _gate(of_task, wanted.get(task))
        rows.append(tuple(row))
    means = []
    for one in ways:
        asked = [record for record in plain if way(record) == one]
        answers = [[bool(record.right) for record in asked if record.task == task] for task in tasks]
        mean, low, high = mean_over_tasks([row for row in answers if row])
        means.append(f"{100 * mean:.1f} % ({100 * low:.1f}-{100 * high:.1f})")
    rows.append(("mean over tasks", "", *means, "", *([""] * 2 if wanted is not None else [])))
    names = [" ".join(filter(None, (arm, f"adapter {adapter}"))) for arm, adapter, _ in ways]
    gate = ("gate", "is") if wanted is not None else ()
    return Table(
        ("task", "chance", *names, "not read", *gate),
        tuple(rows),
        "Right answers with Wilson's interval of 95 %; the mean over tasks with a bootstrap's.",
    )


def seen_and_unseen(records: Sequence[Record]) -> Table:
    """Arm `audio`, apart by whether training had everything that a question is about."""
    rows = []
    plain = [record for record in records if record.arm == "audio" and not record.boost and record.seen is not None]
    for task, adapter in dict.fromkeys((record.task, record.adapter) for record in plain):
        of_task = [record for record in plain if (record.task, record.adapter) == (task, adapter)]
        rows.append((task, adapter, *(_share([r for r in of_task if r.seen == seen]) for seen in (True, False))))
    return Table(("task", "adapter", "seen in training", "unseen"), tuple(rows))


def paired(records: Sequence[Record]) -> Table:
    """Two ways to ask the same questions: boost on and off, adapter on and off, sound and silence, the order."""
    found = {(record.item, *way(record)): bool(record.right) for record in records if record.arm != "orders"}
    ways = list(dict.fromkeys(way(record) for record in records if record.arm != "orders"))
    rows = []
    for second in ways:
        for first in _partners(second, ways):
            pairs = [
                (found[(item, *first)], found[(item, *second)])
                for item in dict.fromkeys(key[0] for key in found)
                if (item, *first) in found and (item, *second) in found
            ]
            both, neither = pairs.count((True, True)), pairs.count((False, False))
            lost, won = pairs.count((True, False)), pairs.count((False, True))
            p = f"{mcnemar(lost, won):.3g}"
            rows.append((_named(first), _named(second), *map(str, (both, lost, won, neither)), p))
    return Table(
        ("first", "second", "both right", "only first", "only second", "both wrong", "p"),
        tuple(rows),
        "The same questions asked in two ways; p is McNemar's exact test, not corrected for how many are made.",
    )


def boosts_by_task(records: Sequence[Record]) -> Table:
    """Right answers by task and boost, the adapter the boosts were tried with, arm `audio`."""
    tried = [record for record in records if record.boost]
    adapters = {record.adapter for record in tried}
    audio = [record for record in records if record.arm == "audio" and record.adapter in adapters]
    settings = list(dict.fromkeys(record.boost for record in audio))
    rows = [
        (task, *(str(sum(bool(r.right) for r in audio if r.task == task and r.boost == boost)) for boost in settings))
        for task in dict.fromkeys(record.task for record in audio)
    ]
    return Table(("right by task", *(boost or "off" for boost in settings)), tuple(rows))


def in_orders(records: Sequence[Record]) -> Table:
    """What becomes of a question when its clips come in every order: is it right in all, and what does a vote give."""
    rows = []
    moved = _orders_of_items(records)
    for adapter in dict.fromkeys(adapter for _, adapter in moved):
        items = [found for (_, one), found in moved.items() if one == adapter]
        single = [bool(found[0].right) for found in items]
        rows.append(
            (
                adapter,
                _of(single),
                _of([all(bool(record.right) for record in found) for found in items]),
                _of([len({record.choice for record in found}) == 1 for found in items]),
                _of([vote_right(found) for found in items]),
                f"{np.mean([np.mean([bool(record.right) for record in found]) for found in items]):.3f}",
            )
        )
    return Table(
        ("adapter", "right as they come", "right in every order", "same answer in every order", "vote right", "mean"),
        tuple(rows),
        "Each question in every order of its clips; letters are mapped back. The vote is the choice made most often, "
        "a tie counts as wrong.",
    )


def places(records: Sequence[Record]) -> Table:
    """How often each place was chosen when every clip stood everywhere: a model without preference chooses all alike."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for found in _orders_of_items(records).values():
        for record in found:
            if record.choice is not None and record.choice in record.order:
                counts[record.adapter][letter(record.order.index(record.choice))] += 1
    letters = sorted({place for cells in counts.values() for place in cells})
    rows = [(adapter, *(str(cells.get(place, 0)) for place in letters)) for adapter, cells in counts.items()]
    return Table(("adapter", *(f"place {place}" for place in letters)), tuple(rows))


def against(records: Sequence[Record], value: Callable[[Record], float | None], name: str) -> Table:
    """Right answers by quarters of a number that was read beside them."""
    known = [(number, bool(record.right)) for record in records if (number := value(record)) is not None]
    if len(known) < 8:
        return Table((name, "right"), ())
    known.sort(key=lambda pair: pair[0])
    quarters = np.array_split(np.arange(len(known)), 4)
    rows = [
        (f"{known[part[0]][0]:.4g} to {known[part[-1]][0]:.4g}", _of([known[index][1] for index in part]))
        for part in quarters
    ]
    return Table((name, "right"), tuple(rows), "Quarters of the answers by that number, from the lowest to the highest.")


def vote_right(found: Sequence[Record]) -> bool:
    """Whether the choice made most often is right; a tie is not."""
    votes: dict[str, list[Record]] = defaultdict(list)
    for record in found:
        if record.choice is not None:
            votes[record.choice].append(record)
    most = max(map(len, votes.values()), default=0)
    leading = [choice for choice, records in votes.items() if len(records) == most]
    return len(leading) == 1 and bool(votes[leading[0]][0].right)


def _orders_of_items(records: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    """The records of each question and adapter in every order, that as it came first; those of one order are left out."""
    found: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if not record.boost and record.arm != "silence" and not record.error:
            found[record.item, record.adapter].append(record)
    for each in found.values():
        each.sort(key=lambda record: record.order)
    asked_all = {key for key, each in found.items() if any(record.arm == "orders" for record in each)}
    return {key: each for key, each in found.items() if key in asked_all}


def _partners(second: Way, ways: Sequence[Way]) -> list[Way]:
    """What a way to ask is compared with: the same without its boost, with the adapter off, with the sound as it is."""
    arm, adapter, boost = second
    if boost:
        wanted = [(arm, adapter, "")]
    elif arm != "audio":
        wanted = [("audio", adapter, "")]
    else:
        wanted = [(arm, "off", "")] if adapter == "on" else []
    return [one for one in wanted if one in ways]


def _named(one: Way) -> str:
    arm, adapter, boost = one
    return ", ".join((arm, f"adapter {adapter}", *([f"boost {boost}"] if boost else [])))


def _gate(of_task: Sequence[Record], wanted: float | None) -> tuple[str, str]:
    if wanted is None:
        return "-", ""
    asked = [record for record in of_task if record.arm == "audio" and record.adapter == "on"]
    reached = sum(bool(record.right) for record in asked) >= wanted * len(asked)
    return f"{100 * wanted:.0f} %", ("reached" if reached else "missed") if asked else ""


def _place(arm: str) -> int:
    return ("audio", "silence", "reversed", "orders").index(arm)


def _chance(records: Sequence[Record]) -> str:
    chances = [1 / record.choices for record in records if record.choices]
    return f"{100 * np.mean(chances):.0f} %" if chances else "-"


def _share(records: Sequence[Record]) -> str:
    return _of([bool(record.right) for record in records])


def _of(right: Sequence[bool]) -> str:
    return share(sum(right), len(right))

"""Readings as tables in Markdown, and as one line of JSON."""

import json
from collections.abc import Iterable, Sequence

from core.evaluation.log import Reading
from core.evaluation.plan import ADAPTERS, BoostAt, Plan
from core.evaluation.questions import ARMS
from core.evaluation.statistics import mcnemar, wilson
from core.training.gates import GATES

Counts = dict[str, dict[str, dict[str, list[int]]]]
"""{task: {adapter: {arm: [right, total]}}}."""


def counts(readings: Iterable[Reading]) -> Counts:
    """Right and asked, without boost."""
    found: Counts = {}
    for reading in readings:
        if not reading.boost:
            cell = found.setdefault(reading.task, {}).setdefault(reading.adapter, {}).setdefault(reading.arm, [0, 0])
            cell[0] += reading.right
            cell[1] += 1
    return found


def as_json(readings: Iterable[Reading]) -> str:
    """`counts` on one line."""
    return json.dumps(counts(readings))


def share(right: int, total: int) -> str:
    """A count with its share and Wilson's interval: `14/24 = 58 % (39-76)`."""
    low, high = wilson(right, total)
    return f"{right}/{total} = {100 * right / total:.0f} % ({100 * low:.0f}-{100 * high:.0f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with its columns lined up, to be read as it is."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def gates(readings: Sequence[Reading]) -> str:
    """Each gate by adapter and arm; a gate is reached by the share of arm `audio` with the adapter on."""
    found = counts(readings)
    arms = [arm for arm in ARMS if any(reading.arm == arm for reading in readings)]
    rows = []
    for task, adapters in found.items():
        choices = [reading.choices for reading in readings if reading.task == task and not reading.boost]
        chance = sum(1 / number for number in choices) / len(choices)
        wanted = GATES[task].share
        for adapter in (name for name in ADAPTERS if name in adapters):
            cells = adapters[adapter]
            verdict = ""
            if adapter == "on" and wanted is not None and "audio" in cells:
                right, total = cells["audio"]
                verdict = "reached" if right >= wanted * total else "missed"
            goal = "-" if wanted is None else f"{100 * wanted:.0f} %"
            read = [share(*cells[arm]) if arm in cells else "-" for arm in arms]
            rows.append([task, f"{100 * chance:.0f} %", goal, adapter, *read, verdict])
    return table(["task", "chance", "gate", "adapter", *arms, "the gate is"], rows)


def seen_and_unseen(readings: Iterable[Reading]) -> str:
    """Arm `audio`, apart by whether training had everything that a question is about."""
    cells: dict[tuple[str, str], dict[bool, list[int]]] = {}
    for reading in readings:
        if reading.arm == "audio" and not reading.boost:
            cell = cells.setdefault((reading.task, reading.adapter), {True: [0, 0], False: [0, 0]})[reading.seen]
            cell[0] += reading.right
            cell[1] += 1
    rows = [
        [task, adapter, *(share(*cell[seen]) if cell[seen][1] else "-" for seen in (True, False))]
        for (task, adapter), cell in cells.items()
    ]
    return table(["task", "adapter", "seen in training", "unseen"], rows)


def boosts(readings: Sequence[Reading], plan: Plan, adapter: str) -> str:
    """Each boost against none on the same questions: all gates together, then right answers gate by gate.

    Args:
        readings: Of the plan.
        plan: Names the boosts.
        adapter: `on` or `off`: the one the boosts were tried with.
    """
    right = {
        (reading.task, reading.question, reading.boost): reading.right
        for reading in readings
        if reading.arm == "audio" and reading.adapter == adapter
    }
    questions = [key[:2] for key in right if not key[2]]
    rows = []
    for boost in plan.boosts:
        pairs = [(right[(*key, "")], right[(*key, str(boost))]) for key in questions]
        both, off, on = pairs.count((True, True)), pairs.count((True, False)), pairs.count((False, True))
        neither = pairs.count((False, False))
        rows.append([*_named(boost), str(both), str(off), str(on), str(neither), f"{mcnemar(off, on):.3g}"])
    head = ["alpha", "layers", "both right", "only off", "only on", "both wrong", "McNemar's exact p"]
    tasks = list(dict.fromkeys(task for task, _ in questions))
    settings = ["", *map(str, plan.boosts)]
    by_task = [
        [task, *(str(sum(right[(*key, boost)] for key in questions if key[0] == task)) for boost in settings)]
        for task in tasks
    ]
    return table(head, rows) + "\n\n" + table(["right by task", "off", *map(str, plan.boosts)], by_task)


def _named(boost: BoostAt) -> tuple[str, str]:
    return f"{boost.alpha:g}", f"{boost.first}-{boost.last}"

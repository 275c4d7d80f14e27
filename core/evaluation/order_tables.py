"""What becomes of a question when its clips come in every order: consistency, a vote, and a liking for places."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from core.evaluation.arms import Plan
from core.evaluation.record import Record
from core.evaluation.tables import Table, share
from core.orders import vote
from core.types import letter


def in_every_order(records: Sequence[Record], plan: Plan) -> dict[str, list[list[Record]]]:
    """By adapter the questions that were asked and judged in all their orders: their records, as it comes first."""
    found: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.order and not record.silenced and not record.boost and record.right is not None:
            found[record.adapter, record.item].append(record)
    whole: dict[str, list[list[Record]]] = defaultdict(list)
    for (adapter, _), each in found.items():
        by_order = {_order(record): record for record in each}
        wanted = plan.every_order(len(each[0].order))
        if by_order.keys() >= set(wanted):
            whole[adapter].append([by_order[order] for order in wanted])
    return whole


def consistency(records: Sequence[Record], plan: Plan) -> Table:
    """Is a question right in all orders, is the answer the same, and what does a vote over the orders give."""
    rows = [
        (
            adapter,
            share([bool(each[0].right) for each in items]),
            f"{100 * np.mean([np.mean([bool(record.right) for record in each]) for each in items]):.1f} %",
            share([all(record.right for record in each) for each in items]),
            share([each[0].choice is not None and len({record.choice for record in each}) == 1 for each in items]),
            share([vote_is_right(each) for each in items]),
            str(sum(map(len, items))),
        )
        for adapter, items in in_every_order(records, plan).items()
    ]
    return Table(
        (
            *("adapter", "right as they come", "mean over orders", "right in every order", "same in every order"),
            *("vote is right", "answers"),
        ),
        tuple(rows),
        f"Each question whose clips may move, in every order of them, {plan.most_orders} at most; answers are told in "
        "the letters of the first order. The vote is the choice made most often; a tie is wrong. Questions that failed "
        "in one of the orders are left out.",
    )


def places(records: Sequence[Record], plan: Plan) -> Table:
    """How often each place was chosen when every clip stood at every place: without a liking, each as often."""
    counts: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for adapter, items in in_every_order(records, plan).items():
        for record in (record for each in items for record in each):
            if record.choice is not None and record.choice in list(record.order):
                counts[adapter, len(record.order)][letter(record.order.index(record.choice))] += 1
    letters = [letter(place) for place in range(max((clips for _, clips in counts), default=0))]
    rows = [
        (adapter, str(clips), *(str(cells[place]) if place < letter(clips) else "-" for place in letters))
        for (adapter, clips), cells in sorted(counts.items(), key=lambda pair: (pair[0][0] != "on", pair[0][1]))
    ]
    caption = "Questions that a clip answers: without a liking for a place, each is chosen as often as the others."
    return Table(("adapter", "clips", *(f"place {place}" for place in letters)), tuple(rows), caption)


def vote_is_right(each: Sequence[Record]) -> bool:
    """Whether the choice made most often over the orders is right; a tie is not, and neither is no choice at all."""
    right = {record.choice: bool(record.right) for record in each}
    said = {_order(record): record.choice for record in each if record.choice is not None}
    winner = vote(said).winner if said else None
    return winner is not None and right[winner]


def _order(record: Record) -> tuple[int, ...]:
    letters = sorted(record.order)
    return tuple(map(letters.index, record.order))

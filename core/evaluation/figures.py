"""Records as drawings: SVG in words, for a report that opens anywhere."""

import re
from collections.abc import Callable, Sequence
from io import StringIO

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from core.evaluation.record import Record
from core.evaluation.statistics import wilson
from core.evaluation.tables import way

# Okabe and Ito's colours, told apart by all kinds of colour vision; markers differ too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = "osD^v<>"


def accuracy(records: Sequence[Record]) -> str:
    """Right answers by task with Wilson's intervals, one mark for each arm and adapter, without boost; chance as a line."""
    plain = [record for record in records if not record.boost and record.arm != "orders" and not record.error]
    tasks = list(dict.fromkeys(record.task for record in plain))
    ways = list(dict.fromkeys(way(record) for record in plain))
    figure = Figure(figsize=(8, 1.2 + 0.42 * len(tasks)))
    axes = figure.subplots()
    for number, one in enumerate(ways):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        offset = (number - (len(ways) - 1) / 2) * 0.8 / max(len(ways), 1)
        for row, task in enumerate(tasks):
            right = [bool(record.right) for record in plain if record.task == task and way(record) == one]
            if right:
                low, high = wilson(sum(right), len(right))
                label = f"{one[0]}, adapter {one[1]}" if row == 0 else None
                axes.plot([100 * low, 100 * high], [row + offset] * 2, color=colour, linewidth=1.2)
                axes.plot(100 * np.mean(right), row + offset, marker, color=colour, markersize=5, label=label)
    for row, task in enumerate(tasks):
        chances = [1 / record.choices for record in plain if record.task == task and record.choices]
        if chances:
            axes.plot([100 * np.mean(chances)] * 2, [row - 0.45, row + 0.45], color="#888", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(tasks)), tasks)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("right answers, % (bars: Wilson's 95 %; dotted: chance)")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return _svg(figure, "Right answers by task, in each arm and with each adapter")


def boost_map(records: Sequence[Record]) -> str:
    """Right answers under each strength and band of MATA, less those without, as a map with its numbers in it."""
    tried = {record.boost for record in records if re.fullmatch(r"[\d.]+:\d+-\d+", record.boost)}
    alphas = sorted({float(boost.split(":")[0]) for boost in tried})
    bands = sorted({boost.split(":")[1] for boost in tried}, key=lambda band: int(band.split("-")[0]))
    audio = [record for record in records if record.arm == "audio"]
    off = {record.item: bool(record.right) for record in audio if not record.boost}
    change = np.full((len(alphas), len(bands)), np.nan)
    for row, alpha in enumerate(alphas):
        for column, band in enumerate(bands):
            on = {record.item: bool(record.right) for record in audio if record.boost == f"{alpha:g}:{band}"}
            if on:
                change[row, column] = 100 * np.mean([on[item] - off[item] for item in on if item in off])
    figure = Figure(figsize=(1.8 + 1.1 * len(bands), 1.4 + 0.5 * len(alphas)), layout="constrained")
    axes = figure.subplots()
    most = float(np.nanmax(np.abs(change))) or 1.0
    shown = axes.imshow(change, cmap="PuOr", vmin=-most, vmax=most, aspect="auto")
    for (row, column), value in np.ndenumerate(change):
        if not np.isnan(value):
            axes.text(column, row, f"{value:+.1f}", ha="center", va="center", fontsize=9)
    axes.set_xticks(range(len(bands)), [f"layers {band}" for band in bands])
    axes.set_yticks(range(len(alphas)), [f"{alpha:g}" for alpha in alphas])
    axes.set_ylabel("alpha")
    figure.colorbar(shown, label="points against no boost")
    return _svg(figure, "Right answers with each boost, in points against no boost")


def flips(records: Sequence[Record]) -> str:
    """For each boost how many questions it won and how many it lost against none."""
    audio = [record for record in records if record.arm == "audio"]
    off = {(record.item, record.adapter): bool(record.right) for record in audio if not record.boost}
    names = list(dict.fromkeys(record.boost for record in audio if record.boost))
    won, lost = [], []
    for name in names:
        pairs = [
            (off[record.item, record.adapter], bool(record.right))
            for record in audio
            if record.boost == name and (record.item, record.adapter) in off
        ]
        won.append(pairs.count((False, True)))
        lost.append(pairs.count((True, False)))
    figure = Figure(figsize=(7, 1.2 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    rows = np.arange(len(names))
    axes.barh(rows, won, color=COLOURS[0], label="won: only right with it")
    axes.barh(rows, [-count for count in lost], color=COLOURS[1], label="lost: only right without", hatch="//")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    axes.set_xlabel("questions")
    axes.legend(fontsize=8, frameon=False)
    return _svg(figure, "Questions that each boost won and lost against no boost")


def against(records: Sequence[Record], value: Callable[[Record], float | None], name: str) -> str:
    """How a number that was read beside the answers is spread over right and wrong ones; empty with too few."""
    known = [(number, bool(record.right)) for record in records if (number := value(record)) is not None]
    if len(known) < 8:
        return ""
    figure = Figure(figsize=(7, 2.2), layout="constrained")
    axes = figure.subplots()
    rng = np.random.default_rng(0)
    for row, (right, label) in enumerate(((True, "right"), (False, "wrong"))):
        numbers = [number for number, was in known if was == right]
        heights = row + rng.uniform(-0.28, 0.28, len(numbers))
        axes.plot(numbers, heights, MARKERS[row], color=COLOURS[row], markersize=3, alpha=0.5)
        if numbers:
            axes.plot([np.median(numbers)] * 2, [row - 0.4, row + 0.4], color="black", linewidth=2)
    axes.set_yticks((0, 1), ("right", "wrong"))
    axes.invert_yaxis()
    axes.set_xlabel(f"{name} (bars: medians)")
    return _svg(figure, f"{name} of right and of wrong answers")


def _svg(figure: Figure, sentence: str) -> str:
    """The figure as an SVG element with a sentence for those who do not see it; the same for the same figure."""
    text = StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "earshot", "font.family": "sans-serif"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    return svg.replace("<svg", f'<svg role="img" aria-label="{sentence}"', 1)

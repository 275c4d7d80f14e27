"""Records as drawings: SVG, for a report that opens anywhere. Needs matplotlib (requirements-evaluation.txt)."""

import re
from collections.abc import Callable, Sequence
from io import StringIO
from textwrap import shorten
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from core.evaluation.record import Record
from core.evaluation.statistics import wilson
from core.evaluation.tables import FEWEST, pairs_of, plain, rights, way, way_name, ways

# Okabe and Ito's colours, told apart by all kinds of colour vision; markers differ too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = "osD^v<>"

LEAST_POINTS = 5.0
"""The map's colours reach at least so far: a question or two are to look like little."""

STYLE: Any = {
    "svg.hashsalt": "earshot",
    "svg.fonttype": "path",  # letters are drawn: no font is needed where the report is read
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "text.parse_math": False,  # names of tasks are others' text, dollars and all
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.use": True,
}


def accuracy(records: Sequence[Record]) -> str:
    """Right answers by task with Wilson's intervals, a mark for each arm and adapter, without boost; chance dotted."""
    asked = plain(records)
    tasks, found = list(dict.fromkeys(record.task for record in asked)), ways(asked)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.5, 1.3 + len(tasks) * max(0.3, 0.13 * len(found))))
        axes = figure.subplots()
        for number, one in enumerate(found):
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            offset = (number - (len(found) - 1) / 2) * 0.8 / len(found)
            rows = [
                (row + offset, right)
                for row, task in enumerate(tasks)
                if (right := rights([record for record in asked if record.task == task and way(record) == one]))
            ]
            bounds = [wilson(sum(right), len(right)) for _, right in rows]
            heights, means = [row for row, _ in rows], [100 * np.mean(right) for _, right in rows]
            axes.hlines(heights, [100 * low for low, _ in bounds], [100 * high for _, high in bounds], colour, lw=1.2)
            axes.plot(means, heights, marker, color=colour, markersize=4.5, label=way_name(one))
        for row, task in enumerate(tasks):
            chances = [record.chance for record in asked if record.task == task and record.chance is not None]
            if chances:
                axes.vlines(100 * np.mean(chances), row - 0.46, row + 0.46, "#555555", linestyles="dotted", lw=1.4)
        axes.set_yticks(range(len(tasks)), list(map(_drawable, tasks)))
        axes.set_ylim(len(tasks) - 0.5, -0.5)
        axes.hlines(np.arange(len(tasks) - 1) + 0.5, 0, 100, "#dddddd", lw=0.6)
        axes.set_xlim(-1, 101)  # room for a mark at either end
        axes.set_xlabel("right answers in %; lines: Wilson's interval of 95 %, dotted: chance")
        axes.grid(axis="x", alpha=0.25)
        figure.legend(loc="outside upper center", ncols=2, fontsize=8, frameon=False)
        return _svg(figure)


def boost_map(records: Sequence[Record]) -> str:
    """The change of right answers under each strength and band of MATA, with the numbers; empty without such boosts."""
    tried = {record.boost for record in records if re.fullmatch(r"[\d.]+:\d+-\d+", record.boost)}
    if not tried:
        return ""
    alphas = sorted({boost.split(":")[0] for boost in tried}, key=float)
    bands = sorted({boost.split(":")[1] for boost in tried}, key=lambda band: tuple(map(int, band.split("-"))))
    adapter = next(record.adapter for record in records if record.boost in tried)
    change = np.full((len(alphas), len(bands)), np.nan)
    for row, alpha in enumerate(alphas):
        for column, band in enumerate(bands):
            pairs = pairs_of(records, ("audio", adapter, ""), ("audio", adapter, f"{alpha}:{band}"))
            if pairs:
                change[row, column] = 100 * np.mean([on - off for off, on in pairs])
    most = max(LEAST_POINTS, float(np.abs(np.nan_to_num(change)).max()))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.0 + 1.2 * len(bands), 1.2 + 0.5 * len(alphas)))
        axes = figure.subplots()
        shown = axes.imshow(change, cmap="PuOr", vmin=-most, vmax=most, aspect="auto")
        for (row, column), value in np.ndenumerate(change):
            if not np.isnan(value):
                colour = "white" if abs(value) > 0.6 * most else "black"
                axes.text(column, row, f"{value:+.1f}", ha="center", va="center", color=colour)
        axes.set_xticks(range(len(bands)), [f"layers {band}" for band in bands])
        axes.set_yticks(range(len(alphas)), alphas)
        axes.set_ylabel("strength (alpha)")
        figure.colorbar(shown, label="points against no boost")
        return _svg(figure)


def flips(records: Sequence[Record]) -> str:
    """For each boost how many questions it won and how many it lost against none; empty without boosts."""
    names = list(dict.fromkeys((record.boost, record.adapter) for record in records if record.boost))
    if not names:
        return ""
    pairs = [pairs_of(records, ("audio", adapter, ""), ("audio", adapter, boost)) for boost, adapter in names]
    won, lost = [one.count((False, True)) for one in pairs], [one.count((True, False)) for one in pairs]
    most, rows = max(*won, *lost, 1), np.arange(len(names))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 1.2 + 0.28 * len(names)))
        axes = figure.subplots()
        for counts, sign, colour, hatch, label in (
            (lost, -1, COLOURS[1], "///", "lost: right only without it"),
            (won, 1, COLOURS[0], "", "won: right only with it"),
        ):
            lengths = [sign * count for count in counts]
            axes.barh(rows, lengths, color=colour, hatch=hatch, edgecolor="white", label=label)
            for row, count in enumerate(counts):
                side = "left" if sign > 0 else "right"
                axes.text(sign * (count + 0.02 * most), row, str(count), ha=side, va="center", fontsize=8)
        axes.axvline(0, color="black", lw=0.8)
        axes.set_yticks(rows, [boost for boost, _ in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(-1.2 * most, 1.2 * most)
        axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        axes.set_xlabel("questions")
        figure.legend(loc="outside upper center", ncols=2, fontsize=8, frameon=False)
        return _svg(figure)


def against(records: Sequence[Record], value: Callable[[Record], float | None], name: str) -> str:
    """How a number that was read beside the answers is spread over right and wrong ones; empty with too few."""
    known = [(number, record.right) for record in records if (number := value(record)) is not None]
    judged = [(number, right) for number, right in known if right is not None]
    if len(judged) < FEWEST:
        return ""
    rng = np.random.default_rng(0)  # of the heights, which mean nothing
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 2.2))
        axes = figure.subplots()
        for row, wanted in enumerate((True, False)):
            numbers = [number for number, right in judged if right == wanted]
            heights = row + rng.uniform(-0.28, 0.28, len(numbers))
            axes.plot(numbers, heights, MARKERS[row], color=COLOURS[row], markersize=3, alpha=0.45)
            if numbers:
                axes.vlines(np.median(numbers), row - 0.4, row + 0.4, "black", lw=2)
        counts = [sum(right == wanted for _, right in judged) for wanted in (True, False)]
        axes.set_yticks((0, 1), (f"right ({counts[0]})", f"wrong ({counts[1]})"))
        axes.set_ylim(1.5, -0.5)
        axes.set_xlabel(f"{name}; upright lines: medians")
        return _svg(figure)


def _drawable(name: str) -> str:
    """A name in letters that the font has, of a length that leaves room for the drawing."""
    return shorten(name.encode("ascii", "backslashreplace").decode(), 36, placeholder=" ...")


def _svg(figure: Figure) -> str:
    """The figure as an SVG file, the same for the same figure."""
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()

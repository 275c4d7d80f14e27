"""The report of a run: Markdown to read anywhere, HTML with drawings, JSON for machines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from core.evaluation import tables
from core.evaluation.arms import Plan
from core.evaluation.item import Benchmark
from core.evaluation.record import Record
from core.evaluation.tables import Table

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 24px auto; padding: 0 16px; }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }
th, td { text-align: left; padding: 4px 10px; border-bottom: 1px solid #8885; white-space: nowrap; }
figure { margin: 12px 0; background: #fff; border-radius: 8px; overflow-x: auto; }
p.caption { opacity: 0.75; font-size: 13px; }
.theirs { border-left: 4px solid #d55e00; padding-left: 12px; }
"""
THEIRS = "Published by others, on other prompts and machines: shown beside ours, not measured here."


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: Its heading.
        table: Numbers, or None.
        text: Markdown, for what is no table.
        drawing: SVG, for the HTML; empty without.
        theirs: Whether others measured it.
    """

    title: str
    table: Table | None = None
    text: str = ""
    drawing: str = ""
    theirs: bool = False


def sections(
    benchmark: Benchmark,
    plan: Plan,
    records: Sequence[Record],
    header: Mapping[str, Any],
    wanted: Mapping[str, float] | None = None,
    drawn: bool = True,
) -> list[Section]:
    """All that the records say.

    Args:
        benchmark: What was asked.
        plan: How.
        records: The answers.
        header: Model and settings, as the log has them.
        wanted: The share each task is meant to reach.
        drawn: Whether to draw; needs matplotlib.
    """
    found = [Section("Settings", _settings(benchmark, plan, records, header))]
    for reading in plan.readings:
        read = [record for record in records if record.reading == reading]
        if read:
            found += _of_reading(reading, plan, read, wanted, drawn)
    failed = [record for record in records if record.error]
    if failed:
        rows = tuple((record.item, record.arm, record.error) for record in failed)
        found.append(Section("Passed over", Table(("question", "arm", "why"), rows)))
    if benchmark.anchors:
        rows = tuple((anchor.model, f"{anchor.percent:g} %", anchor.source) for anchor in benchmark.anchors)
        found.append(Section("Anchors", Table(("model", "right", "source"), rows, THEIRS), theirs=True))
    return found


def _of_reading(
    reading: str, plan: Plan, records: Sequence[Record], wanted: Mapping[str, float] | None, drawn: bool
) -> list[Section]:
    """What one way to read an answer gives."""
    drawings = _drawings(records, drawn)
    told = {"likelihood": "likeliest choice", "free": "free words"}[reading]
    found = [Section(f"By task, {told}", tables.by_task(records, wanted), drawing=drawings["accuracy"])]
    if any(record.seen is not None for record in records):
        found.append(Section(f"Seen and unseen, {told}", tables.seen_and_unseen(records)))
    found.append(Section(f"Asked in two ways, {told}", tables.paired(records), drawing=drawings["flips"]))
    if any(record.boost for record in records):
        found.append(Section(f"Boosts, {told}", tables.boosts_by_task(records), drawing=drawings["boosts"]))
    if "orders" in plan.arms:
        found.append(Section(f"In every order, {told}", tables.in_orders(records)))
        found.append(Section(f"Places chosen, {told}", tables.places(records)))
    audio = [record for record in records if record.arm == "audio" and not record.boost]
    for value, name, key in (
        (lambda record: record.audio, "Share of attention on audio", "attention"),
        (lambda record: record.effect, "Effect of the clips, nats a token", "effect"),
    ):
        table = tables.against(audio, value, name)
        if table.rows:
            found.append(Section(f"{name} against right answers, {told}", table, drawing=drawings[key]))
    return found


def _drawings(records: Sequence[Record], drawn: bool) -> dict[str, str]:
    """SVG by name; empty where there is nothing to draw, or no library to draw with."""
    names = ("accuracy", "flips", "boosts", "attention", "effect")
    if not drawn:
        return dict.fromkeys(names, "")
    from core.evaluation import figures  # noqa: PLC0415 - matplotlib is an extra, and slow to load

    audio = [record for record in records if record.arm == "audio" and not record.boost]
    boosted = any(record.boost for record in records)
    return {
        "accuracy": figures.accuracy(records),
        "flips": figures.flips(records) if boosted else "",
        "boosts": figures.boost_map(records) if boosted else "",
        "attention": figures.against(audio, lambda record: record.audio, "share of attention on audio"),
        "effect": figures.against(audio, lambda record: record.effect, "effect of the clips, nats a token"),
    }


def _settings(
    benchmark: Benchmark, plan: Plan, records: Sequence[Record], header: Mapping[str, Any]
) -> Table:
    told = {
        "benchmark": f"{benchmark.title} ({benchmark.source})",
        "questions asked": str(len({record.item for record in records})),
        "arms": ", ".join(plan.arms),
        "adapters": ", ".join(plan.adapters),
        "boosts": ", ".join(map(str, plan.boosts)) or "none",
        "readings": ", ".join(plan.readings),
        **{name: str(value) for name, value in header.items() if name not in {"noise", "benchmark"}},
    }
    return Table(("setting", "value"), tuple(told.items()))


def markdown(title: str, parts: Iterable[Section]) -> str:
    """The report as Markdown; drawings are left out."""
    blocks = [f"# {title}"]
    for part in parts:
        blocks.append(f"## {part.title}")
        if part.table is not None:
            blocks += [_markdown_table(part.table), *([part.table.caption] if part.table.caption else [])]
        blocks += [part.text] if part.text else []
    return "\n\n".join(blocks) + "\n"


def html(title: str, parts: Iterable[Section]) -> str:
    """The report as one HTML file: no script, nothing fetched, drawings inside."""
    blocks = []
    for part in parts:
        mark = ' class="theirs"' if part.theirs else ""
        table = _html_table(part.table) if part.table is not None else ""
        text = f"<pre>{escape(part.text)}</pre>" if part.text else ""
        drawing = f"<figure>{part.drawing}</figure>" if part.drawing else ""
        blocks.append(f"<section{mark}><h2>{escape(part.title)}</h2>{drawing}{table}{text}</section>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{''.join(blocks)}</body></html>\n"
    )


def as_json(header: Mapping[str, Any], parts: Iterable[Section]) -> str:
    """The tables for machines, on one line."""
    found = {
        part.title: [dict(zip(part.table.head, row, strict=True)) for row in part.table.rows]
        for part in parts
        if part.table is not None
    }
    return json.dumps({"header": dict(header), "tables": found})


def counts(records: Iterable[Record]) -> dict[str, dict[str, dict[str, list[int]]]]:
    """Right and asked, without boost: `{task: {adapter: {arm: [right, total]}}}`."""
    found: dict[str, dict[str, dict[str, list[int]]]] = {}
    for record in records:
        if not record.boost and not record.error and record.arm != "orders":
            cell = found.setdefault(record.task, {}).setdefault(record.adapter, {}).setdefault(record.arm, [0, 0])
            cell[0] += bool(record.right)
            cell[1] += 1
    return found


def _markdown_table(table: Table) -> str:
    """With its columns lined up, to be read as it is."""
    cells = [[_one_line(cell).replace("|", "\\|") for cell in row] for row in (table.head, *table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.head))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    caption = f'<p class="caption">{escape(table.caption)}</p>' if table.caption else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{caption}"


def _one_line(cell: str) -> str:
    return " ".join(cell.split())

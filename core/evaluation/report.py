"""The report of a run: Markdown to read anywhere, HTML with drawings, JSON for machines."""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from core.evaluation import order_tables, tables
from core.evaluation.arms import Plan
from core.evaluation.item import Benchmark
from core.evaluation.record import Record
from core.evaluation.tables import Table

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 24px auto; padding: 0 16px; }
h1 { font-size: 24px; line-height: 1.3; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 32px 0 8px; }
.wide { overflow-x: auto; }
.wide:focus-visible { outline: 2px solid #0072b2; outline-offset: 2px; }
table { border-collapse: collapse; font-size: 13px; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid #8886; vertical-align: top; }
td { white-space: nowrap; }
td.long { white-space: normal; min-width: 240px; overflow-wrap: anywhere; }
th { vertical-align: bottom; min-width: 60px; }
td:first-child, th:first-child { position: sticky; left: 0; background: Canvas; }
p.caption, p.note { font-size: 13px; max-width: 720px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.5 ui-monospace, monospace; }
figure { margin: 12px 0; background: #fff; border-radius: 8px; padding: 8px; }
figure img { display: block; min-width: 560px; max-width: 100%; height: auto; margin: 0 auto; }
section.theirs { border: 2px dashed #d55e00; border-radius: 8px; padding: 0 16px 8px; margin-top: 32px; }
section.theirs h2 { margin-top: 12px; }
"""
THEIRS = "Figures of others, on their machines, by their prompts and judges: for orientation, not measured here."
LONG = 48
"""Characters from which a cell of the HTML wraps."""
LONG_CELL = ' class="long"'

READINGS = {"likelihood": "likeliest choice", "free": "free words"}


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: Its heading.
        table: Numbers, or None.
        text: Markdown, for what is no table.
        drawing: An SVG file, for the HTML; empty without.
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
    settings: Mapping[str, str],
    wanted: Mapping[str, float] | None = None,
    drawn: bool = True,
) -> list[Section]:
    """All that the records say.

    Args:
        benchmark: What was asked.
        plan: How.
        records: The answers.
        settings: What they depend on, in words.
        wanted: The share each task is meant to reach (`tables.by_task`).
        drawn: Whether to draw; needs matplotlib.
    """
    found = [Section("Settings", Table(("setting", "value"), tuple(settings.items())))]
    for reading in plan.readings:
        read = [record for record in records if record.reading == reading]
        if read:
            found += _of_reading(READINGS[reading], plan, read, wanted, drawn)
    failed = tuple((record.item, record.arm, record.adapter, record.error) for record in records if record.error)
    if failed:
        found.append(Section("Passed over", Table(("question", "arm", "adapter", "why"), failed)))
    if benchmark.anchors:
        rows = tuple((anchor.model, f"{anchor.percent:g} %", anchor.source) for anchor in benchmark.anchors)
        found.append(Section("What others published", Table(("model", "right", "source"), rows, THEIRS), theirs=True))
    return found


def _of_reading(
    told: str, plan: Plan, records: Sequence[Record], wanted: Mapping[str, float] | None, drawn: bool
) -> list[Section]:
    """What one way to read an answer gives; tables without rows are left out."""
    audio = [record for record in records if record.arm == "audio" and not record.boost]
    found = [
        ("By task", tables.by_task(records, wanted), "accuracy"),
        ("Answers", tables.tallies(records), ""),
        ("Seen and unseen", tables.seen_and_unseen(records), ""),
        ("The same questions in two ways", tables.paired(records), "flips"),
    ]
    if any(record.boost for record in records):
        found.append(("Boosts by task", tables.boosts_by_task(records), "boosts"))
    if "orders" in plan.arms:
        found.append(("In every order", order_tables.consistency(records, plan), ""))
        found.append(("Places chosen", order_tables.places(records, plan), ""))
    share, effect = "Attention on audio", "Effect of the clips in nats a token"
    for adapter in plan.adapters:  # apart: else the numbers would tell the adapters from one another
        asked, name = [record for record in audio if record.adapter == adapter], f"and right answers, adapter {adapter}"
        found.append((f"{share} {name}", tables.against(asked, _share, share), f"share {adapter}"))
        found.append((f"{effect} {name}", tables.against(asked, _effect, effect), f"effect {adapter}"))
    drawings = _drawings(records, audio, plan) if drawn else {}
    return [
        Section(f"{title}: {told}", table, drawing=drawings.get(key, "")) for title, table, key in found if table.rows
    ]


def _share(record: Record) -> float | None:
    return record.audio


def _effect(record: Record) -> float | None:
    return record.effect


def _drawings(records: Sequence[Record], audio: Sequence[Record], plan: Plan) -> dict[str, str]:
    """SVG by name; empty where there is nothing to draw."""
    from core.evaluation import figures  # noqa: PLC0415 - matplotlib is an extra, and slow to load

    found = {
        "accuracy": figures.accuracy(records),
        "flips": figures.flips(records),
        "boosts": figures.boost_map(records),
    }
    for adapter in plan.adapters:
        asked = [record for record in audio if record.adapter == adapter]
        found[f"share {adapter}"] = figures.against(asked, _share, "share of attention on audio, the sink left out")
        found[f"effect {adapter}"] = figures.against(asked, _effect, "effect of the clips in nats a token")
    return found


def markdown(title: str, parts: Iterable[Section]) -> str:
    """The report as Markdown; drawings are left out."""
    blocks = [f"# {_one_line(title)}"]
    for part in parts:
        blocks.append(f"## {part.title}")
        if part.table is not None:
            blocks += [markdown_table(part.table), *([part.table.caption] if part.table.caption else [])]
        blocks += [part.text] if part.text else []
    return "\n\n".join(blocks) + "\n"


def html(title: str, parts: Iterable[Section]) -> str:
    """The report as one HTML file: no script, nothing fetched, drawings inside."""
    blocks = []
    for part in parts:
        name, mark = escape(part.title), ' class="theirs"' if part.theirs else ""
        inside = [f"<h2>{name}</h2>"]
        if part.drawing:
            source = b64encode(part.drawing.encode()).decode()
            picture = (
                f'<img alt="{name}, drawn: the numbers are in the table" src="data:image/svg+xml;base64,{source}">'
            )
            inside.append(
                f'<figure class="wide" tabindex="0" role="region" aria-label="Drawing: {name}">{picture}</figure>'
            )
        if part.table is not None:
            inside.append(_html_table(name, part.table))
        inside += [f"<pre>{escape(part.text)}</pre>"] if part.text else []
        blocks.append(f"<section{mark}>{''.join(inside)}</section>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{''.join(blocks)}</main></body></html>\n"
    )


def machine(settings: Mapping[str, Any], records: Sequence[Record], parts: Iterable[Section]) -> str:
    """Settings, counts and tables on one line of JSON.

    Without boost: `{reading: {task: {adapter: {arm: [right, judged]}}}}`.
    """
    counts: dict[str, dict[str, dict[str, dict[str, list[int]]]]] = {}
    for record in tables.plain(records):
        if record.right is not None:
            tasks = counts.setdefault(record.reading, {}).setdefault(record.task, {})
            cell = tasks.setdefault(record.adapter, {}).setdefault(record.arm, [0, 0])
            cell[0] += record.right
            cell[1] += 1
    found = {
        part.title: [dict(zip(part.table.head, row, strict=True)) for row in part.table.rows]
        for part in parts
        if part.table is not None
    }
    return json.dumps({"settings": dict(settings), "counts": counts, "tables": found})


def markdown_table(table: Table) -> str:
    """With its columns lined up, to be read as it is."""
    cells = [[_one_line(cell) for cell in row] for row in (table.head, *table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.head))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _html_table(name: str, table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head)
    rows = "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>" for row in table.rows)
    caption = f'<p class="caption">{escape(table.caption)}</p>' if table.caption else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="Table: {name}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{caption}"
    )


def _html_cell(cell: str) -> str:
    return f"<td{LONG_CELL if len(cell) > LONG else ''}>{escape(cell)}</td>"


def _one_line(text: str) -> str:
    """A text that stays within its cell or heading, and is no markup there."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")

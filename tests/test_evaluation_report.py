"""The report on records made by hand: shares, pairs, votes, and a page that is safe whatever a task is called."""

import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from core.evaluation import order_tables, report, tables
from core.evaluation.arms import Plan
from core.evaluation.benchmarks import BENCHMARKS
from core.evaluation.item import Anchor
from core.evaluation.record import Record
from tests.seen import HOSTILE, Elements

PLAN = Plan(arms=("audio", "silence", "orders"), readings=("likelihood", "free"))


def of(item: str, right: bool | None = True, **more: object) -> Record:
    chosen = {"choice": "A" if right else "B", "chance": 0.5, "adapter": "on", "reading": "likelihood"}
    return replace(Record(item, "presence", right=right), **{**chosen, **more})  # type: ignore[arg-type]


def row(table: tables.Table, first: str) -> tuple[str, ...]:
    (found,) = (one for one in table.rows if one[0] == first)
    return found


def in_orders(item: str, choices: Sequence[str | None], wanted: str = "A", **more: object) -> list[Record]:
    """The answers to one question in each order of three clips, or two."""
    letters = "ABC" if len(choices) == 6 else "AB"
    places = map("".join, permutations(letters))
    return [
        of(item, choice == wanted, choice=choice, order=order, **more)
        for order, choice in zip(places, choices, strict=True)
    ]


def test_a_share_has_its_count_and_interval() -> None:
    assert tables.share([True] * 14 + [False] * 10) == "14/24 = 58 % (39-76)"
    assert tables.share([]) == "-"


def test_a_gate_is_reached_or_missed() -> None:
    rows = [of(str(number), number < 17) for number in range(20)]
    found = tables.by_task(rows, {"presence": 0.85})
    assert row(found, "presence") == ("presence", "50 %", "17/20 = 85 % (64-95)", "85 %", "reached")
    assert row(tables.by_task([*rows, of("20", False)], {"presence": 0.85}), "presence")[-1] == "missed"
    assert row(tables.by_task(rows, {}), "presence")[-2:] == ("-", "")


def test_each_task_counts_the_same_in_the_mean() -> None:
    rows = [of(str(number), task="large") for number in range(30)] + [
        of(f"s{n}", False, task="small") for n in range(2)
    ]
    assert row(tables.by_task(rows), "mean over tasks")[2].startswith("2 tasks: 50.0 % (50.0-50.0)")


def test_what_could_not_be_read_or_judged_is_told_apart() -> None:
    free = {"reading": "free"}
    rows = [of("1", **free), of("2", False, **free), of("3", False, choice=None, **free)]
    rows += [of("4", None, choice=None, **free), of("5", None, choice=None, error="no memory", **free)]
    rows += [of("6", True, choice=None, chance=None, **free)]  # judged by its form: it chooses nothing
    assert row(tables.tallies(rows), "audio, adapter on")[1:] == ("6", "2", "2", "1", "1", "1")
    assert row(tables.by_task(rows), "presence")[2].startswith("2/4 = 50 %")


def test_two_ways_are_compared_question_by_question() -> None:
    off, on = [True, True, False, False, False], [True, False, True, True, False]
    rows = [of(str(number), right) for number, right in enumerate(off)]
    rows += [of(str(number), right, boost="0.1:1-2") for number, right in enumerate(on)]
    rows += [of("0", None, boost="0.1:1-2", task="x"), of("alone")]
    assert tables.paired(rows).rows == (
        ("audio, adapter on", "audio, adapter on, boost 0.1:1-2", "1", "1", "2", "1", "1"),
    )
    rows = [of(str(number), number < 9, adapter="on") for number in range(10)]
    rows += [of(str(number), number == 9, adapter="off") for number in range(10)]
    assert tables.paired(rows).rows == (("audio, adapter off", "audio, adapter on", "0", "1", "9", "0", "0.0215"),)


def test_seen_and_unseen_are_apart() -> None:
    rows = [
        of("1", seen=True),
        of("2", False, seen=True),
        of("3", seen=False),
        of("4", False, silenced=True, seen=False),
    ]
    assert tables.seen_and_unseen(rows).rows == (("presence", "on", "1/2 = 50 % (9-91)", "1/1 = 100 % (21-100)"),)


def test_a_vote_is_the_choice_made_most_often_and_a_tie_is_wrong() -> None:
    for choices, right in (
        ("AAAABC", True),
        ("AABBBB", False),
        ("AAABBB", False),
        ("AABBCC", False),
        (["A", None, None, None, None, None], True),
        ([None] * 6, False),
    ):
        assert order_tables.vote_is_right(in_orders("1", list(choices))) is right


def test_consistency_counts_whole_questions() -> None:
    rows = in_orders("1", "AAAAAA") + in_orders("2", "BBBBBB") + in_orders("3", "AAAAAB") + in_orders("4", [None] * 6)
    rows += in_orders("5", "AA") + in_orders("6", "AAAAAA")[:5]  # the last one failed in an order
    rows += [of("7", order="")]  # its clips may not move
    (found,) = order_tables.consistency(rows, PLAN).rows
    assert found[:2] == ("on", "3/5 = 60 % (23-88)") and found[2] == "56.7 %"
    assert [cell.split(" ")[0] for cell in found[3:]] == ["2/5", "3/5", "3/5", "26"]


def test_a_sample_of_orders_counts_without_the_reverse_that_was_asked_beside() -> None:
    plan = replace(PLAN, most_orders=3)  # the three rotations
    (found,) = order_tables.consistency(in_orders("1", "ABBAAB"), plan).rows
    assert found[-1] == "3" and found[3].startswith("1/1")


def test_a_liking_for_a_place_shows() -> None:
    always_first = [order[0] for order in permutations("ABC")]
    assert order_tables.places(in_orders("1", always_first), PLAN).rows == (("on", "3", "6", "0", "0"),)
    assert order_tables.places(in_orders("1", "AAAAAA"), PLAN).rows == (("on", "3", "2", "2", "2"),)
    assert not order_tables.places(in_orders("1", ["yes", "no"]), PLAN).rows


def test_quarters_of_a_number() -> None:
    rows = [of(str(number), number >= 6, audio=number / 10) for number in range(8)] + [of("none")]
    found = tables.against(rows, lambda record: record.audio, "share")
    assert [cells[0] for cells in found.rows] == ["0 to 0.1", "0.2 to 0.3", "0.4 to 0.5", "0.6 to 0.7"]
    assert [cells[1].split(" ")[0] for cells in found.rows] == ["0/2", "0/2", "0/2", "2/2"]
    assert not tables.against(rows[:5], lambda record: record.audio, "share").rows


def everything() -> list[Record]:
    """Records of every kind, of tasks with hostile names."""
    rows: list[Record] = []
    names = [*HOSTILE, "cost $1$ and $x"]
    for number in range(2 * len(names)):
        for adapter in ("on", "off"):
            for reading in ("likelihood", "free"):
                more = {"adapter": adapter, "reading": reading, "task": names[number % len(names)]}
                read = {"audio": number / 20, "effect": number / 7 - 1} if reading == "free" else {}
                rows += [of(str(number), number % 3 > 0, order="AB", seen=number > 4, **more, **read)]
                rows += [of(str(number), number % 4 > 0, order="BA", **more)]
                rows += [of(str(number), number % 2 > 0, order="AB", silenced=True, **more)]
                boosts = [f"{alpha}:{band}" for alpha in (0.1, 0.2) for band in ("0-9", "10-19")]
                rows += [of(str(number), number % 5 > 0, order="AB", boost=boost, **more) for boost in boosts]
    return [*rows, of(HOSTILE[1], None, choice=None, error=HOSTILE[0], task=HOSTILE[0])]


@pytest.fixture(scope="module")
def parts() -> list[report.Section]:
    benchmark = replace(BENCHMARKS["pairs"], anchors=(Anchor(HOSTILE[1], 12.3, HOSTILE[0]),))
    return report.sections(benchmark, PLAN, everything(), {"model": HOSTILE[1]}, {"presence": 0.8})


EACH = ["By task", "The same questions in two ways", "Boosts by task"]
READ = ["Attention on audio", "Effect of the clips in nats a token"]


def test_every_drawing_is_there(parts: list[report.Section]) -> None:
    drawn = [part.title.split(":")[0] for part in parts if part.drawing]
    both = [f"{name} and right answers, adapter {adapter}" for adapter in ("on", "off") for name in READ]
    assert drawn == [*EACH, *EACH, *both]
    for part in parts:
        if part.drawing:
            words = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(part.drawing).iter()}
            assert "svg" in words and not words & {"script", "text", "foreignObject", "a"}, "letters are drawn"


def test_the_page_holds_everything_and_hostile_names_are_text(parts: list[report.Section]) -> None:
    page = report.html(f"Pairs: {HOSTILE[1]}", parts)
    seen = Elements(page)
    assert set(HOSTILE) <= set(seen.words) and "script" not in seen.tags
    for name, value in seen.attributes:
        assert name not in {"href", "onerror", "onclick"}
        if name == "src":
            content = b64decode(str(value).removeprefix("data:image/svg+xml;base64,")).decode()
            addresses = re.findall(r"(?:href|src)=\"([^\"]*)\"", content)
            assert all(address.startswith(("#", "data:image/png")) for address in addresses)
    assert "://" not in page
    assert page.count("<img") == len([part for part in parts if part.drawing])
    assert '<section class="theirs"><h2>What others published' in page and report.THEIRS in page


def test_markdown_has_the_tables_and_no_markup_of_others(parts: list[report.Section]) -> None:
    text = report.markdown(f"Pairs: {HOSTILE[1]}", parts)
    page = MarkdownIt("commonmark").enable("table").render(text)
    seen = Elements(page)
    assert "script" not in seen.tags and "img" not in seen.tags
    assert page.count("<table>") == len([part for part in parts if part.table])
    assert report.THEIRS in text


def test_a_report_without_drawings_needs_no_library_for_them() -> None:
    plain = report.sections(BENCHMARKS["pairs"], PLAN, everything(), {}, drawn=False)
    assert not any(part.drawing for part in plain)


def test_a_drawing_is_the_same_for_the_same_records() -> None:
    one, other = (report.sections(BENCHMARKS["pairs"], PLAN, everything(), {}) for _ in range(2))
    assert [part.drawing for part in one] == [part.drawing for part in other]

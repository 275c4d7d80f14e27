"""`python -m core.evaluation NAME`: runs a benchmark and writes a report one can trust (docs/evaluation.md)."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from core.errors import LalmError, LoadError
from core.evaluation import report
from core.evaluation.arms import ADAPTERS, ARMS, MOST_ORDERS, READINGS, Plan, default_adapter, grid, read_boosts
from core.evaluation.benchmarks import BENCHMARKS
from core.evaluation.chat import chat_check
from core.evaluation.free import free_answers
from core.evaluation.item import Benchmark
from core.evaluation.record import Log, Record
from core.evaluation.report import Section
from core.evaluation.runner import Asking, cost, run
from core.evaluation.survey import Survey, header
from core.evaluation.tables import Table
from core.files import save_whole
from core.lalm import Lalm
from core.load import load
from core.placement import PRECISIONS
from core.training.gates import GATES

NO_DRAWINGS = "No drawings: they need matplotlib, pip install -r requirements-evaluation.txt."
PATIENCE = timedelta(days=30)
"""How long a process waits for the others at the end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything asked for was asked and written, 2 when it could not be, 130 when it was interrupted."""
    given = parser().parse_args(arguments)
    state = processes()
    try:
        lalm = load(given.model, given.precision, given.adapter, lambda line: print(line, file=sys.stderr, flush=True))
        if not isinstance(lalm, Lalm):
            raise LoadError("Only a model that is loaded here can be measured: name a checkpoint or a folder.")
        evaluate(lalm, given, state)
    except LalmError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted: the answers so far are kept, the same command goes on.", file=sys.stderr)
        return 130
    finally:
        state.destroy_process_group()
    return 0


def processes() -> PartialState:
    """Which of how many processes this is; made before the model is loaded, for it says on which GPU that goes."""
    return PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)


def evaluate(lalm: Lalm, given: argparse.Namespace, state: PartialState) -> None:
    """Asks what the arguments ask for, and writes the report into `--out`; prints it too.

    Raises:
        LalmError: In words for the person who asked.
    """
    benchmark, plan = BENCHMARKS[given.name], plan_of(lalm, given)
    plan.check(lalm)
    survey = Survey.of(benchmark, given.data, given.tasks, given.per_task)
    pinned = header(lalm, benchmark, survey.digest, plan.effects)
    log = Log.open(given.out, benchmark.name, pinned, state.process_index, given.retry)
    costs = {key: cost(item, plan) for key, item in survey.items.items()}
    items = survey.asked(benchmark, given.data)
    run(Asking(lalm, benchmark, plan, log), items, costs, state.process_index, state.num_processes)
    state.wait_for_everyone()
    if state.is_main_process:
        log.read_again()
        found = [record for record in log.known.values() if asked_for(record, survey, plan, default_adapter(lalm))]
        order = {key: number for number, key in enumerate(survey.items)}
        found.sort(key=lambda record: order[record.item])  # of several processes each had its own questions
        write(lalm, benchmark, survey, plan, found, pinned, given)
    log.close()


def asked_for(record: Record, survey: Survey, plan: Plan, adapter: str) -> bool:
    """Whether a record in the log is of this survey and plan: another run may have asked more, or else.

    Args:
        record: Of the log.
        survey: Which questions.
        plan: Which arms.
        adapter: `on` or `off`: the one that boosts are tried with.
    """
    item = survey.items.get(record.item)
    if item is None or not record.reading:
        return item is not None
    places = [ord(name) - ord("A") for name in record.order]
    boosts = {"", *map(str, plan.boosts)} if (record.arm, record.adapter) == ("audio", adapter) else {""}
    return (
        (record.silenced, tuple(places)) in plan.orders_of(item.movable)
        and record.adapter in plan.adapters
        and record.boost in boosts
        and record.reading in plan.readings
    )


def write(
    lalm: Lalm,
    benchmark: Benchmark,
    survey: Survey,
    plan: Plan,
    records: Sequence[Record],
    pinned: dict[str, Any],
    given: argparse.Namespace,
) -> None:
    """The report as Markdown, HTML and JSON; Markdown and JSON are printed too, JSON as the last line."""
    drawn = importlib.util.find_spec("matplotlib") is not None
    if not drawn:
        print(NO_DRAWINGS, file=sys.stderr)
    answered = {record.item for record in records if not record.error}
    settings = {
        "benchmark": f"{benchmark.title} ({benchmark.source})",
        "asked": f"{len(survey.items)} questions, of which {len(answered)} have answers",
        "arms": ", ".join(plan.arms),
        "adapters": ", ".join(plan.adapters),
        "boosts": ", ".join(map(str, plan.boosts)) or "none",
        "readings": ", ".join(plan.readings),
        **{name.replace("_", " "): str(value) for name, value in pinned.items() if name not in {"format", "benchmark"}},
        # of the embedded model in int8 they are not the same
        "free words by": type(lalm.decoder).__name__,
        "likelihoods by": f"torch, {str(lalm.loaded.model.dtype).removeprefix('torch.')}",
    }
    pairs = benchmark.name == "pairs"
    wanted = {task: gate.share for task, gate in GATES.items() if gate.share is not None} if pairs else None
    parts = report.sections(benchmark, plan, records, settings, wanted, drawn)
    if pairs and given.chat:
        parts.append(Section("Chat", chat_check(lalm, plan.adapters)))
    if pairs and given.free:
        parts.append(
            Section("In free words", text="\n\n".join(free_answers(lalm, given.data, plan.adapters, given.free)))
        )
    parts += by_its_own_rules(benchmark, survey, records, default_adapter(lalm), given.out)
    title = f"{benchmark.title}: {lalm.info.name}, {lalm.info.precision}"
    text, line = report.markdown(title, parts), report.machine(settings, records, parts)
    for suffix, content in ((".md", text), (".html", report.html(title, parts)), (".json", f"{line}\n")):
        save_whole(given.out / f"{benchmark.name}{suffix}", content)
    print(text, line, sep="\n", flush=True)


def by_its_own_rules(
    benchmark: Benchmark, survey: Survey, records: Sequence[Record], adapter: str, folder: Path
) -> list[Section]:
    """What the benchmark makes of the answers in free words as in the app: its own figures, and files for its judge."""
    free = [
        record
        for record in records
        if (record.reading, record.arm, record.adapter, record.boost) == ("free", "audio", adapter, "")
        and not record.error
    ]
    if free and benchmark.predictions is not None:
        answered = [(survey.items[record.item], record.words) for record in free]
        benchmark.predictions(folder / f"{benchmark.name}-predictions", answered)
    if not free or benchmark.published is None:
        return []
    figures = benchmark.published([(survey.items[record.item], bool(record.right)) for record in free])
    head = ("set", *next(iter(figures.values())))
    rows = tuple((name, *numbers.values()) for name, numbers in figures.items())
    caption = f"As the benchmark itself counts; {len(free)} answers, with their intervals above."
    return [Section("Its own figures", Table(head, rows, caption))]


def plan_of(lalm: Lalm, given: argparse.Namespace) -> Plan:
    """What the arguments ask for."""
    return Plan(
        adapters=tuple(given.adapters or (ADAPTERS if lalm.info.adapters else ("off",))),
        arms=tuple(given.arms),
        boosts=grid(lalm.lens.depth) if given.grid else read_boosts(given.boost) if given.boost else (),
        readings=tuple(given.read),
        most_orders=given.orders,
        effects=given.effects,
    )


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    top = argparse.ArgumentParser(prog="python -m core.evaluation", description=__doc__)
    add = top.add_argument
    add("name", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    add("--data", "--corpus", type=Path, metavar="FOLDER", help="the benchmark's files; without, the data hub")
    add("--model", default="embedded", help="embedded, a checkpoint or a folder")
    add("--precision", default="auto", choices=PRECISIONS)
    add("--adapter", action="append", default=[], metavar="FOLDER", help="a PEFT folder, as for app.py")
    add("--per-task", "--questions", type=_count, default=0, metavar="N", help="of each task the first N (all)")
    add("--tasks", nargs="+", default=[], metavar="TASK", help="some of the tasks (all)")
    add("--adapters", nargs="+", choices=ADAPTERS, help="on, off or both (both)")
    arms = ("audio", "silence", "reversed")
    add("--arms", nargs="+", default=arms, choices=ARMS, help=f"what is done to the clips ({' '.join(arms)})")
    add("--orders", type=_count, default=MOST_ORDERS, metavar="N", help=f"most orders of arm orders ({MOST_ORDERS})")
    add("--read", nargs="+", default=["likelihood"], choices=READINGS, help="how an answer is read (likelihood)")
    boost = top.add_mutually_exclusive_group()
    boost.add_argument("--boost", metavar="[METHOD:]ALPHA:FIRST-LAST,...", help="boosts to try against none")
    boost.add_argument("--grid", action="store_true", help="twelve MATA settings against none")
    add("--effects", action="store_true", help="with --read free: how much the clips mattered to each answer")
    add("--chat", action="store_true", help="pairs: whether text-only chat stayed as it was")
    add("--free", type=_count, default=0, metavar="N", help="pairs: N free questions with the answers, to be read")
    add("--retry", action="store_true", help="ask again what failed before")
    add("--out", type=Path, default=Path("runs/evaluation"), metavar="FOLDER", help="of report and answers")
    return top


def _count(text: str) -> int:
    """A number of things, 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


if __name__ == "__main__":
    sys.exit(main())

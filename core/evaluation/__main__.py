"""`python -m core.evaluation NAME`: runs a benchmark and writes a report one can trust (docs/evaluation.md)."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from accelerate import PartialState

from core.errors import LalmError
from core.evaluation import report
from core.evaluation.arms import ADAPTERS, ARMS, READINGS, Plan, default_adapter, grid, read_boosts
from core.evaluation.benchmarks import BENCHMARKS
from core.evaluation.chat import chat_check
from core.evaluation.free import free_answers
from core.evaluation.item import Benchmark
from core.evaluation.record import Log
from core.evaluation.report import Section
from core.evaluation.runner import header, run
from core.lalm import Lalm
from core.load import load
from core.placement import PRECISIONS
from core.training.gates import GATES

NO_DRAWINGS = "No drawings: they need matplotlib, pip install -r requirements-evaluation.txt."


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything asked for was measured and written, 2 when it could not be, 130 when it was interrupted."""
    given = parser().parse_args(arguments)
    try:
        lalm = load(given.model, given.precision, given.adapter, lambda line: print(line, file=sys.stderr, flush=True))
        if not isinstance(lalm, Lalm):
            raise LalmError("Only a model that is loaded here can be measured: name a checkpoint or a folder.")
        evaluate(lalm, given)
    except LalmError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted: the answers so far are kept, the same command goes on.", file=sys.stderr)
        return 130
    return 0


def evaluate(lalm: Lalm, given: argparse.Namespace) -> None:
    """Measures what the arguments ask for and writes the report into `--out`; prints it too.

    Raises:
        LalmError: In words for the person who asked.
    """
    benchmark, state = BENCHMARKS[given.name], PartialState()
    plan = plan_of(lalm, given)
    items = benchmark.items(given.data, given.per_task, tuple(given.tasks))
    pinned = header(lalm, benchmark, items)
    folder = given.out or Path("runs") / "evaluation"
    log = Log.open(folder, benchmark.name, pinned, state.process_index)
    run(lalm, benchmark, items, plan, log, None, state.process_index, state.num_processes)
    state.wait_for_everyone()
    if not state.is_main_process:
        return
    # what the other processes wrote, and whoever took part in an earlier run
    known = Log.open(folder, benchmark.name, pinned).known
    keys = {item.key for item in items}
    records = [record for record in known.values() if record.item in keys and asked_for(record, plan, lalm)]
    drawn = importlib.util.find_spec("matplotlib") is not None
    if not drawn:
        print(NO_DRAWINGS, file=sys.stderr)
    pairs = benchmark.name == "pairs"
    wanted = {task: gate.share for task, gate in GATES.items() if gate.share is not None} if pairs else None
    parts = report.sections(benchmark, plan, records, pinned, wanted, drawn)
    parts += extras(lalm, plan, given) if pairs else []
    write(folder, benchmark, parts, pinned)


def extras(lalm: Lalm, plan: Plan, given: argparse.Namespace) -> list[Section]:
    """What `pairs` has beside its questions."""
    found = [Section("Chat", text=chat_check(lalm, plan.adapters))] if given.chat else []
    if given.free:
        answers = "\n\n".join(free_answers(lalm, given.data, plan.adapters, given.free))
        found.append(Section("In free words", text=answers))
    return found


def write(folder: Path, benchmark: Benchmark, parts: Sequence[Section], pinned: dict[str, object]) -> None:
    """The report as Markdown, HTML and JSON."""
    title = f"{benchmark.title}: {pinned['model']}, {pinned['precision']}"
    text, machine = report.markdown(title, parts), report.as_json(pinned, parts)
    for suffix, content in ((".md", text), (".html", report.html(title, parts)), (".json", machine)):
        (folder / f"{benchmark.name}{suffix}").write_text(content, encoding="utf-8")
    print(text, machine, sep="\n", flush=True)


def plan_of(lalm: Lalm, given: argparse.Namespace) -> Plan:
    """What the arguments ask for."""
    boosts = grid(lalm.lens.depth) if given.grid else read_boosts(given.boost) if given.boost else ()
    return Plan(
        adapters=tuple(given.adapters or (ADAPTERS if lalm.info.adapters else ("off",))),
        arms=tuple(given.arms),
        boosts=boosts,
        readings=tuple(given.read),
        effects=given.effects,
    )


def asked_for(record: "report.Record", plan: Plan, lalm: Lalm) -> bool:
    """Whether a record in the log is of this plan: an earlier one may have asked more."""
    boosts = {"", *map(str, plan.boosts)} if record.adapter == default_adapter(lalm) else {""}
    return record.error != "" or (
        record.adapter in plan.adapters
        and record.boost in boosts
        and record.reading in plan.readings
        and (record.arm in plan.arms or "orders" in plan.arms)
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
    add("--per-task", "--questions", type=int, default=0, metavar="N", help="of each task (all; of pairs 60)")
    add("--tasks", nargs="+", default=[], metavar="TASK", help="some of the tasks (all)")
    add("--adapters", nargs="+", choices=ADAPTERS, help="on, off or both (both)")
    add("--arms", nargs="+", default=["audio", "silence", "reversed"], choices=ARMS, help="what is done to the clips")
    add("--read", nargs="+", default=["likelihood"], choices=READINGS, help="how an answer is read")
    boost = top.add_mutually_exclusive_group()
    boost.add_argument("--boost", metavar="[METHOD:]ALPHA:FIRST-LAST,...", help="boosts to try against none")
    boost.add_argument("--grid", action="store_true", help="twelve MATA settings against none")
    add("--effects", action="store_true", help="with --read free: how much the clips mattered to each answer")
    add("--chat", action="store_true", help="pairs: whether text-only chat stayed as it was")
    add("--free", type=int, default=0, metavar="N", help="pairs: N free questions with the model's answers, to be read")
    add("--out", type=Path, metavar="FOLDER", help="of the report and the answers (runs/evaluation)")
    return top


if __name__ == "__main__":
    sys.exit(main())

"""`python -m core.evaluation pairs --corpus FOLDER`: the gates, on held-out questions (docs/evaluation.md)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from core.errors import LalmError
from core.evaluation import report
from core.evaluation.chat import chat_check
from core.evaluation.free import free_answers
from core.evaluation.log import Log
from core.evaluation.plan import ADAPTERS, Plan, default_adapter, grid, read_boosts
from core.evaluation.questions import ARMS
from core.evaluation.readings import header, take
from core.lalm import Lalm
from core.load import load
from core.placement import PRECISIONS
from core.training.gates import EVALUATION_TASKS


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything asked for was measured and printed."""
    given = parser().parse_args(arguments)
    try:
        lalm = load(given.model, given.precision, given.adapter, lambda line: print(line, file=sys.stderr, flush=True))
        assert isinstance(lalm, Lalm), "only a real model can be measured"
        evaluate(lalm, given)
    except LalmError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def evaluate(lalm: Lalm, given: argparse.Namespace) -> None:
    """Measures what the arguments ask for, prints it, and writes it to `--out`.

    Raises:
        LalmError: In words for the person who asked.
    """
    boosts = grid(lalm.lens.depth) if given.grid else read_boosts(given.boost) if given.boost else ()
    adapters = given.adapters or (ADAPTERS if lalm.info.adapters else ("off",))
    plan = Plan(given.corpus, given.questions, tuple(given.tasks), tuple(adapters), tuple(given.arms), boosts)
    log = Log.open(given.out.with_suffix(".jsonl"), header(lalm)) if given.out else Log()
    readings = take(lalm, plan, log)
    parts = [("Gates", report.gates(readings)), ("Seen and unseen", report.seen_and_unseen(readings))]
    if plan.boosts:
        adapter = default_adapter(lalm)
        parts.append((f"Boost off and on, adapter {adapter}", report.boosts(readings, plan, adapter)))
    if given.chat:
        parts.append(("Chat", chat_check(lalm, plan)))
    if given.free:
        parts.append(("In free words", "\n\n".join(free_answers(lalm, plan, given.free))))
    text = "\n\n".join(f"## {title}\n\n{body}" for title, body in parts)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text, report.as_json(readings), sep="\n\n", flush=True)


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    top = argparse.ArgumentParser(prog="python -m core.evaluation", description=__doc__)
    pairs = top.add_subparsers(required=True).add_parser("pairs", help="questions about one to four clips")
    add = pairs.add_argument
    add("--corpus", type=Path, required=True, metavar="FOLDER", help="has a manifest; its dev split is asked about")
    add("--model", default="embedded", help="embedded, a checkpoint or a folder")
    add("--precision", default="auto", choices=PRECISIONS)
    add("--adapter", action="append", default=[], metavar="FOLDER", help="a PEFT folder, as for app.py")
    add("--questions", type=int, default=60, metavar="N", help="of each gate (60)")
    add("--tasks", nargs="+", default=EVALUATION_TASKS, choices=EVALUATION_TASKS, metavar="TASK")
    add("--adapters", nargs="+", choices=ADAPTERS, help="on, off or both (both)")
    add("--arms", nargs="+", default=ARMS, choices=ARMS, help="what is done to the clips (all three)")
    boost = pairs.add_mutually_exclusive_group()
    boost.add_argument("--boost", metavar="ALPHA:FIRST-LAST,...", help="MATA settings to try against none")
    boost.add_argument("--grid", action="store_true", help="twelve MATA settings against none")
    add("--chat", action="store_true", help="whether text-only chat stayed as it was")
    add("--free", type=int, default=0, metavar="N", help="prints N free questions with the model's answers")
    add("--out", type=Path, metavar="FILE.md", help="the tables; a FILE.jsonl beside it lets a stopped run go on")
    return top


if __name__ == "__main__":
    sys.exit(main())

"""Asks every question of a plan in every arm, with every adapter and boost."""

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from core.errors import LoadError
from core.evaluation.log import Log, Reading
from core.evaluation.plan import BoostAt, Plan, default_adapter, settings_of
from core.evaluation.questions import Arm, known_names, names_of, posed
from core.evaluation.scoring import forced, likelihoods
from core.lalm import Lalm
from core.training.corpus import Corpus
from core.training.gates import Asked, gate_questions, seeded
from core.training.manifest import read_manifest
from core.types import SAMPLING_RATE_HZ, Boost, Clip

"""Clips whose rows are kept: those of one scene in all its orders, and their silences."""

TELL_SECONDS = 10.0


def take(lalm: Lalm, plan: Plan, log: Log, tell: Callable[[str], None] | None = None) -> list[Reading]:
    """All readings of a plan; those in the log already are not taken again.

    A gate for which the corpus has too little is left out, with a word on it.

    Args:
        lalm: The model.
        plan: What is measured.
        log: Keeps and gives back.
        tell: Receives the progress and the time left; None prints to standard error.

    Raises:
        LoadError: No gate can be asked.
    """
    tell = tell or (lambda line: print(line, file=sys.stderr, flush=True))
    dev = Corpus.read(plan.corpus, "dev")
    known = known_names(row for row in read_manifest(plan.corpus) if row.split == "train")
    began, told, kept, readings = time.monotonic(), -TELL_SECONDS, len(log.known), list[Reading]()
    for place, task in enumerate(plan.tasks):
        try:
            questions = gate_questions(dev, seeded(task), task, plan.questions)
        except LoadError as error:
            tell(f"{task} is left out: {error}")
            continue
        for number, asked in enumerate(questions, start=1):
            readings += _of_question(lalm, plan, log, task, asked, names_of(asked) <= known)
            seconds = time.monotonic() - began
            if seconds - told >= TELL_SECONDS or number == len(questions):
                told = seconds
                left = seconds * (len(plan.tasks) / (place + number / len(questions)) - 1)
                pace = (len(log.known) - kept) / seconds
                tell(f"{task} {number}/{len(questions)}, {pace:.1f} readings/s, about {left / 60:.1f} min left")
    if not readings:
        raise LoadError(f"None of the gates can be asked of {plan.corpus}: it has too few held-out clips; add some.")
    return readings


def _of_question(lalm: Lalm, plan: Plan, log: Log, task: str, asked: Asked, seen: bool) -> Iterator[Reading]:
    for arm, adapter, boosts in cells(lalm, plan):
        put = posed(asked, arm)
        if put is None:
            continue
        clips, exchange = put
        known = (task, digest(clips, exchange.question), arm, adapter)
        missing = [boost for boost in boosts if (*known, str(boost or "")) not in log.known]
        if missing:
            settings = settings_of(lalm, adapter)
            case = forced(lalm, clips, exchange.question, exchange.choices, settings)
            boosts_missing = [boost.boost(lalm.lens.depth) if boost else Boost() for boost in missing]
            scores = likelihoods(lalm, case, settings, boosts_missing)
            for boost, found in zip(missing, scores, strict=True):
                right = likeliest(exchange.choices, found) == exchange.answer
                log.add(Reading(*known, str(boost or ""), len(exchange.choices), right, seen))
        yield from (log.known[*known, str(boost or "")] for boost in boosts)


def cells(lalm: Lalm, plan: Plan) -> list[tuple[Arm, str, list[BoostAt | None]]]:
    """Arm, adapter and boosts, None being no boost and the first."""
    found: dict[tuple[Arm, str], list[BoostAt | None]] = {
        (arm, adapter): [None] for arm in plan.arms for adapter in plan.adapters
    }
    if plan.boosts:
        found["audio", default_adapter(lalm)] = [None, *plan.boosts]
    return [(arm, adapter, boosts) for (arm, adapter), boosts in found.items()]


def likeliest(choices: Sequence[str], scores: Sequence[float]) -> str:
    """The choice of the highest score."""
    return choices[int(np.argmax(scores))]


def digest(clips: Sequence[Clip], question: str) -> str:
    """The same for the same words about the same sounds."""
    return hashlib.sha256("".join([question, *(clip.digest for clip in clips)]).encode()).hexdigest()[:16]


def header(lalm: Lalm) -> dict[str, object]:
    """Tells a model and its adapters from others, retrained ones too, by what they make of a fixed noise."""
    noise = np.random.default_rng(0).standard_normal((2, SAMPLING_RATE_HZ)).astype(np.float32) / 10
    clips = [Clip(samples, "noise") for samples in noise]
    made: list[float] = []
    for adapter in ("on", "off") if lalm.info.adapters else ("off",):
        settings = settings_of(lalm, adapter)
        made += likelihoods(lalm, forced(lalm, clips, "Which?", ("A", "B"), settings), settings)[0]
    return {"model": lalm.info.name, "system": lalm.info.default.system, "noise": made}

"""Asks every question in every arm, and goes on where a stopped run was."""

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.engine import Engine
from core.errors import AudioError, LalmError
from core.evaluation.arms import BoostAt, Plan, Posed, default_adapter, order_name, posed, put_back, settings_of
from core.evaluation.item import Benchmark, Item
from core.evaluation.record import Log, Record
from core.evaluation.scoring import forced, likelihoods
from core.lalm import Lalm
from core.types import SAMPLING_RATE_HZ, AttentionReading, Boost, Clip, Conversation, Settings, Token, Turn

TELL_SECONDS = 10.0
TEMPLATE = "template"
"""Source whose weight is left out: attention rests there whatever is asked."""

Tell = Callable[[str], None]


def run(
    lalm: Lalm,
    benchmark: Benchmark,
    items: Sequence[Item],
    plan: Plan,
    log: Log,
    tell: Tell | None = None,
    process: int = 0,
    processes: int = 1,
) -> list[Record]:
    """All records of a plan; those in the log already are not taken again.

    What fails for one question (a sound that cannot be read, memory that runs out) is recorded and passed over.

    Args:
        lalm: The model.
        benchmark: Words the prompt and judges the answer.
        items: The questions.
        plan: The arms.
        log: Keeps and gives back.
        tell: Receives the progress and the time left; None prints to standard error.
        process: Place of this process among several; each takes every n-th question.
        processes: How many there are.
    """
    tell = tell or (lambda line: print(line, file=sys.stderr, flush=True))
    mine = items[process::processes]
    found: list[Record] = []
    began, told, worked = time.monotonic(), time.monotonic(), 0
    for number, item in enumerate(mine, start=1):
        before = len(log.known)
        found += of_item(lalm, benchmark, item, plan, log)
        worked += len(log.known) > before
        seconds = time.monotonic() - began
        if time.monotonic() - told >= TELL_SECONDS or number == len(mine):
            told = time.monotonic()
            left = seconds / max(worked, 1) * (len(mine) - number)
            tell(f"{benchmark.name} {number}/{len(mine)}, {worked} asked now, about {left / 60:.1f} min left")
    return found


def of_item(lalm: Lalm, benchmark: Benchmark, item: Item, plan: Plan, log: Log) -> Iterator[Record]:
    """The records of one question."""
    try:
        clips = tuple(sound.read() for sound in item.sounds)
    except AudioError as error:
        yield _kept(log, replace(_record(item, "audio", range(len(item.sounds))), error=str(error)))
        return
    for put in posed(item, clips, plan.arms):
        for adapter in plan.adapters:
            tried = put.arm == "audio" and adapter == default_adapter(lalm)
            boosts = (None, *plan.boosts) if tried else (None,)
            for reading in plan.readings:
                if reading == "likelihood" and item.options == "open":
                    continue
                ask = _likelihoods if reading == "likelihood" else _free
                yield from ask(lalm, benchmark, item, put, adapter, boosts, plan, log)


def _likelihoods(
    lalm: Lalm,
    benchmark: Benchmark,
    item: Item,
    put: Posed,
    adapter: str,
    boosts: Sequence[BoostAt | None],
    plan: Plan,
    log: Log,
) -> Iterator[Record]:
    """How likely each choice is; all boosts in one forward."""
    blank = {boost: _of(item, put, adapter, boost, "likelihood") for boost in boosts}
    missing = [boost for boost in boosts if blank[boost].key not in log.known]
    if missing:
        settings = settings_of(lalm, adapter)
        try:
            case = forced(lalm, put.clips, benchmark.prompt(put.item), put.item.choices, settings)
            scores = likelihoods(lalm, case, settings, [_boost(lalm, boost) for boost in missing])
        except LalmError as error:
            scores = []
            for boost in missing:
                _kept(log, replace(blank[boost], error=str(error)))
        for boost, nats in zip(missing, scores, strict=False):
            choice = put.item.choices[int(np.argmax(nats))]
            right = choice in put.item.answers
            chosen = put_back(choice, put.order)
            _kept(log, replace(blank[boost], right=right, choice=chosen, scores=tuple(nats)))
    yield from (log.known[blank[boost].key] for boost in boosts)


def _free(
    lalm: Lalm,
    benchmark: Benchmark,
    item: Item,
    put: Posed,
    adapter: str,
    boosts: Sequence[BoostAt | None],
    plan: Plan,
    log: Log,
) -> Iterator[Record]:
    """What the model says, judged by the benchmark's rule."""
    asked = Conversation((Turn("user", (*put.clips, benchmark.prompt(put.item))),))
    for boost in boosts:
        record = _of(item, put, adapter, boost, "free")
        if record.key not in log.known:
            settings = replace(settings_of(lalm, adapter), boost=_boost(lalm, boost), temperature=0.0)
            _kept(log, _answered(lalm, benchmark, put, asked, settings, record, plan.effects and put.arm == "audio"))
        yield log.known[record.key]


def _answered(
    lalm: Lalm,
    benchmark: Benchmark,
    put: Posed,
    asked: Conversation,
    settings: Settings,
    record: Record,
    effects: bool,
) -> Record:
    try:
        words, shares = said(lalm, asked, settings)
        verdict = benchmark.judge(put.item, words)
        effect = None
        if effects and words.strip() and put.clips:
            effect = next(iter(lalm.matter(asked, words, settings))).whole_nats_per_token
    except LalmError as error:
        return replace(record, error=str(error))
    return replace(
        record,
        right=verdict.right,
        choice=put_back(verdict.choice, put.order),
        words=words,
        audio=float(np.mean(shares)) if shares else None,
        effect=effect,
    )


def said(engine: Engine, asked: Conversation, settings: Settings) -> tuple[str, list[float]]:
    """An answer, and for each of its tokens the share of attention on audio, the template left out."""
    words, shares = "", list[float]()
    for event in engine.stream(asked, settings):
        if isinstance(event, Token):
            words += event.text
            if event.reading is not None:
                shares.append(audio_share(event.reading))
    return words, shares


def audio_share(reading: AttentionReading) -> float:
    """Share of attention on audio, as applied: the mean over layers, the template left out (docs/attention.md)."""
    means = dict(zip(reading.sources, np.mean(reading.weights, axis=0).tolist(), strict=True))
    outside = 1.0 - means.get(TEMPLATE, 0.0)
    return sum(weight for source, weight in means.items() if source.startswith("clip ")) / outside if outside else 0.0


def _of(item: Item, put: Posed, adapter: str, boost: BoostAt | None, reading: str) -> Record:
    """A record of a question that was not asked yet."""
    return _record(item, put.arm, put.order, adapter, str(boost or ""), reading)


def _record(
    item: Item, arm: str, order: Sequence[int], adapter: str = "", boost: str = "", reading: str = ""
) -> Record:
    return Record(
        item=item.key,
        task=item.task,
        arm=arm,
        order=order_name(tuple(order)),
        adapter=adapter,
        boost=boost,
        reading=reading,
        right=None,
        choice=None,
        choices=len(item.choices),
        seen=item.seen,
    )


def _kept(log: Log, record: Record) -> Record:
    log.add(record)
    return record


def _boost(lalm: Lalm, boost: BoostAt | None) -> Boost:
    return boost.boost(lalm.lens.depth) if boost else Boost()


def header(lalm: Lalm, benchmark: Benchmark, items: Sequence[Item]) -> dict[str, Any]:
    """All that answers depend on: benchmark, questions in the words they are asked in, model, precision, settings.

    A model and its adapters are told from others, retrained ones too, by what they make of a fixed noise.
    """
    asked = hashlib.sha256()
    for item in items:
        asked.update(repr((item.key, benchmark.prompt(item), item.choices, item.answers)).encode())
    noise = np.random.default_rng(0).standard_normal((2, SAMPLING_RATE_HZ)).astype(np.float32) / 10
    clips = [Clip(samples, "noise") for samples in noise]
    made: list[float] = []
    for adapter in ("on", "off") if lalm.info.adapters else ("off",):
        settings = settings_of(lalm, adapter)
        made += likelihoods(lalm, forced(lalm, clips, "Which?", ("A", "B"), settings), settings)[0]
    default = lalm.info.default
    return {
        "earshot": 1,
        "benchmark": benchmark.title,
        "questions": asked.hexdigest()[:16],
        "model": lalm.info.name,
        "precision": lalm.info.precision,
        "system": default.system,
        "facts": default.facts,
        "max_tokens": default.max_tokens,
        "noise": made,
    }

"""Asks every question in every arm, and goes on where a stopped run was."""

import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from core.engine import check
from core.errors import AudioError, LalmError, LoadError
from core.evaluation.arms import BoostAt, Plan, Posed, default_adapter, posed, put_back, settings_of
from core.evaluation.item import Benchmark, Item
from core.evaluation.record import Log, Record
from core.evaluation.scoring import forced, likelihoods
from core.lalm import Lalm
from core.summary import Shares
from core.types import AttentionReading, Conversation, Settings, Token, Turn, letter

TELL_SECONDS = 10.0

Tell = Callable[[str], None]


def run(
    asking: "Asking",
    items: Iterable[Item],
    costs: Mapping[str, float],
    process: int = 0,
    processes: int = 1,
    tell: Tell | None = None,
) -> None:
    """Asks what the log does not know yet, and keeps it there.

    Args:
        asking: Model, benchmark, plan and log.
        items: The questions; taken one after the other, since each may hold the bytes of its sounds.
        costs: For each question, by its key and in their order, about how long it takes against the others (`cost`).
        process: Place of this process among several; each takes every n-th question.
        processes: How many there are.
        tell: Receives the progress and the time left; None prints to standard error.

    Raises:
        LoadError: A sound is not the one that the log's answers are about.
    """
    tell = tell or (lambda line: print(line, file=sys.stderr, flush=True))
    ahead = list(islice(costs.values(), process, None, processes))
    who = f", process {process + 1} of {processes}" if processes > 1 else ""
    began = told = time.monotonic()
    worked = seconds = 0.0
    for number, item in enumerate(islice(items, process, None, processes), start=1):
        before, started = len(asking.log.known), time.monotonic()
        asking.ask(item)
        now = time.monotonic()
        if len(asking.log.known) > before:
            worked, seconds = worked + ahead[number - 1], seconds + now - started
        if now - told >= TELL_SECONDS or number == len(ahead):
            told, rest = now, sum(ahead[number:])
            left = f", about {seconds / worked * rest / 60:.1f} min left" if worked else ""
            tell(f"{asking.benchmark.name}{who}: {number}/{len(ahead)} in {(now - began) / 60:.1f} min{left}")


def cost(item: Item, plan: Plan) -> float:
    """About how long a question takes against others: the clips that are read, over all its orders and boosts."""
    asked = len(plan.orders_of(item.movable)) * len(plan.adapters) + len(plan.boosts)
    return max(len(item.sounds), 1) * asked


@dataclass(frozen=True, eq=False)
class Asking:
    """Puts questions to a model.

    Attributes:
        lalm: The model.
        benchmark: Words the prompt and judges the answer.
        plan: The arms.
        log: Keeps and gives back.
    """

    lalm: Lalm
    benchmark: Benchmark
    plan: Plan
    log: Log

    def ask(self, item: Item) -> None:
        """Asks one question in every way that the log does not know yet; its clips are heard once for all.

        What fails (a sound that cannot be read, memory that runs out) is recorded and passed over.

        Raises:
            LoadError: A sound is not the one that the log's answers are about.
        """
        chance = len(item.answers) / len(item.choices) if item.choices else None
        blank = Record(item.key, item.task, seen=item.seen, chance=chance)
        if blank.key in self.log.known:
            return  # its sounds could not be read before
        try:
            clips = tuple(sound.read() for sound in item.sounds)
        except AudioError as error:
            self.log.add([replace(blank, error=str(error))])
            return
        sounds = hashlib.sha256(" ".join(clip.digest for clip in clips).encode()).hexdigest()[:16]
        for put in posed(item, clips, self.plan):
            order = "".join(map(letter, put.order))
            for adapter in self.plan.adapters:
                start = replace(blank, sounds=sounds, silenced=put.silenced, order=order, adapter=adapter)
                tried = start.arm == "audio" and adapter == default_adapter(self.lalm)
                for reading in self.plan.readings:
                    if reading == "free" or item.choices:
                        self._cell(item, put, replace(start, reading=reading), self.plan.boosts if tried else ())

    def _cell(self, item: Item, put: Posed, start: Record, boosts: Sequence[BoostAt]) -> None:
        """One reading of a question put in one way, without boost and with each.

        A cell is asked as a whole even where a part of it is known, and what came before it is forgotten: so that a
        run that was stopped gives to the last digit what one that was not gives.
        """
        settings = [settings_of(self.lalm, start.adapter)]
        settings += [replace(settings[0], boost=boost.boost(self.lalm.lens.depth)) for boost in boosts]
        records = [start, *(replace(start, boost=str(boost)) for boost in boosts)]
        known = [self.log.known[record.key] for record in records if record.key in self.log.known]
        if any(record.sounds != start.sounds for record in known):
            raise LoadError(
                f"The sounds of {item.key} are not those that were asked about before: name a new folder with --out."
            )
        if len(known) < len(records):
            self.lalm.shelf.clear()
            read = self._likelihoods if start.reading == "likelihood" else self._free
            found = read(item, put, records, settings)
            self.log.add([record for record in found if record.key not in self.log.known])

    def _likelihoods(
        self, item: Item, put: Posed, records: Sequence[Record], settings: Sequence[Settings]
    ) -> list[Record]:
        """How likely each choice is; all boosts in one forward."""
        words, plain = self.benchmark.prompt(put.item), settings[0]
        try:
            check(Conversation((Turn("user", (*put.clips, words)),)), self.lalm.info)
            with self.lalm.usable(plain):
                case = forced(self.lalm, put.clips, words, put.item.choices, plain)
                self.lalm.limit(case.prompt, max(map(len, case.answers)))
                scores = likelihoods(self.lalm, case, plain, [one.boost for one in settings])
        except LalmError as error:
            return [replace(record, error=str(error)) for record in records]
        found = []
        for record, nats in zip(records, scores, strict=True):
            choice = put.item.choices[int(np.argmax(nats))]
            right, chosen = choice in put.item.answers, put_back(item, put.order, choice)
            found.append(replace(record, right=right, choice=chosen, scores=tuple(nats)))
        return found

    def _free(self, item: Item, put: Posed, records: Sequence[Record], settings: Sequence[Settings]) -> list[Record]:
        """What the model says, judged by the benchmark's rule."""
        asked = Conversation((Turn("user", (*put.clips, self.benchmark.prompt(put.item))),))
        found = []
        for record, one in zip(records, settings, strict=True):
            try:
                words, shares = said(self.lalm, asked, one)
                effect = None
                if self.plan.effects and record.arm == "audio" and not record.boost and put.clips and words.strip():
                    effect = next(self.lalm.matter(asked, words, one)).whole_nats_per_token
            except LalmError as error:
                found.append(replace(record, error=str(error)))
                continue
            verdict = self.benchmark.judge(put.item, words)
            found.append(
                replace(
                    record,
                    right=verdict.right,
                    choice=put_back(item, put.order, verdict.choice),
                    words=words,
                    audio=shares.audio if shares else None,
                    effect=effect,
                )
            )
        return found


def said(lalm: Lalm, asked: Conversation, settings: Settings) -> tuple[str, Shares | None]:
    """An answer, and where the model looked while it gave it; None where there was no token."""
    words, readings = "", list[AttentionReading]()
    for event in lalm.stream(asked, settings):
        if isinstance(event, Token):
            words += event.text
            readings += [event.reading] if event.reading is not None else []
    return words, Shares.of(readings) if readings else None

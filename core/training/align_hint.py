"""Stage 1 for the hint: where to point at, learnt from scenes heard once. No language model runs.

By cross entropy over all that may be pointed at. A step of 64 questions costs what one question costs through the
language model.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from core.embedded.hint import ANSWERS, Hint, answer_places
from core.embedded.joiner import Joiner
from core.embedded.pairs import PairFacts, texts
from core.embedded.question import Likeness, Scene, questions_of, scene_of
from core.training.corpus import one_of
from core.training.phrasings import Phrasings, Query, read_phrasings
from core.training.pool import HeardScene

CHAT_SHARE = 0.03
"""Part of the questions that have nothing to do with the clips."""
SHORT_SHARE = 0.4
"""Part that asks for a short answer whatever the phrasings' chance; that is what it is in the end."""
MORE_OFTEN: Mapping[str, float] = {
    **{"presence": 3.0, "which_clip": 3.0, "same_kind": 3.0, "same_words": 3.0, "same_speaker": 3.0},
    **{"extra_event_clip": 3.0, "odd_one_out": 2.0, "how_many": 2.0},
}
"""Tasks that learn more slowly than the others."""
LESS_OFTEN = ("difference", "duration", "language", "list_all", "words_difference")
"""Tasks whose answer the ears alone do not give."""
BATCHES_SORTED_TOGETHER = 8
GRADIENT_NORM = 1.0

Key = tuple[str | int, ...]
Drawn = tuple[Scene, str, str, Key]
"""A scene in some rotation, a question, its task and where it points."""


def pointed_at(query: Query, scene: HeardScene, phrasings: Phrasings) -> Key | None:
    """What the hint should point at, clips by their places in the scene; None where it cannot be had."""
    facts, task = query.facts, query.task
    clip, other = facts.get("clip"), facts.get("other")
    if task in ("spoken_word", "transcript"):
        return ("words", _place(clip)) if texts(scene.heard[_place(clip)]) else None
    if task == "caption":
        return ("sound", _place(clip))
    if task == "added_event":
        return ("only", _place(clip), _place(other))
    short = phrasings.tasks[task].short_answers.get(query.outcome, "")
    if short == "{clip_letter}":
        return ("letter", _place(clip))
    if short == "{other_letter}":
        return ("letter", _place(other))
    return (short if short in ANSWERS else "",)


def align_hint(
    hint: Hint,
    joiner: Joiner,
    facts: PairFacts,
    pool: Sequence[HeardScene],
    likeness: Likeness,
    chat: Sequence[str],
    rng: np.random.Generator,
    steps: int,
    batch: int,
    learning_rate: Callable[[int], float],
    report: Callable[[str], None],
) -> dict[str, float]:
    """Trains `hint` in place.

    Args:
        hint: Learns.
        joiner: Of the model.
        facts: What is known of two clips; has learnt before.
        pool: Scenes and what may be asked about them.
        likeness: Of words and classes.
        chat: Questions that have nothing to do with clips.
        rng: The only source of chance beside torch's own.
        steps: Optimiser steps.
        batch: Questions a step.
        learning_rate: Of each step.
        report: Takes a line now and then.

    Returns:
        Share of questions pointed right over the last tenth of the steps, by task, on clips it was trained on.
    """
    phrasings = read_phrasings()
    with torch.no_grad():
        scenes = [scene_of(joiner, facts, scene.heard) for scene in pool]
    by_task: dict[str, list[tuple[Scene, Query, Key]]] = defaultdict(list)
    for scene, heard in zip(scenes, pool, strict=True):
        for query in heard.queries:
            if (key := pointed_at(query, heard, phrasings)) is not None:
                by_task[query.task].append((scene, query, key))
    tasks = sorted(by_task)
    weights = [MORE_OFTEN.get(task, 0.2 if task in LESS_OFTEN else 1.0) for task in tasks]
    optimizer = torch.optim.AdamW(hint.parameters(), weight_decay=0.05)
    right: dict[str, list[bool]] = defaultdict(list)
    running = math.nan
    waiting: list[list[Drawn]] = []
    hint.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        if not waiting:
            # a few batches at a time, sorted by clips and words, so that little is padding
            more = [
                _drawn(rng, phrasings, by_task, tasks, weights, chat) for _ in range(batch * BATCHES_SORTED_TOGETHER)
            ]
            more.sort(key=lambda one: (len(one[0].heard), len(one[1])))
            waiting = [more[start : start + batch] for start in range(0, len(more), batch)]
        drawn = waiting.pop(int(rng.integers(len(waiting))))
        asked = questions_of([(scene, question) for scene, question, _, _ in drawn], likeness)
        with torch.autocast("cpu", torch.bfloat16):
            logits = hint(asked).float()
        places = answer_places(max(len(scene.heard) for scene, *_ in drawn))
        targets = torch.tensor([places[key] for *_, key in drawn])
        loss = cross_entropy(logits, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(hint.parameters(), GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad()
        running = loss.item() if math.isnan(running) else 0.98 * running + 0.02 * loss.item()
        if step >= steps * 0.9:
            for (_, _, task, _), hit in zip(drawn, (logits.argmax(1) == targets).tolist(), strict=True):
                right[task].append(hit)
        if (step + 1) % 100 == 0:
            report(f"hint {step + 1}/{steps} loss {running:.3f}")
    hint.eval()
    return {task: float(np.mean(hits)) for task, hits in sorted(right.items())}


def _drawn(
    rng: np.random.Generator,
    phrasings: Phrasings,
    by_task: Mapping[str, Sequence[tuple[Scene, Query, Key]]],
    tasks: Sequence[str],
    weights: Sequence[float],
    chat: Sequence[str],
) -> Drawn:
    task = one_of(rng, tasks, weights)
    scene, query, key = one_of(rng, by_task[task])
    count = len(scene.heard)
    rotation = int(rng.integers(count))
    turned = scene.ordered([(place - rotation) % count for place in range(count)])
    if chat and rng.random() < CHAT_SHARE:
        return turned, one_of(rng, chat), "chat", ("",)
    short = True if rng.random() < SHORT_SHARE else None
    question = phrasings.exchange(query, rng, count, rotation, short=short).question
    return (
        turned,
        question,
        task,
        tuple((place + rotation) % count if isinstance(place, int) else place for place in key),
    )


def _place(fact: object) -> int:
    assert isinstance(fact, int)
    return fact

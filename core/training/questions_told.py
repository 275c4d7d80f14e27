"""Questions that are answered by what the prompt tells of each clip's measures, word for word."""

from collections.abc import Sequence

import numpy as np

from core.measure import in_words, measure, words_by_measure
from core.training.corpus import one_of
from core.training.phrasings import Exchange, Phrasings, Query
from core.types import Clip


def told(
    clips: Sequence[Clip], rng: np.random.Generator, phrasings: Phrasings
) -> tuple[tuple[str, ...], tuple[Exchange, ...]]:
    """The line of facts of each clip, and two questions that they answer."""
    measures = [measure(clip.samples) for clip in clips]
    exchanges = []
    for _ in range(2):
        index = int(rng.integers(len(clips)))
        known = words_by_measure(measures[index])
        name = one_of(rng, sorted(known))
        query = Query(name, "is", {"clip": index, "value": known[name]})
        exchanges.append(phrasings.exchange(query, rng, len(clips)))
    return tuple(map(in_words, measures)), tuple(exchanges)

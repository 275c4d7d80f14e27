"""Scenes heard once and kept on disk, so that many questions can be asked about them for next to nothing.

A pool is a folder of chunks, each with its own seed: several processes fill it side by side, and a killed one goes on
with the chunk it was at. A chunk is a safetensors file of what the ears made of the clips, and a JSON file of the rest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save

from core.embedded.ears import Ears, Heard
from core.embedded.speech import SPEECH_WIDTH, Speech, Word
from core.files import save_whole
from core.measure import Measures
from core.training import questions_one as one
from core.training.corpus import Corpus
from core.training.phrasings import Query
from core.training.questions import BASE, COMPARING, scene_of_any
from core.training.questions_beside import beside
from core.training.scene import clips_of

CHUNK = 500
LED_BY: Mapping[str, float] = {
    **{"same_kind": 3.0, "odd_one_out": 3.0, "added_event": 3.0, "extra_event_clip": 3.0},
    **{"same_speaker": 2.5, "same_words": 2.5, "presence": 2.0, "which_clip": 2.0, "both_or_neither": 1.5},
    **{"how_many": 1.5, "which_mixture": 1.0, "who_says": 1.0, "which_voice": 0.7, "spoken_word": 1.0},
    **{"higher": 1.0, "longer": 0.7, "louder": 0.7, "gender": 0.7, "caption": 0.5, "words_difference": 0.5},
}
"""How often a task makes the scene, relative to the others; most other tasks can be asked about any scene."""
FURTHER = 5
"""Questions tried about single clips of a scene, beside the one it was made for and all that compare."""


@dataclass(frozen=True, eq=False)
class HeardScene:
    """Clips as they were heard, and what may be asked about them; once read, the patches of a clip are one."""

    heard: tuple[Heard, ...]
    queries: tuple[Query, ...]


def fill(
    corpus: Corpus, ears: Ears, seed: int, scenes: int, folder: Path, process: int = 0, processes: int = 1
) -> None:
    """Draws and hears the scenes that the folder lacks; each of several processes makes its share of the chunks."""
    for chunk in range(process, -(-scenes // CHUNK), processes):
        table = folder / f"{chunk:04}.json"
        if table.exists():
            continue
        rng = np.random.default_rng([seed, chunk])
        drawn = [_draw(corpus, ears, rng) for _ in range(min(CHUNK, scenes - chunk * CHUNK))]
        save_whole(table.with_suffix(".safetensors"), save(_tensors(drawn)))
        save_whole(table, json.dumps([_row(scene) for scene in drawn]))  # the last: a chunk that has it is whole


def read(folder: Path) -> list[HeardScene]:
    """All scenes of a pool, in order."""
    found: list[HeardScene] = []
    for table in sorted(folder.glob("*.json")):
        tensors = load_file(table.with_suffix(".safetensors"))
        place = 0
        for row in json.loads(table.read_text()):
            heard = []
            for clip in row["clips"]:
                heard.append(_heard(clip, {name: tensor[place].float() for name, tensor in tensors.items()}))
                place += 1
            found.append(HeardScene(tuple(heard), tuple(_query(query) for query in row["queries"])))
    return found


def _draw(corpus: Corpus, ears: Ears, rng: np.random.Generator) -> HeardScene:
    tasks = [replace({**BASE, **COMPARING}[name], weight=weight) for name, weight in LED_BY.items()]
    scene = scene_of_any(corpus, rng, tasks)
    queries = [scene.query, *one.further(corpus, rng, scene, FURTHER), *beside(corpus, rng, scene.heard)]
    heard = tuple(ears.hear(clip) for clip in clips_of(scene.heard, 0))
    return HeardScene(heard, tuple(queries))


def _tensors(scenes: Sequence[HeardScene]) -> dict[str, torch.Tensor]:
    """Of each clip the mean embedding and the highest scores over its patches, and its timbre."""
    clips = [heard for scene in scenes for heard in scene.heard]
    columns = {
        "pooled": [clip.pooled.mean(0) for clip in clips],
        "logits": [clip.logits.amax(0) for clip in clips],
        "timbre": [clip.timbre for clip in clips],
    }
    return {name: torch.stack(column).half() for name, column in columns.items()}


def _row(scene: HeardScene) -> dict[str, object]:
    clips = [
        {
            "measures": asdict(clip.measures),
            "words": None if clip.speech is None else [asdict(word) for word in clip.speech.words],
        }
        for clip in scene.heard
    ]
    queries = [{"task": query.task, "outcome": query.outcome, "facts": dict(query.facts)} for query in scene.queries]
    return {"clips": clips, "queries": queries}


def _heard(clip: dict[str, object], tensors: dict[str, torch.Tensor]) -> Heard:
    speech, words, measures = None, clip["words"], clip["measures"]
    if isinstance(words, list):
        speech = Speech(tuple(Word(**word) for word in words), tensors["timbre"], torch.zeros(2 * SPEECH_WIDTH))
    assert isinstance(measures, dict)
    measures.setdefault("bandwidth_hz", None)  # pools filled before it was measured lack it
    return Heard(speech, tensors["pooled"][None], tensors["logits"][None], Measures(**measures))


def _query(row: dict[str, object]) -> Query:
    facts = row["facts"]
    assert isinstance(facts, dict)
    named = {key: tuple(fact) if isinstance(fact, list) else fact for key, fact in facts.items()}
    return Query(str(row["task"]), str(row["outcome"]), named)

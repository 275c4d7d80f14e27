"""A folder of labelled recordings with a manifest, and the ways a question picks from it.

Knows labels, voices and packages; nothing of questions or of the model.
"""

import json
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from core.errors import AudioError, LoadError
from core.types import SAMPLING_RATE_HZ

Split = Literal["train", "dev"]
PROMPTS = Path(__file__).parents[2] / "prompts"

SOUNDS = ("sound", "ambience")
NOT_SPEECH = ("sound", "ambience", "instrument")
KINDS = ("sound", "ambience", "instrument", "speech")


@dataclass(frozen=True)
class Recording:
    """One row of the manifest.

    Attributes:
        kind: `sound`, `ambience` (a place, weather, a crowd), `instrument` or `speech`.
        label: A noun phrase that completes "I hear ...".
        recording: Rows with the same value are pieces or copies of one recording.
        group: Near relatives: takes of one series, one voice, one soundfont program.
        transcript: The words said, or None where they are not known.
        pair_id: Two rows with the same value differ by one word and share voice and speed.
        source_rate: Sampling rate in hertz before conversion to 16 kHz.
        licence_tier: `permissive`, `share-alike` or `gpl`.
    """

    id: str
    path: str
    kind: str
    label: str
    split: str
    seconds: float
    recording: str
    group: str
    package: str
    source_rate: int
    licence: str
    licence_tier: str
    author: str = ""
    transcript: str | None = None
    language: str | None = None
    voice: str | None = None
    gender: str | None = None
    utterance: str | None = None
    instrument: str | None = None
    pitch_hz: float | None = None
    pair_id: str | None = None
    pair_side: str | None = None
    pair_change: str | None = None


_KNOWN = frozenset(spec.name for spec in fields(Recording))


def read_alike(file: Path = PROMPTS / "training.toml") -> tuple[frozenset[str], ...]:
    """Groups of labels too near one another for either to be a wrong answer where the other is right."""
    groups = tomllib.loads(file.read_text(encoding="utf-8"))["labels"]["alike"]
    return tuple(frozenset(group) for group in groups)


@dataclass(frozen=True, eq=False)
class Corpus:
    """The recordings of one split, indexed for drawing. Decoded samples stay in memory as int16.

    Every draw depends on the generator it is given and on nothing else.
    """

    folder: Path
    recordings: tuple[Recording, ...]
    alike: tuple[frozenset[str], ...] = ()
    _decoded: dict[str, NDArray[np.int16]] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, folder: Path, split: Split, tiers: Sequence[str] | None = None) -> "Corpus":
        """Reads `manifest.jsonl`, one JSON object a line.

        Args:
            folder: Holds the manifest and the audio its rows name.
            split: `train`, or `dev` (held-out recordings, labels, voices and words: never to be trained on).
            tiers: Licence tiers to keep; None keeps all.

        Raises:
            LoadError: When there is no manifest or nothing in it is of this split.
        """
        manifest = folder / "manifest.jsonl"
        if not manifest.is_file():
            raise LoadError(f"No manifest.jsonl in {folder}: name a folder that holds a training corpus.")
        rows = (json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines() if line)
        kept = tuple(
            Recording(**{key: value for key, value in row.items() if key in _KNOWN})
            for row in rows
            if row["split"] == split and (tiers is None or row["licence_tier"] in tiers)
        )
        if not kept:
            raise LoadError(f"{manifest} has no {split} rows of the wanted licences: choose other tiers or a split.")
        return cls(folder, kept, read_alike())

    def samples(self, recording: Recording) -> NDArray[np.float32]:
        """Decoded samples, float32 of shape (n,), 16 kHz mono within -1..1; a fresh array at each call.

        Raises:
            AudioError: When the file is not 16 kHz mono.
        """
        if recording.id not in self._decoded:
            decoded, rate_hz = soundfile.read(self.folder / recording.path, dtype="int16")
            if rate_hz != SAMPLING_RATE_HZ or decoded.ndim != 1:
                raise AudioError(recording.path, "training clips are 16 kHz mono; convert this one first.")
            self._decoded[recording.id] = decoded
        return self._decoded[recording.id].astype(np.float32) / 32768.0

    def near(self, label: str) -> frozenset[str]:
        """The label itself and every label too like it to be told apart in fairness."""
        return frozenset({label}).union(*(group for group in self.alike if label in group))

    @cached_property
    def _shelves(self) -> Mapping[tuple[str, str, object], Mapping[str, list[Recording]]]:
        """(kind, scope, value) -> label -> recordings, with scope `package`, `source_rate` or `all`."""
        shelves: dict[tuple[str, str, object], dict[str, list[Recording]]] = defaultdict(lambda: defaultdict(list))
        for row in self.recordings:
            for scope, value in (("package", row.package), ("source_rate", row.source_rate), ("all", None)):
                shelves[row.kind, scope, value][row.voice or row.label].append(row)
        return shelves

    def pick(
        self,
        rng: np.random.Generator,
        kinds: Sequence[str],
        avoid: Iterable[str] = (),
        like: Recording | None = None,
        where: Callable[[Recording], bool] | None = None,
    ) -> Recording:
        """One recording: kind by `kinds` (repeat one to favour it), label by root frequency, then evenly.

        Args:
            rng: The only source of chance.
            kinds: Kinds to pick from.
            avoid: Labels that must not be picked, nor any label like them.
            like: Prefer its package, else its source rate, so that neither gives an answer away.
            where: Further condition on the recording.
        """
        kind = kinds[rng.integers(len(kinds))]
        shunned = frozenset().union(*(self.near(label) for label in avoid))
        scopes: list[tuple[str, object]] = [("all", None)]
        if like is not None:
            scopes = [("package", like.package), ("source_rate", like.source_rate), *scopes]
        for scope, value in scopes:
            shelf = {
                name: kept
                for name, rows in self._shelves.get((kind, scope, value), {}).items()
                if rows[0].label not in shunned and (kept := [row for row in rows if where is None or where(row)])
            }
            if shelf:
                names = list(shelf)
                weights = np.sqrt([len(shelf[name]) for name in names])
                rows = shelf[names[rng.choice(len(names), p=weights / weights.sum())]]
                return rows[rng.integers(len(rows))]
        if len(set(kinds)) > 1:
            return self.pick(rng, [other for other in kinds if other != kind], avoid, like, where)
        raise LookupError(f"nothing of {kinds} is left in this corpus")

    @cached_property
    def _series(self) -> Mapping[str, tuple[tuple[Recording, ...], ...]]:
        """Label -> its recordings, pieces of one recording together; speech is left out."""
        series: dict[str, dict[str, list[Recording]]] = defaultdict(lambda: defaultdict(list))
        for row in self.recordings:
            if row.kind != "speech":
                series[row.label][row.recording].append(row)
        return {label: tuple(tuple(rows) for rows in takes.values()) for label, takes in series.items()}

    def several(self, rng: np.random.Generator, count: int, kinds: Sequence[str] = NOT_SPEECH) -> list[Recording]:
        """`count` recordings of one label, no two of them pieces of the same recording."""
        labels = [label for label, takes in self._series.items() if len(takes) >= count and takes[0][0].kind in kinds]
        if not labels:
            raise LookupError(f"no label of {kinds} has {count} recordings in this corpus")
        weights = np.sqrt([len(self._series[label]) for label in labels])
        takes = self._series[labels[rng.choice(len(labels), p=weights / weights.sum())]]
        chosen = rng.choice(len(takes), size=count, replace=False)
        return [takes[index][rng.integers(len(takes[index]))] for index in chosen]

    @cached_property
    def speech(self) -> tuple[Recording, ...]:
        """The recordings of a person speaking."""
        return tuple(row for row in self.recordings if row.kind == "speech")

    @cached_property
    def by_words(self) -> Mapping[str, tuple[Recording, ...]]:
        """Transcript (case and stops set aside) -> its English recordings."""
        spoken: dict[str, list[Recording]] = defaultdict(list)
        for row in self.speech:
            if row.transcript is not None:
                spoken[plain_words(row.transcript)].append(row)
        return {words: tuple(rows) for words, rows in spoken.items()}

    @cached_property
    def by_voice(self) -> Mapping[str, tuple[Recording, ...]]:
        """Voice -> its recordings."""
        voices: dict[str, list[Recording]] = defaultdict(list)
        for row in self.speech:
            voices[row.voice or row.recording].append(row)
        return {voice: tuple(rows) for voice, rows in voices.items()}

    @cached_property
    def pairs(self) -> tuple[tuple[Recording, Recording], ...]:
        """Minimal pairs: the same voice, two sentences that differ by one word; sides a and b."""
        sides: dict[str, dict[str, Recording]] = defaultdict(dict)
        for row in self.speech:
            if row.pair_id is not None and row.pair_side is not None:
                sides[row.pair_id][row.pair_side] = row
        return tuple((pair["a"], pair["b"]) for pair in sides.values() if len(pair) == 2)


def plain_words(transcript: str) -> str:
    """Lower case, without stops: "On the sofa." and "on the sofa" are the same words."""
    return "".join(mark for mark in transcript.lower() if mark.isalnum() or mark in " '").strip()

"""A folder of labelled recordings, and the ways a question picks from it.

Knows labels, voices and packages; nothing of questions or of the model.
"""

import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import soundfile
from numpy.typing import NDArray

from core.audio import read_clip
from core.errors import AudioError, LoadError
from core.texts import PROMPTS
from core.training.manifest import Recording, read_manifest
from core.types import SAMPLING_RATE_HZ

Split = Literal["train", "dev"]

SOUNDS = ("sound", "ambience")
NOT_SPEECH = ("sound", "ambience", "instrument")
KINDS = ("sound", "ambience", "instrument", "speech")

Item = TypeVar("Item")


def one_of(rng: np.random.Generator, items: Sequence[Item], weights: Sequence[float] | None = None) -> Item:
    """One item, evenly or by weights of any sum."""
    if weights is None:
        return items[int(rng.integers(len(items)))]
    shares = np.asarray(weights, dtype=float)
    return items[int(rng.choice(len(items), p=shares / shares.sum()))]


def read_alike(file: Path = PROMPTS / "training.toml") -> tuple[frozenset[str], ...]:
    """Groups of labels too near one another for either to be a wrong answer where the other is right."""
    groups = tomllib.loads(file.read_text(encoding="utf-8"))["labels"]["alike"]
    return tuple(frozenset(group) for group in groups)


def plain_words(transcript: str) -> str:
    """Lower case, without stops: "On the sofa." and "on the sofa" are the same words."""
    return "".join(mark for mark in transcript.lower() if mark.isalnum() or mark in " '").strip()


@dataclass(frozen=True, eq=False)
class Corpus:
    """The recordings of one split, indexed for drawing. Decoded samples stay in memory as int16.

    Every draw depends on the generator it is given and on nothing else.

    Attributes:
        folder: Holds the audio files.
        recordings: Rows of the manifest, in its order.
        alike: Groups of labels that are never set against each other.
        augment: Whether clips may be heard at another speed, in a room, in noise, through an equaliser or a codec.
    """

    folder: Path
    recordings: tuple[Recording, ...]
    alike: tuple[frozenset[str], ...] = ()
    augment: bool = True
    _decoded: dict[str, NDArray[np.int16]] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, place: Path, split: Split, tiers: Sequence[str] | None = None) -> "Corpus":
        """Reads `manifest.jsonl` or `clips.csv` (see `core.training.manifest`).

        Args:
            place: Folder that holds the manifest and the audio its rows name, or a CSV file beside the audio.
            split: `train`, or `dev` (held-out recordings, labels, voices and words: never to be trained on).
            tiers: Licence tiers to keep; None keeps all.

        Raises:
            LoadError: There is no manifest, a row is not complete, or no row is of this split and these tiers.
        """
        kept = tuple(
            row for row in read_manifest(place) if row.split == split and (tiers is None or row.licence_tier in tiers)
        )
        if not kept:
            wanted = "any licence" if tiers is None else f"licence tier {' or '.join(tiers)}"
            raise LoadError(f"No {split} rows of {wanted} in {place}: add such clips, or name other tiers.")
        return cls(place.parent if place.suffix == ".csv" else place, kept, read_alike())

    def samples(self, recording: Recording) -> NDArray[np.float32]:
        """Decoded samples, float32 of shape (n,), 16 kHz mono within -1..1; a fresh array at each call.

        Raises:
            AudioError: The file cannot be used as a clip.
        """
        if recording.id not in self._decoded:
            self._decoded[recording.id] = _decode(self.folder / recording.path)
        return self._decoded[recording.id].astype(np.float32) / np.float32(32768.0)

    def near(self, label: str) -> frozenset[str]:
        """The label itself and every label too like it to be told apart in fairness."""
        return frozenset({label}).union(*(group for group in self.alike if label in group))

    @cached_property
    def _shelves(self) -> Mapping[tuple[str, str, object], Mapping[str, list[Recording]]]:
        """(kind, scope, value) -> label (of speech: voice) -> rows; a scope is `package`, `source_rate` or `all`."""
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
        """One recording: kind evenly among `kinds`, label (or voice) by the root of its frequency, then evenly.

        Args:
            rng: The only source of chance.
            kinds: Kinds to pick from; repeat one to favour it.
            avoid: Labels that must not be picked, nor any label like them.
            like: Prefer its package, else its source rate, so that neither gives an answer away.
            where: Further condition on the recording.

        Raises:
            LoadError: The corpus holds no such recording.
        """
        left, shunned = list(kinds), frozenset().union(*(self.near(label) for label in avoid))
        while left:
            kind = one_of(rng, left)
            for scope, value in _scopes(like):
                shelf = self._fitting(self._shelves.get((kind, scope, value), {}), shunned, where)
                if shelf:
                    return one_of(rng, one_of(rng, shelf, [len(rows) ** 0.5 for rows in shelf]))
            left = [other for other in left if other != kind]
        raise LoadError(f"The corpus in {self.folder} has too few {' or '.join(sorted(set(kinds)))} clips: add some.")

    def rivals(self, rng: np.random.Generator, kind: str, taken: Sequence[str], count: int) -> list[str]:
        """Up to `count` labels, unlike those taken and unlike one another: of a kind as far as it has so many."""
        found: list[str] = []
        for kinds in ((kind,), NOT_SPEECH):
            while len(found) < count:
                try:
                    found.append(self.pick(rng, kinds, [*taken, *found]).label)
                except LoadError:
                    break  # a small corpus has fewer
        return found

    @staticmethod
    def _fitting(
        shelf: Mapping[str, list[Recording]], shunned: frozenset[str], where: Callable[[Recording], bool] | None
    ) -> list[list[Recording]]:
        allowed = [rows for rows in shelf.values() if rows[0].label not in shunned]
        if where is None:
            return allowed
        fitting = [[row for row in rows if where(row)] for rows in allowed]
        return [rows for rows in fitting if rows]

    @cached_property
    def _takes(self) -> Mapping[str, tuple[tuple[Recording, ...], ...]]:
        """Label -> its recordings, pieces of one recording together; speech is left out."""
        series: dict[str, dict[str, list[Recording]]] = defaultdict(lambda: defaultdict(list))
        for row in self.recordings:
            if row.kind != "speech":
                series[row.label][row.recording].append(row)
        return {label: tuple(tuple(rows) for rows in takes.values()) for label, takes in series.items()}

    def takes(self, label: str) -> int:
        """How many recordings a label has, pieces of one recording counted once."""
        return len(self._takes.get(label, ()))

    def several(self, rng: np.random.Generator, count: int, kinds: Sequence[str]) -> list[Recording]:
        """`count` recordings of one label, no two of them pieces of the same recording.

        Raises:
            LoadError: No label of these kinds has so many.
        """
        left = list(kinds)
        while left:
            kind = one_of(rng, left)
            enough = [takes for takes in self._takes.values() if len(takes) >= count and takes[0][0].kind == kind]
            if enough:
                takes = one_of(rng, enough, [len(takes) ** 0.5 for takes in enough])
                return [one_of(rng, takes[index]) for index in rng.choice(len(takes), size=count, replace=False)]
            left = [other for other in left if other != kind]
        raise LoadError(f"No label in {self.folder} has {count} recordings: add more of one kind of sound.")

    @cached_property
    def by_words(self) -> Mapping[str, tuple[Recording, ...]]:
        """Transcript (case and stops set aside) -> its recordings."""
        spoken: dict[str, list[Recording]] = defaultdict(list)
        for row in self.recordings:
            if row.transcript is not None:
                spoken[plain_words(row.transcript)].append(row)
        return {words: tuple(rows) for words, rows in spoken.items()}

    @cached_property
    def by_voice(self) -> Mapping[str, tuple[Recording, ...]]:
        """Voice -> its recordings; clips of unnamed voices are left out."""
        voices: dict[str, list[Recording]] = defaultdict(list)
        for row in self.recordings:
            if row.voice is not None:
                voices[row.voice].append(row)
        return {voice: tuple(rows) for voice, rows in voices.items()}

    @cached_property
    def echoed(self) -> frozenset[str]:
        """Ids of the recordings whose words another voice of the same package says as well."""
        return frozenset(
            row.id
            for rows in self.by_words.values()
            for row in rows
            if any(other.voice != row.voice and other.package == row.package for other in rows)
        )

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages spoken."""
        return tuple(sorted({row.language for row in self.recordings if row.language is not None}))

    @cached_property
    def pairs(self) -> tuple[tuple[Recording, Recording], ...]:
        """Minimal pairs: the same voice, two sentences that differ by one word; sides a and b."""
        sides: dict[str, dict[str, Recording]] = defaultdict(dict)
        for row in self.recordings:
            if row.pair_id is not None and row.pair_side is not None and row.transcript is not None:
                sides[row.pair_id][row.pair_side] = row
        return tuple((pair["a"], pair["b"]) for pair in sides.values() if len(pair) == 2)


def _decode(path: Path) -> NDArray[np.int16]:
    if not path.is_file():
        raise AudioError(path.name, f"it is not in {path.parent}; put it there, or take its row out of the manifest.")
    try:
        found: tuple[NDArray[np.int16], int] = soundfile.read(path, dtype="int16")
    except soundfile.LibsndfileError:
        found = (np.zeros((0, 2), np.int16), 0)  # a format for `read_clip`
    samples, rate_hz = found
    if rate_hz != SAMPLING_RATE_HZ or samples.ndim != 1:
        samples = np.round(read_clip(path).samples * 32767.0).astype(np.int16)
    if not samples.any():
        raise AudioError(path.name, "it is silent; take its row out of the manifest.")
    return samples


def _scopes(like: Recording | None) -> tuple[tuple[str, object], ...]:
    if like is None:
        return (("all", None),)
    return (("package", like.package), ("source_rate", like.source_rate), ("all", None))

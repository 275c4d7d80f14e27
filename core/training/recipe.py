"""What one training run is made of: a frozen `Recipe`, read from a TOML file."""

import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from core.errors import LoadError

Stage = Literal["align", "base", "discriminative"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True)
class Recipe:
    """Defaults are those of the shipped weights' first training on two cores (docs/training.md).

    Attributes:
        model: "embedded", or a checkpoint or folder of another family (`discriminative` alone).
        precision: How that model is loaded: `auto`, `bf16`, `int8` or `nf4` (the last is QLoRA, arXiv 2305.14314).
        adapter: Name of the adapter: that of its folder within `out`.
        stage: `align` (projectors against word embeddings, no language model), `base` (projectors and a LoRA that is
            merged), `discriminative` (a LoRA that goes on and off; projectors frozen).
        corpus: Folder with a manifest.
        out: Folder that receives weights, metrics and checkpoints.
        start: Folder of the stage before; empty starts from nothing learnt, `discriminative` from the shipped weights.
        seed: Of every draw and every initial weight.
        steps: Optimiser steps.
        batch: Samples a step.
        learning_rate: Of the LoRA, after warm-up; cosine to a tenth.
        joiner_learning_rate: Of the projectors.
        warmup_steps: Linear warm-up.
        rank: Of the LoRA (arXiv 2106.09685); alpha is twice that.
        chat_share: Part of the samples that is text-only chat answered by the bare language model itself.
        further: Most questions about the clips of a sample beside the one they were made for.
        comparer: Whether the discriminative adapter has pair tokens and a hint (the embedded model only).
        scenes: How many are heard once for the hint to learn from (`align`).
        hint_steps: Optimiser steps of the hint, of `hint_batch` questions each (`align`).
        hint_batch: Questions a step of the hint.
        facts_share: Part of the samples whose prompt tells what was measured of the clips.
        tasks: Names of the tasks that lead a sample (tables in `core.training.questions`); empty means all.
        tiers: Licence tiers of the clips that may be used.
        checkpoint_steps: A checkpoint is written that often; a run goes on from the last one.
        dev_questions: Questions a task on the dev split at the end.
    """

    stage: Stage
    corpus: str
    out: str
    start: str = ""
    seed: int = 0
    steps: int = 1000
    batch: int = 8
    learning_rate: float = 1e-3
    joiner_learning_rate: float = 1e-3
    warmup_steps: int = 50
    rank: int = 16
    chat_share: float = 0.2
    further: int = 4
    comparer: bool = True
    scenes: int = 12_000
    hint_steps: int = 5000
    hint_batch: int = 64
    facts_share: float = 0.0
    tasks: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ("permissive", "share-alike", "gpl")
    checkpoint_steps: int = 100
    dev_questions: int = 60
    model: str = "embedded"
    precision: str = "auto"
    adapter: str = "discriminative"

    def as_dict(self) -> dict[str, object]:
        """For the record of the run."""
        return asdict(self)


def read_recipes(path: Path) -> tuple[Recipe, ...]:
    """The runs of a recipe file, in order: each `[[run]]` table is one `Recipe`.

    Raises:
        LoadError: The file cannot be read, or a table does not fit.
    """
    try:
        tables = tomllib.loads(path.read_text())["run"]
    except (OSError, KeyError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LoadError(f"{path.name} is not a recipe ({error}): give a TOML file with [[run]] tables.") from error
    return tuple(_recipe(path, table) for table in tables)


def _recipe(path: Path, table: dict[str, object]) -> Recipe:
    known = {field.name for field in fields(Recipe)}
    if unknown := set(table) - known:
        raise LoadError(f"{path.name} sets unknown keys {sorted(unknown)}: the known ones are {sorted(known)}.")
    if table.get("stage") not in STAGES:
        raise LoadError(f"{path.name} names stage {table.get('stage')!r}: choose one of {', '.join(STAGES)}.")
    table = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        return Recipe(**table)  # type: ignore[arg-type]
    except TypeError as error:
        raise LoadError(f"{path.name} is not complete: {error}.") from error

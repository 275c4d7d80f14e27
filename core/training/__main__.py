"""Trains what a recipe says, or an adapter on anybody's clips (docs/training.md).

python -m core.training RECIPE.toml
python -m core.training --data my_clips.csv [--model CHECKPOINT] [--precision nf4] [--out FOLDER]
"""

import argparse
import sys
from pathlib import Path

from core.errors import LalmError
from core.placement import PRECISIONS
from core.training.recipe import Recipe, read_recipes
from core.training.stages import run

ALL_TIERS = ("permissive", "share-alike", "gpl", "other")


def main(arguments: list[str] | None = None) -> int:
    """0 when every run is finished."""
    parser = argparse.ArgumentParser(
        prog="python -m core.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path, nargs="?", help="TOML file with [[run]] tables, run in order")
    parser.add_argument("--data", type=Path, help="CSV of clips beside it: path, label, licence and what else is known")
    parser.add_argument("--model", default="embedded", help='what learns: "embedded", a checkpoint or a folder')
    parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="nf4 trains over 4-bit weights")
    parser.add_argument(
        "--out", type=Path, help="folder for the run; the adapter is within it (default: adapters/NAME)"
    )
    parser.add_argument("--steps", type=int, default=500, help="optimiser steps of 8 samples")
    parser.add_argument("--rank", type=int, default=8, help="of the LoRA")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    if (given.recipe is None) == (given.data is None):
        parser.error("give either a recipe or --data my_clips.csv")
    try:
        for recipe in read_recipes(given.recipe) if given.recipe else (_own(given),):
            print(f"{recipe.stage}: {run(recipe)}", flush=True)
            if given.data:
                print(f"The adapter is in {Path(recipe.out) / recipe.adapter}: give it to app.py as --adapter.")
    except LalmError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _own(given: argparse.Namespace) -> Recipe:
    """The recipe for anybody's clips: what one adapter takes, and no more."""
    name = given.data.stem
    return Recipe(
        stage="discriminative",
        corpus=str(given.data),
        out=str(given.out or Path("adapters") / name),
        seed=given.seed,
        steps=given.steps,
        rank=given.rank,
        learning_rate=1e-3 if given.model == "embedded" else 1e-4,
        warmup_steps=min(50, given.steps // 10),
        chat_share=0.1,
        facts_share=0.15,
        tiers=ALL_TIERS,
        checkpoint_steps=20,
        dev_questions=0,
        model=given.model,
        precision=given.precision,
        adapter=name,
    )


if __name__ == "__main__":
    sys.exit(main())

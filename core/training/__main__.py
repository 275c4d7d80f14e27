"""`python -m core.training RECIPE.toml`: runs the recipe's stages in order, each from its last checkpoint."""

import argparse
import sys
from pathlib import Path

from core.errors import LalmError
from core.training.recipe import read_recipes
from core.training.stages import run


def main() -> int:
    """0 when every run of the recipe is finished."""
    parser = argparse.ArgumentParser(prog="python -m core.training", description=__doc__)
    parser.add_argument("recipe", type=Path, help="TOML file with [[run]] tables")
    arguments = parser.parse_args()
    try:
        for recipe in read_recipes(arguments.recipe):
            print(f"{recipe.stage}: {run(recipe)}", flush=True)
    except LalmError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

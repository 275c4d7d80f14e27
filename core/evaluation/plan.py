"""What one evaluation measures: gates, arms, adapters and boosts."""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from core.errors import SettingsError
from core.evaluation.questions import ARMS, Arm
from core.lalm import Lalm
from core.training.gates import EVALUATION_TASKS
from core.types import Boost, Settings

ADAPTERS = ("on", "off")
ALPHAS = (0.05, 0.1, 0.2, 0.3)


@dataclass(frozen=True)
class BoostAt:
    """MATA with one strength in one band of layers, the last one included."""

    alpha: float
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.alpha:g}:{self.first}-{self.last}"

    def boost(self, depth: int) -> Boost:
        """As the engine takes it, in a decoder of `depth` layers.

        Raises:
            SettingsError: The decoder has no such layers.
        """
        if not 0 <= self.first <= self.last < depth:
            raise SettingsError(f"There are no layers {self.first} to {self.last}: name some of 0 to {depth - 1}.")
        return Boost("mata", self.alpha, (self.first / depth, (self.last + 1) / depth))


def grid(depth: int) -> tuple[BoostAt, ...]:
    """Every strength in the lower, middle and upper third of `depth` layers."""
    edges = [round(third * depth / 3) for third in range(4)]
    return tuple(BoostAt(alpha, first, stop - 1) for first, stop in pairwise(edges) for alpha in ALPHAS)


def read_boosts(text: str) -> tuple[BoostAt, ...]:
    """Boosts written as `0.1:10-19,0.2:10-19`: strength, first and last layer.

    Raises:
        SettingsError: It is written in another way.
    """
    try:
        parts = [part.replace("-", ":").split(":") for part in text.split(",")]
        return tuple(BoostAt(float(alpha), int(first), int(last)) for alpha, first, last in parts)
    except ValueError as error:
        raise SettingsError(f"{text!r} is no list of boosts: write strength:first-last, as in 0.1:10-19.") from error


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        corpus: Folder with a manifest.
        questions: Of each gate.
        tasks: Names of gates.
        adapters: `on` (the one the model is best asked with), `off`, or both.
        arms: See `core.evaluation.questions.posed`.
        boosts: Each against no boost on the same questions: arm `audio`, adapter as in the app.
    """

    corpus: Path
    questions: int = 60
    tasks: tuple[str, ...] = EVALUATION_TASKS
    adapters: tuple[str, ...] = ADAPTERS
    arms: tuple[Arm, ...] = ARMS
    boosts: tuple[BoostAt, ...] = ()


def settings_of(lalm: Lalm, adapter: str) -> Settings:
    """The model's own settings with its adapter `on` or `off`, and no boost.

    Raises:
        SettingsError: It has none.
    """
    plain = replace(lalm.info.default, boost=Boost())
    if adapter == "off":
        return replace(plain, adapter=None)
    name = plain.adapter or next(iter(lalm.info.adapters), None)
    if name is None:
        raise SettingsError(f"{lalm.info.name} has no adapter: name one with --adapter, or give --adapters off.")
    return replace(plain, adapter=name)


def default_adapter(lalm: Lalm) -> str:
    """`on` or `off`, as in the app: boosts are tried with it."""
    return "off" if lalm.info.default.adapter is None else "on"

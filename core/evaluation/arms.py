"""The ways in which a question is asked: what is done to its clips, with which adapter, with which boost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, get_args

from core.errors import SettingsError
from core.evaluation.item import Item, moved
from core.lalm import Lalm
from core.letters import renamed
from core.needle import silent
from core.orders import Order, inverse, orders
from core.types import METHODS, Boost, Clip, Method, Settings

Arm = Literal["audio", "silence", "reversed", "orders"]
"""As it is; digital silence of the same lengths; the movable clips in reverse; the movable clips in every order."""
ARMS: tuple[Arm, ...] = get_args(Arm)

Reading = Literal["likelihood", "free"]
"""Which choice is the likeliest; what the model says."""
READINGS: tuple[Reading, ...] = get_args(Reading)

ADAPTERS = ("on", "off")
ALPHAS = (0.05, 0.1, 0.2, 0.3)
MOST_ORDERS = 24


@dataclass(frozen=True)
class BoostAt:
    """A boost of one strength in one band of layers, the last one included."""

    alpha: float
    first: int
    last: int
    method: Method = "mata"

    def __str__(self) -> str:
        name = "" if self.method == "mata" else f"{self.method}:"
        return f"{name}{self.alpha:g}:{self.first}-{self.last}"

    def boost(self, depth: int) -> Boost:
        """As the engine takes it, in a decoder of `depth` layers.

        Raises:
            SettingsError: The decoder has no such layers, or the strength is out of range.
        """
        if not 0 <= self.first <= self.last < depth:
            raise SettingsError(f"There are no layers {self.first} to {self.last}: name some of 0 to {depth - 1}.")
        return Boost(self.method, self.alpha, (self.first / depth, (self.last + 1) / depth))


def grid(depth: int) -> tuple[BoostAt, ...]:
    """MATA with every strength in the lower, middle and upper third of `depth` layers."""
    edges = [round(third * depth / 3) for third in range(4)]
    return tuple(BoostAt(alpha, first, stop - 1) for first, stop in pairwise(edges) for alpha in ALPHAS)


def read_boosts(text: str) -> tuple[BoostAt, ...]:
    """Boosts written as `0.1:10-19,0.2:10-19` or `pai:0.2:10-19`: method if not MATA, strength, first and last layer.

    Raises:
        SettingsError: It is written in another way, or names several methods.
    """
    found = []
    for part in text.split(","):
        try:
            *method, alpha, layers = part.strip().split(":")
            first, last = map(int, layers.split("-"))
            (name,) = method or ("mata",)
            if name not in METHODS[1:]:
                raise ValueError(name)
            found.append(BoostAt(float(alpha), first, last, name))
        except ValueError as error:
            raise SettingsError(
                f"{text!r} is no list of boosts: write strength:first-last, as in 0.1:10-19, with a method and a colon "
                f"before it where it is not MATA."
            ) from error
    if len({boost.method for boost in found}) > 1:
        raise SettingsError(f"{text!r} has boosts of several methods: try one of them in a run.")
    return tuple(found)


@dataclass(frozen=True)
class Plan:
    """What is asked of each question.

    Attributes:
        adapters: `on` (the one the model is best asked with), `off`, or both.
        arms: What is done to the clips.
        boosts: Of one method, each against no boost on the same questions: arm `audio`, adapter as in the app.
        readings: How an answer is read.
        most_orders: Of arm `orders`; where clips have more, so many are drawn (`core.orders.orders`).
        effects: Whether the causal needle is read for each answer in free words: arm `audio`, no boost.
    """

    adapters: tuple[str, ...] = ADAPTERS
    arms: tuple[Arm, ...] = ("audio", "silence", "reversed")
    boosts: tuple[BoostAt, ...] = ()
    readings: tuple[Reading, ...] = ("likelihood",)
    most_orders: int = MOST_ORDERS
    effects: bool = False

    def check(self, lalm: Lalm) -> None:
        """Refuses what this model cannot do before anything is asked.

        Raises:
            SettingsError: There is no adapter, no such layer, or a boost that cannot be read so.
        """
        for adapter in self.adapters:
            settings_of(lalm, adapter)
        if self.boosts and (default_adapter(lalm) not in self.adapters or "audio" not in self.arms):
            raise SettingsError(
                f"Boosts are tried with arm audio and the adapter {default_adapter(lalm)}: leave out --arms and "
                f"--adapters, or name these among them."
            )
        for boost in self.boosts:
            boost.boost(lalm.lens.depth)
            if boost.method == "target" and "likelihood" in self.readings:
                raise SettingsError("The boost target has no likelihoods: give --read free, or another boost.")
        if self.effects and "free" not in self.readings:
            raise SettingsError("The effect of clips is that on an answer in free words: add --read likelihood free.")

    def orders_of(self, movable: int) -> tuple[tuple[bool, Order], ...]:
        """Each way in which the clips of a question are put: whether silenced, and the order of its movable clips.

        A question without movable clips has the empty order alone.
        """
        same = tuple(range(movable))
        wanted: dict[tuple[bool, Order], None] = {}
        for arm in self.arms:
            if arm in ("audio", "silence"):
                wanted[arm == "silence", same] = None
            elif movable:
                every = (same[::-1],) if arm == "reversed" else self.every_order(movable)
                wanted |= dict.fromkeys((False, order) for order in every)
        return tuple(wanted)

    def every_order(self, movable: int) -> tuple[Order, ...]:
        """The orders of arm `orders`, that in which the clips come first."""
        return orders(movable, self.most_orders)


@dataclass(frozen=True, eq=False)
class Posed:
    """A question as it is put to the model.

    Attributes:
        silenced: Whether each clip is digital silence of its length.
        order: At place i stands the movable clip that was at `order[i]`.
        clips: All of them, as they stand.
        item: With the letters of question, choices and answers changed to match.
    """

    silenced: bool
    order: Order
    clips: tuple[Clip, ...]
    item: Item


def posed(item: Item, clips: Sequence[Clip], plan: Plan) -> Iterator[Posed]:
    """The question in each way the plan puts it, each once.

    Args:
        item: The question.
        clips: Its sounds, read.
        plan: Which arms.
    """
    for silenced, order in plan.orders_of(item.movable):
        put = tuple(clips[index] for index in (*order, *range(item.movable, len(clips))))
        yield Posed(silenced, order, tuple(map(silent, put)) if silenced else put, moved(item, order))


def put_back(item: Item, order: Order, choice: str | None) -> str | None:
    """The choice of the item that became `choice` when its clips were put in this order; None for None."""
    letters = inverse((*order, *range(item.movable, len(item.sounds))))
    return next((one for one in item.choices if renamed(one, letters) == choice), None)


def settings_of(lalm: Lalm, adapter: str) -> Settings:
    """The model's own settings with its adapter `on` or `off`, no boost, and the likeliest token each time.

    Raises:
        SettingsError: It has none.
    """
    plain = replace(lalm.info.default, boost=Boost(), temperature=0.0)
    if adapter == "off":
        return replace(plain, adapter=None)
    name = plain.adapter or next(iter(lalm.info.adapters), None)
    if name is None:
        raise SettingsError(f"{lalm.info.name} has no adapter: name one with --adapter, or give --adapters off.")
    return replace(plain, adapter=name)


def default_adapter(lalm: Lalm) -> str:
    """`on` or `off`, as in the app: boosts are tried with it."""
    return "off" if lalm.info.default.adapter is None else "on"

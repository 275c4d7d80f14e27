"""The ways in which a question is asked: what is done to its clips, with which adapter, with which boost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, get_args

from core.errors import SettingsError
from core.evaluation.item import Item
from core.lalm import Lalm
from core.letters import renamed
from core.needle import silent
from core.orders import Order, inverse, orders
from core.types import Boost, Clip, Method, Settings, letter

Arm = Literal["audio", "silence", "reversed", "orders"]
"""As it is; digital silence of the same lengths; the clips in reverse; the clips in every order."""
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
            SettingsError: The decoder has no such layers.
        """
        if not 0 <= self.first <= self.last < depth:
            raise SettingsError(f"There are no layers {self.first} to {self.last}: name some of 0 to {depth - 1}.")
        return Boost(self.method, self.alpha, (self.first / depth, (self.last + 1) / depth))


def grid(depth: int) -> tuple[BoostAt, ...]:
    """MATA with every strength in the lower, middle and upper third of `depth` layers."""
    edges = [round(third * depth / 3) for third in range(4)]
    return tuple(BoostAt(alpha, first, stop - 1) for first, stop in pairwise(edges) for alpha in ALPHAS)


def read_boosts(text: str) -> tuple[BoostAt, ...]:
    """Boosts written as `0.1:10-19,pai:0.2:10-19`: the method where it is not MATA, strength, first and last layer.

    Raises:
        SettingsError: It is written in another way.
    """
    found = []
    for part in text.split(","):
        *method, alpha, layers = part.strip().split(":") if part.count(":") in (1, 2) else ("", "")
        try:
            first, last = layers.split("-")
            name: Method = method[0] if method else "mata"  # type: ignore[assignment]
            found.append(BoostAt(float(alpha), int(first), int(last), Boost(name, float(alpha)).method))
        except ValueError as error:
            raise SettingsError(f"{text!r} is no list of boosts: write strength:first-last, as in 0.1:10-19.") from error
    return tuple(found)


@dataclass(frozen=True)
class Plan:
    """What is asked of each question.

    Attributes:
        adapters: `on` (the one the model is best asked with), `off`, or both.
        arms: What is done to the clips.
        boosts: Each against no boost on the same questions: arm `audio`, adapter as in the app.
        readings: How an answer is read.
        effects: Whether the causal needle is read for each answer in free words, arm `audio`.
    """

    adapters: tuple[str, ...] = ADAPTERS
    arms: tuple[Arm, ...] = ("audio", "silence", "reversed")
    boosts: tuple[BoostAt, ...] = ()
    readings: tuple[Reading, ...] = ("likelihood",)
    effects: bool = False


@dataclass(frozen=True, eq=False)
class Posed:
    """A question as one arm puts it.

    Attributes:
        arm: Which.
        order: At index i, the clip of the item that stands at place i.
        clips: In that order.
        item: With the letters of the question, its choices and its answers changed to match.
    """

    arm: Arm
    order: Order
    clips: tuple[Clip, ...]
    item: Item


def posed(item: Item, clips: Sequence[Clip], arms: Sequence[Arm]) -> list[Posed]:
    """The question in each arm there is for it; the same order of the same clips is put once.

    Args:
        item: The question.
        clips: Its sounds, read.
        arms: Those wanted; a question that is not movable, or has one clip, has no other order.
    """
    same = tuple(range(len(clips)))
    found = []
    for arm in arms:
        if arm == "silence":
            found.append(Posed(arm, same, tuple(map(silent, clips)), item))
            continue
        moving = item.movable and len(clips) > 1
        every = orders(len(clips), MOST_ORDERS) if moving and arm == "orders" else ()
        wanted = {"audio": (same,), "reversed": (same[::-1],) if moving else (), "orders": every}[arm]
        known = {one.order for one in found if one.arm != "silence"}
        found += [
            Posed(arm, order, tuple(clips[index] for index in order), in_order(item, order))
            for order in wanted
            if order not in known
        ]
    return found


def in_order(item: Item, order: Order) -> Item:
    """The same question when the clips stand in another order: their letters follow them."""
    letters = inverse(order)
    if order == tuple(range(len(order))):
        return item
    return replace(
        item,
        sounds=tuple(item.sounds[index] for index in order),
        question=renamed(item.question, letters),
        choices=_sorted(item, tuple(renamed(choice, letters) for choice in item.choices)),
        answers=tuple(renamed(answer, letters) for answer in item.answers),
    )


def _sorted(item: Item, choices: tuple[str, ...]) -> tuple[str, ...]:
    """Letters come in the order of the alphabet again; texts stay where they are."""
    return tuple(sorted(choices)) if item.options == "clips" else choices


def put_back(choice: str | None, order: Order) -> str | None:
    """A choice made among clips in another order, by the letters that the item gives them."""
    return None if choice is None else renamed(choice, order)


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


def order_name(order: Order) -> str:
    """An order by its letters: `BAC`."""
    return "".join(map(letter, order))

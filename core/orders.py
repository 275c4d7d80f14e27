"""One question about the same clips in every order, and what the answers agree on.

An answer that follows the place of a clip rather than its sound changes with the order.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from core.letters import renamed
from core.types import Boost, Clip, Conversation, Turn

Order = tuple[int, ...]
"""`order[i]` is the index of the original clip that stands at place i."""


def orders(count: int, most: int = 24, seed: int = 0) -> tuple[Order, ...]:
    """Distinct orders of `count` clips, that in which they are first: all of them where there are at most `most`.

    Of more, `most` are drawn: a drawn order in all its rotations, then its reverse in all of its, and so on. So each
    clip stands at each place as often as at any other, give or take one, and after a whole number of such pairs (of
    2 * count orders) each clip stands before each other one in half of them.

    Args:
        count: Clips, 1 or more.
        most: Orders, 1 or more.
        seed: Of what is drawn.
    """
    assert count >= 1 and most >= 1
    if math.factorial(count) <= most:
        return tuple(permutations(range(count)))
    rng, base = random.Random(seed), tuple(range(count))
    found: dict[Order, None] = {}
    while len(found) < most:
        for row in (base, base[::-1]):
            found |= dict.fromkeys(row[start:] + row[:start] for start in range(count))
        base = tuple(rng.sample(range(count), count))
    return tuple(found)[:most]


def inverse(order: Sequence[int]) -> Order:
    """At index j the place at which clip j stands; renames letters of the original to those of the order."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def in_order(conversation: Conversation, order: Order) -> Conversation:
    """The last question asked anew, with the clips in another order and the letters in its words renamed to match.

    One turn is left, the last of the user's: clips of earlier turns stand before it, its own where they stood among
    its words, with the sounds exchanged over these places. Earlier questions and answers are left out, for they speak
    of letters and give the answer away; so a question that leans on them ("and clip B?") has to be asked in full, and
    what is compared with is the answer to the conversation in the order as it was, not the one in the chat.

    Args:
        conversation: The user has asked something.
        order: Of all its clips (`orders`).
    """
    clips = conversation.clips
    assert sorted(order) == list(range(len(clips))), "an order has each clip once"
    asked = [turn for turn in conversation.turns if turn.role == "user"][-1]
    placed = [clips[index] for index in order]
    earlier = len(clips) - len(asked.clips)
    own = iter(placed[earlier:])
    parts = (next(own) if isinstance(part, Clip) else renamed(part, inverse(order)) for part in asked.parts)
    return Conversation((Turn("user", (*placed[:earlier], *parts)),))


def boost_in_order(boost: Boost, order: Order) -> Boost:
    """The boost with each clip's weight at the place where the clip stands now."""
    return replace(boost, clip_weights=tuple(boost.weight(index) for index in order) if boost.clip_weights else ())


@dataclass(frozen=True)
class Group:
    """Orders in which the answer came to the same."""

    verdict: str
    orders: tuple[Order, ...]


@dataclass(frozen=True)
class Vote:
    """What the answers agree on; the same in whatever order they were given.

    Attributes:
        groups: From the largest to the smallest, equal ones by their verdict.
    """

    groups: tuple[Group, ...]

    @property
    def agreement(self) -> float:
        """Share of the largest group, above 0 up to 1."""
        return len(self.groups[0].orders) / sum(len(group.orders) for group in self.groups)

    @property
    def leading(self) -> tuple[Group, ...]:
        """The largest group, or all that are as large: more than one is a tie, and no verdict has won."""
        return tuple(group for group in self.groups if len(group.orders) == len(self.groups[0].orders))

    @property
    def winner(self) -> str | None:
        """The verdict of the largest group; None in a tie."""
        return self.groups[0].verdict if len(self.leading) == 1 else None

    @property
    def odd(self) -> tuple[tuple[Order, str], ...]:
        """Order and verdict of each answer outside the leading groups, by order."""
        rest = self.groups[len(self.leading) :]
        return tuple(sorted((order, group.verdict) for group in rest for order in group.orders))


def vote(verdicts: Mapping[Order, str]) -> Vote:
    """Groups the verdict of the answer in each order (`core.verdict`); there is at least one."""
    assert verdicts, "nothing was answered"
    groups: dict[str, list[Order]] = {}
    for order in sorted(verdicts):
        groups.setdefault(verdicts[order], []).append(order)
    found = (Group(verdict, tuple(members)) for verdict, members in groups.items())
    return Vote(tuple(sorted(found, key=lambda group: (-len(group.orders), group.verdict))))

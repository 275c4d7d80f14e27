"""What the answers in every order of the clips agree on, as HTML."""

from collections.abc import Sequence
from html import escape

from chat_app import strings
from chat_app.session import Ordered
from chat_app.waveform import badge
from core.orders import Order, vote
from core.types import letter


def card(ordered: Sequence[Ordered]) -> str:
    """HTML of the vote; empty where nothing was answered.

    Args:
        ordered: The answers, in the order asked.
    """
    if not ordered:
        return ""
    found = vote({answer.order: answer.verdict for answer in ordered})
    total = len(ordered)
    if found.winner is not None:
        heading = strings.VOTE.format(count=len(found.groups[0].orders), total=total, verdict=_said(found.winner))
    else:
        verdicts = ", ".join(_said(group.verdict) for group in found.leading)
        heading = strings.VOTE_TIED.format(verdicts=verdicts)
    groups = "".join(
        f'<li><span class="es-verdict" dir="auto">{_said(group.verdict)}</span>'
        f'<span class="es-bar" role="meter" aria-valuemin="0" aria-valuemax="{total}" '
        f'aria-valuenow="{len(group.orders)}" aria-label="{_said(group.verdict)}">'
        f'<i style="width:{len(group.orders) / total:.1%}"></i></span>'
        f"<b>{strings.VOTES.format(count=len(group.orders), total=total)}</b>"
        f"<small>{', '.join(map(_letters, group.orders))}</small></li>"
        for group in found.groups
    )
    odd = {order for order, _ in found.odd}
    rows = "".join(_row(answer, odd=answer.order in odd) for answer in ordered)
    return (
        f'<div class="es-meter es-orders" role="group" aria-label="{strings.ORDERS_LABEL}">'
        f"<h4>{strings.ORDERS_LABEL}</h4>"
        f'<p class="es-vote">{heading}</p><ul class="es-groups">{groups}</ul>'
        f'<details class="es-basis"><summary>{strings.ORDERS_ANSWERS}</summary>'
        f'<ol class="es-ordered">{rows}</ol></details><p class="es-caveat">{strings.ORDERS_CAVEAT}</p></div>'
    )


def _row(answer: Ordered, *, odd: bool) -> str:
    badges = "".join(badge(index, letter(index)) for index in answer.order)
    mark = f"<em>{strings.ODD_ANSWER}</em> " if odd else ""
    return f'<li><span class="es-order">{badges}</span><span dir="auto">{mark}{escape(answer.words)}</span></li>'


def _letters(order: Order) -> str:
    return "".join(map(letter, order))


def _said(verdict: str) -> str:
    """A verdict, shortened where it is a whole answer; escaped."""
    words = verdict or strings.NOTHING_SAID
    return escape(words if len(words) <= 80 else f"{words[:79]}…")

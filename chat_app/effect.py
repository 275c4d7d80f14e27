"""What is known of whether the clips mattered to one answer: an `Effect` in, one string of HTML out."""

import math
from collections.abc import Sequence
from html import escape

from chat_app import strings
from chat_app.waveform import badge, badge_colours
from chat_app.words import word_starts, words_of
from core.summary import Summary
from core.types import Clip, Effect, letter

MOST_NAMED = 5
"""Words that are named, and of which the number stands beside them."""
LEAST_NAMED_NATS = 0.1
"""Less than a tenth more likely: not worth a number."""


def section(effect: Effect, summary: Summary | None, clips: Sequence[Clip]) -> str:
    """HTML: the whole, each clip beside its share of attention, and the words that mattered.

    Args:
        effect: Of the first clips only while it is being found out.
        summary: Of the attention, where it was read.
        clips: The conversation's clips up to that answer, in the order of their letters.
    """
    whole = effect.whole_nats_per_token
    known = (whole, *effect.clips_nats_per_token)
    largest = max(map(abs, known)) or 1.0
    rows = "".join(_row(effect, summary, index, clip, largest) for index, clip in enumerate(clips))
    heads = (
        f'<span aria-hidden="true"></span><span>{strings.EFFECT_ATTENTION}</span><span>{strings.EFFECT_ALONE}</span>'
    )
    return (
        f'<div class="es-effect" role="group" aria-label="{strings.EFFECT_LABEL}">'
        f'<div class="es-headline"><b>{nats(whole)}</b><span>{strings.EFFECT_UNIT}</span></div>'
        f"<p>{in_words(whole)}</p>"
        f'<div class="es-effects"><div class="es-heads" aria-hidden="true">{heads}</div>{rows}</div>{_words(effect)}'
        f'<p class="es-caveat">{strings.EFFECT_CAVEAT}</p></div>'
    )


def nats(value: float) -> str:
    """A number of nats with its sign; 0 has none."""
    return f"{value:+.2f}".replace("-", "−") if abs(value) >= 0.005 else "0.00"


def in_words(whole: float) -> str:
    """What an answer's nats per token say."""
    if abs(whole) < 0.005:
        return strings.EFFECT_NONE
    sentence = strings.EFFECT_FOR if whole > 0 else strings.EFFECT_AGAINST
    return sentence.format(times=f"{math.exp(abs(whole)):.2f}")


def word_nats(effect: Effect) -> tuple[tuple[str, float], ...]:
    """The words and the effect of all clips on each: the sum over its tokens, as log-probabilities add up."""
    starts = word_starts(effect.tokens)
    spans = zip(starts, [*starts[1:], len(effect.tokens)], strict=True)
    totals = [sum(effect.whole_nats[start:stop]) for start, stop in spans]
    return tuple(zip(words_of(effect.tokens), totals, strict=True))


def _row(effect: Effect, summary: Summary | None, index: int, clip: Clip, largest: float) -> str:
    name, label = letter(index), escape(clip.label)
    share = strings.UNREAD if summary is None else strings.percent(summary.applied.share(summary.clips[index]))
    width = 0.0 if summary is None else summary.applied.share(summary.clips[index])
    known = index < len(effect.clips_nats)
    value = effect.clips_nats_per_token[index] if known else 0.0
    number = nats(value) if known else "…"
    said = strings.EFFECT_SAID.format(nats=number if known else strings.EFFECT_PENDING)
    return (
        f'<div>{badge(index, name)}<span class="es-name" title="{label}">{label}</span>'
        f'<span class="es-bar" role="img" aria-label="{strings.EFFECT_ATTENTION}">'
        f'<i style="width:{width:.2%};background:{badge_colours(index)[0]}"></i></span><b>{share}</b>'
        f'<span class="es-middle" role="img" aria-label="{said}">{_bar(value / largest)}</span><b>{number}</b></div>'
    )


def _bar(part: float) -> str:
    """A bar from the middle: to the right for, to the left against; `part` is -1 to 1."""
    side = "es-for" if part > 0 else "es-against"
    return f'<i class="{side}" style="width:{abs(part) / 2:.2%}"></i>'


def _words(effect: Effect) -> str:
    """The words shaded by their effect, blue for and orange against; the largest with their numbers."""
    words = word_nats(effect)
    largest = max((abs(value) for _, value in words), default=0.0) or 1.0
    order = sorted(range(len(words)), key=lambda place: -abs(words[place][1]))
    named = [place for place in order[:MOST_NAMED] if abs(words[place][1]) >= LEAST_NAMED_NATS]
    shown = "".join(_word(word, value, value / largest, place in named) for place, (word, value) in enumerate(words))
    sentence = (
        strings.EFFECT_WORDS.format(
            words=", ".join(f"“{escape(words[place][0].strip())}” {nats(words[place][1])}" for place in named)
        )
        if named
        else strings.EFFECT_NO_WORDS
    )
    return f'<h4>{strings.EFFECT_WORDS_HEADING}</h4><p class="es-felt-words" dir="auto">{shown}</p><p>{sentence}</p>'


def _word(word: str, value: float, part: float, named: bool) -> str:
    number = f"<sup>{nats(value)}</sup>" if named else ""
    side = "es-for" if part > 0 else "es-against"
    return (
        f'<span class="es-felt {side}" style="--es-much:{100 * abs(part):.0f}%" title="{nats(value)}">'
        f"{escape(word.strip())}{number}</span> "
    )

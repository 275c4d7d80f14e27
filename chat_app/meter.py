"""The meter card of one answer: where the model attended. A `Trace` in, one string of HTML out; `meter.js` works it."""

import json
from collections.abc import Sequence
from html import escape

from chat_app import strings
from chat_app.basis import basis
from chat_app.trace import Trace
from chat_app.waveform import COLOURS, badge_colours, cividis, heat, lettered, waveform
from chat_app.words import Rows, packed_levels, packed_numbers, rows_of
from core.audio import level_envelope
from core.summary import Shares, Summary, is_clip
from core.types import Clip, letter

ENVELOPE_BINS = 60
MOST_WORDS = 400
"""Words with a row of their own: about 200 kB with eight clips."""
_SHADES = {"template": 1, "system": 2, "history": 3, "question": 4, "answer": 5, "pairs": 6, "hint": 7}


def card(trace: Trace | None, clips: Sequence[Clip], addresses: Sequence[str] | None = None) -> str:
    """HTML of the card.

    Args:
        trace: Of the answer, or None where the engine gave no readings.
        clips: The conversation's clips up to that answer, in the order of their letters.
        addresses: Where the page serves each clip. With them the card has controls, which need `meter.js`; without
            them it has none.
    """
    if trace is None:
        return _plain(strings.NO_READINGS)
    summary = trace.summary
    if not summary.clips:
        return _plain(strings.NO_CLIPS)
    assert len(summary.clips) == len(clips), "a reading names every clip of its conversation"
    words = ""
    if addresses is not None:
        rows = rows_of(trace, [clip.seconds for clip in clips], MOST_WORDS)
        words = _words(rows, boosted=bool(summary.boosted), all_words="".join(rows.words) == "".join(trace.texts))
    return (
        f'<div class="es-meter" role="group" aria-label="{strings.METER_LABEL}">'
        f"{_needle(summary)}{words}{_clip_rows(summary, clips, addresses)}{_heat_legend()}"
        f"{_stack(summary.applied)}{basis(summary)}"
        f'<p class="es-caveat">{strings.CAVEAT}{" " + strings.CAVEAT_BOOST if summary.boosted else ""}</p>'
        f"{_help_button() if addresses is not None else ''}</div>"
    )


def tools() -> str:
    """What `meter.js` needs once on a page: the colours of heat, and the help that every card's button opens."""
    terms = "".join(f"<dt>{term}</dt><dd>{meaning}</dd>" for term, meaning in strings.METER_HELP)
    return (
        f'<dialog class="es-help" id="meter-help" data-shades="{" ".join(COLOURS)}"'
        f' aria-label="{strings.METER_HELP_HEADING}">'
        f"<h2>{strings.METER_HELP_HEADING}</h2><dl>{terms}</dl>"
        f'<form method="dialog"><button class="es-button">{strings.CLOSE_HELP}</button></form></dialog>'
    )


def _help_button() -> str:
    return f'<p><button type="button" class="es-button es-ask-help">{strings.METER_HELP_HEADING}</button></p>'


def _plain(sentence: str) -> str:
    return f'<section class="es-meter es-plain"><p class="es-caveat">{sentence}</p></section>'


def _needle(summary: Summary) -> str:
    shares, natural = summary.applied, summary.before_boost
    number = strings.percent(shares.audio)
    expected = strings.percent(shares.audio_tokens)
    before = f'<i class="es-natural" style="left:{natural.audio:.2%}"></i>' if summary.boosted else ""
    facts = [strings.EXPECTED.format(percent=expected)]
    if summary.boosted:
        facts.insert(0, strings.NATURAL.format(percent=strings.percent(natural.audio)))
    return (
        f'<div class="es-headline"><b>{number}</b><span>{strings.SHARE_OF_AUDIO}</span>'
        f'<em title="{strings.LIFT_INFO}">{strings.LIFT.format(lift=shares.audio_lift)}</em></div>'
        f'<div class="es-needle" role="meter" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{100 * shares.audio:.1f}" aria-valuetext="{number}" aria-label="{strings.SHARE_OF_AUDIO}">'
        f'<i class="es-fill" style="width:{shares.audio:.2%}"></i>{before}'
        f'<i class="es-expected" style="left:{shares.audio_tokens:.2%}"></i></div>'
        f'<p class="es-facts">{" · ".join(facts)}</p>'
    )


def _words(rows: Rows, boosted: bool, all_words: bool) -> str:
    """The words as buttons, with the numbers of each packed beside them; the first button is the whole answer."""
    if not any(map(str.strip, rows.words)):
        return ""
    kinds = (rows.shares, rows.lifts, *([rows.natural] if boosted else []))
    texts = {
        "share": strings.SHARE_VALUE,
        "natural": strings.NATURAL,
        "heat": strings.HEAT_LABEL,
        "word": strings.SHOWN_WORD,
        "whole": strings.SHOWN_WHOLE,
        "shaded": strings.SHADED,
        "of": strings.WORD_SHARE,
    }
    words = "".join(
        f'<button type="button" class="es-word" tabindex="-1" aria-pressed="false" dir="auto">'
        f"{escape(word.strip())}</button>"
        for word in rows.words
    )
    more = "" if all_words else f"<p>{strings.MORE_WORDS.format(words=MOST_WORDS)}</p>"
    return (
        f'<details class="es-by-word" data-numbers="{packed_numbers(*kinds)}" '
        f'data-levels="{packed_levels(rows.levels)}" data-texts="{escape(json.dumps(texts))}">'
        f"<summary>{strings.WORDS_HEADING}</summary>"
        f"<p>{strings.WORDS_INFO}</p>"
        f'<div class="es-words-row" role="toolbar" aria-label="{strings.WORDS_HEADING}">'
        f'<button type="button" class="es-word es-whole" tabindex="0" aria-pressed="true">{strings.WHOLE}</button>'
        f'{words}</div>{more}<p class="es-shaded" role="status"></p></details>'
        f'<p class="es-shown" role="status" dir="auto">{strings.SHOWN_WHOLE}</p>'
    )


def _clip_rows(summary: Summary, clips: Sequence[Clip], addresses: Sequence[str] | None) -> str:
    largest = max(summary.applied.share(source) for source in summary.clips) or 1.0
    densities = [
        [weight * len(profile) / clip.seconds for weight in profile]
        for profile, clip in zip(summary.profiles, clips, strict=True)
    ]
    peak = max((max(density, default=0.0) for density in densities), default=0.0) or 1.0
    rows = (
        _clip_row(
            summary,
            index,
            clip,
            largest,
            [value / peak for value in densities[index]],
            None if addresses is None else addresses[index],
        )
        for index, clip in enumerate(clips)
    )
    return f'<div class="es-rows">{"".join(rows)}</div>'


def _clip_row(
    summary: Summary, index: int, clip: Clip, largest: float, levels: Sequence[float], sound: str | None
) -> str:
    name, source, shares = letter(index), summary.clips[index], summary.applied
    share, lift = shares.share(source), shares.lift(source)
    label = escape(clip.label)
    number = strings.percent(share)
    hottest = levels.index(max(levels)) if levels else 0
    strip = heat(
        levels,
        strings.HEAT_LABEL.format(
            letter=name,
            seconds=f"{clip.seconds:.1f}",
            peak=f"{(hottest + 0.5) * clip.seconds / max(len(levels), 1):.1f}",
        ),
    )
    natural = summary.before_boost.share(source)
    before = f'<i class="es-natural" style="left:{min(natural / largest, 1):.2%}"></i>' if summary.boosted else ""
    was = f'<small class="es-was">{strings.NATURAL.format(percent=strings.percent(natural))}</small>'
    pick = "" if sound is None else strings.PICK_CLIP.format(letter=name, name=label)
    return (
        f'<div class="es-row" data-letter="{name}" data-seconds="{clip.seconds:.3f}">{lettered(index, name, pick)}'
        f'<div class="es-what"><span class="es-name" title="{label}">{label}</span>'
        f'<div class="es-bar" role="meter" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{100 * share:.1f}" '
        f'aria-valuetext="{strings.SHARE_VALUE.format(percent=number, lift=f"{lift:.2f}")}" '
        f'aria-label="{strings.CLIP_SHARE.format(letter=name, name=label)}">'
        f'<i style="width:{share / largest:.2%};background:{badge_colours(index)[0]}"></i>{before}</div>'
        f"{was if summary.boosted else ''}</div>"
        f'<div class="es-number"><b>{number}</b><small>{lift:.2f}×</small></div>'
        f'<div class="es-strip">{_player(name, label, clip.seconds, sound)}'
        f'<div class="es-track">{waveform(level_envelope(clip, ENVELOPE_BINS))}{strip}'
        f"{_place(name, label, clip.seconds) if sound is not None else ''}</div></div></div>"
    )


def _player(name: str, label: str, seconds: float, sound: str | None) -> str:
    if sound is None:
        return ""
    return (
        f'<button type="button" class="es-go" aria-label="{strings.PLAY.format(letter=name, name=label)}"></button>'
        f'<audio preload="none" src="{sound}"></audio><small class="es-gone" hidden>{strings.SOUND_GONE}</small>'
    )


def _place(name: str, label: str, seconds: float) -> str:
    """The place in a clip, over its waveform and heat: to be clicked, and moved by keys."""
    return (
        f'<div class="es-place" role="slider" tabindex="0" '
        f'aria-label="{strings.PLACE.format(letter=name, name=label)}" '
        f'aria-valuemin="0" aria-valuemax="{seconds:.1f}" aria-valuenow="0" data-text="{strings.PLACE_VALUE}" '
        f'aria-valuetext="{strings.PLACE_VALUE.format(now="0.0", seconds=f"{seconds:.1f}")}"><i></i></div>'
    )


def _heat_legend() -> str:
    stops = ",".join(cividis(step / 6) for step in range(7))
    return (
        f'<p class="es-legend">{strings.HEAT_LEGEND}: <span>{strings.LOW} '
        f'<i style="background:linear-gradient(90deg,{stops})"></i> {strings.HIGH}</span></p>'
    )


def _stack(shares: Shares) -> str:
    """The bar of all sources, the sink among them; its parts add to 100 %."""
    parts, legend = [], []
    clip_index = 0
    # A source without a token, such as an earlier turn in the first one, is not worth a word.
    present = [
        (source, weight)
        for source, weight, tokens in zip(shares.sources, shares.weights, shares.tokens, strict=True)
        if tokens or weight
    ]
    for source, weight in present:
        if is_clip(source):
            background, text = badge_colours(clip_index)
            style, shade = f"background:{background};color:{text};", ""
            clip_index += 1
        else:
            style, shade = "", f" es-shade{_SHADES.get(source, 0)}"
        name, number = escape(strings.source_name(source)), strings.percent(weight)
        inside = name if is_clip(source) and weight > 0.04 else ""
        parts.append(f'<i class="es-part{shade}" style="{style}width:{weight:.3%}">{inside}</i>')
        legend.append(f'<span><i class="es-key{shade}" style="{style}"></i>{name} <b>{number}</b></span>')
    spoken = strings.STACK_LABEL.format(
        parts=", ".join(
            f"{escape(strings.source_name(source))} {strings.percent(weight)}" for source, weight in present
        )
    )
    return (
        f'<h4>{strings.STACK_HEADING}</h4><div class="es-stack" role="img" aria-label="{spoken}">{"".join(parts)}</div>'
        f'<p class="es-keys">{"".join(legend)}</p>'
    )

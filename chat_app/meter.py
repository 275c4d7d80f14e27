"""The meter card of one answer: where the model attended. A `Summary` in, one string of HTML out."""

from collections.abc import Sequence
from html import escape

from chat_app import strings
from chat_app.summary import Shares, Summary, is_clip
from chat_app.waveform import badge, badge_colours, cividis, heat, waveform
from core.audio import level_envelope
from core.types import Clip, letter

ENVELOPE_BINS = 60
_SHADES = {"template": 1, "system": 2, "history": 3, "question": 4, "answer": 5, "pairs": 6, "hint": 7}


def card(summary: Summary | None, clips: Sequence[Clip]) -> str:
    """HTML of the card.

    Args:
        summary: Of the answer, or None where the engine gave no readings.
        clips: The conversation's clips up to that answer, in the order of their letters.
    """
    if summary is None:
        return _plain(strings.NO_READINGS)
    if not summary.clips:
        return _plain(strings.NO_CLIPS)
    assert len(summary.clips) == len(clips), "a reading names every clip of its conversation"
    return (
        f'<div class="es-meter" role="group" aria-label="{strings.METER_LABEL}">'
        f"{_needle(summary)}{_clip_rows(summary, clips)}{_heat_legend()}{_stack(summary.applied)}{_basis(summary)}"
        f'<p class="es-caveat">{strings.CAVEAT}{" " + strings.CAVEAT_BOOST if summary.boosted else ""}</p>'
        "</div>"
    )


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


def _clip_rows(summary: Summary, clips: Sequence[Clip]) -> str:
    largest = max(summary.applied.share(source) for source in summary.clips) or 1.0
    densities = [
        [weight * len(profile) / clip.seconds for weight in profile]
        for profile, clip in zip(summary.profiles, clips, strict=True)
    ]
    peak = max((max(density, default=0.0) for density in densities), default=0.0) or 1.0
    rows = (
        _clip_row(summary, index, clip, largest, [value / peak for value in densities[index]])
        for index, clip in enumerate(clips)
    )
    return f'<div class="es-rows">{"".join(rows)}</div>'


def _clip_row(summary: Summary, index: int, clip: Clip, largest: float, levels: Sequence[float]) -> str:
    name, source, shares = letter(index), summary.clips[index], summary.applied
    share, lift = shares.share(source), shares.lift(source)
    label = escape(clip.label)
    number = strings.percent(share)
    sentence = strings.CLIP_SHARE.format(letter=name, name=label, percent=number, lift=lift)
    hottest = levels.index(max(levels)) if levels else 0
    strip = heat(
        levels,
        strings.HEAT_LABEL.format(
            letter=name, seconds=clip.seconds, peak=(hottest + 0.5) * clip.seconds / max(len(levels), 1)
        ),
    )
    natural = summary.before_boost.share(source)
    before = f'<i class="es-natural" style="left:{min(natural / largest, 1):.2%}"></i>' if summary.boosted else ""
    was = f'<small class="es-was">{strings.NATURAL.format(percent=strings.percent(natural))}</small>'
    return (
        f'<div class="es-row">{badge(index, name)}'
        f'<div class="es-what"><span class="es-name" title="{label}">{label}</span>'
        f'<div class="es-bar" role="meter" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{100 * share:.1f}" '
        f'aria-valuetext="{number}" aria-label="{sentence}">'
        f'<i style="width:{share / largest:.2%};background:{badge_colours(index)[0]}"></i>{before}</div>'
        f"{was if summary.boosted else ''}</div>"
        f'<div class="es-number"><b>{number}</b><small>{lift:.2f}×</small></div>'
        f'<div class="es-strip">{waveform(level_envelope(clip, ENVELOPE_BINS))}{strip}</div></div>'
    )


def _heat_legend() -> str:
    stops = ",".join(cividis(step / 6) for step in range(7))
    return (
        f'<p class="es-legend">{strings.HEAT_LEGEND}: <span>{strings.LOW} '
        f'<i style="background:linear-gradient(90deg,{stops})"></i> {strings.HIGH}</span></p>'
    )


def source_name(source: str) -> str:
    """A source in the words of the page: clips by their letter."""
    return source.removeprefix("clip ") if is_clip(source) else strings.SOURCES.get(source, source)


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
        name, number = escape(source_name(source)), strings.percent(weight)
        inside = name if is_clip(source) and weight > 0.04 else ""
        parts.append(f'<i class="es-part{shade}" style="{style}width:{weight:.3%}">{inside}</i>')
        legend.append(f'<span><i class="es-key{shade}" style="{style}"></i>{name} <b>{number}</b></span>')
    spoken = strings.STACK_LABEL.format(
        parts=", ".join(f"{escape(source_name(source))} {strings.percent(weight)}" for source, weight in present)
    )
    return (
        f'<h4>{strings.STACK_HEADING}</h4><div class="es-stack" role="img" aria-label="{spoken}">{"".join(parts)}</div>'
        f'<p class="es-keys">{"".join(legend)}</p>'
    )


def _layers(summary: Summary) -> str:
    """A small column for each layer read, those with a boost marked."""
    values = summary.audio_by_layer()
    columns = "".join(
        f'<i class="{"es-boosted" if layer in summary.boosted else ""}" style="height:{max(value, 0.01):.1%}" '
        f'title="{layer}: {strings.percent(value)}"></i>'
        for layer, value in zip(summary.layers, values, strict=True)
    )
    spoken = strings.LAYERS_LABEL.format(
        values=", ".join(
            f"{layer} {strings.percent(value)}" for layer, value in zip(summary.layers, values, strict=True)
        )
    )
    return (
        f'<h4>{strings.LAYERS_HEADING}</h4><div class="es-layers" role="img" aria-label="{spoken}">{columns}</div>'
        f'<p class="es-ends"><span>{summary.layers[0]}</span><span>{summary.layers[-1]}</span></p>'
    )


def _basis(summary: Summary) -> str:
    first, last, count = summary.layers[0], summary.layers[-1], len(summary.layers)
    unbroken = count == last - first + 1
    layers = (strings.BASIS_LAYERS if unbroken else strings.BASIS_LAYERS_SOME).format(
        first=first, last=last, count=count
    )
    sentences = [
        strings.BASIS.format(steps=summary.steps, layers=layers, spread=strings.percent(summary.head_spread)),
        strings.BASIS_SINK.format(percent=strings.percent(1 - summary.applied.outside_sink)),
        strings.BASIS_TOKENS.format(
            counts=", ".join(
                f"{escape(source_name(source))} {count:.0f}"
                for source, count in zip(summary.sources, summary.tokens, strict=True)
                if count
            )
        ),
        strings.BASIS_BARS,
    ]
    if summary.boosted:
        sentences.insert(1, strings.BASIS_BOOST.format(first=summary.boosted[0], last=summary.boosted[-1]))
    return (
        f'<details class="es-basis"><summary>{strings.BASIS_HEADING}</summary>{_layers(summary)}'
        f"<p>{' '.join(sentences)}</p></details>"
    )

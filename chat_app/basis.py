"""What a meter card rests on: layer by layer, token counts, and what was left out."""

from html import escape

from chat_app import strings
from chat_app.waveform import heat
from core.summary import SINK, Shares, Summary

_LABELLED_LAYERS = 12
"""About so many layers have their number under them."""


def basis(summary: Summary) -> str:
    """The folded part of the card."""
    first, last, count = summary.layers[0], summary.layers[-1], len(summary.layers)
    unbroken = count == last - first + 1
    layers = (strings.BASIS_LAYERS if unbroken else strings.BASIS_LAYERS_SOME).format(
        first=first, last=last, count=count
    )
    sentences = [
        strings.BASIS.format(steps=summary.steps, layers=layers, spread=strings.percent(summary.head_spread)),
        strings.BASIS_HEADS,
        strings.BASIS_SINK.format(percent=strings.percent(1 - summary.applied.outside_sink)),
        strings.BASIS_TOKENS.format(
            counts=", ".join(
                f"{escape(strings.source_name(source))} {count:.0f}"
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


def _layers(summary: Summary) -> str:
    """A column for each layer read, and under it the heat of each source; one scale for all of them."""
    by_layer = [Shares(summary.sources, summary.tokens, row) for row in summary.weights]
    shown = [source for source, count in zip(summary.sources, summary.tokens, strict=True) if count and source != SINK]
    rows = {source: [shares.share(source) for shares in by_layer] for source in shown}
    peak = max((max(row) for row in rows.values()), default=0.0) or 1.0
    heats = "".join(
        f'<span class="es-source">{escape(strings.source_name(source))}</span>'
        f"{heat([share / peak for share in row], _spoken(strings.LAYER_HEAT_LABEL, summary, row, source))}"
        f"<small>{strings.percent(summary.applied.share(source))}</small>"
        for source, row in rows.items()
    )
    step = max(1, -(-len(summary.layers) // _LABELLED_LAYERS))
    numbers = "".join(
        f'<i class="{_boosted(summary, layer)}">{layer if place % step == 0 else ""}</i>'
        for place, layer in enumerate(summary.layers)
    )
    boosted = f'<p class="es-legend">{strings.BOOSTED_MARK}</p>' if summary.boosted else ""
    return (
        f"<h4>{strings.LAYERS_HEADING}</h4>"
        f'<div class="es-by-layer"><span class="es-source">{strings.AUDIO}</span>{_columns(summary)}'
        f"<small>{strings.percent(summary.applied.audio)}</small>{heats}"
        f'<span class="es-source">{strings.LAYER}</span><div class="es-ends" aria-hidden="true">{numbers}</div>'
        f'<small></small></div>{boosted}<p class="es-legend">'
        f"{strings.LAYERS_LEGEND.format(percent=strings.percent(peak))}</p>"
    )


def _columns(summary: Summary) -> str:
    """The share of all clips by layer, those with a boost marked."""
    values = summary.audio_by_layer()
    columns = "".join(
        f'<i class="{_boosted(summary, layer)}" style="height:{max(value, 0.01):.1%}" '
        f'title="{layer}: {strings.percent(value)}"></i>'
        for layer, value in zip(summary.layers, values, strict=True)
    )
    return (
        f'<div class="es-layers" role="img" aria-label="{_spoken(strings.LAYERS_LABEL, summary, values)}">'
        f"{columns}</div>"
    )


def _boosted(summary: Summary, layer: int) -> str:
    return "es-boosted" if layer in summary.boosted else ""


def _spoken(sentence: str, summary: Summary, values: list[float] | tuple[float, ...], source: str = "") -> str:
    numbers = ", ".join(
        f"{layer} {strings.percent(value)}" for layer, value in zip(summary.layers, values, strict=True)
    )
    return sentence.format(source=escape(strings.source_name(source)), values=numbers)

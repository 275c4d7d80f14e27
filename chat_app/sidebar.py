"""The settings beside the chat: components, and the way from their values to a `Form`."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from chat_app import strings
from chat_app.form import Form
from core.engine import EngineInfo
from core.texts import system_presets
from core.types import Settings, letter

STRENGTHS = {
    "off": (0.0, 1.0, 0.01, 0.1),
    "mata": (0.0, 1.0, 0.01, 0.1),
    "pai": (0.0, 1.0, 0.01, 0.1),
    "bias": (0.0, 5.0, 0.1, 1.0),
    "target": (0.01, 0.99, 0.01, 0.5),
}
"""Lowest, highest, step and first value of the strength for each method."""


def sidebar(info: EngineInfo) -> tuple[list[gr.components.FormComponent], list[gr.Slider]]:
    """The settings, starting at what the engine is best asked with; what it cannot do is not shown.

    Returns:
        The components in the order `form` takes them, and among them the weight of each clip.
    """
    default = info.default
    presets = system_presets()
    with gr.Sidebar(label=strings.SETTINGS, open=False, width=330, elem_id="settings"):
        html(f'<h2 class="es-heading">{strings.SETTINGS}</h2>')
        with gr.Accordion(strings.BOOST_HEADING, open=True, visible=info.attention):
            method = gr.Dropdown(
                list(strings.METHOD_NAMES),
                value=default.boost.method,
                label=strings.METHOD_LABEL,
                info=strings.METHOD_INFO[default.boost.method],
                elem_id="method",
            )
            alpha = _strength(default.boost.method, default)
            with gr.Column(visible=default.boost.method != "off") as band:
                band_from = gr.Slider(0, 1, default.boost.band[0], step=0.01, label=strings.BAND_FROM_LABEL)
                band_to = gr.Slider(0, 1, default.boost.band[1], step=0.01, label=strings.BAND_TO_LABEL)
            with gr.Column(visible=default.boost.method != "off") as per_clip:
                weights = [
                    gr.Slider(
                        0, 10, 1, step=0.1, label=strings.WEIGHT_LABEL.format(letter=letter(index)), visible=False
                    )
                    for index in range(info.max_clips)
                ]
        with gr.Accordion(strings.ANSWER_HEADING, open=True):
            adapter = gr.Dropdown(
                [(strings.NO_ADAPTER, ""), *((name, name) for name in info.adapters)],
                value=default.adapter or "",
                label=strings.ADAPTER_LABEL,
                visible=bool(info.adapters),
                elem_id="adapter",
            )
            facts = gr.Checkbox(
                default.facts, label=strings.FACTS_LABEL, info=strings.FACTS_INFO, elem_id="facts", container=True
            )
            temperature = gr.Slider(
                0,
                2,
                default.temperature,
                step=0.05,
                label=strings.TEMPERATURE_LABEL,
                info=strings.TEMPERATURE_INFO,
                elem_id="temperature",
            )
            with gr.Row():
                max_tokens = gr.Number(
                    default.max_tokens, label=strings.MAX_TOKENS_LABEL, precision=0, min_width=120, elem_id="max-tokens"
                )
                seed = gr.Number(default.seed, label=strings.SEED_LABEL, precision=0, min_width=120, elem_id="seed")
            preset = gr.Dropdown(
                [(entry.name, entry.text) for entry in presets],
                value=default.system,
                label=strings.PRESET_LABEL,
                allow_custom_value=bool(default.system),
                elem_id="preset",
            )
            system = gr.Textbox(
                default.system,
                label=strings.SYSTEM_LABEL,
                placeholder=strings.SYSTEM_PLACEHOLDER,
                lines=3,
                elem_id="system",
            )

    def choose(chosen: str) -> tuple[Any, ...]:
        on = chosen != "off"
        low, high, step, first = STRENGTHS[chosen]
        if chosen == default.boost.method:
            first = default.boost.alpha
        return (
            gr.update(info=strings.METHOD_INFO[chosen]),  # type: ignore[index]
            gr.update(minimum=low, maximum=high, step=step, value=first, visible=on),
            gr.update(visible=on),
            gr.update(visible=on),
        )

    method.change(choose, method, [method, alpha, band, per_clip], api_visibility="private", show_progress="hidden")
    preset.change(lambda text: text, preset, system, api_visibility="private", show_progress="hidden")
    fields: list[gr.components.FormComponent] = [
        method,
        alpha,
        band_from,
        band_to,
        adapter,
        system,
        temperature,
        max_tokens,
        seed,
        facts,
        *weights,
    ]
    return fields, weights


def _strength(method: str, default: Settings) -> gr.Slider:
    low, high, step, _ = STRENGTHS[method]
    return gr.Slider(
        low,
        max(high, default.boost.alpha),
        default.boost.alpha,
        step=step,
        label=strings.ALPHA_LABEL,
        visible=method != "off",
        elem_id="alpha",
    )


def form(values: Sequence[Any]) -> Form:
    """The settings' values in the order of `sidebar`."""
    method, alpha, band_from, band_to, adapter, system, temperature, max_tokens, seed, facts, *weights = values
    return Form(
        method=method,
        alpha=alpha,
        band_from=band_from,
        band_to=band_to,
        adapter=adapter or "",
        system=system or "",
        temperature=temperature,
        max_tokens=max_tokens,
        seed=seed,
        facts=bool(facts),
        clip_weights=tuple(weights),
    )


def html(content: str, **options: Any) -> gr.HTML:
    """HTML without Gradio's prose style; `js_on_load` is None unless given: by default Gradio listens for clicks."""
    return gr.HTML(content, **{"apply_default_css": False, "js_on_load": None, "padding": False, **options})

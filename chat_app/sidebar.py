"""The settings beside the chat: components, the way from their values to a `Form`, and back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from gradio.events import Dependency

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
HOTTEST = 2.0
"""Highest temperature the page offers."""
LARGEST = 2**53
"""Beyond it browsers round whole numbers."""


@dataclass(frozen=True)
class Sidebar:
    """The components.

    Attributes:
        infos: Of the engines that may be asked.
        fields: Values of a `Form`, in the order `form` takes them.
        weights: Those of `fields` that weigh one clip each.
        around: What shows and hides with them: the boost as a whole, its band, its weights.
        choices: Events of what sets several fields at once, after which they can be read.
    """

    infos: tuple[EngineInfo, ...]
    fields: tuple[gr.components.FormComponent, ...]
    weights: tuple[gr.Slider, ...]
    around: tuple[gr.Accordion, gr.Column, gr.Column]
    choices: tuple[Dependency, ...] = ()

    @property
    def shown(self) -> list[Any]:
        """The outputs for `shows`."""
        return [*self.fields, *self.around]

    def shows(self, chosen: Form) -> list[Any]:
        """Updates by which the components show a form."""
        info, on = self.infos[chosen.engine], chosen.method != "off"
        low, high, step, _ = STRENGTHS[chosen.method]
        values = [
            gr.update(value=chosen.engine),
            gr.update(value=chosen.method, info=strings.METHOD_INFO[chosen.method]),  # type: ignore[index]
            gr.update(value=chosen.alpha, minimum=low, maximum=high, step=step, visible=on),
            gr.update(value=chosen.band_from),
            gr.update(value=chosen.band_to),
            gr.update(value=chosen.adapter, choices=_adapters(info), visible=bool(info.adapters)),
            gr.update(value=chosen.system),
            gr.update(value=chosen.temperature),
            gr.update(value=chosen.max_tokens),
            gr.update(value=chosen.seed),
            gr.update(value=chosen.facts),
            *(gr.update(value=weight) for weight in chosen.clip_weights),
        ]
        return [*values, gr.update(visible=info.attention), gr.update(visible=on), gr.update(visible=on)]


def start(infos: Sequence[EngineInfo], engine: int = 0) -> Form:
    """The form an engine is best asked with."""
    default = infos[engine].default
    return Form(
        engine=engine,
        method=default.boost.method,
        alpha=default.boost.alpha,
        band_from=default.boost.band[0],
        band_to=default.boost.band[1],
        adapter=default.adapter or "",
        system=default.system,
        temperature=default.temperature,
        max_tokens=default.max_tokens,
        seed=default.seed,
        facts=default.facts,
        clip_weights=(1.0,) * max(info.max_clips for info in infos),
    )


def form(values: Sequence[Any]) -> Form:
    """The form of the components' values, in the order of `Sidebar.fields`."""
    engine, method, alpha, band_from, band_to, adapter, system, temperature, max_tokens, seed, facts, *weights = values
    return Form(
        engine=engine,
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


def sidebar(infos: tuple[EngineInfo, ...]) -> Sidebar:
    """The settings, starting at what the first engine is best asked with; what it cannot do is not shown."""
    info, first = infos[0], start(infos)
    presets = system_presets()
    names = [(full_name(info), place) for place, info in enumerate(infos)]
    engine = gr.Dropdown(names, value=0, label=strings.MODEL_LABEL, visible=len(infos) > 1, elem_id="engine")
    with gr.Accordion(strings.BOOST_HEADING, open=True, visible=info.attention) as boost:
        method = gr.Dropdown(
            list(strings.METHOD_NAMES),
            value=first.method,
            label=strings.METHOD_LABEL,
            info=strings.METHOD_INFO[info.default.boost.method],
            elem_id="method",
        )
        alpha = _strength(first.method, info.default)
        with gr.Column(visible=first.method != "off") as band:
            band_from = gr.Slider(0, 1, first.band_from, step=0.01, label=strings.BAND_FROM_LABEL)
            band_to = gr.Slider(0, 1, first.band_to, step=0.01, label=strings.BAND_TO_LABEL)
        with gr.Column(visible=first.method != "off") as per_clip:
            weights = tuple(
                gr.Slider(0, 10, 1, step=0.1, label=strings.WEIGHT_LABEL.format(letter=letter(index)), visible=False)
                for index in range(len(first.clip_weights))
            )
    with gr.Accordion(strings.ANSWER_HEADING, open=True):
        adapter = gr.Dropdown(
            _adapters(info),
            value=first.adapter,
            label=strings.ADAPTER_LABEL,
            visible=bool(info.adapters),
            elem_id="adapter",
        )
        facts = gr.Checkbox(
            first.facts, label=strings.FACTS_LABEL, info=strings.FACTS_INFO, elem_id="facts", container=True
        )
        temperature = gr.Slider(
            0,
            HOTTEST,
            first.temperature,
            step=0.05,
            label=strings.TEMPERATURE_LABEL,
            info=strings.TEMPERATURE_INFO,
            elem_id="temperature",
        )
        with gr.Row():
            max_tokens = gr.Number(
                first.max_tokens, label=strings.MAX_TOKENS_LABEL, precision=0, min_width=120, elem_id="max-tokens"
            )
            seed = gr.Number(first.seed, label=strings.SEED_LABEL, precision=0, min_width=120, elem_id="seed")
        preset = gr.Dropdown(
            [(entry.name, entry.text) for entry in presets],
            value=first.system,
            label=strings.PRESET_LABEL,
            allow_custom_value=bool(first.system),
            elem_id="preset",
        )
        system = gr.Textbox(
            first.system,
            label=strings.SYSTEM_LABEL,
            placeholder=strings.SYSTEM_PLACEHOLDER,
            lines=3,
            elem_id="system",
        )
    fields = (
        *(engine, method, alpha, band_from, band_to, adapter, system, temperature, max_tokens, seed, facts),
        *weights,
    )
    built = Sidebar(infos, fields, weights, (boost, band, per_clip))

    def choose(*values: Any) -> list[Any]:
        chosen = form(values)
        default = infos[chosen.engine].default.boost
        alpha = default.alpha if chosen.method == default.method else STRENGTHS[chosen.method][3]
        return built.shows(replace(chosen, alpha=alpha))

    def ask_another(*values: Any) -> list[Any]:
        return built.shows(asked_of(form(values), infos, form(values).engine))

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
    # What a person chooses, not what `shows` sets: not `change`; and `input` of a dropdown comes three times.
    choices = (
        method.select(choose, list(fields), built.shown, **quiet),
        engine.select(ask_another, list(fields), built.shown, **quiet),
        preset.select(lambda text: text, preset, system, **quiet),
    )
    return replace(built, choices=choices)


def asked_of(chosen: Form, infos: Sequence[EngineInfo], engine: int) -> Form:
    """The same form for another engine; what that one has not is as it is best asked with."""
    info, best = infos[engine], start(infos, engine)
    boost = chosen if info.attention else best
    return replace(
        chosen,
        engine=engine,
        method=boost.method,
        alpha=boost.alpha,
        adapter=chosen.adapter if chosen.adapter in info.adapters else best.adapter,
    )


def _adapters(info: EngineInfo) -> list[tuple[str, str]]:
    return [(strings.NO_ADAPTER, ""), *((name, name) for name in info.adapters)]


def full_name(info: EngineInfo) -> str:
    """What tells one engine from another of the same model."""
    return f"{info.name}, {info.precision}"


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


def html(content: str, **options: Any) -> gr.HTML:
    """HTML without Gradio's prose style; `js_on_load` is None unless given: by default Gradio listens for clicks."""
    return gr.HTML(content, **{"apply_default_css": False, "js_on_load": None, "padding": False, **options})

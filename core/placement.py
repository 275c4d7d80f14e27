"""Which model, device and precision fit this machine, with the reason. Nothing is loaded here."""

from dataclasses import dataclass

import psutil
import torch
from transformers import AutoConfig

from core.catalogue import PREFERRED
from core.errors import LoadError, not_found
from core.families import FAMILIES, Family
from core.footprint import GIB, Footprint, footprint

PRECISIONS = ("auto", "bf16", "int8", "nf4")
IN_ORDER = ("bf16", "nf4")
"""What `auto` tries: the most exact that fits. int8 is only taken when asked for."""


@dataclass(frozen=True)
class Placement:
    """What is loaded, where and how precisely, with the reason."""

    model: str
    family: Family
    device: str
    precision: str
    reason: str


class DoesNotFitError(LoadError):
    """A model that is too large for this machine."""


def place(model: str, precision: str = "auto") -> Placement:
    """Device and precision for this machine.

    Args:
        model: "auto", "embedded", a checkpoint id or a folder.
        precision: One of `PRECISIONS`.

    Raises:
        LoadError: The precision cannot be had, or the model cannot be found or does not fit.
    """
    if precision not in PRECISIONS:
        raise LoadError(f"There is no precision {precision!r}: choose one of {', '.join(PRECISIONS)}.")
    if model == "auto":
        return _best(precision)
    if model == "embedded":
        return _built_in(precision, "135M parameters, made for the CPU")
    family = FAMILIES[_model_type(model)]
    device, free_gib = free_memory()
    needed = footprint(model, family.prefix)
    for chosen in IN_ORDER if precision == "auto" else (precision,):
        if needed.gib(chosen) <= free_gib:
            return Placement(model, family, device, chosen, _reason(needed, chosen, device, free_gib))
    smallest = needed.gib("nf4")
    way_out = "Close what else uses it, choose a smaller checkpoint, or use --model embedded"
    if precision not in ("auto", "nf4") and smallest <= free_gib:
        way_out = f"Leave out --precision {precision}: nf4 needs {smallest:.1f} GiB"
    where = "the GPU" if device == "cuda" else "this machine, which has no GPU"
    raise DoesNotFitError(
        f"{model} does not fit: it needs {needed.gib(chosen):.1f} GiB in {chosen}, and {where} has {free_gib:.1f} GiB "
        f"of free memory. {way_out}."
    )


def free_memory() -> tuple[str, float]:
    """The device models go to, and its free memory in GiB."""
    if torch.cuda.is_available():
        return "cuda", torch.cuda.mem_get_info()[0] / GIB
    return "cpu", psutil.virtual_memory().available / GIB


def _best(precision: str) -> Placement:
    """The first of `PREFERRED` that fits on the GPU; the built-in model where there is none, or no hub."""
    device, free_gib = free_memory()
    if device == "cpu":
        return _built_in(precision, "no GPU was found, and the built-in model needs none")
    for name in PREFERRED:
        try:
            return place(name, precision)
        except DoesNotFitError:
            continue
        except LoadError:
            return _built_in(precision, "the model hub cannot be reached, and the built-in model needs none")
    return _built_in(precision, f"{free_gib:.1f} GiB free on the GPU is too little for a larger model")


def _built_in(precision: str, reason: str) -> Placement:
    if precision == "nf4":
        raise LoadError("The embedded model is small and comes in int8 and bf16: leave out --precision nf4.")
    return Placement("embedded", FAMILIES["embedded"], "cpu", "int8" if precision == "auto" else precision, reason)


def _reason(needed: Footprint, chosen: str, device: str, free_gib: float) -> str:
    where = f"{free_gib:.1f} GiB free" + ("" if device == "cuda" else ", no GPU was found")
    return f"{where}, {chosen} needs {needed.gib(chosen):.1f} GiB" + (
        "" if chosen == "bf16" else f" and bf16 {needed.gib('bf16'):.1f} GiB"
    )


def _model_type(model: str) -> str:
    try:
        model_type = str(AutoConfig.from_pretrained(model).model_type)
    except (OSError, ValueError, KeyError) as error:
        raise not_found(model, error) from error
    if model_type not in FAMILIES:
        raise LoadError(f"{model} is a {model_type} model, which Earshot does not know: {', '.join(FAMILIES)} it does.")
    return model_type

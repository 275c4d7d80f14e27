"""From a name to an engine: which device, which precision and why."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from transformers import AutoConfig, BitsAndBytesConfig

from core import remote
from core.adapter import Adapters
from core.embedded.assembly import WEIGHTS
from core.engine import Engine, EngineInfo
from core.errors import LoadError, first_line, not_found
from core.fake import FakeEngine
from core.families import FAMILIES, Family, Loaded
from core.footprint import GIB, UNQUANTISED, Footprint, footprint
from core.lalm import Lalm
from core.proof import prove
from core.types import Settings

PRECISIONS = ("auto", "bf16", "int8", "nf4")
IN_ORDER = ("bf16", "nf4")
"""What `auto` tries: the most exact that fits. int8 is only taken when asked for."""


@dataclass(frozen=True)
class Placement:
    """As what, where and how precisely a model is loaded, with the reason."""

    family: Family
    device: str
    precision: str
    reason: str


def load(
    model: str, precision: str = "auto", adapter: str | None = None, progress: Callable[[str], None] = print
) -> Engine:
    """The engine for `--model`.

    Args:
        model: "embedded", "fake", a checkpoint id, a folder, or the address of a server (`core.remote`).
        precision: "auto", "bf16", "int8" or "nf4".
        adapter: A PEFT folder to load beside the family's own adapters, switched on by default.
        progress: Receives one line per phase.

    Raises:
        LoadError: With the way out.
    """
    if model == "fake":
        return FakeEngine()
    if model.startswith(remote.SCHEMES):
        return remote.connect(model, precision, adapter)
    placement = place(model, precision)
    family, loaded = open_model(model, placement, progress)
    own = (WEIGHTS / "discriminative",) if model == "embedded" else ()
    shipped = {path.name: path for path in own if path.exists()}
    adapters = Adapters(loaded.model)
    if adapter is not None and adapter not in shipped:
        shipped[Path(adapter).name] = Path(adapter)
    for name, folder in shipped.items():
        adapters.load(name, folder)
        if family.load_beside is not None:
            family.load_beside(loaded, name, folder)
    chosen = Path(adapter).name if adapter else next(iter(adapters.names), None)
    info = EngineInfo(
        name=model,
        family=family.model_type,
        precision=placement.precision,
        reason=placement.reason,
        adapters=adapters.names,
        layers=loaded.model.get_decoder().config.num_hidden_layers,
        window_seconds=family.window_seconds,
        longest_seconds=family.longest_seconds or family.window_seconds,
        context_tokens=family.context_tokens,
        default=Settings(adapter=chosen),
    )
    lalm = Lalm(loaded, family, info, adapters)
    prove(lalm)
    return lalm


def open_model(model: str, placement: Placement, progress: Callable[[str], None] = print) -> tuple[Family, Loaded]:
    """A model in memory, without adapters.

    Raises:
        LoadError: With the way out.
    """
    family = placement.family
    if model == "embedded":
        return family, family.load(model, progress=progress)
    progress(f"Loading {model} in {placement.precision} ({placement.reason}) ...")
    try:
        return family, family.load(model, **_options(placement))
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise LoadError(f"{model} could not be loaded ({first_line(error)}): check its name and files.") from error


def place(model: str, precision: str) -> Placement:
    """Device and precision for this machine.

    Raises:
        LoadError: The precision cannot be had, or the model does not fit.
    """
    if precision not in PRECISIONS:
        raise LoadError(f"There is no precision {precision!r}: choose one of {', '.join(PRECISIONS)}.")
    if model == "embedded":
        if precision not in ("auto", "bf16"):
            raise LoadError(f"The embedded model is small and comes in bf16 only: leave out --precision {precision}.")
        return Placement(FAMILIES["embedded"], "cpu", "bf16", "135M parameters, made for the CPU")
    device, free_gib = free_memory()
    family = FAMILIES[_model_type(model)]
    needed = footprint(model, family.prefix)
    for chosen in IN_ORDER if precision == "auto" else (precision,):
        if needed.gib(chosen) <= free_gib:
            return Placement(family, device, chosen, _reason(needed, chosen, device, free_gib))
    smallest = needed.gib("nf4")
    way_out = "Close what else uses it, choose a smaller checkpoint, or use --model embedded"
    if precision not in ("auto", "nf4") and smallest <= free_gib:
        way_out = f"Leave out --precision {precision}: nf4 needs {smallest:.1f} GiB"
    where = "the GPU" if device == "cuda" else "this machine, which has no GPU"
    raise LoadError(
        f"{model} does not fit: it needs {needed.gib(chosen):.1f} GiB in {chosen}, and {where} has {free_gib:.1f} GiB "
        f"of free memory. {way_out}."
    )


def free_memory() -> tuple[str, float]:
    """The device models go to, and its free memory in GiB."""
    if torch.cuda.is_available():
        return "cuda", torch.cuda.mem_get_info()[0] / GIB
    return "cpu", psutil.virtual_memory().available / GIB


def _reason(needed: Footprint, chosen: str, device: str, free_gib: float) -> str:
    where = f"{free_gib:.1f} GiB free" + ("" if device == "cuda" else ", no GPU was found")
    return f"{where}, {chosen} needs {needed.gib(chosen):.1f} GiB" + (
        "" if chosen == "bf16" else f" and bf16 {needed.gib('bf16'):.1f} GiB"
    )


def _options(placement: Placement) -> dict[str, object]:
    """Keyword arguments of `from_pretrained`; towers, projectors and head keep their precision."""
    options: dict[str, object] = {"dtype": torch.bfloat16, "device_map": placement.device}
    if placement.precision == "int8":
        options["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=UNQUANTISED)
    if placement.precision == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
            llm_int8_skip_modules=UNQUANTISED,
        )
    return options


def _model_type(model: str) -> str:
    try:
        model_type = str(AutoConfig.from_pretrained(model).model_type)
    except (OSError, ValueError, KeyError) as error:
        raise not_found(model, error) from error
    if model_type not in FAMILIES:
        raise LoadError(f"{model} is a {model_type} model, which Earshot does not know: {', '.join(FAMILIES)} it does.")
    return model_type

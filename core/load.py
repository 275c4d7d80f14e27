"""From a name to an engine."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import BitsAndBytesConfig

from core import remote
from core.adapter import OWN, Adapters, own_adapter
from core.decoder import Decoder
from core.embedded.assembly import WEIGHTS
from core.engine import Engine, EngineInfo
from core.errors import LalmError, LoadError, first_line
from core.fake import FakeEngine
from core.families import Loaded
from core.footprint import UNQUANTISED, bytes_to_fetch
from core.graph import GraphDecoder
from core.lalm import Lalm
from core.placement import Placement, place
from core.proof import prove, prove_alike
from core.room import give_back, out_of_memory
from core.types import Settings

UNREADABLE = (RuntimeError, MemoryError, SafetensorError)
Progress = Callable[[str], None]
"""Receives one line per phase."""


def load(
    model: str = "auto",
    precision: str = "auto",
    adapters: Sequence[str] = (),
    progress: Progress = print,
    graphs: bool = False,
) -> Engine:
    """The engine for `--model`.

    Args:
        model: "auto", "embedded", "fake", a checkpoint id, a folder, or a server's address (`core.remote`).
        precision: "auto", "bf16", "int8" or "nf4".
        adapters: PEFT folders to load beside the model's own adapters, or names of those; the first is on by default.
        progress: What is told of each phase.
        graphs: Whether tokens are decoded by CUDA graphs where there is a GPU (`core.graph`).

    Raises:
        LoadError: With the way out.
    """
    if model == "fake":
        return FakeEngine()
    if model.startswith(remote.SCHEMES):
        return remote.connect(model, precision, adapters)
    placement = place(model, precision)
    family, loaded = placement.family, open_model(placement, progress)
    ready = Adapters(loaded.model)
    folders = _adapters(placement, adapters)
    for name, folder in folders.items():
        ready.load(name, folder)
        if family.load_beside is not None:
            family.load_beside(loaded, name, folder)
    info = EngineInfo(
        name=placement.model,
        family=family.model_type,
        precision=placement.precision,
        reason=placement.reason,
        adapters=ready.names,
        layers=loaded.model.get_decoder().config.num_hidden_layers,
        window_seconds=family.window_seconds,
        longest_seconds=family.limit_seconds,
        context_tokens=family.context_tokens,
        default=Settings(adapter=next(iter(ready.names), None)),
    )
    fast = family.fast_decoder if placement.precision == "int8" else None
    lalm = Lalm(loaded, family, info, ready, None if fast is None else fast(loaded, folders, progress))
    prove(lalm)
    if graphs and placement.device == "cuda" and placement.precision != "int8":  # int8 asks the host for columns
        record(lalm, GraphDecoder(loaded, lalm.lens, ready), progress)
    return lalm


def record(lalm: Lalm, decoder: Decoder, progress: Progress) -> None:
    """Gives an engine a decoder that records its steps, if the model can be recorded and then does as it did.

    Args:
        lalm: With a decoder that serves every model.
        decoder: Of the same model.
        progress: Is told where it cannot be had.
    """
    try:
        prove_alike(lalm, decoder)
    except (LoadError, RuntimeError) as error:  # torch's own: no recording, no memory, a question to the host
        progress(f"Answers are written step by step, without CUDA graphs ({first_line(error)}).")
    else:
        lalm.decoder = decoder


def open_model(placement: Placement, progress: Progress = print) -> Loaded:
    """A model in memory, without adapters.

    Raises:
        LoadError: With the way out.
    """
    model, family = placement.model, placement.family
    if model == "embedded":
        with _sentences(model):
            return family.load(model, progress=progress)
    if missing := bytes_to_fetch(model):
        progress(f"{missing / 1e9:.1f} GB of {model} come from the hub, once, and stay in its cache.")
    progress(f"Loading {model} in {placement.precision} ({placement.reason}) ...")
    with _sentences(model):
        return family.load(model, **_options(placement))


@contextmanager
def _sentences(model: str) -> Iterator[None]:
    """What libraries say where a model cannot be loaded, as one sentence with the way out."""
    try:
        yield
    except LalmError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, *UNREADABLE) as error:
        if out_of_memory(error):
            give_back(error)
            raise LoadError(
                f"{model} does not fit into the memory that is free now: end other programs, or take a smaller model "
                f"or precision (--list-models)."
            ) from error
        raise LoadError(f"{model} could not be loaded ({first_line(error)}): check its name and files.") from error


def _adapters(placement: Placement, given: Sequence[str]) -> dict[str, Path]:
    """Folders by the names adapters are chosen by: those asked for, then the model's own."""
    own = _own(placement)
    asked: dict[str, Path] = {}
    for adapter in given:
        folder = own.get(adapter, Path(adapter).resolve())
        twin = folder.name in asked or (folder.name in own and adapter not in own)
        asked[f"{folder.parent.name}/{folder.name}" if twin else folder.name] = folder
    return asked | own


def _own(placement: Placement) -> dict[str, Path]:
    """Adapters that come with the model."""
    if placement.model == "embedded":
        folder = WEIGHTS / "discriminative"
        return {folder.name: folder} if folder.exists() else {}
    inside = placement.family.own_adapter
    found = None if inside is None else own_adapter(placement.model, inside)
    return {} if found is None else {OWN: found}


def _options(placement: Placement) -> dict[str, object]:
    """Keyword arguments of `from_pretrained`; towers, projectors and head keep their precision."""
    options: dict[str, object] = {"dtype": torch.bfloat16, "device_map": placement.device}
    # An adapter beside the weights would be loaded by transformers itself, always on, and on the hub onto whatever base
    # its config names: this sends it to look where nothing is. Adapters are for `core.adapter`.
    options["adapter_kwargs"] = {"subfolder": "no-adapter"}
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

"""How much memory a checkpoint needs, read from the headers of its files before anything is loaded."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import get_safetensors_metadata, snapshot_download
from safetensors import SafetensorError, safe_open

from core.errors import LoadError, first_line, not_found

BYTES = {"bf16": 2.0, "int8": 1.0, "nf4": (4 + 8 / 64 + 32 / (64 * 256)) / 8}
"""Of a weight. NF4 has a scale for every 64, in a byte with double quantisation (arXiv 2305.14314, section 3)."""
GIB = 2**30
RESERVE_GIB = 1.5
"""For the prompt, its keys and values, and what a GPU's libraries take."""
WEIGHTS = "model*.safetensors"
"""Files of a checkpoint; others beside them are adapters, or the same weights in another layout."""
UNQUANTISED = [
    r".*audio_tower",
    r".*multi_modal_projector",
    r".*embed_(audio|vision|tokens_extend)",
    r".*altup\.",
    r"(model\.)?(encoder|projector)\.",
    "lm_head",
]
"""Modules that keep bf16 whatever the precision, as `llm_int8_skip_modules` takes them: ears, projectors, head.

And what mixes the streams of Gemma 3n (altup): a few numbers, narrower than the 32 outputs bitsandbytes wants on a CPU.
"""

_KEPT = re.compile("|".join([*UNQUANTISED, r".*lm_head", r".*(?<!un)embed", r".*\.(experts|gate)\."]))
"""Tensors of these, tables of embeddings, and fused experts with their gate, of which none is a linear layer."""


@dataclass(frozen=True)
class Footprint:
    """Weights of a checkpoint.

    Attributes:
        weights: All that are loaded.
        linear: Those in linear layers, which int8 and nf4 make smaller.
    """

    weights: int
    linear: int

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]]) -> "Footprint":
        """Of tensors by their names."""
        sizes = {name: math.prod(shape) for name, shape in shapes.items()}
        linear = sum(
            size
            for name, size in sizes.items()
            if len(shapes[name]) == 2 and name.endswith(".weight") and not _KEPT.match(name)
        )
        return cls(sum(sizes.values()), linear)

    def gib(self, precision: str) -> float:
        """Memory in GiB at a key of `BYTES`, with `RESERVE_GIB`."""
        loaded = BYTES["bf16"] * (self.weights - self.linear) + BYTES[precision] * self.linear
        return loaded / GIB + RESERVE_GIB


def footprint(model: str, prefix: str = "") -> Footprint:
    """Of a folder or of a checkpoint on the hub; only headers are read.

    Args:
        model: Folder or checkpoint id.
        prefix: Of the names of the tensors that are loaded, where the checkpoint holds other models too.

    Raises:
        LoadError: There are no safetensors files, or the hub cannot be reached and its cache has no such model.
    """
    folder = Path(model)
    found = _of_folder(folder) if folder.is_dir() else _of_hub(model)
    shapes = {name: shape for name, shape in found if name.startswith(prefix)}
    if not shapes:
        raise LoadError(f"{model} has no safetensors files: Earshot loads no other format. Give another checkpoint.")
    return Footprint.of(shapes)


def bytes_to_fetch(model: str) -> int:
    """Bytes of weights that are not on this machine yet; 0 for a folder, and where the hub says nothing of it."""
    if Path(model).is_dir():
        return 0
    try:
        files = snapshot_download(model, allow_patterns=WEIGHTS, dry_run=True)
    except (OSError, ValueError, httpx2.HTTPError):
        return 0  # not a matter for a progress line: loading will say what is wrong
    assert isinstance(files, list), "a dry run lists files"
    return sum(file.file_size or 0 for file in files if file.will_download)


def _of_folder(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    for file in sorted(folder.glob(WEIGHTS)):
        try:
            with safe_open(file, "pt") as tensors:
                names = tensors.keys()
                yield from ((name, tuple(tensors.get_slice(name).get_shape())) for name in names)
        except SafetensorError as error:
            what = first_line(error)
            raise LoadError(f"{file.name} is cut or damaged ({what}): fetch the checkpoint again.") from error


def _of_hub(model: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    try:
        files = get_safetensors_metadata(model).files_metadata.values()
    except (OSError, ValueError, httpx2.HTTPError) as error:
        try:
            yield from _of_folder(Path(snapshot_download(model, local_files_only=True)))
        except (OSError, ValueError):
            raise not_found(model, error) from error
        return
    for file in files:
        yield from ((name, tuple(tensor.shape)) for name, tensor in file.tensors.items())

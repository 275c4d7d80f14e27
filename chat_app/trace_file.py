"""A trace as one safetensors file, which any tool for arrays opens: the arrays by name, the names in its metadata."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from chat_app.trace import Array, Trace
from core.serial import parsed, refuse, typed
from core.summary import is_clip
from core.types import letter

WHOLE = ("layers", "boosted")
"""Arrays of whole numbers, shape (n,)."""
WEIGHTS = ("weights", "natural", "head_spread")
MOST_TOKENS = 2**24
"""Keys of one source; float32 holds such whole numbers exactly."""
ROUNDING = 0.01
"""A weight may be above 1 by this much: half precision rounds."""


def trace_bytes(trace: Trace) -> bytes:
    """The file: float32 `tokens`, `weights`, `natural`, `head_spread` and `profile A`, `profile B` ...; int64 `layers`
    and `boosted`, in the shapes of `Trace`; `texts` and `sources` as JSON lists in the metadata.
    """
    arrays = {
        **{name: getattr(trace, name) for name in ("tokens", *WEIGHTS)},
        **{name: np.array(getattr(trace, name), np.int64) for name in WHOLE},
        **{_profile(clip): profile for clip, profile in enumerate(trace.profiles)},
    }
    names = {name: json.dumps(getattr(trace, name)) for name in ("texts", "sources")}
    return save(arrays, metadata=names)


def read_trace(content: bytes) -> Trace:
    """Reads what `trace_bytes` wrote.

    Args:
        content: Hostile.

    Raises:
        ConversationError: It is damaged, or no trace that a meter can be drawn from.
    """
    arrays, metadata = _opened(content)
    clips = sum(name.startswith("profile ") for name in arrays)
    floats = ("tokens", *WEIGHTS, *map(_profile, range(clips)))
    wanted = {name: np.float32 for name in floats} | {name: np.int64 for name in WHOLE}
    if {name: array.dtype for name, array in arrays.items()} != wanted or metadata.keys() != {"texts", "sources"}:
        refuse("a reading has other arrays than it should have")
    names = {name: typed(tuple[str, ...], parsed(text), name) for name, text in metadata.items()}
    layers, boosted = (tuple(map(int, arrays[name].ravel())) for name in WHOLE)
    trace = Trace(
        texts=names["texts"],
        sources=names["sources"],
        layers=layers,
        boosted=boosted,
        tokens=arrays["tokens"],
        weights=arrays["weights"],
        natural=arrays["natural"],
        head_spread=arrays["head_spread"],
        profiles=tuple(arrays[_profile(clip)] for clip in range(clips)),
    )
    _check(trace, clips)
    return trace


def _profile(clip: int) -> str:
    return f"profile {letter(clip)}"


def _opened(content: bytes) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays and the metadata. The library reads metadata of files only."""
    with TemporaryDirectory(prefix="earshot-") as folder:
        path = Path(folder) / "reading.safetensors"
        path.write_bytes(content)
        try:
            with safe_open(path, "np") as file:
                names = list(file.keys())
                if any(file.get_slice(name).get_dtype() not in {"F32", "I64"} for name in names):
                    refuse("a reading holds numbers of another kind")
                arrays = {name: file.get_tensor(name) for name in names}
                metadata = dict(file.metadata() or {})
        except SafetensorError:
            refuse("a reading is damaged")
    for array in arrays.values():
        array.setflags(write=False)
    return arrays, metadata


def _check(trace: Trace, clips: int) -> None:
    """What the meter takes for granted."""
    steps, depth, width = len(trace.texts), len(trace.layers), len(trace.sources)
    shapes = (trace.tokens.shape, trace.weights.shape, trace.natural.shape, trace.head_spread.shape)
    if not steps or not depth or shapes != ((steps, width), *[(steps, depth, width)] * 2, (steps, depth)):
        refuse("a reading has arrays of the wrong shape")
    if any(profile.ndim != 2 or len(profile) != steps for profile in trace.profiles):
        refuse("a reading has arrays of the wrong shape")
    if [source for source in trace.sources if is_clip(source)] != [f"clip {letter(clip)}" for clip in range(clips)]:
        refuse("a reading has clips without a profile, or profiles without a clip")
    if len(set(trace.sources)) != width or not set(trace.boosted) <= set(trace.layers):
        refuse("a reading names a source twice, or a layer that it has not")
    weights = (trace.weights, trace.natural, trace.head_spread, *trace.profiles)
    if not _within(trace.tokens, MOST_TOKENS) or not all(_within(array, 1 + ROUNDING) for array in weights):
        refuse("a reading holds numbers out of range")


def _within(array: Array, most: float) -> bool:
    """Whether all are from 0 to `most`; NaN is not."""
    return bool(np.all((array >= 0) & (array <= most)))

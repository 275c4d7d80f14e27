"""Reads tensors of a Whisper model from a CTranslate2 `model.bin`.

The layout is that of `ctranslate2/converters` (binary version 6): a header, named tensors, aliases. Only numpy reads
it, so nothing in the file can run.
"""

import struct
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import LoadError

BINARY_VERSION = 6
DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


class _Cursor:
    """Little-endian reads that move forward through `data`."""

    def __init__(self, data: bytes):
        self.data, self.offset = data, 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from(f"<{code}", self.data, self.offset)
        self.offset += struct.calcsize(code)
        return int(value)

    def text(self) -> str:
        length = self.number("H")
        raw = self.data[self.offset : self.offset + length]
        self.offset += length
        return raw.rstrip(b"\0").decode()


def read_tensors(path: Path) -> dict[str, NDArray[np.generic]]:
    """All named tensors of a CTranslate2 Whisper file, without copying.

    Raises:
        LoadError: The file is of another kind or version, or is cut.
    """
    cursor = _Cursor(path.read_bytes())
    try:
        version, spec, _revision = cursor.number("I"), cursor.text(), cursor.number("I")
        if (version, spec) != (BINARY_VERSION, "WhisperSpec"):
            raise LoadError(f"{path.name} holds {spec} version {version}, not Whisper: remove it and start again.")
        tensors = {}
        for _ in range(cursor.number("I")):
            name = cursor.text()
            shape = [cursor.number("I") for _ in range(cursor.number("B"))]
            dtype, size = np.dtype(DTYPES[cursor.number("B")]), cursor.number("I")
            count = size // dtype.itemsize
            tensors[name] = np.frombuffer(cursor.data, dtype, count, cursor.offset).reshape(shape)
            cursor.offset += size
    except (struct.error, KeyError, ValueError) as error:
        raise LoadError(f"{path.name} is cut or damaged: remove it and start again to fetch it anew.") from error
    return tensors


def read_convolutions(path: Path) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Weight and bias, float32, of the two convolutions below Whisper's encoder.

    Raises:
        LoadError: The file is of another kind or version, or is cut.
    """
    tensors = read_tensors(path)

    def get(name: str) -> torch.Tensor:
        return torch.from_numpy(tensors[f"encoder/{name}"].astype(np.float32))

    return [(get(f"{conv}/weight"), get(f"{conv}/bias")) for conv in ("conv1", "conv2")]

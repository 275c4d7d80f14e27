"""Keys and values of one conversation, and the buffers by which the graph reads and writes them in place."""

from collections.abc import Callable

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from torch import Tensor
from transformers import LlamaConfig

from core.boost import logit
from core.embedded.onnx_graph import key_sizes
from core.observation import Observation

ROOM_STEP_TOKENS = 64
"""The room that the graph sees grows by as much, so that most steps find their buffers bound already."""


class OnnxMemory:
    """Keys and values of one conversation, for one thread at a time.

    Attributes:
        tokens: How many there are.
    """

    def __init__(self, config: LlamaConfig):
        """Args: config: of the model."""
        self.tokens = 0
        kv_heads, head_dim = key_sizes(config)
        # keys and values of each layer, (2 * layers, capacity, key heads, 1, head size)
        self._buffer = np.zeros((2 * config.num_hidden_layers, 0, kv_heads, 1, head_dim), np.float32)
        self._bound: dict[str | None, Bound] = {}

    @property
    def bytes(self) -> int:
        """What the buffers hold, free slots among them."""
        return self._buffer.nbytes

    def crop(self, tokens: int) -> None:
        """Forgets all but the first `tokens`."""
        assert 0 <= tokens <= self.tokens, f"{tokens} of {self.tokens} tokens cannot be kept"
        self.tokens = tokens

    def room(self, tokens: int) -> int:
        """Makes room for as many tokens; gives the number of slots to show the graph."""
        if tokens > self._buffer.shape[1]:
            grown = np.zeros((len(self._buffer), _rounded(tokens + tokens // 2), *self._buffer.shape[2:]), np.float32)
            grown[:, : self.tokens] = self._buffer[:, : self.tokens]
            self._buffer = grown
            self._bound.clear()
        return _rounded(tokens)

    def bound(self, adapter: str | None, session: onnxruntime.InferenceSession, rows: int, room: int) -> "Bound":
        """Buffers bound for a call with as many rows; those for one row are kept for the next call."""
        found = self._bound.get(adapter)
        if found is not None and (found.rows.shape[1], len(found.relative)) == (rows, room):
            return found
        made = Bound(session, self._buffer, rows, room)
        if rows == 1:
            self._bound[adapter] = made
        return made


def _rounded(tokens: int) -> int:
    return -(-tokens // ROOM_STEP_TOKENS) * ROOM_STEP_TOKENS


class Bound:
    """The inputs and outputs of one shape of call, as arrays that ONNX Runtime reads and writes in place."""

    def __init__(self, session: onnxruntime.InferenceSession, buffer: NDArray[np.float32], rows: int, room: int):
        shapes = {value.name: value.shape for value in (*session.get_inputs(), *session.get_outputs())}
        hidden, read = shapes["rows"][2], shapes["applied"][:3]
        self.rows = np.zeros((1, rows, hidden), np.float32)
        self.positions = np.zeros((rows, 1), np.int64)
        self.mask = np.zeros((rows, room), np.float32)
        self.boosted = np.zeros(len(buffer) // 2, np.bool_)
        self.relative, self.absolute, self.added = (np.zeros(room, np.float32) for _ in range(3))
        self.by_target, self.logit = np.zeros((), np.bool_), np.zeros((), np.float32)
        self.hidden = np.zeros((1, 1, hidden), np.float32)
        self.applied, self.natural = (np.zeros((*read, room), np.float32) for _ in range(2))
        self.session, self.binding, self._buffer = session, session.io_binding(), buffer
        inputs = ("rows", "positions", "mask", "boosted", "relative", "absolute", "added", "by_target", "logit")
        for name in inputs:
            self._bind(self.binding.bind_input, name, getattr(self, name))
        for name in ("hidden", "applied", "natural"):
            self._bind(self.binding.bind_output, name, getattr(self, name))
        for index, slots in enumerate(buffer):
            name = f"{('key', 'value')[index % 2]}{index // 2}"
            self._bind(self.binding.bind_input, name, slots[:room])
            self._bind(self.binding.bind_output, f"{name}_out", slots[:room])

    @staticmethod
    def _bind(bind: Callable[..., None], name: str, array: NDArray[np.generic]) -> None:
        bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    def run(self, rows: Tensor, start: int, observation: Observation | None) -> range:
        """Feeds rows (n, hidden) that follow `start` others; gives the layers in which they were boosted.

        Without an observation there is no boost: the same buffers serve rows with and without one.
        """
        self.rows[0] = rows.detach().float().numpy()
        self.positions[:, 0] = np.arange(start, start + len(rows))
        self.mask[:] = np.where(np.arange(self.mask.shape[1]) > self.positions, -np.inf, 0)
        band = range(0) if observation is None or not observation.acts else self._boost(observation)
        self.boosted[:] = False
        self.boosted[band.start : band.stop] = True
        self.session.run_with_iobinding(self.binding)
        return band

    def _boost(self, observation: Observation) -> range:
        boost = observation.boost
        for vector in (self.relative, self.absolute, self.added):
            vector[:] = 0
        vector = {"mata": self.relative, "pai": self.absolute}.get(boost.method, self.added)
        keys = min(len(vector), observation.max_keys)
        gain = observation.gain[:keys].numpy()
        by_target = boost.method == "target"
        vector[:keys] = gain if by_target else boost.alpha * gain
        self.by_target[...] = by_target
        self.logit[...] = logit(boost.alpha) if by_target else 0
        return boost.layers(len(self.boosted))

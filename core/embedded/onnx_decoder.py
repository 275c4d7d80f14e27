"""Runs the graphs of `core.embedded.onnx_graph`: embedding rows in, logits and a reading out, and a memory between."""

import copy
import hashlib
import math
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from core.attention import reading_of
from core.embedded.onnx_graph import Activations, body_graph, head_graph, key_sizes
from core.observation import Observation
from core.types import AttentionReading

if TYPE_CHECKING:  # `core.decoder` imports the families, and those this
    from core.decoder import Memory

FILL_TOKENS = 128
"""Rows of a prompt that go through the graph at once: their scores stay small."""
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
        self._bound: dict[str | None, _Bound] = {}

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

    def bound(self, adapter: str | None, session: onnxruntime.InferenceSession, rows: int, room: int) -> "_Bound":
        """Buffers bound for a call with as many rows; those for one row are kept for the next call."""
        found = self._bound.get(adapter)
        if found is not None and (found.rows.shape[1], len(found.relative)) == (rows, room):
            return found
        made = _Bound(session, self._buffer, rows, room)
        if rows == 1:
            self._bound[adapter] = made
        return made


def _rounded(tokens: int) -> int:
    return -(-tokens // ROOM_STEP_TOKENS) * ROOM_STEP_TOKENS


class _Bound:
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
        self.logit[...] = math.log(boost.alpha / (1 - boost.alpha)) if by_target else 0
        return boost.layers(len(self.boosted))


class OnnxDecoder:
    """A Llama's decoder and head with int8 weights, one body for each adapter."""

    def __init__(self, config: LlamaConfig, head: Path, bodies: Mapping[str | None, Path], threads: int):
        """A body is loaded when it is first asked for.

        Args:
            config: Of the model.
            head: File of the head's graph.
            bodies: File of the decoder's graph for each adapter, None for the bare model.
            threads: Of each product of matrices.
        """
        self.config = config
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads
        # waiting threads sleep: spinning ones take the cores from torch, from the ears and from other programs
        self._options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._bodies = dict(bodies)
        self._sessions: dict[str | None, onnxruntime.InferenceSession] = {}
        self._lock = threading.Lock()
        self._head = self._opened(head)

    @classmethod
    def of(
        cls,
        bare: Callable[[], LlamaForCausalLM],
        config: LlamaConfig,
        adapters: Mapping[str, Path],
        folder: Path,
        threads: int,
        activations: Activations = "int8",
    ) -> "OnnxDecoder":
        """Exports what is not in `folder` yet, then opens it.

        Args:
            bare: Gives the model without adapters; called where something is to be exported.
            config: Of the model.
            adapters: PEFT folders by name; each is merged into a copy of the model before that is quantised.
            folder: Cache of this model and this code: whoever calls names it by the fingerprint of both.
            threads: Of each product of matrices.
            activations: See `core.embedded.onnx_graph`.
        """
        head = _cached(folder / f"head-{activations}.onnx", lambda: head_graph(bare(), activations))
        bodies: dict[str | None, Path] = {
            None: _cached(folder / f"body-{activations}.onnx", lambda: body_graph(bare(), activations))
        }
        for name, adapter in adapters.items():
            file = folder / f"body-{activations}-{_digest(adapter)}.onnx"
            bodies[name] = _cached(file, lambda adapter=adapter: body_graph(merged(bare(), adapter), activations))  # type: ignore[misc]
        return cls(config, head, bodies, threads)

    def memory(self) -> OnnxMemory:
        """A fresh memory."""
        return OnnxMemory(self.config)

    @torch.inference_mode()
    def step(
        self, rows: Tensor, memory: "Memory", adapter: str | None, observation: Observation
    ) -> tuple[Tensor, AttentionReading | None]:
        """Feeds rows and remembers them.

        Two threads may step at once, each with a memory of its own.

        Args:
            rows: (1, n, hidden) on the CPU: the embeddings of what follows the memory's tokens.
            memory: Grows by n tokens.
            adapter: Name of the adapter at work, None for the bare model.
            observation: Boost and meter of the last row, as for `core.attention.Lens.observed`.

        Returns:
            Logits of the last position, fp32 of shape (vocabulary,), and its reading where the observation has a meter.
        """
        assert isinstance(memory, OnnxMemory), "the memory of another decoder"
        total = memory.tokens + rows.shape[1]
        assert observation.prompt_tokens <= total <= observation.max_keys, f"{total} keys do not fit the observation"
        assert total <= self.config.max_position_embeddings, f"{total} tokens are more than the model's context"
        session, room = self._body(adapter), memory.room(total)
        # causal: the rows before the last see nothing of it, and are not boosted
        for part in rows[0, :-1].split(FILL_TOKENS) if rows.shape[1] > 1 else ():
            fed = memory.tokens + len(part)
            memory.bound(adapter, session, len(part), memory.room(fed)).run(part, memory.tokens, None)
            memory.tokens = fed
        bound = memory.bound(adapter, session, 1, room)
        band = bound.run(rows[0, -1:], memory.tokens, observation)
        memory.tokens = total
        (logits,) = self._head.run(None, {"hidden": bound.hidden})
        return torch.from_numpy(logits[0, 0]), self._reading(
            bound, band, observation, total
        ) if observation.meter else None

    def _reading(self, bound: _Bound, band: range, observation: Observation, keys: int) -> AttentionReading:
        layers = tuple(range(len(bound.boosted)))
        applied, natural = (
            torch.from_numpy(rows).view(len(layers), -1, rows.shape[-1])[..., :keys]
            for rows in (bound.applied, bound.natural)
        )
        rows = torch.cat([applied, natural[band.start : band.stop]])
        return reading_of(rows, layers, tuple(band), observation)

    def _body(self, adapter: str | None) -> onnxruntime.InferenceSession:
        with self._lock:
            if adapter not in self._sessions:
                self._sessions[adapter] = self._opened(self._bodies[adapter])
            return self._sessions[adapter]

    def _opened(self, file: Path) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(file, self._options, providers=["CPUExecutionProvider"])


def merged(model: LlamaForCausalLM, adapter: Path) -> LlamaForCausalLM:
    """A copy of the model in fp32 with the adapter in its weights."""
    # a float copy first: merged in bf16, an adapter would lose most of its digits
    whole: LlamaForCausalLM = PeftModel.from_pretrained(copy.deepcopy(model).float(), adapter).merge_and_unload()
    return whole


def _digest(adapter: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(adapter.glob("adapter_*")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _cached(file: Path, build: Callable[[], onnx.ModelProto]) -> Path:
    """The file, made where it is missing. It is renamed whole, so that an interrupted run leaves nothing to be read."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as beside:
            ready = Path(beside) / "ready.onnx"
            onnx.save(build(), ready)
            ready.replace(file)
    return file

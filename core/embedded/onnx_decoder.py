"""Runs the graphs of `core.embedded.onnx_graph`: embedding rows in, logits and a reading out, and a memory between."""

import copy
import hashlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import onnxruntime
import torch
from peft import PeftModel
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from core.embedded.onnx_graph import body_graph, head_graph
from core.embedded.onnx_memory import Bound, OnnxMemory
from core.embedded.onnx_nodes import Activations
from core.embedded.store import Progress, stored
from core.look import reading_of
from core.observation import Observation
from core.types import AttentionReading

if TYPE_CHECKING:  # `core.decoder` imports the families, and those this
    from core.decoder import Memory

GRAPH = "graph.onnx"
FILL_TOKENS = 128
"""Rows of a prompt that go through the graph at once: their scores stay small."""


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
        progress: Progress = print,
    ) -> "OnnxDecoder":
        """Exports what is not in `folder` yet, then opens it.

        Args:
            bare: Gives the model without adapters; called where something is to be exported.
            config: Of the model.
            adapters: PEFT folders by name; each is merged into a copy of the model before that is quantised.
            folder: Cache of this model and this code: whoever calls names it by the fingerprint of both.
            threads: Of each product of matrices.
            activations: See `core.embedded.onnx_nodes`.
            progress: Is told of damage in the cache.

        Raises:
            LoadError: The cache cannot be written.
        """

        def made(name: str, build: Callable[[], onnx.ModelProto]) -> Path:
            return stored(folder / name, lambda ready: onnx.save(build(), ready / GRAPH), progress) / GRAPH

        head = made(f"head-{activations}", lambda: head_graph(bare(), activations))
        bodies: dict[str | None, Path] = {None: made(f"body-{activations}", lambda: body_graph(bare(), activations))}
        for name, adapter in adapters.items():
            bodies[name] = made(
                f"body-{activations}-{_digest(adapter)}",
                lambda adapter=adapter: body_graph(merged(bare(), adapter), activations),  # type: ignore[misc]
            )
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

    def _reading(self, bound: Bound, band: range, observation: Observation, keys: int) -> AttentionReading:
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

"""One decoded token as one CUDA graph: on a GPU it is the starting of a thousand small kernels that takes the time.

A graph is a recording: it reads and writes the same places again and again, and asks the host nothing. So keys and
values stay in the slots of `core.stage`, and all that differs between two tokens, turns or strengths of a boost lies in
tensors that are overwritten in place (docs/speed.md).
"""

import threading
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache

from core.adapter import Adapters
from core.attention import Lens, known, scores_of_last
from core.boost import FORMULAS, logit, toward
from core.decoder import Memory, TorchDecoder, last_logits
from core.families.family import Loaded
from core.look import Look, look_of
from core.observation import Observation
from core.stage import GraphMemory, Recorded, Stage
from core.types import AttentionReading, Method

LEAST_ROOM = 1024
"""Slots that the smallest graph attends to; each larger one has twice as many."""
MOST_TRACES = 256
"""That `torch.compile` may keep: one for each room, boost method and adapter in use, of which there is a handful."""


class RecordedRow:
    """The attention of one recorded step: what `core.attention.Probe` does to a row, with the boost in tensors.

    Attributes:
        method: Of the boost; another is another recording.
        gain: What the formula is given, shape (room,).
        wanted: Logit of the share that `target` brings about, shape ().
        band: Whether the boost acts in a layer, shape (depth,).
    """

    def __init__(self, depth: int, method: Method, room: int, device: torch.device):
        """Args: depth: layers of the decoder; method: of the boost; room: slots; device: where it attends."""
        self.thread = 0
        self.method: Method = method
        self.gain = torch.zeros(room, device=device)
        self.wanted = torch.zeros((), device=device)
        self.band = torch.zeros(depth, dtype=torch.bool, device=device)
        self.weights: list[Tensor] = []
        self.natural: list[Tensor] = []

    def set(self, observation: Observation) -> None:
        """Overwrites what differs between two turns."""
        boost = observation.boost
        keys = min(len(self.gain), observation.max_keys)
        self.gain.zero_()
        if self.method == "target":
            self.wanted.fill_(logit(boost.alpha))
            self.gain[:keys] = observation.gain[:keys]
        else:
            self.gain[:keys] = observation.gain[:keys] * boost.alpha
        band = boost.layers(len(self.band))
        self.band.zero_()
        self.band[band.start : band.stop] = True

    def attend(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
    ) -> Tensor:
        """The attention of one layer; see `Probe.attend`. Query has one row, and the mask hides slots not in use."""
        layer: int = module.layer_idx  # type: ignore[assignment]
        known(options)
        assert mask is not None, "free slots are hidden by a mask"
        scores = scores_of_last(query, key, options.get("scaling"))
        unseen = ~mask[0, :, -1].expand(query.shape[1], -1).reshape(scores.shape)
        # what was left in a slot may be anything, so it is hidden before it is reckoned with
        scores = scores.masked_fill(unseen, 0.0)
        masked = scores.masked_fill(unseen, -torch.inf)
        weights = torch.softmax(masked, -1)
        if self.method != "off":
            self.natural.append(weights.flatten(0, 1))
            weights = torch.softmax(torch.where(self.band[layer], self.boosted(scores, masked), masked), -1)
        self.weights.append(weights.flatten(0, 1))
        hidden = unseen.view(key.shape[1], -1, key.shape[2])[:, 0, :, None]
        last = torch.bmm(weights, value[0].float().masked_fill(hidden, 0.0))
        return last.view(1, 1, query.shape[1], -1).to(query.dtype)

    def boosted(self, scores: Tensor, masked: Tensor) -> Tensor:
        """The formula of `core.boost`, with strength and share from tensors."""
        if self.method == "target":
            return toward(masked, self.gain, self.wanted)
        return FORMULAS[self.method](scores, masked, self.gain, 1.0)


class Step:
    """One row through the model, recorded on a GPU, run as it is elsewhere."""

    def __init__(self, decoder: "GraphDecoder", row: Tensor, room: int, method: Method):
        """Args: decoder: whose stage; row: one like those to come; room: slots to attend to; method: of the boost."""
        self.loaded, self.lens = decoder.loaded, decoder.lens
        self.row = torch.zeros_like(row)
        self.position = torch.zeros((), dtype=torch.long, device=row.device)
        self.cache = Cache(layers=[Recorded(layer, room, self.position) for layer in decoder.stage.layers])
        self.probe = RecordedRow(self.lens.depth, method, room, row.device)
        self.seen: Observation | None = None
        self.forward: Callable[[], tuple[Tensor, ...]] = self._forward
        if decoder.backend is not None:
            traced = torch.compile(self._forward, fullgraph=True, dynamic=False, backend=decoder.backend)
            self.forward = torch._dynamo.config.patch(recompile_limit=MOST_TRACES)(traced)
        self.pool = decoder.pool
        self.graph: torch.cuda.CUDAGraph | None = None
        self.outputs: tuple[Tensor, ...] = ()

    def _forward(self) -> tuple[Tensor, ...]:
        """Logits (vocabulary,), weights (layers, heads, room), and those before the boost if there is one."""
        self.probe.weights, self.probe.natural = [], []
        logits = last_logits(self.loaded, self.row, self.cache)
        rows = [torch.stack(kept) for kept in (self.probe.weights, self.probe.natural) if kept]
        self.probe.weights, self.probe.natural = [], []
        return logits, *rows

    def run(self, row: Tensor, position: int, observation: Observation, adapter: Callable[[], None]) -> None:
        """Fills `outputs`, which the next run overwrites.

        Args:
            row: Shape (1, 1, hidden).
            position: Rows before it.
            observation: What to boost.
            adapter: Puts the adapter to work for which this step is.
        """
        self.row.copy_(row)
        self.position.fill_(position)
        if self.seen is not observation:
            self.probe.set(observation)
            self.seen = observation
        if self.graph is not None:
            self.graph.replay()
            return
        self.probe.thread = threading.get_ident()
        with self.lens.lent(self.probe):
            adapter()
            if row.device.type == "cuda":
                self.graph = self._record()
            else:
                self.outputs = self.forward()

    def _record(self) -> torch.cuda.CUDAGraph:
        """Runs twice beside the stream in use, so that libraries have what they need, then records, then replays."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            self.forward()
            self.forward()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # other threads may hear a clip meanwhile
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            self.outputs = self.forward()
        graph.replay()
        return graph


class GraphDecoder:
    """Reads prompts as `TorchDecoder` does, and decodes each token with one recorded step.

    There is one recording for each room, boost method and adapter that was in use. They share one stage, so one step
    runs at a time; a memory that is not on the stage is brought there first.
    """

    def __init__(self, loaded: Loaded, lens: Lens, adapters: Adapters, backend: Any = None):
        """Args: loaded: the model; lens, adapters: its own; backend: of `torch.compile`, None records it as it is."""
        self.loaded, self.lens, self.adapters, self.backend = loaded, lens, adapters, backend
        self.pool: Any = None
        self.eager = TorchDecoder(loaded, lens, adapters)
        self.stage = Stage(0)
        self.steps: dict[tuple[int, Method, str | None], Step] = {}
        self._on_stage: Callable[[], GraphMemory | None] = lambda: None
        self._lock = threading.Lock()

    def memory(self) -> GraphMemory:
        """An empty memory."""
        return GraphMemory()

    @torch.inference_mode()
    def step(
        self, rows: Tensor, memory: Memory, adapter: str | None, observation: Observation
    ) -> tuple[Tensor, AttentionReading | Look | None]:
        """Reads rows, the last of them under the lens; see `Decoder.step`."""
        assert isinstance(memory, GraphMemory), "the memory of another decoder"
        keys = memory.tokens + rows.shape[1]
        assert observation.prompt_tokens <= keys <= observation.max_keys, f"{keys} keys do not fit the observation"
        with self._lock:
            try:
                found = self._read(rows, memory, adapter, observation, room_for(observation.max_keys))
            except Exception:
                self._clear(memory)
                raise
            memory.tokens = keys
            return found

    def _read(
        self, rows: Tensor, memory: GraphMemory, adapter: str | None, observation: Observation, room: int
    ) -> tuple[Tensor, AttentionReading | Look | None]:
        self._enter(memory, room)
        if rows.shape[1] > 1 or not self.stage.layers:
            self.stage.show(memory.tokens)
            return self.eager.read(rows, self.stage.cache, adapter, observation)
        return self._decoded(rows, memory, adapter, observation, room)

    def _clear(self, memory: GraphMemory) -> None:
        """Gives the stage up that an error left with some layers read and others not, and its memory with it."""
        if self._on_stage() in (None, memory):  # another one, if it is still there, is whole
            self.steps, self.stage, self.pool = {}, Stage(0), None
            self._on_stage = lambda: None

    def _enter(self, memory: GraphMemory, slots: int) -> None:
        """Brings a memory to the stage, and away from there which one was on it; enlarges the stage where it must."""
        here = self._on_stage()
        grows = slots > self.stage.slots
        if here is memory and not grows:
            return
        if here is not None:
            here.away = self.stage.taken(here.tokens)
        self._on_stage = lambda: None
        if grows:
            self.steps.clear()  # their recordings would write where the slots were
            self.stage = Stage(slots)
            # what lies between two layers has one place for all recordings, since what one gives is used before the
            # next one runs; it goes with the last of them
            self.pool = torch.cuda.graph_pool_handle() if torch.cuda.is_available() else None
        self.stage.put(memory.away)
        memory.away = []
        self._on_stage = weakref.ref(memory)

    def _decoded(
        self, row: Tensor, memory: GraphMemory, adapter: str | None, observation: Observation, room: int
    ) -> tuple[Tensor, Look | None]:
        method: Method = observation.boost.method if observation.acts else "off"
        step = self.steps.get((room, method, adapter))
        if step is None:
            step = self.steps[room, method, adapter] = Step(self, row, room, method)
        step.run(row, memory.tokens, observation, lambda: self.adapters.select(adapter))
        logits, weights, *natural = step.outputs
        logits = logits.clone()  # the next run overwrites it
        if not observation.meter:
            return logits, None
        keys, layers = memory.tokens + 1, self.lens.layers
        band = observation.boost.layers(self.lens.depth) if natural else range(0)
        boosted = [place for place, layer in enumerate(layers) if layer in band]
        rows = weights[..., :keys]
        if boosted:
            rows = torch.cat([rows, natural[0][boosted[0] : boosted[-1] + 1, :, :keys]])
        return logits, look_of(rows, layers, tuple(layers[place] for place in boosted), observation)


def room_for(keys: int) -> int:
    """The smallest room that holds as many keys."""
    return LEAST_ROOM << max(0, (keys - 1) // LEAST_ROOM).bit_length()

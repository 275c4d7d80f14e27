"""Where the keys and values of a recorded step lie: in slots that stay where they are (docs/speed.md).

A prompt fills them as it would fill a `DynamicCache`; a recorded step finds its row's slot in a tensor.
"""

from functools import partial
from typing import Any

from torch import Tensor
from transformers import Cache, DynamicLayer, StaticLayer


class Filling(DynamicLayer):
    """Keys and values of one layer, as a prompt finds them: those read so far, as in a `DynamicCache`.

    They lie at the beginning of a fixed number of slots, shape (slots, heads, head size) each.
    """

    def __init__(self, slots: int):
        """Args: slots: for as many rows."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.slots = slots

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Makes the slots, once it is known how large they are."""
        made = [rows.new_zeros((self.slots, *rows.shape[1::2])) for rows in (key_states, value_states)]
        self.key_slots, self.value_slots = made
        self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
        self.show(0)

    def show(self, rows: int) -> tuple[Tensor, Tensor]:
        """Takes the first `rows` slots for what was read; gives them."""
        self.keys, self.values = seen(self.key_slots, rows), seen(self.value_slots, rows)
        return self.keys, self.values

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Adds rows; gives all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before = self.get_seq_length()
        self.key_slots[before : before + key_states.shape[2]] = key_states[0].transpose(0, 1)
        self.value_slots[before : before + key_states.shape[2]] = value_states[0].transpose(0, 1)
        return self.show(before + key_states.shape[2])


class Recorded(StaticLayer):
    """The same slots as one recorded step finds them: the row goes where a tensor says, and `room` slots are seen."""

    def __init__(self, filling: Filling, room: int, position: Tensor):
        """Args: filling: whose slots; room: how many of them; position: rows before this one, shape ()."""
        super().__init__(room)
        self.key_slots, self.value_slots = seen(filling.key_slots, room), seen(filling.value_slots, room)
        self.dtype, self.device, self.is_initialized = filling.dtype, filling.device, True
        self.cumulative_length = position

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Writes the one row; gives all slots. What lies in those behind it is hidden by the mask."""
        at = self.cumulative_length[None]
        self.key_slots.index_copy_(2, at, key_states)
        self.value_slots.index_copy_(2, at, value_states)
        return self.key_slots, self.value_slots


def seen(slots: Tensor, rows: int) -> Tensor:
    """The first slots as attention takes them, (1, heads, rows, head size); their strides tell nothing of the rest."""
    return slots[:rows].transpose(0, 1)[None]


class Stage:
    """The slots of all layers; one memory at a time has its rows there."""

    def __init__(self, slots: int):
        """Args: slots: of each layer."""
        self.slots = slots
        self.cache = Cache(layer_class_to_replicate=partial(Filling, slots))  # type: ignore[arg-type]

    @property
    def layers(self) -> list[Filling]:
        """Those that hold keys, none before the first prompt; a layer that uses another's keys is not among them."""
        layers = [layer for layer in self.cache.layers if isinstance(layer, Filling) and layer.is_initialized]
        assert len(layers) == len(self.cache.layers), "a layer without keys lies between others"
        return layers

    def taken(self, rows: int) -> list[tuple[Tensor, Tensor]]:
        """A copy of the first rows of each layer."""
        return [(layer.key_slots[:rows].clone(), layer.value_slots[:rows].clone()) for layer in self.layers]

    def put(self, copied: list[tuple[Tensor, Tensor]]) -> None:
        """Brings a copy back."""
        for index, (keys, values) in enumerate(copied):
            if index == len(self.cache.layers):
                self.cache.layers.append(Filling(self.slots))
            layer = self.cache.layers[index]
            assert isinstance(layer, Filling)
            if not layer.is_initialized:
                layer.lazy_initialization(seen(keys, len(keys)), seen(values, len(values)))
            layer.key_slots[: len(keys)], layer.value_slots[: len(values)] = keys, values

    def show(self, rows: int) -> None:
        """Takes the first rows for what was read."""
        for layer in self.layers:
            layer.show(rows)


class GraphMemory:
    """Rows that are on the stage, or a copy of them while another memory is there.

    Attributes:
        tokens: How many rows count; behind them may lie others, which the next ones overwrite.
        away: The copy, by layer.
    """

    def __init__(self) -> None:
        self.tokens = 0
        self.away: list[tuple[Tensor, Tensor]] = []

    def crop(self, tokens: int) -> None:
        """Forgets all behind the first `tokens` rows."""
        assert tokens <= self.tokens, f"{self.tokens} rows cannot be cropped to {tokens}"
        self.tokens = tokens

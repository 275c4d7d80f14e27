"""LoRA adapters (arXiv 2106.09685) on a loaded model: several by name, one or none at work, never merged."""

import json
import warnings
from pathlib import Path

import httpx2
from huggingface_hub import snapshot_download
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import PreTrainedModel

from core.errors import LoadError, SettingsError, first_line, not_found

OWN = "speech-lora"
"""The name of an adapter that a checkpoint brings with it."""
CONFIG = "adapter_config.json"
FILES = (CONFIG, "adapter_model.safetensors")


def own_adapter(model: str, inside: str) -> Path | None:
    """The folder of the adapter that a checkpoint brings with it; None where it brings none.

    Args:
        model: Folder, or checkpoint id on the hub, whose adapter is fetched and cached.
        inside: Folder within the checkpoint; "" is the checkpoint's own.

    Raises:
        LoadError: The hub cannot be reached and its cache has no such model.
    """
    folder = Path(model)
    if not folder.is_dir():
        try:
            folder = Path(snapshot_download(model, allow_patterns=[(Path(inside) / name).as_posix() for name in FILES]))
        except (OSError, ValueError, httpx2.HTTPError) as error:
            raise not_found(model, error) from error
    folder = folder / inside
    return folder if all((folder / name).is_file() for name in FILES) else None


class Adapters:
    """The adapters of one model. With none selected the model is the bare one, exactly."""

    def __init__(self, model: PreTrainedModel):
        """Args: model: the text backbone or a model around it."""
        self.model = model
        # PEFT writes its own names into those of tensors and modules, where a person's could have another meaning
        self._keys: dict[str, str] = {}
        self._in_ears: dict[str, bool] = {}
        self._selected: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the adapters, in the order they were loaded."""
        return tuple(self._keys)

    def load(self, name: str, folder: Path) -> None:
        """Adds the adapter of a PEFT folder, switched off.

        Raises:
            LoadError: The folder is no adapter, or one of another model.
        """
        if not (folder / CONFIG).is_file():
            raise LoadError(f"There is no adapter in {folder.name}: give a PEFT folder, with {' and '.join(FILES)}.")
        key = f"adapter{len(self._keys)}"
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Already found a `peft_config`")  # peft, of a second adapter
                found = self.model.load_adapter(str(folder), adapter_name=key, use_safetensors=True, is_trainable=False)
            # transformers also calls the tensors of other adapters missing
            missing = {tensor for tensor in found.missing_keys if f".{key}." in f"{tensor}."}
            if astray := sorted(missing | set(found.unexpected_keys)):
                raise ValueError(f"{len(astray)} tensors have no counterpart, {astray[0]} among them")
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise LoadError(
                f"The adapter in {folder.name}, made for {_base(folder)}, does not fit this model "
                f"({first_line(error)}): give one that was trained on it."
            ) from error
        self._keys[name] = key
        layers = set(self.model.get_decoder().layers.modules())
        mine = [layer for layer in self._layers() if key in getattr(layer, "lora_A", ())]
        self._in_ears[name] = any(layer not in layers for layer in mine)
        for layer in self._layers():
            layer.enable_adapters(False)
        self._selected = None

    def select(self, name: str | None) -> None:
        """Puts one adapter to work, or none. Doing it again costs nothing.

        Raises:
            SettingsError: There is no adapter of that name.
        """
        if name is not None and name not in self.names:
            known = ", ".join(self.names) or "none is loaded"
            raise SettingsError(f"There is no adapter called {name!r}: choose one of those loaded ({known}).")
        if name == self._selected:
            return
        for layer in self._layers():
            layer.enable_adapters(name is not None)
            if name is not None:
                layer.set_adapter(self._keys[name])
        self._selected = name

    def in_ears(self, name: str | None) -> bool:
        """Whether an adapter changes what is heard: its LoRA is not in the decoder alone."""
        return name is not None and self._in_ears[name]

    def _layers(self) -> list[BaseTunerLayer]:
        return [module for module in self.model.modules() if isinstance(module, BaseTunerLayer)]


def _base(folder: Path) -> str:
    """The model an adapter was trained on, as its config names it."""
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError):
        config = None
    named = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    return str(named or "a model it does not name")

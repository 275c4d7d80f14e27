"""LoRA adapters (arXiv 2106.09685) on a loaded model: several by name, one or none at work, never merged."""

import re
import warnings
from pathlib import Path

import httpx
from huggingface_hub import snapshot_download
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import PreTrainedModel

from core.errors import LoadError, SettingsError, first_line, not_found

OWN = "speech-lora"
"""The name of an adapter that a checkpoint brings with it."""
FILES = ("adapter_config.json", "adapter_model.safetensors")


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
        except (OSError, ValueError, httpx.HTTPError) as error:
            raise not_found(model, error) from error
    folder = folder / inside
    return folder if all((folder / name).is_file() for name in FILES) else None


class Adapters:
    """The adapters of one model. With none selected the model is the bare one, exactly."""

    def __init__(self, model: PreTrainedModel):
        """Args: model: the text backbone or a model around it."""
        self.model = model
        self.names: tuple[str, ...] = ()
        self._selected: str | None = None

    def load(self, name: str, folder: Path) -> None:
        """Adds the adapter of a PEFT folder, switched off.

        Raises:
            LoadError: The folder is no adapter, or one of another model.
        """
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Already found a `peft_config`")  # peft, of a second adapter
                found = self.model.load_adapter(
                    str(folder), adapter_name=name, use_safetensors=True, is_trainable=False
                )
            # transformers also calls missing what belongs to the model or to other adapters and bears a name like this
            missing = {key for key in found.missing_keys if re.search(rf"\.lora_\w+\.{re.escape(name)}(\.|$)", key)}
            if astray := sorted(missing | set(found.unexpected_keys)):
                raise ValueError(f"{len(astray)} tensors have no counterpart, {astray[0]} among them")
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise LoadError(
                f"The adapter in {folder.name} does not fit this model ({first_line(error)}): give a PEFT folder that "
                f"was trained on it, with adapter_config.json and adapter_model.safetensors."
            ) from error
        self.names = (*self.names, name)
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
                layer.set_adapter(name)
        self._selected = name

    def _layers(self) -> list[BaseTunerLayer]:
        return [module for module in self.model.modules() if isinstance(module, BaseTunerLayer)]

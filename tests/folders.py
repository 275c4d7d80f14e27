"""Tiny models as folders on disk, laid out as on the hub."""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from core.families import Loaded

THINKERS = ("qwen2_5_omni", "qwen3_omni_moe")


def save(loaded: Loaded, model_type: str, folder: Path) -> None:
    """Writes a model of a family and its processor."""
    loaded.model.save_pretrained(folder)
    loaded.hearing.save_pretrained(folder)
    if model_type not in THINKERS:
        return
    # on the hub a thinker's config is inside the full model's, and its tensors are under its name
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({"model_type": model_type, "thinker_config": config}))
    tensors = load_file(folder / "model.safetensors")
    save_file({f"thinker.{name}": t for name, t in tensors.items()}, folder / "model.safetensors", {"format": "pt"})

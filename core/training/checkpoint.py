"""Checkpoints of a run in safetensors and JSON: nothing in them can execute. Written beside, then renamed."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def save_checkpoint(
    folder: Path,
    parameters: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    step: int,
    generator_state: dict[str, object],
) -> None:
    """Parameters, Adam's moments, the step and the state of the numpy generator."""
    tensors = {f"parameter/{name}": parameter.detach() for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        for key, value in optimizer.state[parameter].items():
            tensors[f"{key}/{name}"] = value if value.ndim else value[None]
    beside = folder.with_name(folder.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, beside / "state.safetensors")
    (beside / "run.json").write_text(json.dumps({"step": step, "generator": generator_state}))
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def load_checkpoint(
    folder: Path, parameters: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
) -> tuple[int, dict[str, object]] | None:
    """Restores in place; returns the step and the generator's state, or None where there is no checkpoint."""
    if not (folder / "run.json").exists():
        return None
    tensors = load_file(folder / "state.safetensors")
    for name, parameter in parameters.items():
        parameter.data.copy_(tensors[f"parameter/{name}"])
        optimizer.state[parameter] = {
            "step": tensors[f"step/{name}"][0],
            "exp_avg": tensors[f"exp_avg/{name}"],
            "exp_avg_sq": tensors[f"exp_avg_sq/{name}"],
        }
    run = json.loads((folder / "run.json").read_text())
    return int(run["step"]), run["generator"]

"""The checkpoint of a run: one safetensors file, replaced whole. Nothing in it can execute."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from core.errors import LoadError, first_line
from core.files import save_whole


def save_checkpoint(
    file: Path,
    parameters: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    step: int,
    generator_state: dict[str, object],
) -> None:
    """Parameters, Adam's moments, the step and the state of the numpy generator.

    Raises:
        WriteError: There is no room; the checkpoint before is as it was.
    """
    tensors = {f"parameter/{name}": parameter.detach() for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        for key, value in optimizer.state[parameter].items():
            tensors[f"{key}/{name}"] = value if value.ndim else value[None]
    run = {"run": json.dumps({"step": step, "generator": generator_state})}
    save_whole(file, save({name: tensor.contiguous() for name, tensor in tensors.items()}, run))


def load_checkpoint(
    file: Path, parameters: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
) -> tuple[int, dict[str, object]] | None:
    """Restores in place; returns the step and the generator's state, or None where there is no checkpoint.

    Raises:
        LoadError: It is damaged, or of a run with other parameters.
    """
    if not file.exists():
        return None
    try:
        with safe_open(file, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
            run = json.loads(opened.metadata()["run"])
        for name, parameter in parameters.items():
            parameter.data.copy_(tensors[f"parameter/{name}"])
            optimizer.state[parameter] = {
                "step": tensors[f"step/{name}"][0],
                "exp_avg": tensors[f"exp_avg/{name}"],
                "exp_avg_sq": tensors[f"exp_avg_sq/{name}"],
            }
        return int(run["step"]), run["generator"]
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise LoadError(
            f"{file} is damaged or of another run ({first_line(error)}): remove it to begin the run anew."
        ) from error

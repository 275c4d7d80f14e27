"""The evaluation on a tiny engine, small enough to be killed and begun again; a module, so that it runs by itself."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from peft import LoraConfig, get_peft_model

from core.evaluation import __main__ as command
from core.lalm import Lalm
from core.types import Settings
from tests import tiny


@cache
def engine(model_type: str = "embedded") -> Lalm:
    """A tiny engine with one adapter, random but not nothing, on by default; it says little."""
    lalm = tiny.engine(model_type)
    lalm.info = replace(lalm.info, default=Settings(max_tokens=4))
    if model_type == "embedded":
        torch.manual_seed(2)
        config = LoraConfig(r=4, target_modules=r".*\.(q_proj|v_proj|down_proj)", init_lora_weights=False)
        with TemporaryDirectory() as folder:
            get_peft_model(tiny.embedded().model, config).save_pretrained(folder)
            lalm.adapters.load("probe", Path(folder))
        lalm.info = replace(lalm.info, adapters=("probe",), default=Settings(adapter="probe", max_tokens=4))
    return lalm


def evaluate(arguments: Sequence[str]) -> None:
    """What the command does, on the tiny engine."""
    state = command.processes()
    command.evaluate(engine(), command.parser().parse_args(arguments), state)
    state.destroy_process_group()


if __name__ == "__main__":
    evaluate(sys.argv[1:])

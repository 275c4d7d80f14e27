"""Nothing that is loaded or fetched can run code: only safetensors, no pickle, nobody's Python."""

import json
import re
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from peft import LoraConfig, get_peft_model

from core.errors import LoadError
from core.families import FAMILIES
from core.load import load, open_model
from core.placement import Placement
from tests import folders, tiny
from tests.test_layout import tracked

ROOT = Path(__file__).parent.parent

# Put together here, so that this file does not hold what it looks for.
RUNS_CODE = {
    "unpickling": re.compile(r"\b(torch\.load|pickle\.loads?|joblib|dill|marshal|shelve)\b"),
    "numpy's pickles": re.compile(r"allow_" + "pickle|" + r"\bnp\.load\("),
    "a hub's code": re.compile("trust_remote" + "_code"),
    "yaml": re.compile(r"\byaml\."),
    "eval": re.compile(r"(?<![\w.])(eval|exec)\("),
    "a shell": re.compile(r"shell=" + r"True|os\.system\(|os\.popen\("),
}
ALLOWED = {
    ("eval", "tests/test_api.py"): "runs the README's example",
    ("eval", "tests/test_layout.py"): "runs the docs' examples",
    ("unpickling", "tests/test_asking.py"): "what goes to a lent GPU comes out of a pickle as it went in",
    ("unpickling", "tests/test_safe_formats.py"): "this file",
    ("a hub's code", "tests/test_layout.py"): "looks for it",
}
"""Where it may stand, and why. Nothing of it is in the app or the engine."""


def test_no_source_runs_what_it_reads() -> None:
    found = {
        (what, path.as_posix())
        for path in tracked()
        if path.suffix == ".py"
        for what, needle in RUNS_CODE.items()
        if needle.search((ROOT / path).read_text("utf-8"))
    }
    assert found <= set(ALLOWED)
    assert not [path for _, path in ALLOWED if not path.startswith("tests/")]


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, made: Path):
        self.made = made

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.made,)


def checkpoint(folder: Path) -> Path:
    """A tiny model as on the hub."""
    model_type = "qwen2_audio"
    folder.mkdir()
    folders.save(tiny.qwen2_audio(), model_type, folder)
    return folder


def pickled(folder: Path, name: str, made: Path) -> None:
    """A file of weights that makes `made` if it is unpickled, in torch's old form, which is a bare pickle."""
    torch.save(Bomb(made), folder / name, _use_new_zipfile_serialization=False)


def silent(line: str) -> None:
    """Progress nobody reads."""


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt", "tf_model.h5"])
def test_a_checkpoint_without_safetensors_is_refused(name: str, tmp_path: Path) -> None:
    folder, made = checkpoint(tmp_path / "model"), tmp_path / "made"
    (folder / "model.safetensors").unlink()
    pickled(folder, name, made)
    with pytest.raises(LoadError) as caught:
        load(str(folder), "bf16", progress=silent)
    assert "\n" not in str(caught.value) and not made.exists()
    # also where the look at the headers before is passed over
    with pytest.raises(LoadError, match="safetensors"):
        open_model(Placement(str(folder), FAMILIES["qwen2_audio"], "cpu", "bf16", ""), silent)
    assert not made.exists()


def test_of_a_checkpoint_with_both_the_safetensors_are_taken(tmp_path: Path) -> None:
    folder, made = checkpoint(tmp_path / "model"), tmp_path / "made"
    for name in ("pytorch_model.bin", "model.pt", "training_args.bin", "optimizer.pt"):
        pickled(folder, name, made)
    assert load(str(folder), "bf16", progress=silent).info.family == "qwen2_audio"
    assert not made.exists()


def adapter(folder: Path) -> Path:
    """A LoRA for the tiny model."""
    config = LoraConfig(r=4, target_modules=r".*layers\.\d+\.self_attn\.(q|v)_proj", init_lora_weights=False)
    get_peft_model(tiny.qwen2_audio().model, config).save_pretrained(folder)
    return folder


def test_an_adapter_without_safetensors_is_refused_and_with_both_they_are_taken(tmp_path: Path) -> None:
    folder, mine, made = checkpoint(tmp_path / "model"), adapter(tmp_path / "mine"), tmp_path / "made"
    pickled(mine, "adapter_model.bin", made)
    assert load(str(folder), "bf16", [str(mine)], progress=silent).info.adapters == ("mine",)
    (mine / "adapter_model.safetensors").unlink()
    with pytest.raises(LoadError, match="adapter in mine") as caught:
        load(str(folder), "bf16", [str(mine)], progress=silent)
    assert "\n" not in str(caught.value) and not made.exists()


def test_code_that_a_checkpoint_brings_is_not_run(tmp_path: Path) -> None:
    folder, made = checkpoint(tmp_path / "model"), tmp_path / "made"
    (folder / "evil.py").write_text(f"open({str(made)!r}, 'w').close()\nclass Evil: pass\n")
    kinds = [f"Auto{kind}" for kind in ("Config", "Model", "ModelForCausalLM", "Processor", "Tokenizer")]
    for path in folder.glob("*config.json"):
        held = json.loads(path.read_text())
        if isinstance(held, dict):
            path.write_text(json.dumps(held | {"auto_map": dict.fromkeys(kinds, "evil.Evil")}))
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(f"open({str(made)!r}, 'w').close()\n")
    assert load(str(folder), "bf16", progress=silent).info.family == "qwen2_audio"
    assert not made.exists()


def test_the_bomb_goes_off(tmp_path: Path) -> None:
    pickled(tmp_path, "x", tmp_path / "made")
    torch.load(tmp_path / "x", weights_only=False)
    assert (tmp_path / "made").exists()


def requirements() -> dict[str, Requirement]:
    """What every file of requirements names."""
    lines = [line for path in ROOT.glob("requirements*.txt") for line in path.read_text("utf-8").splitlines()]
    lines = [line.split("#")[0].strip() for line in lines]
    return {line: Requirement(line) for line in lines if line and not line.startswith("-r ")}


def test_every_requirement_has_an_upper_bound() -> None:
    assert len(requirements()) > 30
    for line, required in requirements().items():
        operators = {part.operator for part in required.specifier}
        assert operators & {"<", "<=", "==", "~="}, line

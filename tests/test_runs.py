"""Whole training runs on tiny models and made-up clips: what is written loads, and the model is what it says."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from core.adapter import Adapters
from core.embedded.assembly import add_learnt
from core.errors import LoadError
from core.families.embedded import COMPARER, load_beside
from core.lalm import Lalm
from core.load import load
from core.training import loop, stages
from core.training.__main__ import main
from core.training.chat import BATCH, read_chat_prompts
from core.training.recipe import Recipe
from core.types import Conversation, Settings, Turn
from tests import corpora, tiny

QUESTION = Conversation((Turn("user", (tiny.tone(440.0), tiny.noise(1), "Which clip has the dog?")),))


CHAT = read_chat_prompts()[: BATCH + 1]
"""One more than are answered at once: the model is asked in every run, and all of them would be more of the same."""


@pytest.fixture(scope="module", autouse=True)
def tiny_parts() -> Iterator[None]:
    """The embedded model's parts are tiny ones, always the same; and there is little chat."""

    def parts() -> tuple[object, ...]:
        loaded = tiny.embedded()
        return loaded.model, loaded.tokenizer, loaded.hearing.ears, loaded.hearing.joiner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "untrained", parts)
        patch.setattr(loop, "read_chat_prompts", lambda: CHAT)
        yield


def recipes(corpus: Path, out: Path) -> list[Recipe]:
    common = {"corpus": str(corpus), "batch": 2, "warmup_steps": 1, "checkpoint_steps": 4, "chat_share": 0.0}
    hint = {"scenes": 6, "hint_steps": 2, "hint_batch": 8}
    align = Recipe(stage="align", out=str(out / "align"), steps=3, **hint, **common)  # type: ignore[arg-type]
    base = replace(align, stage="base", out=str(out / "base"), start=align.out, steps=4, rank=2, dev_questions=0)
    last = replace(
        base, stage="discriminative", out=str(out / "last"), start=base.out, steps=8, facts_share=0.5, chat_share=0.2
    )
    return [align, base, last]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpora.write_corpus(tmp_path_factory.mktemp("corpus"), ("sound", "ambience", "instrument", "speech"))


@pytest.fixture(scope="module")
def begun(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Recipe]:
    """The three stages, of which the first two have run."""
    made = recipes(corpus, tmp_path_factory.mktemp("begun"))
    for recipe in made[:2]:
        stages.run(recipe)
    return made


def logits(engine: Lalm, adapter: str | None) -> torch.Tensor:
    """After a comparing question."""
    prompt = engine.prompt(QUESTION, Settings(adapter=adapter))
    engine.adapters.select(adapter)
    with torch.inference_mode():
        rows = prompt.embed(engine.loaded.embed_tokens)
        hidden = engine.loaded.model.get_decoder()(inputs_embeds=rows).last_hidden_state[:, -1]
        found: torch.Tensor = engine.loaded.model.get_output_embeddings()(hidden)[0]
    return found


def test_the_three_stages_make_a_model_whose_adapter_goes_on_and_off(begun: list[Recipe]) -> None:
    *_, last = made = begun
    stages.run(last)
    kept = load_file(Path(last.out) / "discriminative" / COMPARER)
    aligned = load_file(Path(made[0].out) / COMPARER)
    assert all(torch.equal(kept[name], aligned[name]) for name in aligned) and bool(kept["hint.answers"].any())

    engine = tiny.engine("embedded")
    loaded = engine.loaded
    merged = add_learnt(loaded.model.float(), loaded.hearing.joiner, Path(made[1].out))
    assert merged is loaded.model
    bare = logits(engine, None)
    folder = Path(last.out) / "discriminative"
    engine.adapters = Adapters(loaded.model)
    engine.adapters.load("discriminative", folder)
    load_beside(loaded, "discriminative", folder)
    assert torch.equal(logits(engine, None), bare)
    assert not torch.allclose(logits(engine, "discriminative"), bare, atol=1e-3)
    sources = [span.source for span in engine.prompt(QUESTION, Settings(adapter="discriminative")).spans]
    assert sources.count("pairs") == sources.count("hint") == 1
    assert not {"pairs", "hint"} & {span.source for span in engine.prompt(QUESTION, Settings()).spans}
    assert "permissive" in (Path(last.out) / "ATTRIBUTION.md").read_text()


def test_a_run_that_was_killed_ends_with_the_same_weights(
    begun: list[Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = (replace(begun[2], out=str(tmp_path / name)) for name in ("whole", "cut"))
    stages.run(whole)
    kept = stages.Trainee.loss
    calls = []

    def killed(self: stages.Trainee, batch: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return kept(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(stages.Trainee, "loss", killed)
    with pytest.raises(KeyboardInterrupt):
        stages.run(cut)
    stages.run(cut)
    assert len(calls) == 6 + 4  # from the checkpoint at step 4
    for file in ("discriminative/adapter_model.safetensors", f"discriminative/{COMPARER}"):
        one, other = (load_file(Path(recipe.out) / file) for recipe in (whole, cut))
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def own(tmp_path: Path) -> list[str]:
    """The command for somebody's clips and a tiny checkpoint of another family."""
    loaded = tiny.qwen2_audio()
    loaded.model.save_pretrained(tmp_path / "model")
    loaded.hearing.save_pretrained(tmp_path / "model")
    clips = tmp_path / "clips"
    clips.mkdir()
    rows = []
    for label, hz in corpora.EVENTS.items():
        for take in range(3):
            name = f"{label[2:]}{take}.wav"
            soundfile.write(clips / name, corpora.tone(hz, 0.5 + 0.3 * take), 16_000)
            rows.append({"path": name, "label": label, "licence": "my own"})
    corpora.write_table(clips, rows)
    table = (clips / "clips.csv").rename(clips / "birds.csv")
    return ["--data", str(table), "--model", str(tmp_path / "model"), "--out", str(tmp_path / "run"), "--rank", "2"]


@pytest.mark.parametrize("precision", ["bf16", "nf4"])
def test_anybodys_clips_train_an_adapter_for_another_family(tmp_path: Path, own: list[str], precision: str) -> None:
    out = tmp_path / "run"
    assert main([*own, "--precision", precision, "--steps", "2"]) == 0

    learnt = load_file(out / "birds" / "adapter_model.safetensors")
    assert learnt and all("language_model.layers" in name for name in learnt)
    assert any(bool(tensor.any()) for name, tensor in learnt.items() if "lora_B" in name)
    engine = load(str(tmp_path / "model"), precision, [str(out / "birds")], progress=lambda line: None)
    assert engine.info.adapters == ("birds",) and engine.info.default.adapter == "birds"
    bare = load(str(tmp_path / "model"), precision, progress=lambda line: None)
    assert isinstance(engine, Lalm) and isinstance(bare, Lalm)
    assert torch.equal(logits(engine, None), logits(bare, None))
    assert not torch.equal(logits(engine, "birds"), logits(bare, None))


@pytest.mark.usefixtures("own")
def test_two_processes_draw_apart_and_hold_the_same_weights(tmp_path: Path) -> None:
    """One sample a step: that the weights stay the same takes steps, not samples."""
    recipe = {
        **{"stage": "discriminative", "out": str(tmp_path / "run"), "corpus": str(tmp_path / "clips" / "birds.csv")},
        **{"model": str(tmp_path / "model"), "precision": "bf16", "tiers": ["other"], "rank": 2, "batch": 1},
        **{"steps": 20, "checkpoint_steps": 20, "warmup_steps": 2, "chat_share": 0.0, "dev_questions": 0},
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in recipe.items()]
    (tmp_path / "recipe.toml").write_text("\n".join(["[[run]]", *lines]))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "-m", "core.training", str(tmp_path / "recipe.toml")], env=environment, check=True)
    files = [tmp_path / "run" / f"{name}.safetensors" for name in ("checkpoint", "checkpoint1")]
    one, other = map(load_file, files)
    assert all(torch.equal(one[name], other[name]) for name in one if name.startswith("parameter/"))
    first, second = (json.loads(safe_open(file, "pt").metadata()["run"]) for file in files)
    assert first["step"] == second["step"] == 20 and first["generator"] != second["generator"]


def test_a_stage_that_is_not_for_a_model_is_one_sentence(corpus: Path, tmp_path: Path) -> None:
    recipe = replace(recipes(corpus, tmp_path)[0], model="some/checkpoint")
    with pytest.raises(LoadError, match="takes discriminative"):
        stages.run(recipe)

"""The stages of a training run: what each starts from, what learns, and what it leaves in its folder."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from accelerate import Accelerator
from peft import PeftModel, prepare_model_for_kbit_training
from safetensors.torch import load_file, save, save_file

from core.embedded.assembly import WEIGHTS, add_learnt, untrained
from core.embedded.comparer import Comparer
from core.embedded.joiner import FROZEN, Joiner
from core.errors import LoadError
from core.families.embedded import COMPARER, FAMILY, EmbeddedHearing, likeness_of, text_row, word_ids
from core.families.family import Loaded
from core.files import save_whole, told_in_words
from core.load import open_model
from core.placement import place
from core.training import metrics, pool
from core.training.align import align_events
from core.training.align_hint import align_hint
from core.training.align_pairs import Known, align_pairs
from core.training.attribution import attribution
from core.training.chat import read_chat_prompts
from core.training.corpus import Corpus
from core.training.loop import schedule, train
from core.training.recipe import Recipe
from core.training.synthesis import drawn_conditions, treat
from core.training.trainee import EmbeddedTrainee, Trainee, ordinary, with_lora
from core.types import Clip

SHIPPED = "discriminative"
"""Folder of the shipped adapter within the shipped weights."""
SCENES = "scenes"
"""Folder of the scenes that were heard for the hint, within that of the stage."""
UNFINISHED = "unfinished-"
"""How the folder begins in which an adapter is written before it takes its place."""
FINISHED = "metrics.json"
"""What a stage measured; it is the last that is written, so a folder that has it is whole."""
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"


def run(recipe: Recipe) -> dict[str, object]:
    """Runs one stage from the start or from its last checkpoint; returns what it measured.

    A finished run is not repeated: its metrics are read back.

    Raises:
        LoadError: The corpus or the model cannot be had, or the stage is not for this model.
        WriteError: The folder cannot be written to.
    """
    out = Path(recipe.out)
    if (out / FINISHED).exists():
        try:
            finished: dict[str, object] = json.loads((out / FINISHED).read_text())
        except ValueError as error:
            raise LoadError(f"{out / FINISHED} is damaged: remove it, and the stage is finished again.") from error
        return finished
    if recipe.model != "embedded" and recipe.stage != "discriminative":
        raise LoadError(f"The stage {recipe.stage} is for the embedded model: {recipe.model} takes discriminative.")
    corpus = Corpus.read(Path(recipe.corpus), "train", recipe.tiers)
    accelerator = Accelerator()
    if accelerator.is_main_process:
        save_whole(out / "recipe.json", json.dumps(recipe.as_dict(), indent=1))
    accelerator.wait_for_everyone()
    torch.manual_seed(recipe.seed)
    if recipe.stage == "align":
        results = _align(recipe, corpus, accelerator)
    else:
        trainee = _embedded(recipe, accelerator) if recipe.model == "embedded" else _other(recipe)
        train(recipe, corpus, trainee, accelerator)
        results = _finish(recipe, trainee) if accelerator.is_main_process else {}
    if accelerator.is_main_process:
        save_whole(out / "ATTRIBUTION.md", attribution(corpus.recordings))
        save_whole(out / FINISHED, json.dumps(results, indent=1))
    return results


def _align(recipe: Recipe, corpus: Corpus, accelerator: Accelerator) -> dict[str, object]:
    """Event tokens against the words of labels, then what the adapter compares by; every clip is heard once."""
    out = Path(recipe.out)
    model, tokenizer, ears, joiner = untrained()
    table = model.model.embed_tokens.weight.detach()
    rng = np.random.default_rng(recipe.seed)
    known = []
    for recording in corpus.recordings:
        spoken = recording.kind == "speech"
        conditions = drawn_conditions(rng, whole=spoken, speeds=not spoken and recording.kind != "instrument")
        clip = Clip(treat(corpus.samples(recording), rng, conditions), recording.id)
        known.append(Known(ordinary(ears.hear(clip)), recording))
    sounds = [(clip.heard, clip.recording.label) for clip in known if clip.recording.kind != "speech"]
    loss = align_events(
        joiner,
        sounds,
        lambda word: table[word_ids(tokenizer, word)].mean(0),
        rng,
        recipe.steps,
        recipe.batch,
        lambda step: recipe.joiner_learning_rate * schedule(step, recipe),
    )
    save_whole(out / "joiner.safetensors", _learnt(joiner))
    if not recipe.comparer:
        return {"loss of words": loss}
    comparer = Comparer(len(joiner.center))
    rate = recipe.joiner_learning_rate
    facts = align_pairs(corpus, known, comparer.facts, rng, recipe.steps, 2 * recipe.batch, rate)
    pool.fill(
        corpus, ears, recipe.seed, recipe.scenes, out / SCENES, accelerator.process_index, accelerator.num_processes
    )
    accelerator.wait_for_everyone()
    loaded = Loaded(model, tokenizer, EmbeddedHearing(ears, joiner))
    comparer.hint.name(lambda text: text_row(loaded, text), joiner.center)
    hint = align_hint(
        comparer.hint,
        joiner,
        comparer.facts,
        pool.read(out / SCENES),
        likeness_of(loaded),
        read_chat_prompts(),
        rng,
        recipe.hint_steps,
        recipe.hint_batch,
        lambda step: rate * schedule(step, replace(recipe, steps=recipe.hint_steps)),
        lambda line: accelerator.print(line, flush=True),
    )
    save_whole(out / COMPARER, _learnt(comparer))
    return {"loss of words": loss, "facts of pairs": facts, "hints": hint}


def _embedded(recipe: Recipe, accelerator: Accelerator) -> Trainee:
    """The embedded model's parts with what the stages before have learnt."""
    model, tokenizer, ears, joiner = untrained()
    comparing = recipe.stage == "discriminative"
    start = Path(recipe.start) if recipe.start or not comparing else WEIGHTS
    compared = start / COMPARER if recipe.start else WEIGHTS / SHIPPED / COMPARER
    if comparing:
        model = add_learnt(model, joiner, start)
    elif recipe.start:
        joiner.load_state_dict(load_file(start / "joiner.safetensors"), strict=False)
    comparer = Comparer(len(joiner.center)).eval().requires_grad_(False)
    if recipe.comparer and compared.exists():
        comparer.load_state_dict(load_file(compared))
    model = model.bfloat16().to(accelerator.device)
    loaded = Loaded(
        model, tokenizer, EmbeddedHearing(ears, joiner, {recipe.adapter: comparer} if recipe.comparer else {})
    )
    joiner.requires_grad_(not comparing)
    adapter = recipe.adapter if comparing and recipe.comparer else None
    return EmbeddedTrainee(loaded, FAMILY, with_lora(loaded, recipe.rank), not comparing, adapter)


def _other(recipe: Recipe) -> Trainee:
    """A model of another family: LoRA alone, over quantised weights where the precision says so."""
    placement = place(recipe.model, recipe.precision)
    family, loaded = placement.family, open_model(placement)
    if getattr(loaded.model, "is_quantized", False):
        prepare_model_for_kbit_training(loaded.model, use_gradient_checkpointing=loaded.model.device.type == "cuda")
    loaded.model.requires_grad_(False)
    return Trainee(loaded, family, with_lora(loaded, recipe.rank))


def _finish(recipe: Recipe, trainee: Trainee) -> dict[str, object]:
    """Writes the weights and measures them on the dev split, where the corpus has one."""
    out, comparing = Path(recipe.out), recipe.stage == "discriminative"
    folder = out / (recipe.adapter if comparing else "base")
    beside: dict[str, bytes] = {}
    if isinstance(trainee, EmbeddedTrainee):
        hearing: EmbeddedHearing = trainee.loaded.hearing
        save_whole(out / "joiner.safetensors", _learnt(hearing.joiner))
        if recipe.comparer and comparing:
            beside[COMPARER] = _learnt(hearing.comparers[recipe.adapter])
        elif recipe.comparer:
            save_whole(out / COMPARER, _learnt(hearing.comparers[recipe.adapter]))
    save_lora(trainee.model, folder, SMOLLM2 if recipe.model == "embedded" else recipe.model, beside)
    if not recipe.dev_questions:
        return {}
    dev = Corpus.read(Path(recipe.corpus), "dev")
    results: dict[str, object] = {"adapter on": metrics.accuracy(trainee, dev, recipe.dev_questions)}
    if comparing:
        with trainee.adapter_off():
            results["adapter off"] = metrics.accuracy(trainee, dev, recipe.dev_questions)
    return results


def _learnt(module: Joiner | Comparer) -> bytes:
    """What was learnt of a module, in float16, as a safetensors file."""
    return save({n: tensor.half().contiguous() for n, tensor in module.state_dict().items() if n not in FROZEN})


def save_lora(model: PeftModel, folder: Path, base_model: str, beside: Mapping[str, bytes]) -> None:
    """A PEFT folder in float16, replaced whole.

    Args:
        model: Whose LoRA.
        folder: Of the adapter.
        base_model: What it was trained on, as a person would name it.
        beside: More files of the adapter, by name.

    Raises:
        WriteError: There is no room; what was there is as it was.
    """
    with told_in_words(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f"{UNFINISHED}*"):  # by a run that was killed
            shutil.rmtree(left)
        with TemporaryDirectory(prefix=UNFINISHED, dir=folder.parent) as unfinished:
            ready = Path(unfinished) / "ready"
            model.save_pretrained(str(ready))
            file = ready / "adapter_model.safetensors"
            save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file)
            config = json.loads((ready / "adapter_config.json").read_text())
            config["base_model_name_or_path"] = base_model
            (ready / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True))
            (ready / "README.md").unlink(missing_ok=True)
            for name, content in beside.items():
                (ready / name).write_bytes(content)
            if folder.exists():
                folder.rename(Path(unfinished) / "before")
            ready.rename(folder)

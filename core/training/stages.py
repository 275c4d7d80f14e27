"""The stages of a training run: what each starts from, what learns, and what it leaves in its folder."""

import json
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from peft import PeftModel
from safetensors.torch import load_file, save_file

from core.embedded.assembly import add_learnt, untrained
from core.embedded.joiner import Joiner
from core.embedded.pairs import PairJoiner
from core.families.embedded import FAMILY, PAIRS, EmbeddedHearing, word_ids
from core.families.family import Loaded
from core.training import align, metrics
from core.training.align_pairs import Known, align_pairs
from core.training.attribution import attribution
from core.training.corpus import Corpus
from core.training.loop import schedule, train
from core.training.questions import EVALUATION_TASKS
from core.training.recipe import Recipe
from core.training.synthesis import drawn_conditions, treat
from core.training.trainee import EmbeddedTrainee, ordinary, with_lora
from core.types import Clip

ADAPTER = "discriminative"
FROZEN = ("classes", "offsets", "center")
BASE_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"


def run(recipe: Recipe) -> dict[str, object]:
    """Runs one stage of the embedded model from the start or from its last checkpoint; returns what it measured.

    A finished run is not repeated: its metrics are read back.
    """
    out = Path(recipe.out)
    if (out / "metrics.json").exists():
        finished: dict[str, object] = json.loads((out / "metrics.json").read_text())
        return finished
    accelerator = Accelerator()
    if accelerator.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        (out / "recipe.json").write_text(json.dumps(recipe.as_dict(), indent=1))
    accelerator.wait_for_everyone()
    torch.manual_seed(recipe.seed)
    corpus = Corpus.read(Path(recipe.corpus), "train", recipe.tiers)
    loaded = _start(recipe)
    results = _align(recipe, corpus, loaded) if recipe.stage == "align" else _learn(recipe, corpus, loaded, accelerator)
    if accelerator.is_main_process:
        (out / "ATTRIBUTION.md").write_text(attribution(corpus.recordings))
        (out / "metrics.json").write_text(json.dumps(results, indent=1))
    return results


def _start(recipe: Recipe) -> Loaded:
    """The parts with what the stages before have learnt."""
    model, tokenizer, ears, joiner = untrained()
    start = Path(recipe.start)
    pairs = PairJoiner(len(joiner.center))
    if recipe.stage == "discriminative":
        model = add_learnt(model, joiner, start)
    elif recipe.start:
        joiner.load_state_dict(load_file(start / "joiner.safetensors"), strict=False)
    if recipe.start and (start / PAIRS).exists():
        pairs.load_state_dict(load_file(start / PAIRS))
    if recipe.stage != "align":
        model = model.bfloat16()
    return Loaded(model, tokenizer, EmbeddedHearing(ears, joiner, {ADAPTER: pairs} if recipe.pairs else {}))


def _learn(recipe: Recipe, corpus: Corpus, loaded: Loaded, accelerator: Accelerator) -> dict[str, object]:
    """Base or discriminative: a LoRA, with the joiner or with the pair tokens."""
    out = Path(recipe.out)
    hearing: EmbeddedHearing = loaded.hearing
    loaded.model.to(accelerator.device)
    trainee = EmbeddedTrainee(loaded, FAMILY, with_lora(loaded, recipe.rank))
    comparing = recipe.stage == "discriminative"
    trainee.joiner_learns, trainee.adapter = not comparing, ADAPTER if comparing and recipe.pairs else None
    hearing.joiner.requires_grad_(not comparing)
    train(recipe, corpus, trainee, accelerator)
    if not accelerator.is_main_process:
        return {}
    save_lora(trainee.model, out / (ADAPTER if comparing else "base"), BASE_MODEL)
    _save(hearing.joiner, out / "joiner.safetensors")
    if comparing and recipe.pairs:
        _save(hearing.pairs[ADAPTER], out / ADAPTER / PAIRS)
    elif recipe.pairs:
        _save(hearing.pairs[ADAPTER], out / PAIRS)
    dev = Corpus.read(Path(recipe.corpus), "dev")
    tasks = EVALUATION_TASKS if recipe.dev_questions else ()
    results: dict[str, object] = {"adapter on": metrics.accuracy(trainee, dev, recipe.dev_questions, tasks)}
    if comparing:
        trainee.adapter = None
        with trainee.model.disable_adapter():
            results["adapter off"] = metrics.accuracy(trainee, dev, recipe.dev_questions, tasks)
    return results


def _align(recipe: Recipe, corpus: Corpus, loaded: Loaded) -> dict[str, object]:
    """Event tokens against the words of labels, pair tokens against facts; every clip is heard once, treated."""
    out, hearing, tokenizer = Path(recipe.out), loaded.hearing, loaded.tokenizer
    joiner: Joiner = hearing.joiner
    rng = np.random.default_rng(recipe.seed)
    known = []
    for recording in corpus.recordings:
        conditions = drawn_conditions(
            rng, whole=recording.kind == "speech", speeds=recording.kind not in ("speech", "instrument")
        )
        samples = treat(corpus.samples(recording), rng, conditions)
        known.append(Known(ordinary(hearing.ears.hear(Clip(samples, recording.id))), recording))
    labelled = [(clip.heard, align.words_of(clip.recording.label)) for clip in known if clip.recording.kind != "speech"]
    labelled = [(heard, words) for heard, words in labelled if words]
    vocabulary = sorted({word for _, words in labelled for word in words})
    index = {word: place for place, word in enumerate(vocabulary)}
    table: torch.Tensor = loaded.model.get_input_embeddings().weight.detach()  # type: ignore[operator]
    center = joiner.center.clone()
    targets = align.word_rows(vocabulary, table, center, [word_ids(tokenizer, word) for word in vocabulary])
    optimizer = torch.optim.AdamW([p for p in joiner.parameters() if p.requires_grad], weight_decay=0.01)
    losses = []
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.joiner_learning_rate * schedule(step, recipe)
        chosen = [labelled[place] for place in rng.integers(len(labelled), size=recipe.batch)]
        rows = [joiner.event_tokens(heard) for heard, _ in chosen]
        loss = align.alignment_loss(rows, [[index[word] for word in words] for _, words in chosen], targets, center)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    results: dict[str, object] = {"loss": float(np.mean(losses[-50:])), "words": len(vocabulary)}
    print(f"align: {results}", flush=True)
    _save(joiner, out / "joiner.safetensors")
    if recipe.pairs:
        pairs = hearing.pairs[ADAPTER]
        results["pairs"] = align_pairs(
            corpus, known, pairs, rng, recipe.steps, 2 * recipe.batch, recipe.joiner_learning_rate
        )
        print(f"align: {results['pairs']}", flush=True)
        _save(pairs, out / PAIRS)
    return results


def _save(module: torch.nn.Module, file: Path) -> None:
    state = {name: tensor.half().contiguous() for name, tensor in module.state_dict().items() if name not in FROZEN}
    save_file(state, file)


def save_lora(model: PeftModel, folder: Path, base_model: str) -> None:
    """A PEFT folder in float16 that names no path of this machine."""
    model.save_pretrained(str(folder))
    file = folder / "adapter_model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = base_model
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True))
    (folder / "README.md").unlink(missing_ok=True)

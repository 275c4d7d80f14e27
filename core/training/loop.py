"""The training loop of the embedded model, stage by stage."""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from core.embedded.assembly import add_learnt, untrained
from core.embedded.ears import Ears, Heard
from core.embedded.joiner import Joiner, has_voice, token_seconds
from core.families.embedded import FAMILY
from core.families.family import EncodedClip
from core.training import align, metrics
from core.training.attribution import attribution
from core.training.batches import Batch, collate, conversation_of
from core.training.chat import own_answers
from core.training.checkpoint import load_checkpoint, save_checkpoint
from core.training.corpus import Corpus
from core.training.questions import EVALUATION_TASKS, draw, read_chat_prompts
from core.training.recipe import Recipe
from core.types import Clip, Conversation, Turn

LORA_TARGETS = r".*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""Every linear layer of the decoder. The embedded model's ears are no part of the language model, so none is hit."""
FROZEN = ("classes", "offsets", "center")
BATCHES_SORTED_TOGETHER = 4
GRADIENT_NORM = 1.0


@dataclass(eq=False)
class Trainee:
    """What is being trained, the language model with its LoRA and the projectors, and the ears, which stay."""

    model: PeftModel
    tokenizer: PreTrainedTokenizerBase
    ears: Ears
    joiner: Joiner
    table: Tensor

    def embed_tokens(self, ids: Sequence[int]) -> Tensor:
        """Input embeddings, shape (tokens, hidden)."""
        return self.table[list(ids)]

    @property
    def language_model(self) -> LlamaForCausalLM:
        """The model inside PEFT's wrapper."""
        inside = self.model.get_base_model()
        assert isinstance(inside, LlamaForCausalLM)
        return inside

    def encode(self, clip: Clip) -> EncodedClip:
        """One clip, with gradients to the projectors where they are trained."""
        heard = self.ears.hear(clip)
        return EncodedClip(self.joiner(detached(heard)), token_seconds(heard, clip.seconds), clip.seconds)

    def loss(self, batch: Batch) -> Tensor:
        """Weighted cross entropy of the answers."""
        return (self._losses(batch) * batch.weight).sum() / batch.weight.sum()

    def log_likelihoods(self, batch: Batch) -> Tensor:
        """Mean log-probability of each sample's answer, shape (samples,)."""
        sums = torch.zeros(len(batch.rows)).index_add(0, batch.sample, -self._losses(batch))
        return sums / torch.bincount(batch.sample, minlength=len(batch.rows))

    def _losses(self, batch: Batch) -> Tensor:
        """Cross entropy of each target, shape (targets,); the head runs on their positions alone."""
        with torch.autocast("cpu", torch.bfloat16):
            hidden = self.language_model.model(inputs_embeds=batch.rows, attention_mask=batch.mask, use_cache=False)
            logits = hidden.last_hidden_state[batch.sample, batch.position] @ self.table.T
        return torch.nn.functional.cross_entropy(logits.float(), batch.target, reduction="none")


def detached(heard: Heard) -> Heard:
    """The ears run in inference mode; autograd needs ordinary tensors."""
    return Heard(heard.speech.clone(), heard.pooled.clone(), heard.logits.clone())


def run(recipe: Recipe) -> dict[str, object]:
    """Runs one stage from the start or from its last checkpoint; returns the metrics it wrote.

    A finished run is not repeated: its metrics are read back.
    """
    out = Path(recipe.out)
    if (out / "metrics.json").exists():
        finished: dict[str, object] = json.loads((out / "metrics.json").read_text())
        return finished
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps(recipe.as_dict(), indent=1))
    torch.manual_seed(recipe.seed)
    model, tokenizer, ears, joiner = untrained()
    if recipe.stage == "discriminative":
        model = add_learnt(model, joiner, Path(recipe.start))
    elif recipe.start:
        joiner.load_state_dict(load_file(Path(recipe.start) / "joiner.safetensors"), strict=False)
    corpus = Corpus.read(Path(recipe.corpus), "train", recipe.tiers)
    (out / "ATTRIBUTION.md").write_text(attribution(corpus.recordings))
    if recipe.stage == "align":
        _align(recipe, corpus, ears, joiner, tokenizer, model.model.embed_tokens.weight.detach())
        results: dict[str, object] = {}
    else:
        trainee = _trainee(recipe, model, tokenizer, ears, joiner)
        _train(recipe, corpus, trainee)
        trainee.model.eval()
        dev = Corpus.read(Path(recipe.corpus), "dev", ("permissive", "share-alike", "gpl"))
        tasks = [task for task in EVALUATION_TASKS if not recipe.tasks or task.startswith(recipe.tasks)]
        tasks = tasks if recipe.dev_questions else []
        results = {"adapter on": metrics.accuracy(trainee, dev, recipe.dev_questions, tasks)}
        if recipe.stage == "discriminative":
            with trainee.model.disable_adapter():
                results["adapter off"] = metrics.accuracy(trainee, dev, recipe.dev_questions, tasks)
        name = "discriminative" if recipe.stage == "discriminative" else "base"
        _save_lora(trainee.model, out / name)
    _save_joiner(joiner, out)
    (out / "metrics.json").write_text(json.dumps(results, indent=1))
    return results


def _trainee(
    recipe: Recipe, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, ears: Ears, joiner: Joiner
) -> Trainee:
    model.bfloat16()
    table = model.model.embed_tokens.weight.detach()
    config = LoraConfig(
        r=recipe.rank, lora_alpha=2 * recipe.rank, target_modules=LORA_TARGETS, lora_dropout=0.0, task_type="CAUSAL_LM"
    )
    wrapped = get_peft_model(model, config)
    joiner.requires_grad_(recipe.stage == "base")
    return Trainee(wrapped, tokenizer, ears, joiner, table)


def _train(recipe: Recipe, corpus: Corpus, trainee: Trainee) -> None:
    out = Path(recipe.out)
    rng = np.random.default_rng(recipe.seed)
    chat: list[tuple[str, str]] = []
    if recipe.chat_share:
        with trainee.model.disable_adapter():
            chat = own_answers(trainee.language_model, trainee.tokenizer, read_chat_prompts(), out.parent / "chat.json")
    parameters = _trainable(trainee)
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for n, p in parameters.items() if n.startswith("model.")], "peak": recipe.learning_rate},
            {
                "params": [p for n, p in parameters.items() if n.startswith("joiner.")],
                "peak": recipe.joiner_learning_rate,
            },
        ],
        weight_decay=0.01,
    )
    resumed = load_checkpoint(out / "checkpoint", parameters, optimizer)
    first = 0
    if resumed:
        first, rng.bit_generator.state = resumed
        print(f"going on from step {first}", flush=True)
    trainee.model.train()
    began, running = time.monotonic(), math.nan
    batches = _batches(recipe, corpus, trainee, chat, rng)
    for step in range(first, recipe.steps):
        factor = _schedule(step, recipe)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        loss = trainee.loss(next(batches))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad()
        running = loss.item() if math.isnan(running) else 0.97 * running + 0.03 * loss.item()
        done = step + 1 - first
        if done % 10 == 0:
            pace = (time.monotonic() - began) / done
            print(
                f"{recipe.stage} {step + 1}/{recipe.steps} loss {running:.3f} lr {recipe.learning_rate * factor:.1e} "
                f"{recipe.batch / pace:.1f} samples/s, {(recipe.steps - step - 1) * pace / 60:.0f} min left",
                flush=True,
            )
        # A checkpoint falls on the border of a group of batches, so that the generator's state is that of the draws.
        if (step + 1) % recipe.checkpoint_steps == 0 and (step + 1) % BATCHES_SORTED_TOGETHER == 0:
            save_checkpoint(out / "checkpoint", parameters, optimizer, step + 1, dict(rng.bit_generator.state))


def _batches(
    recipe: Recipe, corpus: Corpus, trainee: Trainee, chat: list[tuple[str, str]], rng: np.random.Generator
) -> Iterator[Batch]:
    """Endless batches; a few are drawn together and sorted by length, so that little is padding."""
    while True:
        drawn = [_conversation(recipe, corpus, chat, rng) for _ in range(recipe.batch * BATCHES_SORTED_TOGETHER)]
        drawn.sort(key=lambda c: sum(clip.seconds for clip in c.clips) * 5 + sum(len(t.text) for t in c.turns) / 4)
        for index in rng.permutation(BATCHES_SORTED_TOGETHER):
            chosen = drawn[index * recipe.batch : (index + 1) * recipe.batch]
            yield collate(chosen, trainee.encode, FAMILY, trainee.tokenizer, trainee.embed_tokens)


def _conversation(
    recipe: Recipe, corpus: Corpus, chat: list[tuple[str, str]], rng: np.random.Generator
) -> Conversation:
    if chat and rng.random() < recipe.chat_share:
        prompt, answer = chat[rng.integers(len(chat))]
        return Conversation((Turn("user", (prompt,)), Turn("assistant", (answer,))))
    assert recipe.stage != "align"
    sample = draw(corpus, rng, recipe.stage, only=recipe.tasks)
    return conversation_of(sample.clips, [(e.question, e.answer) for e in sample.exchanges])


def _align(
    recipe: Recipe, corpus: Corpus, ears: Ears, joiner: Joiner, tokenizer: PreTrainedTokenizerBase, table: Tensor
) -> None:
    rng = np.random.default_rng(recipe.seed)
    clips = []
    for recording in corpus.recordings:
        english = recording.kind == "speech" and recording.language == "en" and recording.transcript
        words = align.words_of(recording.transcript or "") if english else align.words_of(recording.label)
        if words and (english or recording.kind != "speech"):
            heard = detached(ears.hear(Clip(corpus.samples(recording), recording.id)))
            if english == has_voice(heard):
                clips.append((heard, words))
    vocabulary = sorted({word for _, words in clips for word in words})
    index = {word: position for position, word in enumerate(vocabulary)}
    ids = [tokenizer(" " + word, add_special_tokens=False)["input_ids"] for word in vocabulary]
    center = joiner.center.clone()
    targets = align.word_rows(vocabulary, table, center, ids)
    optimizer = torch.optim.AdamW([p for p in joiner.parameters() if p.requires_grad], weight_decay=0.01)
    running = math.nan
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.joiner_learning_rate * _schedule(step, recipe)
        chosen = [clips[i] for i in rng.integers(len(clips), size=recipe.batch)]
        # A voice is aligned through its speech tokens, everything else through its event tokens.
        rows = [joiner.speech_tokens(h) if has_voice(h) else joiner.event_tokens(h) for h, _ in chosen]
        loss = align.alignment_loss(rows, [[index[w] for w in found] for _, found in chosen], targets, center)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        running = loss.item() if math.isnan(running) else 0.95 * running + 0.05 * loss.item()
        if (step + 1) % 50 == 0:
            print(f"align {step + 1}/{recipe.steps} loss {running:.3f} of {len(vocabulary)} words", flush=True)


def _schedule(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine down to a tenth."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    progress = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * progress))


def _trainable(trainee: Trainee) -> Mapping[str, torch.nn.Parameter]:
    named = [(f"model.{name}", parameter) for name, parameter in trainee.model.named_parameters()]
    named += [(f"joiner.{name}", parameter) for name, parameter in trainee.joiner.named_parameters()]
    return {name: parameter for name, parameter in named if parameter.requires_grad}


def _save_joiner(joiner: Joiner, out: Path) -> None:
    state = {name: tensor.half().contiguous() for name, tensor in joiner.state_dict().items() if name not in FROZEN}
    save_file(state, out / "joiner.safetensors")


def _save_lora(model: PeftModel, folder: Path) -> None:
    """A PEFT folder in float16 that names no path of this machine."""
    model.save_pretrained(str(folder))
    file = folder / "adapter_model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "HuggingFaceTB/SmolLM2-135M-Instruct"
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True))
    (folder / "README.md").unlink(missing_ok=True)

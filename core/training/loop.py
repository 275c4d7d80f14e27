"""The training loop: draws samples, steps the optimiser, keeps checkpoints. The same on a CPU, a GPU and several."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from core.training.batches import Batch
from core.training.chat import own_answers, read_chat_prompts
from core.training.checkpoint import load_checkpoint, save_checkpoint
from core.training.corpus import Corpus
from core.training.phrasings import read_phrasings
from core.training.questions import draw
from core.training.questions_told import told
from core.training.recipe import Recipe
from core.training.trainee import Trainee
from core.types import Clip

BATCHES_SORTED_TOGETHER = 4
GRADIENT_NORM = 1.0
LINES_EVERY = 20


@dataclass(frozen=True, eq=False)
class Material:
    """Clips and what is asked and answered about them, before the clips are heard.

    `facts` has a line on each clip, or is empty.
    """

    clips: Sequence[Clip]
    exchanges: Sequence[tuple[str, str]]
    facts: Sequence[str] = ()

    @property
    def size(self) -> float:
        """About as many tokens as it will have."""
        words = sum(len(question) + len(answer) for question, answer in self.exchanges)
        return sum(clip.seconds for clip in self.clips) * 3 + 10 * len(self.clips) ** 2 + words / 4


def train(recipe: Recipe, corpus: Corpus, trainee: Trainee, accelerator: Accelerator) -> None:
    """Runs the steps of a recipe from its last checkpoint; the trainee is changed in place."""
    out = Path(recipe.out)
    # Each process draws its own samples; gradients are averaged, so that all hold the same weights.
    rng = np.random.default_rng([recipe.seed, accelerator.process_index])
    # Before any forward: outside of training bitsandbytes packs 4-bit weights on a CPU in a way that has no gradient.
    trainee.model.train()
    chat = _chat(recipe, trainee, out.parent / "chat.json")
    parameters = trainable(trainee)
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for n, p in parameters.items() if n.startswith("lora.")], "peak": recipe.learning_rate},
            {
                "params": [p for n, p in parameters.items() if not n.startswith("lora.")],
                "peak": recipe.joiner_learning_rate,
            },
        ],
        weight_decay=0.01,
    )
    checkpoint = out / f"checkpoint{accelerator.process_index or ''}.safetensors"
    first = 0
    if resumed := load_checkpoint(checkpoint, parameters, optimizer):
        first, rng.bit_generator.state = resumed
        accelerator.print(f"going on from step {first}", flush=True)
    began, running = time.monotonic(), math.nan
    drawn = batches(recipe, corpus, trainee, chat, rng)
    questions = 0
    for step in range(first, recipe.steps):
        factor = schedule(step, recipe)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        batch = next(drawn)
        questions += int(batch.answer[-1]) + 1
        loss = trainee.loss(batch)
        accelerator.backward(loss)
        _average(accelerator, list(parameters.values()))
        torch.nn.utils.clip_grad_norm_(parameters.values(), GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad()
        running = loss.item() if math.isnan(running) else 0.97 * running + 0.03 * loss.item()
        done = step + 1 - first
        if done % LINES_EVERY == 0:
            pace = (time.monotonic() - began) / done
            accelerator.print(
                f"{recipe.stage} {step + 1}/{recipe.steps} loss {running:.3f} lr {recipe.learning_rate * factor:.1e} "
                f"{recipe.batch * accelerator.num_processes / pace:.1f} samples/s "
                f"({questions * accelerator.num_processes / done / pace:.1f} questions/s), "
                f"{(recipe.steps - step - 1) * pace / 60:.0f} min left",
                flush=True,
            )
        # A checkpoint falls on the border of a group of batches, so that the generator's state is that of the draws.
        if (step + 1) % recipe.checkpoint_steps == 0 and (step + 1) % BATCHES_SORTED_TOGETHER == 0:
            save_checkpoint(checkpoint, parameters, optimizer, step + 1, dict(rng.bit_generator.state))
    trainee.model.eval()


def batches(
    recipe: Recipe, corpus: Corpus, trainee: Trainee, chat: Sequence[tuple[str, str]], rng: np.random.Generator
) -> Iterator[Batch]:
    """Endless batches; a few are drawn together and sorted by length, so that little is padding."""
    while True:
        drawn = [material(recipe, corpus, chat, rng) for _ in range(recipe.batch * BATCHES_SORTED_TOGETHER)]
        drawn.sort(key=lambda found: found.size)
        for index in rng.permutation(BATCHES_SORTED_TOGETHER):
            chosen = drawn[index * recipe.batch : (index + 1) * recipe.batch]
            yield trainee.batch([trainee.sample(found.clips, found.exchanges, found.facts) for found in chosen])


def material(recipe: Recipe, corpus: Corpus, chat: Sequence[tuple[str, str]], rng: np.random.Generator) -> Material:
    """One sample of the stage, or with the recipe's share a text-only chat."""
    if chat and rng.random() < recipe.chat_share:
        return Material((), [chat[int(rng.integers(len(chat)))]])
    assert recipe.stage != "align"
    sample = draw(corpus, rng, recipe.stage, only=recipe.tasks, further=recipe.further)
    exchanges = sample.exchanges
    facts: tuple[str, ...] = ()
    if recipe.facts_share and rng.random() < recipe.facts_share:
        facts, more = told(sample.clips, rng, read_phrasings())
        exchanges = (*exchanges, *more)
    return Material(sample.clips, [(exchange.question, exchange.answer) for exchange in exchanges], facts)


def schedule(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine down to a tenth."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    progress = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * progress))


def trainable(trainee: Trainee) -> Mapping[str, torch.nn.Parameter]:
    """Every parameter that learns, by a name that says whose it is: `lora.` or `joiner.`."""
    named = [(f"lora.{name}", parameter) for name, parameter in trainee.model.named_parameters()]
    for owner, module in trainee.modules().items():
        named += [(f"{owner}.{name}", parameter) for name, parameter in module.named_parameters()]
    return {name: parameter for name, parameter in named if parameter.requires_grad}


def _average(accelerator: Accelerator, parameters: Sequence[torch.nn.Parameter]) -> None:
    """Gradients averaged over the processes, as one tensor; with one process nothing happens."""
    if accelerator.num_processes == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:  # a process whose samples never touched it still takes part
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.nn.utils.parameters_to_vector(gradients)
    torch.nn.utils.vector_to_parameters(accelerator.reduce(flat, "mean"), gradients)


def _chat(recipe: Recipe, trainee: Trainee, cache: Path) -> list[tuple[str, str]]:
    if not recipe.chat_share:
        return []
    with trainee.model.disable_adapter():
        return own_answers(trainee.loaded.model, trainee.loaded.tokenizer, read_chat_prompts(), cache)

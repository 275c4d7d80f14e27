"""What is being trained: a loaded model with a LoRA on its text decoder, and for the embedded model what joins it."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div

from core.decoder import finished
from core.embedded.ears import Heard
from core.embedded.speech import Speech
from core.errors import LoadError
from core.families import embedded
from core.families.family import NOTHING_BESIDE, Beside, EncodedClip, Family, Loaded, hear, rows_beside
from core.prompt import build
from core.training.batches import Batch, Sample, collate, conversation_of
from core.types import Clip

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Linear layers of a decoder block, as every family here names them."""


@dataclass(eq=False)
class Trainee:
    """Any family's model with a LoRA; the clips are heard as the family hears them and their rows are not learnt."""

    loaded: Loaded
    family: Family
    model: PeftModel

    def encode(self, clip: Clip) -> EncodedClip:
        """Rows of one clip, made outside autograd."""
        heard = hear(self.family, self.loaded, clip)
        return replace(heard, rows=heard.rows.clone())

    def beside(self, clips: Sequence[EncodedClip], questions: Sequence[str]) -> Beside:
        """What the adapter puts beside clips and questions: nothing, those of most families are LoRA alone."""
        return NOTHING_BESIDE

    def modules(self) -> dict[str, nn.Module]:
        """What is learnt beside the LoRA, by name."""
        return {}

    def sample(self, clips: Sequence[Clip], exchanges: Sequence[tuple[str, str]], facts: Sequence[str] = ()) -> Sample:
        """A prompt for each question and answer about the same clips, which are heard once.

        Args:
            clips: What is asked about.
            exchanges: Questions and answers.
            facts: A line on each clip that the prompt tells, or nothing.
        """
        encoded = [self.encode(clip) for clip in clips]
        beside = self.beside(encoded, [question for question, _ in exchanges])
        family, tokenizer = self.family, self.loaded.tokenizer
        return [
            build(
                conversation_of(clips, [exchange]),
                encoded,
                family,
                tokenizer,
                "",
                replace(beside, hints=beside.hints[place : place + 1]),
                facts,
            )
            for place, exchange in enumerate(exchanges)
        ]

    def batch(self, samples: Sequence[Sample]) -> Batch:
        """Samples as tensors."""
        return collate(samples, self.loaded.embed_tokens)

    @contextmanager
    def adapter_off(self) -> Iterator[None]:
        """The model as it was before: no LoRA, no pair tokens, no hint."""
        with self.model.disable_adapter():
            yield

    def loss(self, batch: Batch) -> Tensor:
        """Weighted cross entropy of the answers; for chat the divergence from the bare model (arXiv 1503.02531).

        Cross entropy of the bare model's greedy answers would make it surer of them than it was.
        """
        logits = self._logits(batch, torch.ones_like(batch.chat))
        losses = cross_entropy(logits, batch.target, reduction="none")
        if batch.chat.any():
            with torch.no_grad(), self.adapter_off():
                bare = self._logits(batch, batch.chat).log_softmax(-1)
            divergence = kl_div(logits[batch.chat].log_softmax(-1), bare, reduction="none", log_target=True).sum(-1)
            losses = losses.masked_scatter(batch.chat, divergence)
        return (losses * batch.weight).sum() / batch.weight.sum()

    def log_likelihoods(self, batch: Batch) -> Tensor:
        """Mean log-probability of each answer, shape (answers,)."""
        losses = cross_entropy(self._logits(batch, torch.ones_like(batch.chat)), batch.target, reduction="none")
        count = torch.bincount(batch.answer)
        sums = torch.zeros(len(count), device=count.device).index_add(0, batch.answer, -losses)
        return sums / count

    def _logits(self, batch: Batch, targets: Tensor) -> Tensor:
        """Scores of the next token at those targets, shape (chosen, vocabulary); only their rows are run."""
        model = self.loaded.model
        samples, row = batch.sample[targets].unique(return_inverse=True)
        with torch.autocast(model.device.type, torch.bfloat16):
            hidden = model.get_decoder()(
                inputs_embeds=batch.rows[samples],
                attention_mask=batch.mask[samples],
                position_ids=batch.positions[samples],
                use_cache=False,
            )
            logits: Tensor = model.get_output_embeddings()(hidden.last_hidden_state[row, batch.place[targets]])
        return finished(model, logits.float())


@dataclass(eq=False)
class EmbeddedTrainee(Trainee):
    """The embedded model: its joiner learns in the base stage, its comparer is there in the discriminative one.

    Attributes:
        joiner_learns: Whether it does.
        adapter: Whose pair tokens and hint are there, or None.
    """

    joiner_learns: bool
    adapter: str | None

    def encode(self, clip: Clip) -> EncodedClip:
        """Rows of one clip, with gradients to the projectors where they learn."""
        heard = ordinary(self.loaded.hearing.ears.hear(clip))
        with torch.set_grad_enabled(self.joiner_learns and torch.is_grad_enabled()):
            return embedded.encoded(self.loaded, heard, clip.seconds)

    def beside(self, clips: Sequence[EncodedClip], questions: Sequence[str]) -> Beside:
        """Pair tokens of every two clips, and a hint for each question."""
        return rows_beside(self.family, self.loaded, self.adapter, clips, questions)

    def modules(self) -> dict[str, nn.Module]:
        """The joiner, where it learns; pair tokens and hint have learnt all they need before."""
        hearing: embedded.EmbeddedHearing = self.loaded.hearing
        return {"joiner": hearing.joiner} if self.joiner_learns else {}

    @contextmanager
    def adapter_off(self) -> Iterator[None]:
        """The model as it was before: no LoRA, no pair tokens, no hint."""
        adapter, self.adapter = self.adapter, None
        try:
            with super().adapter_off():
                yield
        finally:
            self.adapter = adapter


def with_lora(loaded: Loaded, rank: int) -> PeftModel:
    """A LoRA (arXiv 2106.09685) on every linear layer of the text decoder's blocks; no audio tower has one.

    Raises:
        LoadError: PEFT would put it elsewhere as well, as it does where a decoder's experts are one fused parameter.
    """
    decoder = loaded.model.get_decoder()
    name = next(name for name, module in loaded.model.named_modules() if module is decoder)
    targets = rf"{re.escape(name)}\.layers\.\d+\..*\b({'|'.join(LINEAR)})"
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, lora_dropout=0.0, task_type="CAUSAL_LM")
    model = get_peft_model(loaded.model, config)
    learnt = [parameter for parameter, tensor in model.named_parameters() if tensor.requires_grad]
    if not all(f".{name}.layers." in parameter for parameter in learnt):
        raise LoadError(
            f"{type(loaded.model).__name__} cannot be trained here: its layers cannot be told from those of its ears. "
            f"Choose a checkpoint of another family."
        )
    return model


def ordinary(heard: Heard) -> Heard:
    """The ears run in inference mode; autograd needs ordinary tensors."""
    speech = heard.speech
    if speech is not None:
        speech = Speech(speech.words, speech.timbre.clone(), speech.manner.clone())
    return Heard(speech, heard.pooled.clone(), heard.logits.clone(), heard.measures)

"""What is being trained: a loaded model with a LoRA on its text decoder, and for the embedded model what joins it."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from core.embedded.ears import Heard
from core.embedded.speech import Speech
from core.families import embedded
from core.families.family import EncodedClip, Family, Loaded, pair_rows
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
        heard = self.family.encode(self.loaded, clip)
        return EncodedClip(heard.rows.clone(), heard.seconds, heard.clip_seconds, heard.heard)

    def pairs(self, clips: Sequence[EncodedClip]) -> dict[tuple[int, int], Tensor]:
        """Rows about every two clips: none, adapters of most families are LoRA alone."""
        return {}

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
        pairs, family, tokenizer = self.pairs(encoded), self.family, self.loaded.tokenizer
        return [
            build(conversation_of(clips, [exchange]), encoded, family, tokenizer, "", pairs, facts)
            for exchange in exchanges
        ]

    def batch(self, samples: Sequence[Sample]) -> Batch:
        """Samples as tensors."""
        return collate(samples, self.loaded.embed_tokens)

    @contextmanager
    def adapter_off(self) -> Iterator[None]:
        """The model as it was before: no LoRA, no pair tokens."""
        with self.model.disable_adapter():
            yield

    def loss(self, batch: Batch) -> Tensor:
        """Weighted cross entropy of the answers."""
        return (self._losses(batch) * batch.weight).sum() / batch.weight.sum()

    def log_likelihoods(self, batch: Batch) -> Tensor:
        """Mean log-probability of each answer, shape (answers,)."""
        count = torch.bincount(batch.answer)
        sums = torch.zeros(len(count), device=count.device).index_add(0, batch.answer, -self._losses(batch))
        return sums / count

    def _losses(self, batch: Batch) -> Tensor:
        """Cross entropy of each target, shape (targets,); the head runs on their places alone."""
        model = self.loaded.model
        with torch.autocast(model.device.type, torch.bfloat16):
            hidden = model.get_decoder()(
                inputs_embeds=batch.rows, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
            )
            logits = model.get_output_embeddings()(hidden.last_hidden_state[batch.sample, batch.place])
        return torch.nn.functional.cross_entropy(logits.float(), batch.target, reduction="none")


@dataclass(eq=False)
class EmbeddedTrainee(Trainee):
    """The embedded model: its joiner learns in the base stage, its pair tokens are there in the discriminative one.

    Attributes:
        joiner_learns: Whether it does.
        adapter: Name of the pair tokens that are there, or None.
    """

    joiner_learns: bool
    adapter: str | None

    def encode(self, clip: Clip) -> EncodedClip:
        """Rows of one clip, with gradients to the projectors where they learn."""
        heard = ordinary(self.loaded.hearing.ears.hear(clip))
        with torch.set_grad_enabled(self.joiner_learns and torch.is_grad_enabled()):
            return embedded.encoded(self.loaded, heard, clip.seconds)

    def pairs(self, clips: Sequence[EncodedClip]) -> dict[tuple[int, int], Tensor]:
        """Pair tokens of every two clips."""
        return pair_rows(self.family, self.loaded, self.adapter, clips)

    def modules(self) -> dict[str, nn.Module]:
        """The joiner, where it learns; pair tokens have learnt all they need before."""
        hearing: embedded.EmbeddedHearing = self.loaded.hearing
        return {"joiner": hearing.joiner} if self.joiner_learns else {}

    @contextmanager
    def adapter_off(self) -> Iterator[None]:
        """The model as it was before: no LoRA, no pair tokens."""
        adapter, self.adapter = self.adapter, None
        try:
            with super().adapter_off():
                yield
        finally:
            self.adapter = adapter


def with_lora(loaded: Loaded, rank: int) -> PeftModel:
    """A LoRA (arXiv 2106.09685) on every linear layer of the text decoder's blocks; no audio tower has one."""
    decoder = loaded.model.get_decoder()
    name = next(name for name, module in loaded.model.named_modules() if module is decoder)
    targets = rf"{re.escape(name)}\.layers\.\d+\..*\b({'|'.join(LINEAR)})"
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, lora_dropout=0.0, task_type="CAUSAL_LM")
    return get_peft_model(loaded.model, config)


def ordinary(heard: Heard) -> Heard:
    """The ears run in inference mode; autograd needs ordinary tensors."""
    speech = heard.speech
    if speech is not None:
        speech = Speech(speech.words, speech.timbre.clone(), speech.manner.clone())
    return Heard(speech, heard.pooled.clone(), heard.logits.clone(), heard.measures)

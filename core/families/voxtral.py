"""Voxtral (arXiv 2507.13264): 4.7B and 24B, Apache-2.0, 375 audio tokens for every started 30 s, hears 40 min."""

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from transformers import (
    BatchFeature,
    PreTrainedTokenizerFast,
    VoxtralForConditionalGeneration,
    VoxtralProcessor,
    WhisperFeatureExtractor,
)

from core.families.family import EncodedClip, Family, Loaded
from core.families.hub import encode_by_stub
from core.types import Clip

AUDIO_TOKEN = "[AUDIO]"
TOKENS_PER_WINDOW = 375
ROW_SECONDS = 30 / TOKENS_PER_WINDOW

# What mistral-common's InstructTokenizerV7 writes; the checkpoints have no template of their own. It refuses a system
# prompt beside sound, which Voxtral was not trained on: here that stands at the beginning of the first question.
TEMPLATE = (
    "<s>{% for message in messages %}{% if message['role'] == 'user' %}[INST]"
    "{% if loop.index0 == 1 and messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}\n\n{% endif %}"
    "{{ message['content'] }}[/INST]"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] }}</s>{% endif %}{% endfor %}"
)


class AudioProcessor(VoxtralProcessor):
    """`VoxtralProcessor` without mistral-common: takes text and sounds, as the processors of other families do."""

    def __call__(
        self,
        text: str,
        audio: Sequence[NDArray[Any]],
        sampling_rate: int,
        return_tensors: str,
        add_special_tokens: bool = False,
    ) -> BatchFeature:
        """Args: text: with the audio token once per sound; audio, sampling_rate: the sounds; the rest: as ever."""
        options = {**self.audio_kwargs, "sampling_rate": sampling_rate, "return_tensors": return_tensors}
        frames = options.pop("max_source_positions")
        # the tower takes whole windows of 30 s, shape (windows, mel bands, frames)
        windows = [self._retrieve_input_features([sound], frames, **options) for sound in audio]  # type: ignore[no-untyped-call]
        whole, *rest = text.split(AUDIO_TOKEN)
        for heard, piece in zip(windows, rest, strict=True):
            whole += AUDIO_TOKEN * (TOKENS_PER_WINDOW * len(heard)) + piece
        ids = self.tokenizer(whole, add_special_tokens=add_special_tokens, return_tensors=return_tensors)["input_ids"]
        return BatchFeature({"input_ids": ids, "input_features": torch.cat(windows)})


def content(parts: Sequence[str | None]) -> str:
    """Our template takes one string."""
    return "".join(f"[BEGIN_AUDIO]{AUDIO_TOKEN}" if part is None else part for part in parts)


def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Through the model's own tower and projector, which see whole windows of 30 s."""
    return encode_by_stub(loaded, clip, AUDIO_TOKEN, loaded.model.config.audio_token_id, ROW_SECONDS)


def load(checkpoint: str, **options: Any) -> Loaded:
    """From the hub or a folder; transformers reads the tokenizer from tekken.json itself."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = TEMPLATE
    features = WhisperFeatureExtractor.from_pretrained(checkpoint)
    processor = AudioProcessor(features, tokenizer)  # type: ignore[no-untyped-call]
    model = VoxtralForConditionalGeneration.from_pretrained(checkpoint, use_safetensors=True, **options)
    return Loaded(model.eval(), tokenizer, processor)


FAMILY = Family(
    model_type="voxtral",
    audio_token=AUDIO_TOKEN,
    tokens_per_second=12.5,
    window_seconds=2400.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=32768,
)

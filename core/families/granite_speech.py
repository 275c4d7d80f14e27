"""Granite Speech (arXiv 2505.08699): 2B and 8B, Apache-2.0, ten audio tokens a second.

Neither its processor nor its tower, which attends within blocks of 4 s, sets a longest clip. It was trained on single
utterances, to write down and to translate: ten minutes of a clip is Earshot's choice. Its checkpoints bring the LoRA
that their language model was given for sound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoTokenizer,
    BatchFeature,
    GraniteSpeechForConditionalGeneration,
    SequenceFeatureExtractor,
)
from transformers.audio_utils import mel_filter_bank

# by their files: the package hands out neither where torchaudio is missing
from transformers.models.granite_speech.feature_extraction_granite_speech import GraniteSpeechFeatureExtractor
from transformers.models.granite_speech.processing_granite_speech import GraniteSpeechProcessor

from core.families.family import EncodedClip, Family, Loaded
from core.families.hub import encode_by_stub
from core.types import SAMPLING_RATE_HZ, Clip

AUDIO_TOKEN = "<|audio|>"
MEL = {"sample_rate": SAMPLING_RATE_HZ, "n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 80}
"""Of torchaudio's `MelSpectrogram`, as transformers sets them."""


class LogMel(GraniteSpeechFeatureExtractor):
    """`GraniteSpeechFeatureExtractor` without torchaudio, of which there is no build for the torch used here."""

    def __init__(
        self,
        melspec_kwargs: Mapping[str, int] | None = None,
        projector_window_size: int = 15,
        projector_downsample_rate: int = 5,
        padding_value: float = 0.0,
        **others: Any,
    ):
        """Args: as in a checkpoint's `preprocessor_config.json`."""
        self.melspec_kwargs = {**MEL, **(melspec_kwargs or {})}
        size, rate_hz = self.melspec_kwargs["n_mels"], self.melspec_kwargs["sample_rate"]
        others = {**others, "feature_size": size, "sampling_rate": rate_hz, "padding_value": padding_value}
        SequenceFeatureExtractor.__init__(self, **others)
        self.projector_window_size, self.projector_downsample_rate = projector_window_size, projector_downsample_rate

    def __call__(  # type: ignore[override]
        self, audios: Sequence[NDArray[Any]], device: str | None = None
    ) -> BatchFeature:
        """Args: audios: sounds at 16 kHz, of which the shorter are filled up with silence; device: for the features.

        Returns:
            `input_features` of shape (clips, frames, 2 * bands), `audio_embed_sizes`, the rows of each clip, and
            `input_features_mask` of shape (clips, rows), which says which rows are of the clip.
        """
        sounds = pad_sequence([torch.tensor(audio) for audio in audios], batch_first=True).to(device)
        rows = torch.tensor(self._get_num_audio_features([len(audio) for audio in audios]))
        features = torch.stack([self.log_mel(sound) for sound in sounds])
        mask = torch.arange(int(rows.max())) < rows[:, None]
        return BatchFeature(
            {"input_features": features, "audio_embed_sizes": rows.tolist(), "input_features_mask": mask}
        )

    def log_mel(self, sound: Tensor) -> Tensor:
        """Log power in mel bands, two frames of 10 ms beside each other, shape (frames, 2 * bands)."""
        mel = self.mel(sound.float()).T.clamp(min=1e-10).log10()
        level = torch.maximum(mel, mel.max() - 8.0) / 4 + 1
        return level[: len(level) // 2 * 2].reshape(-1, 2 * level.shape[1])

    def mel(self, sound: Tensor) -> Tensor:
        """Power in mel bands, shape (bands, frames), as torchaudio's `MelSpectrogram` with its defaults has it."""
        made = self.melspec_kwargs
        size, rate_hz = made["n_fft"], made["sample_rate"]
        window = torch.hann_window(made["win_length"], device=sound.device)
        spectrum = torch.stft(sound, size, made["hop_length"], made["win_length"], window, return_complex=True)
        # triangles in Hz: torchaudio has them in mel only in its imitation of Kaldi
        bands = mel_filter_bank(size // 2 + 1, made["n_mels"], 0.0, rate_hz / 2, rate_hz)
        return torch.tensor(bands.T, dtype=torch.float32, device=sound.device) @ spectrum.abs().square()


def content(parts: Sequence[str | None]) -> str:
    """The template takes one string."""
    return "".join(AUDIO_TOKEN if part is None else part for part in parts)


def encode(loaded: Loaded, clip: Clip) -> EncodedClip:
    """Through the model's own tower and projector.

    The projector makes three rows of every 0.3 s, and each of them is of all of it: they share their times.
    """
    encoded = encode_by_stub(loaded, clip, AUDIO_TOKEN, loaded.model.config.audio_token_id)
    features: LogMel = loaded.hearing.audio_processor
    at_once = features.projector_window_size // features.projector_downsample_rate
    # a frame of the tower is two hops
    block_seconds = features.projector_window_size * 2 * features.melspec_kwargs["hop_length"] / SAMPLING_RATE_HZ
    start = block_seconds * (torch.arange(len(encoded.rows)) // at_once)
    times = torch.stack([start, start + block_seconds], dim=1).clamp(max=clip.seconds)
    return replace(encoded, seconds=times)


def load(checkpoint: str, **options: Any) -> Loaded:
    """From the hub or a folder; the chat template lives with the tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    processor = GraniteSpeechProcessor(LogMel.from_pretrained(checkpoint), tokenizer)
    model = GraniteSpeechForConditionalGeneration.from_pretrained(checkpoint, use_safetensors=True, **options)
    return Loaded(model.eval(), tokenizer, processor)


FAMILY = Family(
    model_type="granite_speech",
    audio_token=AUDIO_TOKEN,
    tokens_per_second=10.0,
    window_seconds=600.0,
    content=content,
    encode=encode,
    load=load,
    context_tokens=32768,
    own_adapter="",
)

"""What each ear hears in one clip. No projector and no language model here.

The speech ear is the encoder of Whisper tiny.en (arXiv 2212.04356), run on the clip's own length instead of a padded
30 s window. The event ear is YAMNet (AudioSet classes; tensorflow/models, research/audioset/yamnet), int8 ONNX.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.audio_utils import mel_filter_bank
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from core.types import SAMPLING_RATE_HZ, Clip

SPEECH_FRAME_SECONDS = 0.02
SPEECH_WINDOW_SECONDS = 30
"""Whisper's positions end there; a longer clip is heard window by window."""
SPEECH_WIDTH = 384

PATCH_FRAMES, PATCH_HOP_FRAMES, EVENT_FRAME_SAMPLES = 96, 48, 160
PATCH_SECONDS = PATCH_FRAMES * EVENT_FRAME_SAMPLES / SAMPLING_RATE_HZ
EVENT_WIDTH = 1024
EVENT_CLASSES = 521
LOG_FLOOR = 1e-3  # YAMNet's params.log_offset


@dataclass(frozen=True, eq=False)
class Heard:
    """What the ears make of one clip.

    Attributes:
        speech: Whisper encoder frames of 20 ms, shape (frames, 384).
        pooled: YAMNet embedding of each patch of 0.96 s, hop 0.48 s, shape (patches, 1024).
        logits: Class scores of each patch before the sigmoid, shape (patches, 521).
    """

    speech: torch.Tensor
    pooled: torch.Tensor
    logits: torch.Tensor


class SpeechEar(torch.nn.Module):
    """Whisper's encoder without the demand for 30 s of input."""

    def __init__(self, config: WhisperConfig):
        super().__init__()
        self.encoder = WhisperEncoder(config)
        self.features = WhisperFeatureExtractor(feature_size=config.num_mel_bins)

    @torch.inference_mode()
    def forward(self, samples: NDArray[np.float32]) -> torch.Tensor:
        """Samples (n,) at 16 kHz -> frames (about 50 a second, width)."""
        window = SPEECH_WINDOW_SECONDS * SAMPLING_RATE_HZ
        return torch.cat([self._frames(samples[start : start + window]) for start in range(0, len(samples), window)])

    def _frames(self, samples: NDArray[np.float32]) -> torch.Tensor:
        # The last window of a clip may be a few samples long; the mel spectrogram needs half an FFT window.
        samples = np.pad(samples, (0, max(0, 400 - len(samples))))
        mel = self.features(
            samples, sampling_rate=SAMPLING_RATE_HZ, padding="longest", truncation=False, return_tensors="pt"
        )["input_features"]
        encoder = self.encoder
        hidden = torch.nn.functional.gelu(encoder.conv1(mel.to(encoder.conv1.weight.dtype)))
        hidden = torch.nn.functional.gelu(encoder.conv2(hidden)).transpose(1, 2)
        hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
        for layer in encoder.layers:
            output = layer(hidden, None)
            hidden = output[0] if isinstance(output, tuple) else output
        frames: torch.Tensor = encoder.layer_norm(hidden)[0]
        return frames


class EventEar:
    """YAMNet with its pooled embedding as output; class scores are recomputed in float.

    The graph's own int8 scores have a step of 0.76, too coarse to weigh classes by.
    """

    def __init__(self, graph: bytes, tensors: Mapping[str, torch.Tensor]):
        """Args: graph: ONNX with the pooled output; tensors: `scale`, `zero`, `classifier.weight` and `.bias`."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.scale, self.zero = float(tensors["scale"]), float(tensors["zero"])
        self.weight, self.bias = tensors["classifier.weight"].float(), tensors["classifier.bias"].float()
        self.mel = torch.from_numpy(
            mel_filter_bank(257, 64, 125.0, 7500.0, SAMPLING_RATE_HZ, norm=None, mel_scale="htk")
        ).float()
        self.window = torch.hann_window(400)

    def __call__(self, samples: NDArray[np.float32]) -> tuple[torch.Tensor, torch.Tensor]:
        """Samples (n,) at 16 kHz -> pooled (patches, 1024), logits (patches, 521). The level plays no part."""
        scaled = torch.from_numpy(samples / (np.abs(samples).max() + 1e-6) * 0.5)
        scaled = torch.nn.functional.pad(scaled, (0, max(0, 400 - len(scaled))))
        spectrum = torch.stft(scaled, 512, EVENT_FRAME_SAMPLES, 400, self.window, return_complex=True).abs()
        frames = torch.log(spectrum.T @ self.mel + LOG_FLOOR).numpy()
        # Up to a whole number of patches, so that the end of a clip is heard too.
        missing = -(len(frames) - PATCH_FRAMES) % PATCH_HOP_FRAMES if len(frames) > PATCH_FRAMES else 0
        missing = max(missing, PATCH_FRAMES - len(frames))
        frames = np.pad(frames, ((0, missing), (0, 0)), constant_values=np.log(LOG_FLOOR))
        levels = np.clip(np.round(frames / self.scale + self.zero), 0, 255).astype(np.uint8)
        starts = range(0, len(levels) - PATCH_FRAMES + 1, PATCH_HOP_FRAMES)
        (name,) = (output.name for output in self.session.get_outputs())
        pooled = np.concatenate(
            [self.session.run([name], {"audio": levels[None, None, s : s + PATCH_FRAMES]})[0] for s in starts]
        )
        rows = torch.from_numpy(pooled)
        return rows, rows @ self.weight.T + self.bias


@dataclass(frozen=True, eq=False)
class Ears:
    """Both ears."""

    speech: SpeechEar
    event: EventEar

    def hear(self, clip: Clip) -> Heard:
        """Runs both ears on one clip. About 20 ms for 5 s on one core."""
        pooled, logits = self.event(clip.samples)
        return Heard(self.speech(clip.samples).float(), pooled, logits)

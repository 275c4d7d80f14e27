"""What each ear hears in one clip. No projector and no language model here.

The speech ear is Whisper tiny.en (arXiv 2212.04356), run by CTranslate2. The event ear is YAMNet (AudioSet classes;
tensorflow/models, research/audioset/yamnet), int8 ONNX. It is asked first: where it hears no voice, the speech ear
stays out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from transformers.audio_utils import mel_filter_bank

from core.embedded.speech import SPEECH_WIDTH, Speech, SpeechEar
from core.measure import Measures, measure
from core.types import SAMPLING_RATE_HZ, Clip

PATCH_FRAMES, PATCH_HOP_FRAMES, EVENT_FRAME_SAMPLES = 96, 48, 160
PATCH_SECONDS = PATCH_FRAMES * EVENT_FRAME_SAMPLES / SAMPLING_RATE_HZ
EVENT_WIDTH = 1024
EVENT_CLASSES = 521
LOG_FLOOR = 1e-3  # YAMNet's params.log_offset

VOICE_CLASSES = slice(0, 7)
"""AudioSet's Speech, Child speech, Conversation, Narration, Babbling, Speech synthesizer, Shout."""
VOICE_THRESHOLD = 0.3
"""Least probability of a voice class in any patch. On the corpus at 0.3: 100 % of speech, 3 % of other sounds."""


@dataclass(frozen=True, eq=False)
class Heard:
    """What the ears make of one clip.

    Attributes:
        speech: Words and voice, or None where no voice is heard.
        pooled: YAMNet embedding of each patch of 0.96 s, hop 0.48 s, shape (patches, 1024).
        logits: Class scores of each patch before the sigmoid, shape (patches, 521).
        measures: Length, level and pitch.
    """

    speech: Speech | None
    pooled: torch.Tensor
    logits: torch.Tensor
    measures: Measures

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors."""
        voice = 0 if self.speech is None else self.speech.timbre.nbytes + self.speech.manner.nbytes
        return self.pooled.nbytes + self.logits.nbytes + voice

    @property
    def timbre(self) -> torch.Tensor:
        """That of the voice, zeros where none is heard, shape (2 * SPEECH_WIDTH,)."""
        return torch.zeros(2 * SPEECH_WIDTH) if self.speech is None else self.speech.timbre


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
        """Runs the event ear, and the speech ear where there is a voice."""
        pooled, logits = self.event(clip.samples)
        voice = bool(logits[:, VOICE_CLASSES].sigmoid().max() >= VOICE_THRESHOLD)
        speech = self.speech(clip.samples) if voice else None
        return Heard(speech, pooled, logits, measure(clip.samples))

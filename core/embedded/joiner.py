"""Turns what the ears hear into rows of the language model's embedding space.

A clip becomes [speech tokens][event tokens]: one speech token per 0.16 s, only where the event ear hears a voice; one
event token per 0.96 s and one for the whole clip. Event tokens mean something before any training: each is the mean
token embedding of the class names, weighted by the scores of the classes (docs/embedded.md).
"""

import torch
from torch import Tensor, nn

from core.embedded.ears import EVENT_CLASSES, EVENT_WIDTH, PATCH_SECONDS, SPEECH_FRAME_SECONDS, SPEECH_WIDTH, Heard

FRAMES_PER_TOKEN = 8
SPEECH_TOKEN_SECONDS = FRAMES_PER_TOKEN * SPEECH_FRAME_SECONDS
PATCHES_PER_TOKEN = 2
EVENT_TOKEN_SECONDS = PATCH_SECONDS  # hop 0.48 s: two patches start within it

VOICE_CLASSES = slice(0, 7)
"""AudioSet's Speech, Child speech, Conversation, Narration, Babbling, Speech synthesizer, Shout."""
VOICE_THRESHOLD = 0.3
"""Least probability of a voice class in any patch. On the corpus at 0.3: 100 % of speech, 3 % of other sounds."""

TEMPERATURE = 1.5
ROW_NORM = 2.3
"""Of a class row around the mean embedding: that of a token embedding of SmolLM2."""


class Joiner(nn.Module):
    """The two projectors.

    `classes` and `center` are computed from the vocabulary at assembly and stay frozen; what is learnt is the
    residual on the event tokens and the speech projector.
    """

    classes: Tensor
    offsets: Tensor
    center: Tensor

    def __init__(self, hidden: int):
        """Args: hidden: width of the language model."""
        super().__init__()
        self.register_buffer("classes", torch.zeros(EVENT_CLASSES, hidden))
        self.register_buffer("offsets", torch.zeros(EVENT_CLASSES))
        self.register_buffer("center", torch.zeros(hidden))
        self.event_norm = nn.LayerNorm(EVENT_WIDTH, elementwise_affine=False)
        self.event_residual = nn.Linear(EVENT_WIDTH, hidden, bias=False)
        self.whole_clip = nn.Parameter(torch.zeros(hidden))
        nn.init.zeros_(self.event_residual.weight)
        width = SPEECH_WIDTH * FRAMES_PER_TOKEN
        self.speech_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.speech_in = nn.Linear(width, hidden)
        self.speech_out = nn.Linear(hidden, hidden)
        nn.init.normal_(self.speech_out.weight, std=ROW_NORM / hidden)

    def forward(self, heard: Heard) -> Tensor:
        """One clip's rows, shape (speech tokens + event tokens, hidden)."""
        events = self.event_tokens(heard)
        return torch.cat([self.speech_tokens(heard), events]) if has_voice(heard) else events

    def speech_tokens(self, heard: Heard) -> Tensor:
        """Rows of 0.16 s each; the last one is filled up with zeros."""
        frames = heard.speech.to(self.speech_in.weight.dtype)
        frames = nn.functional.pad(frames, (0, 0, 0, -len(frames) % FRAMES_PER_TOKEN))
        stacked = frames.reshape(-1, SPEECH_WIDTH * FRAMES_PER_TOKEN)
        projected: Tensor = self.speech_out(nn.functional.gelu(self.speech_in(self.speech_norm(stacked))))
        return self.center + projected

    def event_tokens(self, heard: Heard) -> Tensor:
        """Rows of 0.96 s each, then one of the whole clip."""
        logits, pooled = by_token(heard.logits, "max"), by_token(heard.pooled, "mean")
        logits = torch.cat([logits, heard.logits.amax(0, keepdim=True)])
        pooled = torch.cat([pooled, heard.pooled.mean(0, keepdim=True)]).to(self.center.dtype)
        shares = ((logits + self.offsets.float()) / TEMPERATURE).softmax(-1).to(self.center.dtype)
        rows = self.center + shares @ self.classes + self.event_residual(self.event_norm(pooled))
        return torch.cat([rows[:-1], rows[-1:] + self.whole_clip])


def has_voice(heard: Heard) -> bool:
    """Whether the event ear hears a voice anywhere in the clip."""
    return bool(heard.logits[:, VOICE_CLASSES].sigmoid().max() >= VOICE_THRESHOLD)


def by_token(patches: Tensor, how: str) -> Tensor:
    """Groups of two patches, shape (ceil(patches / 2), width); a last patch alone counts twice."""
    if len(patches) % PATCHES_PER_TOKEN:
        patches = torch.cat([patches, patches[-1:]])
    grouped = patches.reshape(-1, PATCHES_PER_TOKEN, patches.shape[-1])
    return grouped.amax(1) if how == "max" else grouped.mean(1)


def token_seconds(heard: Heard, clip_seconds: float) -> Tensor:
    """Start and end of what each row of `Joiner.forward` stands for, shape (tokens, 2), within the clip."""
    speech = torch.arange(-(-len(heard.speech) // FRAMES_PER_TOKEN) if has_voice(heard) else 0)
    event = torch.arange(-(-len(heard.logits) // PATCHES_PER_TOKEN))
    starts = torch.cat([speech * SPEECH_TOKEN_SECONDS, event * EVENT_TOKEN_SECONDS, torch.zeros(1)])
    lengths = torch.cat(
        [
            torch.full(speech.shape, SPEECH_TOKEN_SECONDS),
            torch.full(event.shape, EVENT_TOKEN_SECONDS + PATCH_SECONDS / 2),  # its second patch starts half-way
            torch.full((1,), clip_seconds),
        ]
    )
    return torch.stack([starts, starts + lengths], dim=1).clamp(max=clip_seconds)


def class_rows(names: list[str], embeddings: Tensor, token_ids: dict[str, list[int]]) -> tuple[Tensor, Tensor]:
    """Rows for the classes by what their names mean to the language model, and the mean embedding they stand around.

    Args:
        names: Class names, in the order of the logits.
        embeddings: The token embeddings, shape (vocabulary, hidden).
        token_ids: The sub-words of each name.

    Returns:
        Shape (classes, hidden) of norm `ROW_NORM`, and (hidden,).
    """
    center = embeddings.mean(0)
    rows = torch.stack([embeddings[token_ids[name]].mean(0) - center for name in names])
    return rows / rows.norm(dim=1, keepdim=True) * ROW_NORM, center


GENERIC_CLASSES = (
    "Animal",
    "Domestic animals, pets",
    "Livestock, farm animals, working animals",
    "Wild animals",
    "Inside, small room",
    "Inside, large room or hall",
    "Inside, public space",
    "Outside, urban or manmade",
    "Outside, rural or natural",
    "Noise",
    "Sound effect",
    "Music",
    "Musical instrument",
    "Vehicle",
)


def class_offsets(names: list[str]) -> Tensor:
    """What is added to the logits before the softmax: little weight for silence and for classes that name no sound."""
    return torch.tensor([-5.0 if n == "Silence" else -1.5 if n in GENERIC_CLASSES else 0.0 for n in names])

"""Turns what the ears hear into rows of the language model's embedding space.

A clip becomes [words][voice][event tokens]. Words are the token embeddings of what the speech ear understood; the
voice is one row of who speaks and how; both only where there is a voice. Then comes one event token per 0.96 s, and
one for the whole clip. Words and event tokens mean something before any training: an event token is the mean token
embedding of the class names, weighted by the scores of the classes (docs/embedded.md).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from core.embedded.ears import EVENT_CLASSES, EVENT_WIDTH, PATCH_SECONDS, Heard
from core.embedded.speech import SPEECH_WIDTH, Word

PATCHES_PER_TOKEN = 2
EVENT_TOKEN_SECONDS = PATCH_SECONDS  # hop 0.48 s: two patches start within it

TEMPERATURE = 1.5
ROW_NORM = 2.3
"""Of a class row around the mean embedding: that of a token embedding of SmolLM2."""

CLASS_TOKENS = 24
"""The most sub-words that the name of a class has."""

FROZEN = ("classes", "offsets", "center", "class_tokens")
"""Computed from the vocabulary at assembly, so no weights file holds them."""

WordRows = Callable[[str], Tensor]
"""The text of a word -> its token embeddings, shape (tokens, hidden)."""


class Joiner(nn.Module):
    """The projectors.

    `classes` and `center` are computed from the vocabulary at assembly and stay frozen; what is learnt is the
    residual on the event tokens and the row of the voice.
    """

    classes: Tensor
    offsets: Tensor
    center: Tensor
    class_tokens: Tensor

    def __init__(self, hidden: int):
        """Args: hidden: width of the language model."""
        super().__init__()
        self.register_buffer("classes", torch.zeros(EVENT_CLASSES, hidden))
        self.register_buffer("offsets", torch.zeros(EVENT_CLASSES))
        self.register_buffer("center", torch.zeros(hidden))
        self.register_buffer("class_tokens", torch.full((EVENT_CLASSES, CLASS_TOKENS), -1))
        self.event_norm = nn.LayerNorm(EVENT_WIDTH, elementwise_affine=False)
        self.event_residual = nn.Linear(EVENT_WIDTH, hidden, bias=False)
        self.whole_clip = nn.Parameter(torch.zeros(hidden))
        nn.init.zeros_(self.event_residual.weight)
        self.voice_norm = nn.LayerNorm(2 * SPEECH_WIDTH, elementwise_affine=False)
        self.voice = nn.Linear(4 * SPEECH_WIDTH, hidden)
        nn.init.normal_(self.voice.weight, std=0.1 * ROW_NORM / hidden)

    def forward(self, heard: Heard, word_rows: WordRows) -> Tensor:
        """One clip's rows, shape (tokens, hidden), in the order of `token_seconds`."""
        rows = [self.event_tokens(heard)]
        if heard.speech is not None:
            said = [word_rows(word.text).to(self.center.dtype) for word in heard.speech.words]
            rows = [*said, self.voice_token(heard.speech.timbre, heard.speech.manner), *rows]
        return torch.cat(rows)

    def voice_token(self, timbre: Tensor, manner: Tensor) -> Tensor:
        """Who speaks and how, shape (1, hidden)."""
        features = torch.cat([self.voice_norm(timbre), self.voice_norm(manner)]).to(self.center.dtype)
        projected: Tensor = self.voice(features)
        return (self.center + projected)[None]

    def event_tokens(self, heard: Heard) -> Tensor:
        """Rows of 0.96 s each, then one of the whole clip."""
        pooled = torch.cat([by_token(heard.pooled, "mean"), heard.pooled.mean(0, keepdim=True)])
        logits = torch.cat([by_token(heard.logits, "max"), heard.logits.amax(0, keepdim=True)])
        residual = self.event_residual(self.event_norm(pooled.to(self.center.dtype)))
        rows = self.center + self.shares(logits) @ self.classes + residual
        return torch.cat([rows[:-1], rows[-1:] + self.whole_clip])

    def shares(self, logits: Tensor) -> Tensor:
        """Scores of the classes (..., classes) -> their shares of a token, summing to 1."""
        return ((logits + self.offsets.float()) / TEMPERATURE).softmax(-1).to(self.center.dtype)


def by_token(patches: Tensor, how: str) -> Tensor:
    """Groups of two patches, shape (ceil(patches / 2), width); a last patch alone counts twice."""
    if len(patches) % PATCHES_PER_TOKEN:
        patches = torch.cat([patches, patches[-1:]])
    grouped = patches.reshape(-1, PATCHES_PER_TOKEN, patches.shape[-1])
    return grouped.amax(1) if how == "max" else grouped.mean(1)


def token_seconds(heard: Heard, clip_seconds: float, tokens_of: Callable[[Word], int]) -> Tensor:
    """Start and end of what each row of `Joiner.forward` stands for, shape (tokens, 2), within the clip.

    Args:
        heard: What the ears made of the clip.
        clip_seconds: Its length.
        tokens_of: How many rows a word has; they share its time.
    """
    spans: list[Sequence[float]] = []
    if heard.speech is not None:
        spans += [(word.start, word.stop) for word in heard.speech.words for _ in range(tokens_of(word))]
        spans.append((0.0, clip_seconds))
    for index in range(-(-len(heard.logits) // PATCHES_PER_TOKEN)):
        start = index * EVENT_TOKEN_SECONDS
        spans.append((start, start + EVENT_TOKEN_SECONDS + PATCH_SECONDS / 2))  # its second patch starts half-way
    spans.append((0.0, clip_seconds))
    return torch.tensor(spans).clamp(max=clip_seconds)


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

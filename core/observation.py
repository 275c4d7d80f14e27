"""What the lens must know of one turn: to which source a key belongs, and to which moment of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.types import Boost, Span, letter

BINS = 48
"""Time bins of a clip's profile, equal parts of its length."""

WORDS = ("template", "system", "history", "question", "pairs", "hint")
"""Sources that are no clip, in the order of the columns; the clips follow, then "answer"."""


@dataclass(frozen=True, eq=False)
class Observation:
    """The plan of one turn, made once and used by each of its forwards. Tensors are fp32 on the decoder's device.

    Attributes:
        boost: What the lens does to the last row.
        meter: Whether it reads that row.
        sources: Names of the columns.
        prompt_keys: Keys of each source in the prompt, shape (sources,).
        one_hot: 1 where a key is of a source, shape (max_keys, sources).
        on_clip: 1 where a key is of any clip, shape (max_keys,).
        profile: Part of a key's weight that falls into each time bin, shape (prompt_tokens, clips * BINS).
        gain: A clip's weight on its keys, 0 on all others, shape (max_keys,).
        acts: False where the boost would leave every score as it is.
    """

    boost: Boost
    meter: bool
    sources: tuple[str, ...]
    prompt_keys: tuple[int, ...]
    one_hot: Tensor
    on_clip: Tensor
    profile: Tensor
    gain: Tensor
    acts: bool

    @classmethod
    def of(
        cls,
        spans: Sequence[Span],
        token_seconds: Sequence[Tensor],
        clip_seconds: Sequence[float],
        boost: Boost,
        max_keys: int,
        device: torch.device | str = "cpu",
        meter: bool = True,
    ) -> "Observation":
        """Plans one turn.

        Args:
            spans: A partition of the prompt, in order. A clip may have several spans; later keys are the answer's.
            token_seconds: For each clip the start and end of each of its tokens in seconds, shape (tokens, 2). Tokens
                may overlap, and some may cover the whole clip.
            clip_seconds: Length of each clip in seconds.
            boost: What to do to the last row.
            max_keys: Keys of the prompt and of the longest answer.
            device: Where the decoder attends.
            meter: Whether to read the last row.
        """
        clips = len(clip_seconds)
        sources = (*WORDS, *(f"clip {letter(index)}" for index in range(clips)), "answer")
        column = {source: index for index, source in enumerate(sources)}
        prompt_tokens = spans[-1].stop if spans else 0
        assert [0, *(span.stop for span in spans)] == [*(span.start for span in spans), prompt_tokens], "no partition"
        assert prompt_tokens <= max_keys, f"a prompt of {prompt_tokens} tokens does not fit {max_keys} keys"

        source_of_key = torch.full((max_keys,), column["answer"])
        for span in spans:
            source_of_key[span.start : span.stop] = column[span.source]
        one_hot = torch.eye(len(sources))[source_of_key]
        gain = torch.zeros(max_keys)
        profile = torch.zeros(prompt_tokens, clips, BINS)
        for index in range(clips):
            keys = (source_of_key == len(WORDS) + index).nonzero()[:, 0]
            times = token_seconds[index]
            assert len(times) == len(keys), f"clip {letter(index)} has {len(keys)} tokens, {len(times)} have a time"
            gain[keys] = boost.weight(index)
            profile[keys, index] = spread(times, clip_seconds[index])
        return cls(
            boost=boost,
            meter=meter,
            sources=sources,
            prompt_keys=tuple(source_of_key[:prompt_tokens].bincount(minlength=len(sources)).tolist()),
            one_hot=one_hot.to(device),
            on_clip=one_hot[:, len(WORDS) : -1].sum(1).to(device),
            profile=profile.flatten(1).to(device),
            gain=gain.to(device),
            acts=boost.on and bool(gain.any()),
        )

    @property
    def prompt_tokens(self) -> int:
        """Keys of the prompt."""
        return self.profile.shape[0]

    @property
    def max_keys(self) -> int:
        """Keys of the prompt and of the longest answer."""
        return self.one_hot.shape[0]

    def tokens(self, keys: int) -> tuple[int, ...]:
        """Keys of each source when there are `keys` in all, shape (sources,)."""
        return (*self.prompt_keys[:-1], keys - self.prompt_tokens)


def spread(token_seconds: Tensor, clip_seconds: float) -> Tensor:
    """Part of each token that lies in each time bin of its clip, shape (tokens, BINS); rows sum to 1.

    What lies outside the clip does not count; a token wholly behind its end (padding) counts to the last bin.
    """
    edges = torch.linspace(0.0, clip_seconds, BINS + 1, dtype=torch.float64)
    # no start is later than the last bin's, and no token is shorter than a nanosecond: so every row has a sum
    start = token_seconds[:, :1].cpu().double().clamp(0.0, float(edges[-2]))
    stop = token_seconds[:, 1:].cpu().double().maximum(start + 1e-9)
    overlap = (stop.minimum(edges[1:]) - start.maximum(edges[:-1])).clamp(min=0.0)
    return (overlap / overlap.sum(1, keepdim=True)).float()

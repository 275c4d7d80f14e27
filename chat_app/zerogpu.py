"""A GPU lent by the call, as Hugging Face's ZeroGPU does it (docs/space.md). Elsewhere nothing of this acts."""

import math
from collections.abc import Generator
from contextlib import closing

import gradio as gr

from chat_app import strings
from chat_app.asking import Answers, Ask, Asks, Came, Probe, Problem
from core.texts import one_line
from core.types import Done

try:
    # It has to come before anything that touches CUDA: this package is imported before the engine.
    import spaces
except ImportError:
    spaces = None

READY_SECONDS = 20.0
"""Until the weights are on the GPU."""
CLIP_SECONDS = 0.1
"""To hear and read one second of sound."""
TOKEN_SECONDS = 0.05
"""To write one token."""
MOST_SECONDS = 120
"""More is not asked for."""
SENTENCE_LENGTH = 300


def gpu_seconds(asks: Asks, together: bool = False) -> int:
    """For how long a GPU is asked for. Nothing of it was measured on ZeroGPU; docs/space.md says what it rests on.

    Args:
        asks: What is asked in one call.
        together: Makes no difference: token by token or in turn, one GPU has the same to do.
    """
    return min(MOST_SECONDS, math.ceil(READY_SECONDS + sum(map(_seconds, asks))))


def _seconds(ask: Ask | Probe) -> float:
    heard = CLIP_SECONDS * sum(clip.seconds for clip in ask.conversation.clips)
    if isinstance(ask, Ask):
        return heard + TOKEN_SECONDS * ask.settings.max_tokens
    # The prompt is read as it was, with all clips silent, and with each alone silent; no token is written.
    return heard * (2 + len(ask.conversation.clips))


def lent(answers: Answers) -> Answers:
    """The same answers; on ZeroGPU each call has a GPU, and where none can be had each ask ends with the sentence."""
    if spaces is None:
        return answers
    on_gpu: Answers = spaces.GPU(answers, duration=gpu_seconds)
    return answers if on_gpu is answers else _told(on_gpu)


def _told(on_gpu: Answers) -> Answers:
    """Answers whose loan may be refused or end early: what it raises then becomes a value, as any other problem."""

    def answers(asks: Asks, together: bool) -> Generator[Came, None, None]:
        waiting = set(range(len(asks)))
        with closing(on_gpu(asks, together)) as events:
            try:
                for place, event in events:
                    if isinstance(event, Done | Problem):
                        waiting.discard(place)
                    yield place, event
            except (gr.Error, RuntimeError) as error:  # those `spaces` raises
                said = one_line(str(getattr(error, "message", error)), SENTENCE_LENGTH)
                yield from ((place, Problem(strings.NO_GPU.format(problem=said))) for place in sorted(waiting))

    return answers

"""How likely each admissible answer is after a prompt: the reading behind every figure.

An answer is scored by the mean log-probability of its tokens and of the token that ends it, so that long answers are
not at a disadvantage. The prompt is the engine's own (`Lalm.prompt`), pair tokens of the adapter included.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch.nn.functional import linear

from core.decoder import finished
from core.evaluation.packing import BoostedRows, Layout
from core.lalm import Lalm
from core.needle import forced_ids
from core.prompt import Prompt
from core.types import Boost, Clip, Conversation, Settings, Turn


@dataclass(frozen=True, eq=False)
class Forced:
    """A prompt and what may follow it.

    Attributes:
        prompt: Ends with the opening of the assistant's turn.
        answers: Token ids of each admissible answer, the token that ends it last.
    """

    prompt: Prompt
    answers: tuple[tuple[int, ...], ...]


def forced(lalm: Lalm, clips: Sequence[Clip], question: str, answers: Sequence[str], settings: Settings) -> Forced:
    """A question about clips with its admissible answers, as the app would ask it.

    Args:
        lalm: The model.
        clips: In order of the letters.
        question: The words.
        answers: Each as the model would have to write it.
        settings: System prompt and adapter.
    """
    asked = Turn("user", (*clips, question))
    ids = tuple(forced_ids(lalm, answer, settings) for answer in answers)
    return Forced(lalm.prompt(Conversation((asked,)), settings), ids)


@torch.inference_mode()
def likelihoods(
    lalm: Lalm, case: Forced, settings: Settings, boosts: Sequence[Boost] = (Boost(),)
) -> list[list[float]]:
    """Mean log-probability of each answer under each boost, by ONE forward.

    After all but the last token of the prompt, which no boost changes, stands for each boost that last token with the
    answers behind it. By the mask no answer sees another and no boost another; each one's positions go on from the
    prompt's. Every row from the prompt's last on is boosted: in generation each of them is the last row of its forward.
    So the prompt runs once, and the result is that of decoding token by token.

    Args:
        lalm: The model.
        case: Prompt and answers.
        settings: Which adapter is on; its own boost is passed over.
        boosts: Each is read for itself; `Boost()` is none.

    Returns:
        One list an entry of `boosts`, one number an answer.
    """
    loaded = lalm.loaded
    prompt = case.prompt.embed(loaded.embed_tokens)
    layout = Layout.of(prompt.shape[1], case.answers, len(boosts))
    fed = loaded.embed_tokens([token for answer in case.answers for token in answer[:-1]])
    rows = torch.cat([prompt[0, :-1], *[prompt[0, -1:], fed] * len(boosts)])
    plans = [lalm.observation(case.prompt, replace(settings, boost=b), len(rows), meter=False) for b in boosts]
    acting = any(plan.acts for plan in plans)
    lalm.adapters.select(settings.adapter)
    with lalm.lens.lent(BoostedRows(lalm.lens, layout, plans)) if acting else nullcontext():
        output = loaded.model.get_decoder()(
            inputs_embeds=rows[None],
            attention_mask=layout.masks(loaded.model.config.get_text_config(), rows.device),
            position_ids=layout.positions[None].to(rows.device),
            use_cache=False,
        )
    # in bf16 logits come in steps of an eighth, and two answers are often equal: the head runs in fp32
    head = loaded.model.get_output_embeddings()
    logits = finished(loaded.model, linear(output.last_hidden_state[0, layout.predicting].float(), head.weight.float()))
    targets = torch.tensor([token for answer in case.answers for token in answer] * len(boosts), device=logits.device)
    found = logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(-1)
    means = [float(part.mean()) for part in found.split([len(answer) for answer in case.answers] * len(boosts))]
    return [means[at : at + len(case.answers)] for at in range(0, len(means), len(case.answers))]

"""The load-time proof: on this very model, the lens does what docs/attention.md says. Three forwards of a short prompt.

A model with another attention than the lens knows would show a meter that means nothing; it is refused instead. A
faster decoder must do on this machine as the plain one does.
"""

import numpy as np
import torch

from core.decode import on_host
from core.decoder import Decoder
from core.errors import LoadError
from core.lalm import Lalm
from core.observation import Observation
from core.prompt import Prompt
from core.types import SAMPLING_RATE_HZ, AttentionReading, Boost, Clip, Conversation, Settings, Turn

SUM_TOLERANCE = 1e-3
PROOF_SECONDS = 0.5
ALIKE = 0.05
"""How far logits (of their length) and weights may be apart: well above the rounding of bf16."""
STRONG = Boost("bias", 4.0, (0.0, 1.0))
"""On every layer, and strong enough that bf16 logits move."""


def prove(lalm: Lalm) -> None:
    """Checks the four claims that the meter and the boost rest on, with the adapter that is on by default.

    Raises:
        LoadError: Naming the claim that failed.
    """
    with torch.inference_mode():
        prompt = short_prompt(lalm)
        rows = prompt.embed(lalm.loaded.embed_tokens)

        def step(boost: Boost, meter: bool = True) -> tuple[torch.Tensor, AttentionReading | None]:
            plan = lalm.observation(prompt, Settings(boost=boost), rows.shape[1], meter)
            logits, look = lalm.decoder.step(rows, lalm.decoder.memory(), lalm.info.default.adapter, plan)
            return logits, on_host(logits.argmax(), look)[1]

        before, _ = step(Boost(), meter=False)
        boosted, reading = step(STRONG)
        after, _ = step(Boost(), meter=False)
    assert reading is not None, "the meter is on by default"
    sums = torch.tensor(reading.weights).sum(1)
    claims = {
        "one row of attention is read in every decoder layer": reading.layers == lalm.lens.layers,
        "every row sums to 1": bool((sums - 1.0).abs().max() < SUM_TOLERANCE),
        "the boost changes the answer": bool((boosted - before).abs().max() > 0),
        "without it the model is as it was, exactly": torch.equal(before, after),
    }
    for claim, holds in claims.items():
        if not holds:
            raise LoadError(
                f"{lalm.info.name} fails Earshot's own check: it does not hold that {claim}. Use another model, or "
                f"--model embedded."
            )


def short_prompt(lalm: Lalm) -> Prompt:
    """A question about half a second of noise."""
    noise = np.random.default_rng(0).standard_normal(round(PROOF_SECONDS * SAMPLING_RATE_HZ)) / 10
    asked = Conversation((Turn("user", (Clip(noise.astype(np.float32), "noise"), "What is it?")),))
    return lalm.prompt(asked, lalm.info.default)


def prove_alike(lalm: Lalm, other: Decoder) -> None:
    """Checks that another decoder of this model decodes a token as the one in use does, without a boost and with one.

    Raises:
        LoadError: It does not.
    """
    with torch.inference_mode():
        prompt = short_prompt(lalm)
        rows = prompt.embed(lalm.loaded.embed_tokens)
        for boost in (Boost(), STRONG):
            plan = lalm.observation(prompt, Settings(boost=boost), rows.shape[1] + 1)
            logits, weights = zip(
                *(_second_step(decoder, rows, lalm.info.default.adapter, plan) for decoder in (lalm.decoder, other)),
                strict=True,
            )
            apart = float((logits[1] - logits[0]).norm() / logits[0].norm())
            if not (apart < ALIKE and float((weights[1] - weights[0]).abs().max()) < ALIKE):
                raise LoadError(f"{type(other).__name__} does not decode as {type(lalm.decoder).__name__} does.")


def _second_step(
    decoder: Decoder, rows: torch.Tensor, adapter: str | None, plan: Observation
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and weights of the step behind a prompt, fed its last row once more."""
    memory = decoder.memory()
    decoder.step(rows, memory, adapter, plan)
    logits, look = decoder.step(rows[:, -1:], memory, adapter, plan)
    _, reading = on_host(logits.argmax(), look)
    assert reading is not None, "the meter is on by default"
    return logits, torch.tensor(reading.weights)

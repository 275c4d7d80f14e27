"""The load-time proof: on this very model, the lens does what docs/attention.md says. Three forwards of a short prompt.

A model with another attention than the lens knows would show a meter that means nothing; it is refused instead.
"""

import numpy as np
import torch

from core.errors import LoadError
from core.lalm import Lalm
from core.types import SAMPLING_RATE_HZ, AttentionReading, Boost, Clip, Conversation, Settings, Turn

SUM_TOLERANCE = 1e-3
PROOF_SECONDS = 0.5
STRONG = Boost("bias", 4.0, (0.0, 1.0))
"""On every layer, and strong enough that bf16 logits move."""


def prove(lalm: Lalm) -> None:
    """Checks the four claims that the meter and the boost rest on.

    Raises:
        LoadError: Naming the claim that failed.
    """
    noise = np.random.default_rng(0).standard_normal(round(PROOF_SECONDS * SAMPLING_RATE_HZ)) / 10
    asked = Conversation((Turn("user", (Clip(noise.astype(np.float32), "noise"), "What is it?")),))
    with torch.inference_mode():
        prompt = lalm.prompt(asked, Settings())
        rows = prompt.embed(lalm.loaded.embed_tokens)

        def step(boost: Boost, meter: bool = True) -> tuple[torch.Tensor, AttentionReading | None]:
            plan = lalm.observation(prompt, Settings(boost=boost), rows.shape[1], meter)
            return lalm.decoder.step(rows, lalm.decoder.memory(), None, plan)

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

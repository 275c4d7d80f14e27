"""Whether text-only chat stayed as it was: the bare language model's own answers, and how likely they still are."""

from collections.abc import Sequence

from core.adapter import Adapters
from core.embedded.assembly import without_ears
from core.embedded.store import cache_folder
from core.evaluation.arms import settings_of
from core.evaluation.scoring import Forced, forced, likelihoods
from core.evaluation.tables import Table
from core.families.family import Loaded
from core.lalm import Lalm
from core.training.chat import own_answers, read_chat_prompts
from core.types import Settings

LIMIT = 0.05
"""The mean log-probability may differ by this part of the bare model's own."""


def chat_check(lalm: Lalm, adapters: Sequence[str]) -> Table:
    """A table: mean log-probability a token of the bare model's own greedy answers to held-out prompts.

    The embedded model's bare one is SmolLM2 before anything was learnt or merged; of other families it is the model
    with its adapter off.

    Args:
        lalm: The model.
        adapters: `on`, `off` or both.
    """
    bare, prompts = bare_of(lalm), read_chat_prompts(held_out=True)
    bare.adapters.select(None)
    kept = cache_folder() / f"chat-{lalm.family.model_type}.json"
    answers = own_answers(bare.loaded.model, bare.loaded.tokenizer, prompts, kept)
    if bare is not lalm:
        bare.loaded.model.to(lalm.loaded.model.dtype)  # type: ignore[arg-type]
    own = mean_log_probability(bare, answers, settings_of(lalm, "off"))
    rows = [("bare", f"{own:.3f}", "", "")]
    for adapter in adapters:
        found = mean_log_probability(lalm, answers, settings_of(lalm, adapter))
        change = (found - own) / abs(own)
        verdict = "reached" if abs(change) <= LIMIT else "missed"
        rows.append((f"adapter {adapter}", f"{found:.3f}", f"{100 * change:+.1f} %", verdict))
    head = ("model", "log-probability a token", "against the bare one", f"the gate (within {100 * LIMIT:.0f} %) is")
    return Table(head, tuple(rows))


def bare_of(lalm: Lalm) -> Lalm:
    """The model that wrote the chat answers."""
    if lalm.family.model_type != "embedded":
        return lalm
    model, tokenizer, _ = without_ears()
    return Lalm(Loaded(model.eval(), tokenizer, None), lalm.family, lalm.info, Adapters(model))


def mean_log_probability(lalm: Lalm, answers: Sequence[tuple[str, str]], settings: Settings) -> float:
    """Mean over the answers of the mean over each one's tokens; text alone, so nothing is heard."""
    found = []
    for prompt, answer in answers:
        case = forced(lalm, (), prompt, (answer,), settings)
        # an answer that the token limit cut has no end of its own: the token that ends it is left out
        found += likelihoods(lalm, Forced(case.prompt, (case.answers[0][:-1],)), settings)[0]
    return sum(found) / len(found)

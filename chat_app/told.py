"""Settings in words, and what differs between several."""

from collections.abc import Sequence

from chat_app import strings
from core.types import Settings


def in_full(settings: Settings) -> str:
    """All settings in one line."""
    return " · ".join(filter(None, told(settings).values()))


def differences(settings: Sequence[Settings], models: Sequence[str]) -> tuple[str, ...]:
    """What each of several panes is asked with that not all others are, in words; empty where nothing differs.

    Args:
        settings: Of each pane.
        models: Who answers in each.
    """
    lines = [{"model": model} | told(chosen) for chosen, model in zip(settings, models, strict=True)]
    differing = [key for key in lines[0] if len({line[key] for line in lines}) > 1]
    return tuple(" · ".join(filter(None, (line[key] for key in differing))) for line in lines)


def told(settings: Settings) -> dict[str, str]:
    """Each setting in words; empty where it has no part in the answer."""
    boost = settings.boost
    first, last = boost.band
    weights = ", ".join(f"{weight:g}" for weight in boost.clip_weights)
    return {
        "boost": strings.BOOSTED_WITH.format(method=boost.method, alpha=boost.alpha) if boost.on else strings.NO_BOOST,
        "band": strings.BAND.format(first=first, last=last) if boost.on else "",
        "weights": strings.WEIGHTS.format(weights=weights) if boost.on and weights else "",
        "adapter": strings.WITH_ADAPTER.format(adapter=settings.adapter or strings.NO_ADAPTER),
        "facts": strings.FACTS.format(given=strings.FACTS_GIVEN[settings.facts]),
        "temperature": strings.TEMPERATURE.format(temperature=settings.temperature),
        "top_p": strings.TOP_P.format(top_p=settings.top_p) if settings.temperature else "",
        "seed": strings.SEED.format(seed=settings.seed) if settings.temperature else "",
        "tokens": strings.TOKENS.format(tokens=settings.max_tokens),
        "system": strings.SYSTEM.format(system=settings.system or strings.OWN_SYSTEM),
    }

"""The settings as the page gives them, and as the engine takes them."""

from dataclasses import dataclass, replace

from core.types import METHODS, Boost, Settings


@dataclass(frozen=True)
class Form:
    """The settings as the page gives them; an emptied number field is None."""

    method: str
    alpha: float | None
    band_from: float
    band_to: float
    adapter: str
    system: str
    temperature: float
    max_tokens: float | None
    seed: float | None
    clip_weights: tuple[float, ...] = ()
    facts: bool = False

    def settings(self, default: Settings) -> Settings:
        """As the engine takes them; an empty field takes the engine's default.

        Raises:
            SettingsError: One is out of range; the sentence says which.
        """
        weights = self.clip_weights
        while weights and weights[-1] == 1:  # clips beyond the end count as 1
            weights = weights[:-1]
        method = next((known for known in METHODS if known == self.method), default.boost.method)
        return replace(
            default,
            boost=Boost(
                method=method,
                alpha=default.boost.alpha if self.alpha is None or method == "off" else self.alpha,
                band=(self.band_from, self.band_to) if method != "off" else default.boost.band,
                clip_weights=weights,
            ),
            adapter=self.adapter or None,
            system=self.system.strip(),
            temperature=self.temperature,
            max_tokens=default.max_tokens if self.max_tokens is None else round(self.max_tokens),
            seed=default.seed if self.seed is None else round(self.seed),
            facts=self.facts,
        )

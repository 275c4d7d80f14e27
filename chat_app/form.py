"""The settings as the page gives them, and as the engine takes them."""

from dataclasses import dataclass, replace

from core.engine import EngineInfo
from core.errors import SettingsError
from core.types import METHODS, Boost, Settings


@dataclass(frozen=True)
class Form:
    """The settings as the page gives them; an emptied number field is None. `engine` is a place among the engines."""

    engine: int
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

    def settings(self, info: EngineInfo) -> Settings:
        """As the engine takes them; an empty field takes the engine's default.

        Raises:
            SettingsError: One is out of range, or this engine has no such thing; the sentence says which.
        """
        default = info.default
        if self.adapter and self.adapter not in info.adapters:
            raise SettingsError(f"{info.name} has no adapter {self.adapter!r}: choose another in the settings.")
        if self.method != "off" and not info.attention:
            raise SettingsError(f"The attention of {info.name} cannot be boosted: set the boost to off.")
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


@dataclass(frozen=True)
class Forms:
    """The settings of each pane.

    Attributes:
        each: In the order of the panes.
        chosen: The pane whose settings are in the sidebar, where they may have changed since.
    """

    each: tuple[Form, ...]
    chosen: int = 0

    def now(self, shown: Form) -> "Forms":
        """With what the sidebar shows."""
        return replace(self, each=(*self.each[: self.chosen], shown, *self.each[self.chosen + 1 :]))

    def beside(self, form: Form) -> "Forms":
        """With one pane more, which is chosen."""
        return Forms((*self.each, form), len(self.each))

    def without(self, place: int) -> "Forms":
        """With one pane less."""
        left = self.each[:place] + self.each[place + 1 :]
        return Forms(left, min(self.chosen, len(left) - 1) if self.chosen >= place else self.chosen)

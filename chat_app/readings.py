"""One answer as plain values for a program, and what can be asked (docs/api.md)."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from chat_app.session import Exchange
from chat_app.sheet import VARIANT, as_table
from chat_app.trace import Trace
from core.audio import Limits
from core.engine import EngineInfo
from core.summary import Summary
from core.types import METHODS, Effect, Token, letter


def readings(
    exchange: Exchange, info: EngineInfo, effect: Effect | None = None, tokens: bool = False
) -> dict[str, Any]:
    """What was found out about one answer.

    Args:
        exchange: Ended.
        info: Of the engine that answered.
        effect: Whether the clips mattered, where that was asked.
        tokens: Whether to tell the shares of each token too.
    """
    summary = exchange.summary
    return {
        "model": info.name,
        "precision": info.precision,
        "settings": as_table(exchange.settings),
        "ended": exchange.ending,
        "stats": None if exchange.stats is None else asdict(exchange.stats),
        "audio": _audio(summary),
        "clips": [
            {
                "letter": letter(index),
                "name": attachment.label,
                "seconds": attachment.sound.seconds,
                **_numbers(summary, f"clip {letter(index)}"),
                **({} if effect is None else {"nats_per_token": effect.clips_nats_per_token[index]}),
            }
            for index, attachment in enumerate(exchange.attached)
        ],
        **({} if effect is None else {"nats_per_token": effect.whole_nats_per_token}),
        **({"tokens": _tokens(exchange)} if tokens else {}),
    }


def described(infos: Sequence[EngineInfo], limits: Limits) -> dict[str, Any]:
    """Who can be asked, with what."""
    return {
        "models": [
            {
                "model": info.name,
                "precision": info.precision,
                "reason": info.reason,
                "adapters": list(info.adapters),
                "attention": info.attention,
                "effect": info.effect,
                "limits": {
                    "clips": info.max_clips,
                    "clip_seconds": min(limits.max_seconds, info.longest_seconds),
                    "window_seconds": info.window_seconds,
                    "context_tokens": info.context_tokens,
                },
                "settings": as_table(info.default),
            }
            for info in infos
        ],
        "settings": {key: kind for key, (kind, _) in VARIANT.items() if key != "name"},
        "methods": list(METHODS),
    }


def _audio(summary: Summary | None) -> dict[str, float] | None:
    """All clips together; None where no attention was read, or there is no clip."""
    if summary is None or not summary.clips:
        return None
    applied = summary.applied
    return {"share": applied.audio, "lift": applied.audio_lift, "natural_share": summary.before_boost.audio}


def _numbers(summary: Summary | None, clip: str) -> dict[str, float | None]:
    if summary is None:
        return {"share": None, "lift": None, "natural_share": None}
    applied, natural = summary.applied, summary.before_boost
    return {"share": applied.share(clip), "lift": applied.lift(clip), "natural_share": natural.share(clip)}


def _tokens(exchange: Exchange) -> list[dict[str, Any]]:
    """Text and shares of each token; empty where no attention was read."""
    trace = exchange.trace
    if trace is None:
        return []
    each = [Trace.of((Token(text, reading),)) for text, reading in zip(trace.texts, trace.readings, strict=True)]
    return [
        {
            "text": one.texts[0],
            "share": one.summary.applied.audio,
            "clips": [one.summary.applied.share(clip) for clip in one.summary.clips],
        }
        for one in each
        if one is not None
    ]

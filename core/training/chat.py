"""Text-only chat that the bare language model answers itself, so that training on sounds does not make it forget."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from core.errors import LoadError
from core.files import save_whole
from core.texts import PROMPTS

ANSWER_TOKENS = 96
BATCH = 24


@torch.inference_mode()
def own_answers(
    model: Any, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], cache: Path
) -> list[tuple[str, str]]:
    """(prompt, greedy answer) pairs; kept in `cache`, which is read when it holds the same prompts.

    An answer cut by the token limit ends at its last whole sentence. `model` is any transformers model that generates.

    Raises:
        LoadError: What was kept is damaged.
        WriteError: There is no room to keep them.
    """
    if cache.exists():
        try:
            pairs = [(prompt, answer) for prompt, answer in json.loads(cache.read_text())]
        except (ValueError, TypeError) as error:
            raise LoadError(f"{cache} is damaged: remove it, and its answers are asked for again.") from error
        if [prompt for prompt, _ in pairs] == list(prompts):
            return pairs
    pairs = []
    for start in range(0, len(prompts), BATCH):
        chunk = prompts[start : start + BATCH]
        texts = [
            tokenizer.apply_chat_template([{"role": "user", "content": p}], tokenize=False, add_generation_prompt=True)
            for p in chunk
        ]
        inputs = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
        output = model.generate(**inputs, max_new_tokens=ANSWER_TOKENS, do_sample=False)
        answers = tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        pairs += [(prompt, _whole_sentences(answer)) for prompt, answer in zip(chunk, answers, strict=True)]
    save_whole(cache, json.dumps(pairs))
    return pairs


def _whole_sentences(text: str) -> str:
    end = max(text.rfind(mark) for mark in (". ", ".\n", "! ", "? "))
    return text.strip() if text.rstrip().endswith((".", "!", "?")) or end < 0 else text[: end + 1]


def read_chat_prompts(file: Path = PROMPTS / "chat.toml", held_out: bool = False) -> tuple[str, ...]:
    """Text-only questions that the bare language model answers itself, to keep its free chat as it was.

    Args:
        file: Tables with `prompts`; the table [held_out] is never trained on.
        held_out: Whether those of that table are wanted, or all others.
    """
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    chosen = [table for name, table in tables.items() if (name == "held_out") == held_out]
    return tuple(prompt for table in chosen if isinstance(table, dict) for prompt in table["prompts"])

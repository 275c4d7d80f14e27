"""MAE: questions about two clips, of speech and of sound (arXiv 2409.18680)."""

import re
from collections.abc import Iterator
from pathlib import Path

from core.errors import LoadError
from core.evaluation.benchmarks import rows
from core.evaluation.benchmarks.rules import called, exactly_one, named_choices, named_clips
from core.evaluation.item import NOT_JUDGED, Benchmark, Item, Options, Verdict

REPOSITORY = "hlt-lab/mae"

OPEN = (
    *("librispeech-comparison", "timit-comparison", "dailytalk-dialog", "meld-dialog"),
    *("esc50-story", "urbansound-story"),
)
"""Subsets that are answered in free words."""

CLOSED = (
    *("librispeech-hotword", "timit-hotword", "librispeech-identification", "wsj-identification"),
    *("audio-keyword-spotting-keyword", "speech-commands-keyword", "fluent-speech-commands-intent"),
    *("esc50-comparison", "urbansound-comparison", "audiocaps-retrieval", "clotho-retrieval"),
    *("esc50-retrieval", "urbansound-retrieval", "audioset-detection"),
)
"""Subsets of yes and no, or of which of the two clips."""

YES_NO = ("yes", "no")
CLIPS = ("A", "B")

# "audio 1 or audio 2", "the first and the second clip": both at once, so that it is true in either order
_NOUN = r"(?:audios?|clips?|recordings?|sounds?|one)"
_EITHER = re.compile(
    rf"\b{_NOUN}\s*(?:1|one|a)\s*,?\s+(?:or|and)\s+(?:{_NOUN}\s*)?(?:2|two|b)\b"
    rf"|\bfirst(?:\s+{_NOUN})?\s*,?\s+(?:or|and)\s+(?:the\s+)?second(?:\s+{_NOUN})?\b",
    re.IGNORECASE,
)
_ONE_OF_THEM = re.compile(rf"\b(?:first|second|former|latter)\b|\b{_NOUN}\s*(?:1|2|one|two|a|b)\b", re.IGNORECASE)


def items(folder: Path | None) -> Iterator[Item]:
    """The questions of every subset that is there.

    Args:
        folder: Has a folder for each subset with the files of its split `test`; None takes the hub.

    Raises:
        LoadError: None is there, or a row is wrong.
    """
    count = 0
    for subset in OPEN + CLOSED:
        found = rows.of_hub(REPOSITORY, subset) if folder is None else rows.of_split(folder / subset, "test")
        for number, row in enumerate(found, start=1):
            count += 1
            yield _item(subset, number, row)
    if not count:
        raise LoadError(f"{folder} holds no MAE: {BENCHMARK.folder}")


def _item(subset: str, number: int, row: rows.Row) -> Item:
    question, labels = row.text("question"), row.texts("labels")
    options, choices, answers = _choice(subset, row, labels)
    return Item(
        key=f"{subset}/{number}",
        task=subset,
        sounds=(row.sound("audio1"), row.sound("audio2")),
        question=question,
        options=options,
        choices=choices,
        answers=answers,
        movable=2 if options != "open" and symmetric(question) else 0,
        row={"labels": labels},
    )


def _choice(subset: str, row: rows.Row, labels: tuple[str, ...]) -> tuple[Options, tuple[str, ...], tuple[str, ...]]:
    """What is chosen among, and what is right: labels say the same thing in several ways."""
    if subset in OPEN:
        return "open", (), labels
    said = {choice for label in labels for choice in named_choices(label, YES_NO)}
    clips = {choice for label in labels for choice in named_clips(label, 2)}
    if len(said) == 1 and not clips:
        return "texts", YES_NO, tuple(said)
    if len(clips) == 1 and not said:
        return "clips", CLIPS, tuple(clips)
    raise row.wrong(f"has labels that are not one answer of yes, no, audio 1 and audio 2 ({', '.join(labels)})")


def symmetric(question: str) -> bool:
    """Whether a question stays true when its two clips change places: it names neither, or both in one breath."""
    return _ONE_OF_THEM.search(_EITHER.sub("", question)) is None


def prompt(item: Item) -> str:
    """The question as published, which clip is which, and how to answer. (The published data have no prompt.)"""
    lines = [called("audio", 2), item.question]
    if item.options == "clips":
        lines.append("Answer with one letter, A or B.")
    if item.options == "texts":
        lines.append("Answer yes or no.")
    return "\n".join(lines)


def judge(item: Item, answer: str) -> Verdict:
    """Exactly one admissible label, whatever the way it is said. (No rule was published.) Open ones are not judged."""
    return NOT_JUDGED if item.options == "open" else exactly_one(item, answer)


BENCHMARK = Benchmark(
    name="mae",
    title="MAE",
    source=f"arXiv 2409.18680, {REPOSITORY} on the hub",
    items=items,
    prompt=prompt,
    judge=judge,
    folder="give a folder with a folder for each subset, such as esc50-comparison, that has test-*.parquet in it.",
)

"""From a conversation to token ids with checked spans.

The chat template is rendered once with a mark in place of every text a person or model wrote, then cut at the marks.
Each piece is tokenised by itself, so its span is known without searching, and no text can pose as a control token.
Control tokens and line breaks stand at the borders, so the ids are those of the whole text tokenised at once; a test
compares them with the processor's.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from core.errors import ConversationError
from core.families.family import EncodedClip, Family
from core.texts import PROMPTS
from core.types import Clip, Conversation, Role, Span, Turn, letter

_TEXTS = tomllib.loads((PROMPTS / "clips.toml").read_text(encoding="utf-8"))
ANNOUNCEMENT: str = _TEXTS["announcement"]
ANNOUNCEMENT_WITH_FACTS: str = _TEXTS["announcement_with_facts"]

EmbedTokens = Callable[[Sequence[int]], Tensor]
"""Ids (tokens,) -> rows (tokens, hidden)."""

# Private-use characters: in no vocabulary's control tokens, and removed from what people write.
MARK = "\ue000{}\ue001"
PIECES = re.compile("\ue000([0-9]+)\ue001")
PRIVATE_USE = re.compile("[\ue000\ue001]")


@dataclass(frozen=True)
class Segment:
    """Consecutive tokens of one source. `clip` is the index of the clip whose rows stand here, or None."""

    ids: tuple[int, ...]
    source: str
    role: Role | None = None
    clip: int | None = None


@dataclass(frozen=True, eq=False)
class Prompt:
    """Model input: token ids with placeholders where the clips' rows go.

    Attributes:
        segments: In order; together they are the prompt.
        clips: Rows and times of each clip, in order of the letters.
    """

    segments: tuple[Segment, ...]
    clips: tuple[EncodedClip, ...]

    @property
    def ids(self) -> list[int]:
        """Token ids, shape (tokens,)."""
        return [token for segment in self.segments for token in segment.ids]

    @property
    def spans(self) -> tuple[Span, ...]:
        """Disjoint, in order, covering every position; neighbours of one source are one span."""
        spans, start = [], 0
        for source, group in groupby(self.segments, key=lambda segment: segment.source):
            stop = start + sum(len(segment.ids) for segment in group)
            spans.append(Span(start, stop, source))
            start = stop
        return tuple(spans)

    def embed(self, embed_tokens: EmbedTokens) -> Tensor:
        """Input rows for the decoder, shape (1, tokens, hidden), the clips' rows in their places."""
        rows = embed_tokens(self.ids).clone()
        start = 0
        for segment in self.segments:
            if segment.clip is not None:
                rows[start : start + len(segment.ids)] = self.clips[segment.clip].rows.to(rows)
            start += len(segment.ids)
        return rows[None]


def build(
    conversation: Conversation,
    clips: Sequence[EncodedClip],
    family: Family,
    tokenizer: PreTrainedTokenizerBase,
    system: str = "",
    facts: Sequence[str] = (),
) -> Prompt:
    """The prompt of a conversation, ready for the model to go on.

    `facts` has one line for each clip, to stand in its announcement, or is empty.
    Ends with the opening of the assistant's turn, unless the last turn already is the assistant's (training).

    Raises:
        ConversationError: Nothing was asked.
    """
    if not conversation.turns or not any(conversation.turns[-1].parts):
        raise ConversationError("There is nothing to answer yet: write a question, or drop a clip and ask about it.")
    texts: list[tuple[str, str, Role | None]] = []
    messages = [{"role": "system", "content": family.content([_mark(texts, system, "system", None)])}] if system else []
    last_user = max((i for i, turn in enumerate(conversation.turns) if turn.role == "user"), default=-1)
    lines = iter(_announcement(index, facts) for index in range(len(conversation.clips)))
    for index, turn in enumerate(conversation.turns):
        source = "question" if index == last_user else "history"
        messages.append({"role": turn.role, "content": family.content(list(_marked(turn, source, lines, texts)))})
    rendered = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=conversation.turns[-1].role == "user"
    )
    segments = tuple(_segments(str(rendered), texts, clips, family, tokenizer))
    used = [segment.clip for segment in segments if segment.clip is not None]
    assert used == list(range(len(conversation.clips))), "the template lost or doubled a clip"
    return Prompt(segments, tuple(clips))


def _mark(texts: list[tuple[str, str, Role | None]], text: str, source: str, role: Role | None) -> str:
    """Remembers a text and returns the mark that stands for it in the template."""
    texts.append((PRIVATE_USE.sub("", text).strip(), source, role))
    return MARK.format(len(texts) - 1)


def _announcement(index: int, facts: Sequence[str]) -> str:
    """What stands before the clip at `index`: its letter, and its line of `facts` where there are any."""
    if not facts:
        return ANNOUNCEMENT.format(letter=letter(index))
    return ANNOUNCEMENT_WITH_FACTS.format(letter=letter(index), facts=facts[index])


def _marked(
    turn: Turn, source: str, lines: Iterator[str], texts: list[tuple[str, str, Role | None]]
) -> Iterator[str | None]:
    """The parts of a turn as marks, each clip announced; None stands for a clip's audio."""
    for part in turn.parts:
        if isinstance(part, Clip):
            yield next(lines)
            yield None
            yield "\n"
        else:
            yield _mark(texts, part, source, turn.role)


def _segments(
    rendered: str,
    texts: Sequence[tuple[str, str, Role | None]],
    clips: Sequence[EncodedClip],
    family: Family,
    tokenizer: PreTrainedTokenizerBase,
) -> Iterator[Segment]:
    """Cuts the rendered template at marks and audio tokens. The pieces between belong to the template."""
    placeholder = tokenizer.convert_tokens_to_ids(family.audio_token)
    assert isinstance(placeholder, int)
    next_clip = 0
    for index, piece in enumerate(PIECES.split(rendered)):
        if index % 2:
            text, source, role = texts[int(piece)]
            if ids := tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True):
                yield Segment(tuple(ids), source, role)
            continue
        for order, template in enumerate(piece.split(family.audio_token)):
            if order:
                count = len(clips[next_clip].rows)
                yield Segment((placeholder,) * count, f"clip {letter(next_clip)}", clip=next_clip)
                next_clip += 1
            if ids := tokenizer.encode(template, add_special_tokens=False):
                yield Segment(tuple(ids), "template")

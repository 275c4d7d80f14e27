"""From a conversation to token ids with checked spans.

The chat template is rendered once with a mark in place of every text a person or model wrote, then cut at the marks.
Each piece is tokenised by itself, so its span is known without searching, and no text can pose as a control token.
Control tokens and line breaks stand at the borders, so the ids are those of the whole text tokenised at once; a test
compares them with the processor's.
"""

import hashlib
import re
import tomllib
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from core.errors import ConversationError
from core.families.family import NOTHING_BESIDE, Beside, EncodedClip, Family
from core.texts import PROMPTS, announcement
from core.types import Clip, Conversation, Role, Span, Turn, letter

_TEXTS = tomllib.loads((PROMPTS / "clips.toml").read_text(encoding="utf-8"))
PAIR: str = _TEXTS["pair"]
HINT: str = _TEXTS["hint"]
PART: str = _TEXTS["part"]


@dataclass(frozen=True)
class ClipPart:
    """One part of a clip, by its place among the clips; a clip within the window has one part."""

    clip: int
    part: int


Slot = ClipPart | tuple[int, int] | Literal["hint"]
"""What stands at a placeholder: part of a clip, the rows about two clips, or the hint."""

EmbedTokens = Callable[[Sequence[int]], Tensor]
"""Ids (tokens,) -> rows (tokens, hidden)."""

# Private-use characters: in no vocabulary's control tokens, and removed from what people write.
MARK = "\ue000{}\ue001"
PIECES = re.compile("\ue000([0-9]+)\ue001")
PRIVATE_USE = re.compile("[\ue000\ue001]")


@dataclass(frozen=True)
class Segment:
    """Consecutive tokens of one source. `slot` says which rows stand here instead of token embeddings, if any."""

    ids: tuple[int, ...]
    source: str
    role: Role | None = None
    slot: Slot | None = None


@dataclass(frozen=True, eq=False)
class Prompt:
    """Model input: token ids with placeholders where the clips' rows go.

    Attributes:
        segments: In order; together they are the prompt.
        clips: Rows and times of each clip, in order of the letters.
        digests: What tells the content of each.
        beside: What an adapter put there; at most one hint, that of the last question.
    """

    segments: tuple[Segment, ...]
    clips: tuple[EncodedClip, ...]
    digests: tuple[str, ...]
    beside: Beside

    @property
    def ids(self) -> list[int]:
        """Token ids, shape (tokens,)."""
        return [token for segment in self.segments for token in segment.ids]

    @property
    def names(self) -> tuple[Hashable, ...]:
        """What tells the row of each position, shape (tokens,): equal names, equal rows (`core.reuse`)."""
        return tuple(name for segment in self.segments for name in self._names(segment))

    def _names(self, segment: Segment) -> Iterator[Hashable]:
        slot = segment.slot
        if slot is None:
            yield from segment.ids
            return
        if isinstance(slot, ClipPart):
            content: Hashable = (self.digests[slot.clip], slot.part)
        else:
            content = hashlib.sha256(self.rows(slot).float().cpu().numpy().tobytes()).hexdigest()
        yield from ((content, row) for row in range(len(segment.ids)))

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
            if segment.slot is not None:
                rows[start : start + len(segment.ids)] = self.rows(segment.slot).to(rows)
            start += len(segment.ids)
        return rows[None]

    def rows(self, slot: Slot) -> Tensor:
        """The rows that stand at a placeholder, shape (tokens, hidden)."""
        if isinstance(slot, ClipPart):
            return self.clips[slot.clip].part_rows()[slot.part]
        return self.beside.hints[0] if slot == "hint" else self.beside.pairs[slot]


def build(
    conversation: Conversation,
    clips: Sequence[EncodedClip],
    family: Family,
    tokenizer: PreTrainedTokenizerBase,
    system: str = "",
    beside: Beside = NOTHING_BESIDE,
    facts: Sequence[str] = (),
) -> Prompt:
    """The prompt of a conversation, ready for the model to go on.

    `facts` has one line for each clip, to stand in its announcement, or is empty. Rows about two clips stand after the
    clips of the turn that brings the later one, the hint after the last question. Ends with the opening of the
    assistant's turn, unless the last turn already is the assistant's (training).

    Raises:
        ConversationError: Nothing was asked.
    """
    if not conversation.turns or not any(conversation.turns[-1].parts):
        raise ConversationError("There is nothing to answer yet: write a question, or drop a clip and ask about it.")
    texts: list[tuple[str, str, Role | None]] = []
    messages = [{"role": "system", "content": family.content([_mark(texts, system, "system", None)])}] if system else []
    last_user = max((i for i, turn in enumerate(conversation.turns) if turn.role == "user"), default=-1)
    slots: list[Slot] = []
    for index, turn in enumerate(conversation.turns):
        source = "question" if index == last_user else "history"
        parts = list(_marked(turn, source, texts, slots, clips, beside, facts))
        if index == last_user and beside.hints:
            slots.append("hint")
            parts += [HINT, None]
        messages.append({"role": turn.role, "content": family.content(parts)})
    rendered = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=conversation.turns[-1].role == "user"
    )
    blank = Prompt((), tuple(clips), tuple(clip.digest for clip in conversation.clips), beside)
    counted = [(slot, len(blank.rows(slot))) for slot in slots]
    segments = tuple(_segments(str(rendered), texts, counted, family, tokenizer))
    used = [segment.slot for segment in segments if segment.slot is not None]
    assert used == slots, "the template lost or doubled a clip"
    return replace(blank, segments=segments)


def _mark(texts: list[tuple[str, str, Role | None]], text: str, source: str, role: Role | None) -> str:
    """Remembers a text and returns the mark that stands for it in the template."""
    texts.append((PRIVATE_USE.sub("", text).strip(), source, role))
    return MARK.format(len(texts) - 1)


def _which_part(part: int, parts: int, clip_seconds: float) -> str:
    """What stands behind the announcement of one of several parts of a clip."""
    if parts == 1:
        return ""
    start, stop = (clip_seconds * edge / parts for edge in (part, part + 1))
    return PART.format(part=part + 1, parts=parts, start=start, stop=stop)


def _marked(
    turn: Turn,
    source: str,
    texts: list[tuple[str, str, Role | None]],
    slots: list[Slot],
    clips: Sequence[EncodedClip],
    beside: Beside,
    facts: Sequence[str],
) -> Iterator[str | None]:
    """The parts of a turn as marks, each clip announced by its letter, then the pairs of the clips up to here.

    None stands for rows; `slots` receives which.
    """
    for place, part in enumerate(turn.parts):
        if not isinstance(part, Clip):
            yield _mark(texts, part, source, turn.role)
            continue
        index = len({slot.clip for slot in slots if isinstance(slot, ClipPart)})
        parts = len(clips[index].part_rows())
        for part_of_clip in range(parts):
            slots.append(ClipPart(index, part_of_clip))
            told = facts if part_of_clip == 0 else ()
            yield announcement(index, told) + _which_part(part_of_clip, parts, clips[index].clip_seconds)
            yield None
            yield "\n"
        if any(isinstance(later, Clip) for later in turn.parts[place + 1 :]):
            continue
        for first, second in sorted(set(beside.pairs) - set(slots)):
            if second <= index:
                slots.append((first, second))
                yield PAIR.format(first=letter(first), second=letter(second))
                yield None
                yield "\n"


def _source(slot: Slot) -> str:
    if isinstance(slot, ClipPart):
        return f"clip {letter(slot.clip)}"
    return "hint" if slot == "hint" else "pairs"


def _segments(
    rendered: str,
    texts: Sequence[tuple[str, str, Role | None]],
    slots: Sequence[tuple[Slot, int]],
    family: Family,
    tokenizer: PreTrainedTokenizerBase,
) -> Iterator[Segment]:
    """Cuts the rendered template at marks and audio tokens. The pieces between belong to the template."""
    placeholder = tokenizer.convert_tokens_to_ids(family.audio_token)
    assert isinstance(placeholder, int)
    waiting = iter(slots)
    for index, piece in enumerate(PIECES.split(rendered)):
        if index % 2:
            text, source, role = texts[int(piece)]
            if ids := tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True):
                yield Segment(tuple(ids), source, role)
            continue
        for order, template in enumerate(piece.split(family.audio_token)):
            if order:
                slot, count = next(waiting)
                yield Segment((placeholder,) * count, _source(slot), slot=slot)
            if ids := tokenizer.encode(template, add_special_tokens=False):
                yield Segment(tuple(ids), "template")

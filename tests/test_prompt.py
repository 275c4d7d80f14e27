"""The prompt builder against the processors' own way."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core import prompt
from core.families import FAMILIES
from core.families.family import rows_beside
from core.texts import announcement
from core.types import Clip, Conversation, Turn
from tests import tiny

LOADED = {name: build() for name, build in tiny.BUILD.items()}
WORDS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\ue000\ue001"), max_size=40)


def build(name: str, conversation: Conversation) -> prompt.Prompt:
    loaded, family = LOADED[name], FAMILIES[name]
    clips = [family.encode(loaded, clip) for clip in conversation.clips]
    return prompt.build(conversation, clips, family, loaded.tokenizer)


def test_ids_are_those_of_the_processor_itself() -> None:
    clips = (tiny.tone(440), tiny.noise(1, 2.0))
    conversation = Conversation(
        (
            Turn("user", (*clips, "Which clip has the dog?")),
            Turn("assistant", ("Clip A.",)),
            Turn("user", ("And why?",)),
        )
    )
    processor = LOADED["qwen2_audio"].hearing
    first = [
        part
        for index in range(2)
        for part in (
            {"type": "text", "text": announcement(index)},
            {"type": "audio", "audio_url": ""},
            {"type": "text", "text": "\n"},
        )
    ]
    messages = [
        {"role": "user", "content": [*first, {"type": "text", "text": "Which clip has the dog?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Clip A."}]},
        {"role": "user", "content": [{"type": "text", "text": "And why?"}]},
    ]
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    inputs = processor(text=text, audio=[clip.samples for clip in clips], sampling_rate=16_000, return_tensors="pt")
    assert build("qwen2_audio", conversation).ids == inputs["input_ids"][0].tolist()


def test_the_hint_stands_behind_the_last_question_alone() -> None:
    loaded, family = LOADED["embedded"], FAMILIES["embedded"]
    asked = Conversation(
        (
            Turn("user", (tiny.tone(440), "Which clip?")),
            Turn("assistant", ("A",)),
            Turn("user", (tiny.noise(1), "Why?")),
        )
    )
    clips = [family.encode(loaded, clip) for clip in asked.clips]
    beside = rows_beside(family, loaded, "comparing", clips, [asked.question])
    built = prompt.build(asked, clips, family, loaded.tokenizer, beside=beside)
    sources = [span.source for span in built.spans]
    assert sources.index("pairs") > sources.index("clip B") and sources.count("pairs") == 1
    assert sources[-4:] == ["question", "template", "hint", "template"] and sources.count("hint") == 1
    (span,) = (span for span in built.spans if span.source == "hint")
    torch.testing.assert_close(built.embed(loaded.embed_tokens)[0, span.start : span.stop], beside.hints[0])
    assert "hint" not in [span.source for span in prompt.build(asked, clips, family, loaded.tokenizer).spans]


def test_the_rows_are_what_the_model_itself_would_have_used() -> None:
    loaded = LOADED["qwen2_audio"]
    conversation = Conversation((Turn("user", (tiny.tone(440), tiny.noise(1, 2.0), "Which?")),))
    made = build("qwen2_audio", conversation)
    features = loaded.hearing.feature_extractor(
        [clip.samples for clip in conversation.clips],
        sampling_rate=16_000,
        return_tensors="pt",
        padding="max_length",
        return_attention_mask=True,
    )
    with torch.inference_mode():
        expected = loaded.model(
            input_ids=torch.tensor([made.ids]),
            input_features=features["input_features"],
            feature_attention_mask=features["attention_mask"],
        ).logits
        rows = made.embed(loaded.embed_tokens)
        ours = loaded.model(inputs_embeds=rows).logits
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(WORDS, min_size=1, max_size=4), clips=st.integers(0, 3))
def test_spans_partition_any_conversation(texts: list[str], clips: int) -> None:
    sounds = [Clip(np.full(8000, 0.1, np.float32), "x")] * clips
    turns = [Turn("user", (*sounds, texts[0] or "?"))]
    for index, text in enumerate(texts[1:]):
        turns.append(Turn("assistant" if index % 2 == 0 else "user", (text or "?",)))
    if turns[-1].role == "assistant":
        turns.append(Turn("user", ("Go on.",)))
    made = build("embedded", Conversation(tuple(turns)))
    assert [0, *(span.stop for span in made.spans)] == [*(span.start for span in made.spans), len(made.ids)]
    assert sum(span.source.startswith("clip") for span in made.spans) == clips

"""Every family from the hub against its own processor, its own whole model, and its own files."""

import base64
import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import DynamicCache, Gemma4UnifiedForConditionalGeneration, Gemma4UnifiedVisionConfig

from core import prompt
from core.decode import stop_ids
from core.decoder import last_logits
from core.families import FAMILIES, Family, Loaded
from core.placement import _model_type
from core.texts import announcement
from core.types import Clip, Conversation, Turn
from tests import tiny
from tests.folders import save
from tests.tiny_voxtral import NAMED

FROM_HUB = sorted(set(FAMILIES) - {"embedded"})
SEVERAL = ["granite_speech", "phi4_multimodal", "qwen2_5_omni", "qwen2_audio", "qwen3_omni_moe", "voxtral"]
"""Families whose processors take several clips a turn, and their templates several parts."""
QUESTION = "Which clip has the dog?"


def asked(*clips: Clip) -> Conversation:
    return Conversation((Turn("user", (*clips, QUESTION)),))


ASKED = asked(tiny.tone(440), tiny.noise(1))


def built(family: Family, loaded: Loaded, conversation: Conversation = ASKED) -> prompt.Prompt:
    clips = [family.encode(loaded, clip) for clip in conversation.clips]
    return prompt.build(conversation, clips, family, loaded.tokenizer)


def by_processor(family: Family, loaded: Loaded, conversation: Conversation) -> dict[str, torch.Tensor]:
    """What the processor gives the model for one turn with clips, rendered by its template."""
    parts: list[str | None] = []
    for index in range(len(conversation.clips)):
        parts += [announcement(index), None, "\n"]
    messages = [{"role": "user", "content": family.content([*parts, QUESTION])}]
    text = loaded.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    sounds = [clip.samples for clip in conversation.clips]
    return loaded.hearing(text=text, audio=sounds, sampling_rate=16_000, return_tensors="pt")


@pytest.mark.parametrize("model_type", SEVERAL)
def test_ids_are_those_of_the_processor(model_type: str) -> None:
    family, loaded = FAMILIES[model_type], tiny.BUILD[model_type]()
    conversation = asked(tiny.tone(440, 0.4), tiny.noise(1, 2.3), tiny.noise(2))
    inputs = by_processor(family, loaded, conversation)
    assert built(family, loaded, conversation).ids == inputs["input_ids"][0].tolist()


@pytest.mark.parametrize("model_type", SEVERAL)
def test_rows_and_positions_are_those_of_the_whole_model(model_type: str) -> None:
    family, loaded = FAMILIES[model_type], tiny.BUILD[model_type]()
    # clips of one length: some processors pad the shorter ones, whose last frame then ends differently
    made, inputs = built(family, loaded), by_processor(family, loaded, ASKED)
    with torch.inference_mode():
        expected = tiny.whole(loaded, inputs)
        ours = last_logits(loaded, made.embed(loaded.embed_tokens), DynamicCache())
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model_type", FROM_HUB)
def test_half_a_minute_has_the_rows_that_are_said(model_type: str) -> None:
    family = FAMILIES[model_type]
    rows = family.encode(tiny.BUILD[model_type](), tiny.noise(1, 30.0)).rows
    assert len(rows) / 30 == pytest.approx(family.tokens_per_second, abs=0.1)


@pytest.mark.parametrize("model_type", FROM_HUB)
def test_a_saved_checkpoint_comes_back_whole(model_type: str, tmp_path: Path) -> None:
    family, loaded = FAMILIES[model_type], tiny.BUILD[model_type]()
    save(loaded, model_type, tmp_path)
    assert _model_type(str(tmp_path)) == model_type
    again = family.load(str(tmp_path))
    before, after = built(family, loaded), built(family, again)
    assert after.ids == before.ids and stop_ids(again) == stop_ids(loaded)
    torch.testing.assert_close(after.embed(again.embed_tokens), before.embed(loaded.embed_tokens))


def test_a_checkpoint_with_eyes_is_loaded_without_and_one_without_ears_is_refused(tmp_path: Path) -> None:
    family, loaded = FAMILIES["gemma4_unified"], tiny.gemma4_unified()
    before, seeing = built(family, loaded), copy.deepcopy(loaded.model.config)
    seeing.vision_config = Gemma4UnifiedVisionConfig(mm_embed_dim=64, output_proj_dims=64, mm_posemb_size=8)
    whole = Gemma4UnifiedForConditionalGeneration(seeing)
    whole.load_state_dict(loaded.model.state_dict(), strict=False)
    save(replace(loaded, model=whole), "gemma4_unified", tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as tensors:
        names = tensors.keys()
        assert any("vision" in name for name in names)
    again = family.load(str(tmp_path))
    assert not any("vision" in name for name, _ in again.model.named_parameters())
    torch.testing.assert_close(
        built(family, again).embed(again.embed_tokens), before.embed(loaded.embed_tokens), atol=0, rtol=0
    )
    seeing.audio_config = None
    seeing.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="no ears"):
        family.load(str(tmp_path))


def test_rows_of_a_model_without_tower_are_of_one_length() -> None:
    family, loaded = FAMILIES["gemma4_unified"], tiny.gemma4_unified()
    seconds = family.encode(loaded, tiny.noise(1, 2.3)).seconds
    expected = torch.tensor([[0.04 * row, min(0.04 * (row + 1), 2.3)] for row in range(58)])
    torch.testing.assert_close(seconds, expected)


def test_where_the_generation_config_names_no_end_the_tokenizer_does() -> None:
    loaded = tiny.qwen2_5_omni()
    loaded.model.generation_config.eos_token_id = None
    assert stop_ids(loaded) == {loaded.tokenizer.eos_token_id}


def test_voxtral_reads_the_tokenizer_its_checkpoints_have(tmp_path: Path) -> None:
    family, loaded = FAMILIES["voxtral"], tiny.voxtral()
    loaded.model.save_pretrained(tmp_path)
    loaded.hearing.feature_extractor.save_pretrained(tmp_path)
    control = [{"rank": i, "token_str": NAMED.get(i, f"<SPECIAL_{i}>"), "is_control": True} for i in range(26)]
    single = [{"rank": i, "token_bytes": base64.b64encode(bytes([i])).decode(), "token_str": None} for i in range(256)]
    config = {"pattern": "\\s+|\\S+", "default_vocab_size": 26 + 256, "default_num_special_tokens": 26, "version": "v7"}
    tekken = {"config": config, "vocab": single, "special_tokens": control}
    (tmp_path / "tekken.json").write_text(json.dumps(tekken))
    again = family.load(str(tmp_path))
    text = again.tokenizer.decode(built(family, again).ids).replace("[AUDIO]" * 375, "[AUDIO]")
    assert text == (f"<s>[INST]Clip A: [BEGIN_AUDIO][AUDIO]\nClip B: [BEGIN_AUDIO][AUDIO]\n{QUESTION}[/INST]")
    assert again.tokenizer.eos_token_id == 2

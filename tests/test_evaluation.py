"""The evaluation on a tiny model and a made-up corpus: arms, scoring against plain forwards and the engine, figures."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from scipy.stats import binomtest
from tokenizers.decoders import DecodeStream
from transformers import DynamicCache

from core import decode
from core.decoder import last_logits
from core.errors import SettingsError
from core.evaluation import __main__ as command
from core.evaluation import readings, report
from core.evaluation.chat import mean_log_probability
from core.evaluation.log import Log, Reading
from core.evaluation.plan import BoostAt, Plan, grid, read_boosts, settings_of
from core.evaluation.questions import known_names, names_of, posed
from core.evaluation.scoring import Forced, forced, likelihoods
from core.evaluation.statistics import mcnemar, wilson
from core.lalm import Lalm
from core.training.corpus import Corpus
from core.training.gates import EVALUATION_TASKS, gate_questions, seeded
from core.types import Boost, Clip, Conversation, Settings, Token, Turn
from tests import tiny
from tests.corpora import EVENTS, sounding, write_corpus

KINDS = ("sound", "ambience", "instrument", "speech")
CHOICES = ("A", "the dog", "Clip A: the dog", "No")


@cache
def engine(model_type: str = "embedded") -> Lalm:
    """A tiny engine with one adapter, random but not nothing, on by default."""
    lalm = tiny.engine(model_type)
    if model_type == "embedded":
        torch.manual_seed(2)
        config = LoraConfig(r=4, target_modules=r".*\.(q_proj|v_proj|down_proj)", init_lora_weights=False)
        with TemporaryDirectory() as folder:
            get_peft_model(tiny.embedded().model, config).save_pretrained(folder)
            lalm.adapters.load("probe", Path(folder))
        lalm.info = replace(lalm.info, adapters=("probe",), default=Settings(adapter="probe"))
    return lalm


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus whose speech, too, has held-out rows."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), KINDS)
    manifest = folder / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    held_out = [{**row, "split": "dev"} if row["kind"] == "speech" else row for row in rows]
    manifest.write_text("\n".join(json.dumps(row) for row in held_out))
    return folder


@pytest.fixture(scope="module")
def dev(folder: Path) -> Corpus:
    return Corpus.read(folder, "dev")


def case_of(lalm: Lalm, settings: Settings, choices: Sequence[str] = CHOICES) -> Forced:
    clips = [tiny.noise(1, 0.7), tiny.tone(440, 1.1)]
    return forced(lalm, clips, "Which clip has the dog?", choices, settings)


def plainly(lalm: Lalm, case: Forced, settings: Settings) -> list[float]:
    """One whole forward an answer."""
    lalm.adapters.select(settings.adapter)
    scores = []
    for answer in case.answers:
        with torch.inference_mode():
            rows = case.prompt.embed(lalm.loaded.embed_tokens)
            rows = torch.cat([rows, lalm.loaded.embed_tokens(answer)[None]], 1)
            logits = lalm.loaded.model(inputs_embeds=rows).logits[0, -len(answer) - 1 : -1].float()
        scores.append(float(logits.log_softmax(-1)[range(len(answer)), list(answer)].mean()))
    return scores


def stepwise(lalm: Lalm, case: Forced, settings: Settings) -> list[float]:
    """Token by token on the engine's own path: each forward under the lens, as the decoding loop makes it."""
    scores = []
    for answer in case.answers:
        with torch.inference_mode():
            rows, cache, total = case.prompt.embed(lalm.loaded.embed_tokens), DynamicCache(), 0.0
            plan = lalm.observation(case.prompt, settings, rows.shape[1] + len(answer))
            for token in answer:
                with lalm.lens.observed(plan, cache.get_seq_length() + rows.shape[1]):
                    lalm.adapters.select(settings.adapter)
                    logits = last_logits(lalm.loaded, rows, cache)
                total += float(logits.log_softmax(-1)[token])
                rows = lalm.loaded.embed_tokens([token])[None]
        scores.append(total / len(answer))
    return scores


@pytest.mark.parametrize("model_type", ["embedded", "qwen2_audio", "gemma3n", "gemma4", "gemma4_unified"])
def test_one_forward_scores_as_one_forward_an_answer_does(model_type: str) -> None:
    lalm = engine(model_type)
    for adapter in (*lalm.info.adapters, None):
        settings = Settings(adapter=adapter)
        case = case_of(lalm, settings)
        (found,) = likelihoods(lalm, case, settings)
        assert found == pytest.approx(plainly(lalm, case, settings), abs=1e-4)


@pytest.mark.parametrize("model_type", ["embedded", "qwen2_audio", "gemma3n", "gemma4", "gemma4_unified"])
def test_boosts_packed_together_score_as_the_engine_decodes(model_type: str) -> None:
    lalm = engine(model_type)
    settings = Settings(adapter=next(iter(lalm.info.adapters), None))
    boosts = [Boost("mata", 0.3, (0.0, 0.4)), Boost(), Boost("mata", 2.0, (0.3, 1.0)), Boost("mata", -1.0, (0.0, 1.0))]
    case = case_of(lalm, settings)
    found = likelihoods(lalm, case, settings, boosts)
    expected = [stepwise(lalm, case, replace(settings, boost=boost)) for boost in boosts]
    assert np.allclose(found, expected, atol=1e-4)
    assert abs(np.array(expected[0]) - expected[2]).max() > 1e-3, "a boost that changes nothing proves nothing"


def test_what_the_engine_says_under_a_boost_is_the_likeliest_of_all_first_tokens() -> None:
    lalm = engine()
    boost = Boost("mata", 3.0, (0.0, 1.0))
    settings = Settings(adapter="probe", boost=boost, max_tokens=4)
    clips = (tiny.noise(1, 0.7), tiny.tone(440, 1.1))
    asked = Conversation((Turn("user", (*clips, "Which?")),))
    prompt = lalm.prompt(asked, settings)
    ids: list[int] = []
    for _ in range(4):
        answers = tuple((*ids, token) for token in range(len(lalm.loaded.tokenizer)))
        (scores,) = likelihoods(lalm, Forced(prompt, answers), settings, [boost])
        ids.append(int(np.argmax(scores)))
    stops = decode.stop_ids(lalm.loaded)
    said = "".join(event.text for event in lalm.stream(asked, settings) if isinstance(event, Token))
    spoken = ids[: next((place for place, token in enumerate(ids) if token in stops), 4)]
    text = DecodeStream(skip_special_tokens=True)  # the last character may be incomplete, and is then not shown
    assert said == "".join(text.step(lalm.loaded.tokenizer._tokenizer, token) or "" for token in spoken)


def test_the_answers_tokens_are_those_of_the_whole_conversation() -> None:
    lalm = engine()
    settings, clip = Settings(), tiny.tone(440)
    case = forced(lalm, [clip], "Which?", CHOICES, settings)
    for choice, answer in zip(CHOICES, case.answers, strict=True):
        whole = lalm.prompt(Conversation((Turn("user", (clip, "Which?")), Turn("assistant", (choice,)))), settings)
        assert [*case.prompt.ids, *answer] == whole.ids[: len(case.prompt.ids) + len(answer)]
        assert answer[-1] == lalm.loaded.tokenizer.eos_token_id


@pytest.mark.parametrize("task", EVALUATION_TASKS)
def test_in_the_swapped_arm_the_answer_follows_the_clip(dev: Corpus, task: str) -> None:
    for asked in gate_questions(dev, seeded(task), task, 6):
        put = posed(asked, "swapped")
        if len(asked.clips) == 1:
            assert put is None
            continue
        assert put is not None
        clips, exchange = put
        assert clips == asked.clips[::-1]
        assert sorted(exchange.choices) == sorted(asked.exchange.choices)
        letters = [c for c in asked.exchange.choices if len(c) == 1]
        if letters:
            place, moved = "ABCD".index(asked.exchange.answer), "ABCD".index(exchange.answer)
            assert clips[moved] == asked.clips[place]
        else:
            assert exchange.answer == asked.exchange.answer


def test_a_swapped_which_clip_question_is_true_of_the_sounds(tmp_path: Path) -> None:
    write_corpus(tmp_path, ("sound",))
    corpus = replace(Corpus.read(tmp_path, "dev"), augment=False)
    for asked in gate_questions(corpus, seeded("which_clip_3"), "which_clip_3", 6):
        clips, exchange = posed(asked, "swapped") or ((), asked.exchange)
        wanted = str(asked.facts["label"])
        assert wanted in exchange.question
        having = [wanted in sounding(clip, EVENTS, 0.2) for clip in clips]
        assert having == ["ABC".index(exchange.answer) == place for place in range(3)]


def test_the_words_of_a_swapped_question_name_the_clips_where_they_now_are(dev: Corpus) -> None:
    asked = next(
        asked
        for asked in gate_questions(dev, seeded("added_event"), "added_event", 30)
        if "clip A" in asked.exchange.question and "clip B" in asked.exchange.question
    )
    assert asked.swapped is not None
    turned = asked.exchange.question.replace("clip A", "clip -").replace("clip B", "clip A").replace("clip -", "clip B")
    assert asked.swapped.question == turned


def test_the_silent_arm_is_digital_silence_of_the_same_lengths(dev: Corpus, folder: Path) -> None:
    heard: list[Clip] = []

    def listening(clip: Clip) -> object:
        heard.append(clip)
        return lalm.family.encode(lalm.loaded, clip)

    lalm = tiny.engine("embedded")
    lalm.encode = listening  # type: ignore[method-assign, assignment]
    plan = Plan(folder, 4, ("which_clip_2",), ("off",), ("silence",))
    readings.take(lalm, plan, Log(), tell=lambda line: None)
    asked = gate_questions(dev, seeded("which_clip_2"), "which_clip_2", 4)
    assert {len(clip.samples) for clip in heard} == {len(clip.samples) for one in asked for clip in one.clips}
    assert not any(clip.samples.any() for clip in heard)
    for one in asked:
        put = posed(one, "silence")
        assert put is not None and put[1] == one.exchange


def test_the_last_line_is_json_of_the_stated_shape(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "gates.md"
    arguments = ["pairs", "--corpus", str(folder), "--questions", "3", "--out", str(out), "--free", "2"]
    tasks = ["presence", "which_clip_3", "same_speaker"]
    command.evaluate(engine(), command.parser().parse_args([*arguments, "--tasks", *tasks, "--boost", "0.3:0-1"]))
    printed = capsys.readouterr().out
    found = json.loads(printed.rstrip("\n").splitlines()[-1])
    assert list(found) == tasks
    for task, adapters in found.items():
        assert set(adapters) == {"on", "off"}
        for arms in adapters.values():
            assert set(arms) == {"audio", "silence"} | ({"swapped"} if task != "presence" else set())
            assert all(total == 3 and 0 <= right <= total for right, total in arms.values())
    assert out.read_text().strip() and out.read_text().strip() in printed
    assert "## Boost off and on" in printed and printed.count("adapter off: ") == 2


def test_an_evaluation_that_was_stopped_goes_on(folder: Path, tmp_path: Path) -> None:
    lalm, file = engine(), tmp_path / "log.jsonl"
    few = Plan(folder, 2, ("which_clip_2", "caption"))
    more = replace(few, questions=4, boosts=(BoostAt(0.2, 0, 0),))
    whole = readings.take(lalm, more, Log(), tell=lambda line: None)
    first = Log.open(file, readings.header(lalm))
    readings.take(lalm, few, first, tell=lambda line: None)
    with file.open("a") as lines:
        lines.write('{"task": "which_')
    second = Log.open(file, readings.header(lalm))
    assert second.known == first.known
    assert readings.take(lalm, more, second, tell=lambda line: None) == whole
    assert Log.open(file, readings.header(lalm)).known == second.known
    lalm.loaded.model.get_input_embeddings().weight.data[5:] *= 1.01  # type: ignore[operator, union-attr, index]
    changed = readings.header(lalm)
    engine.cache_clear()
    assert not Log.open(file, changed).known, "another model begins anew"


def test_a_question_is_seen_when_training_had_all_it_is_about(dev: Corpus, folder: Path) -> None:
    questions = gate_questions(dev, seeded("presence"), "presence", 20)
    for asked in questions:
        names = names_of(asked)
        assert str(asked.facts["label"]) in names and asked.heard[0].recording.label in names
        rows = [row for row in dev.recordings if row.label not in asked.facts.values()]
        assert names <= known_names(dev.recordings) and not names <= known_names(rows)
    voices = names_of(gate_questions(dev, seeded("same_speaker"), "same_speaker", 1)[0]) - {"a person speaking"}
    assert voices and voices <= {row.voice for row in dev.recordings}


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_is_that_of_scipy(right: int, total: int) -> None:
    right = min(right, total)
    interval = binomtest(right, total).proportion_ci(0.95, "wilson")
    assert wilson(right, total) == pytest.approx((interval.low, interval.high), abs=1e-9)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test_of_the_discordant_pairs(off: int, on: int) -> None:
    expected = binomtest(on, off + on).pvalue if off + on else 1.0
    assert mcnemar(off, on) == pytest.approx(expected, rel=1e-6)


def test_known_figures() -> None:
    assert mcnemar(1, 9) == pytest.approx(22 / 1024)
    low, high = wilson(14, 24)
    assert (round(low, 3), round(high, 3)) == (0.388, 0.755)


def of(question: str, boost: str, right: bool) -> Reading:
    return Reading("presence", question, "audio", "on", boost, 2, right, True)


def test_boosts_are_compared_question_by_question() -> None:
    plan = Plan(Path(), boosts=(BoostAt(0.1, 1, 2),))
    off, on = [True, True, False, False, False], [True, False, True, True, False]
    rows = [of(str(i), "", right) for i, right in enumerate(off)]
    rows += [of(str(i), "0.1:1-2", right) for i, right in enumerate(on)]
    line = report.boosts(rows, plan, "on").splitlines()[2]
    assert [cell.strip() for cell in line.strip("|").split("|")] == ["0.1", "1-2", "1", "1", "2", "1", "1"]


def test_a_gate_is_reached_or_missed() -> None:
    rows = [of(str(i), "", i < 17) for i in range(20)]
    assert "17/20 = 85 % (64-95) | reached" in report.gates(rows)
    assert "| missed" in report.gates([*rows, of("20", "", False)])


def test_the_grid_covers_every_layer_once_for_each_strength() -> None:
    found = grid(30)
    assert len(found) == 12 and [str(boost) for boost in found[:2]] == ["0.05:0-9", "0.1:0-9"]
    for alpha in {boost.alpha for boost in found}:
        layers = [layer for boost in found if boost.alpha == alpha for layer in boost.boost(30).layers(30)]
        assert sorted(layers) == list(range(30))
    assert read_boosts("0.1:10-19,0.2:0-9") == (BoostAt(0.1, 10, 19), BoostAt(0.2, 0, 9))
    for wrong in ("0.1", "0.1:3", "a:1-2"):
        with pytest.raises(SettingsError, match="no list of boosts"):
            read_boosts(wrong)
    with pytest.raises(SettingsError, match="no layers 20 to 30"):
        BoostAt(0.1, 20, 30).boost(30)


def test_a_model_without_adapter_says_so() -> None:
    with pytest.raises(SettingsError, match="has no adapter"):
        settings_of(tiny.engine("embedded"), "on")


def test_chat_is_scored_without_the_token_that_ends_it() -> None:
    lalm, settings = engine(), Settings(adapter=None)
    answers = [("Which clip?", "the dog"), ("Why?", "You are a helpful assistant.")]
    expected = []
    for prompt, answer in answers:
        case = forced(lalm, (), prompt, (answer,), settings)
        expected += plainly(lalm, Forced(case.prompt, (case.answers[0][:-1],)), settings)
    assert mean_log_probability(lalm, answers, settings) == pytest.approx(np.mean(expected), abs=1e-4)

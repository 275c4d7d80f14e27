"""Sheets: what they mean, how they fail, and the table they leave."""

import csv
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.compare import FORMULA, REPORT, TABLE, _harmless, run
from chat_app.launch import EXAMPLES
from chat_app.sheet import read_sheet
from chat_app.trace import Trace
from core.audio import read_clip
from core.errors import SheetError
from core.fake import FakeEngine
from core.types import Boost, Conversation, Event, Settings, Token, Turn

ROOT = Path(__file__).parent.parent
CLIPS = '[[clips]]\nname = "notes"\nfiles = ["piano_a4.flac", "piano_c5.flac"]\n'
SMALL = f'questions = ["Which is higher?"]\n{CLIPS}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with some of the shipped clips."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("piano_a4", "piano_c5", "dog_bark", "cat_meow", "rooster_crow"):
        shutil.copy(EXAMPLES / f"{name}.flac", home)
    return home


def written(folder: Path, text: str) -> Path:
    (folder / "sheet.toml").write_text(text, "utf-8")
    return folder / "sheet.toml"


def ran(folder: Path, text: str, engine: FakeEngine | None = None) -> int:
    chosen = engine or FakeEngine(delay_seconds=0)
    return run(written(folder, text), folder / "out", lambda sheet: chosen)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / TABLE).open(newline="", encoding="utf-8-sig") as table:
        return list(csv.DictReader(table))


def test_the_sheet_of_the_docs_asks_everything_it_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = re.search(
        r"^```toml\n(.*?)^```", (ROOT / "docs" / "compare.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    engine, models = FakeEngine(delay_seconds=0), []
    path = written(folder, text[1])
    assert run(path, None, lambda sheet: models.append(sheet.model) or engine) == 0
    assert models == ["embedded"]
    asked = [
        ([clip.label for clip in conversation.clips], conversation.question) for conversation, _ in engine.asked[::2]
    ]
    notes, animals = ["piano_a4.flac", "piano_c5.flac"], ["dog_bark.flac", "cat_meow.flac", "rooster_crow.flac"]
    questions = ["Which clip is higher?", "What do the clips have in common?"]
    assert asked == [(clips, question) for clips in (notes, animals) for question in questions]
    boosted = Settings(Boost("mata", 0.3, (0.36, 0.71)), None, "Answer in one sentence.", max_tokens=60, facts=True)
    assert [settings for _, settings in engine.asked] == [Settings(), boosted] * 4
    assert all(len(conversation.turns) == 1 for conversation, _ in engine.asked), "each is a conversation of its own"
    with (folder / "sheet-answers" / TABLE).open(newline="", encoding="utf-8-sig") as table:
        assert [row["settings"] for row in csv.DictReader(table)] == ["plain", "boosted"] * 4
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 8 and lines[0].startswith("1/8 notes · plain · Which clip is higher?: ")


def test_a_row_says_what_the_readings_say(folder: Path) -> None:
    engine = FakeEngine(delay_seconds=0)
    one = '[[clips]]\nname = "dog"\nfiles = ["dog_bark.flac"]\n'
    assert ran(folder, f"{SMALL}{one}[[settings]]\nmax_tokens = 7\nmethod = 'target'\nalpha = 0.4", engine) == 0
    pair, single = rows(folder)
    assert (pair["files"], single["files"]) == ("A piano_a4.flac, B piano_c5.flac", "A dog_bark.flac")
    assert (pair["settings"], pair["ended"], pair["problem"]) == ("settings 1", "length", "")
    for row, (conversation, settings) in zip((pair, single), list(engine.asked), strict=True):
        tokens = [event for event in engine.stream(conversation, settings) if isinstance(event, Token)]
        shares = Trace.of(tokens).summary.applied
        assert row["answer"] == "".join(token.text for token in tokens).strip()
        assert float(row["audio_share"]) == pytest.approx(shares.audio, abs=1e-5)
        assert float(row["audio_lift"]) == pytest.approx(shares.audio_lift, abs=1e-4)
        assert float(row["A_share"]) == pytest.approx(shares.share("clip A"), abs=1e-5)
        assert float(row["A_lift"]) == pytest.approx(shares.lift("clip A"), abs=1e-4)
        assert float(row["tokens_per_second"]) > 0 and float(row["first_token_seconds"]) >= 0
    assert float(pair["A_share"]) + float(pair["B_share"]) == pytest.approx(float(pair["audio_share"]), abs=2e-5)
    assert (single["B_share"], single["B_lift"]) == ("", "")


WRONG = {
    "no TOML": ("questions = [", "is not TOML"),
    "deep": ("x = " + "[" * 5000, "is not TOML"),
    "no clips": ('questions = ["x"]', "clips is missing"),
    "no questions": (CLIPS, "questions is missing"),
    "unknown key": (f"colour = 1\n{SMALL}", "there is no key 'colour': known are model, "),
    "model": (f"model = 7\n{SMALL}", "model should be a text"),
    "empty question": (f'questions = [" "]\n{CLIPS}', "questions should be"),
    "clips no table": ('questions = ["x"]\nclips = ["a.wav"]', "clips should be at least one table"),
    "no files": ('questions = ["x"]\n[[clips]]\nname = "a"\nfiles = []', "clips 1: files should be"),
    "no name": ('questions = ["x"]\n[[clips]]\nfiles = ["a.wav"]', "clips 1: name is missing"),
    "name twice": (f"{SMALL}{CLIPS}", "clips: the name 'notes' is there twice"),
    "alpha": (f"{SMALL}[[settings]]\nalpha = true", "settings 1: alpha should be a number"),
    "alpha nan": (f"{SMALL}[[settings]]\nalpha = nan", "settings 1: alpha should be a number"),
    "alpha for target": (f"{SMALL}[[settings]]\nalpha = 3\nmethod = 'target'", "settings 1: alpha: Boost strength"),
    "method": (f"{SMALL}[[settings]]\n[[settings]]\nmethod = 'loud'", "settings 2: method: Unknown boost 'loud'"),
    "band": (f"{SMALL}[[settings]]\nband = [0.7, 0.3]", "settings 1: band: Layer band"),
    "band of three": (f"{SMALL}[[settings]]\nband = [0, 0.1, 1]", "settings 1: band should be a list of two"),
    "temperature": (f"{SMALL}[[settings]]\ntemperature = 9", "settings 1: temperature: Temperature 9.0"),
    "max_tokens": (f"{SMALL}[[settings]]\nmax_tokens = 99999", "settings 1: max_tokens: 99999 tokens"),
    "seed": (f"{SMALL}[[settings]]\nseed = -1", "settings 1: seed should be a whole number"),
    "facts": (f"{SMALL}[[settings]]\nfacts = 'yes'", "settings 1: facts should be true or false"),
    "adapter": (
        f"{SMALL}[[settings]]\nname = 'x'\nadapter = 'none'",
        "adapter 'none' is not loaded: choose one of off",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_sheet_is_one_sentence_that_names_the_key(
    what: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, sentence = WRONG[what]
    assert ran(folder, text) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert not (folder / "out" / TABLE).exists()


@pytest.mark.parametrize("file", ["../outside.flac", "/etc/hostname", "link.flac", "a\\u0000b", "circle"])
def test_a_file_outside_the_sheets_folder_is_refused_and_not_read(file: str, folder: Path) -> None:
    shutil.copy(EXAMPLES / "piano_a4.flac", folder.parent / "outside.flac")
    (folder / "link.flac").symlink_to(folder.parent / "outside.flac")
    (folder / "circle").symlink_to("circle")
    path = written(folder, f'questions = ["x"]\n[[clips]]\nname = "a"\nfiles = ["{file}"]')
    with pytest.raises(SheetError, match=r"clips 1: files names .* not in the sheet's folder"):
        read_sheet(path)


def test_a_sheet_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SheetError, match=r"none\.toml cannot be read"):
        read_sheet(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'model = "\xff"')
    with pytest.raises(SheetError, match=r"latin\.toml is not TOML"):
        read_sheet(tmp_path / "latin.toml")


def test_a_file_that_is_no_sound_costs_its_group_only(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "words.wav").write_text("no sound at all")
    bad = (
        '[[clips]]\nname = "bad"\nfiles = ["words.wav", "dog_bark.flac"]\n[[clips]]\nname = "gone"\nfiles = ["a.wav"]\n'
    )
    engine = FakeEngine(delay_seconds=0)
    assert ran(folder, f'questions = ["Which?", "Why?"]\n{bad}{CLIPS}', engine) == 0
    assert [(row["clips"], row["ended"]) for row in rows(folder)] == [
        *([("bad", "failed")] * 2),
        *([("gone", "failed")] * 2),
        *([("notes", "stop")] * 2),
    ]
    assert "words.wav: no sound can be read from it" in rows(folder)[0]["problem"]
    assert rows(folder)[0]["audio_share"] == rows(folder)[0]["answer"] == ""
    assert len(engine.asked) == 2
    report = (folder / "out" / REPORT).read_text("utf-8")
    assert report.count("<audio ") == 2 and report.count('class="es-meter"') == 2


def test_an_answer_that_fails_is_a_row_with_its_sentence_and_its_words(folder: Path) -> None:
    assert ran(folder, SMALL, FakeEngine(delay_seconds=0, fail_after_tokens=3)) == 0
    (row,) = rows(folder)
    assert row["ended"] == "failed" and row["answer"] == "This is a"
    assert row["problem"] == "The fake model failed, as it was told to: ask again."
    assert row["first_token_seconds"] == row["tokens_per_second"] == ""
    nine = ", ".join(['"dog_bark.flac"'] * 9)
    shutil.rmtree(folder / "out")
    assert ran(folder, f'questions = ["x"]\n[[clips]]\nname = "many"\nfiles = [{nine}]') == 0
    assert rows(folder)[0]["problem"].startswith("9 clips are too many")


class Interrupted(FakeEngine):
    """Looks at the table before each answer; Ctrl-C comes in the third."""

    table: Path

    def stream(self, conversation: Conversation, settings: Settings) -> Iterator[Event]:
        with self.table.open(newline="", encoding="utf-8-sig") as table:
            assert len(list(csv.DictReader(table))) == len(self.asked), "a row is on disk before the next question"
        for number, event in enumerate(super().stream(conversation, settings)):
            if len(self.asked) == 3 and number == 2:
                raise KeyboardInterrupt
            yield event


def test_an_interruption_keeps_the_answers_so_far(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = Interrupted(delay_seconds=0)
    engine.table = folder / "out" / TABLE
    assert ran(folder, f'questions = ["One?", "Two?", "Three?", "Four?"]\n{CLIPS}', engine) == 130
    assert [row["question"] for row in rows(folder)] == ["One?", "Two?"]
    report = (folder / "out" / REPORT).read_text("utf-8")
    assert "Two?" in report and "Three?" not in report
    assert "Interrupted" in capsys.readouterr().err


def test_results_are_never_written_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(folder, SMALL) == 0
    before = (folder / "out" / TABLE).read_bytes()
    capsys.readouterr()
    engine = FakeEngine(delay_seconds=0)
    assert ran(folder, SMALL, engine) == 2
    assert "is there already: name another folder with --out" in capsys.readouterr().err
    assert (folder / "out" / TABLE).read_bytes() == before and engine.asked == []
    assert run(folder / "sheet.toml", folder / "dog_bark.flac", lambda sheet: engine) == 2
    assert "cannot be made" in capsys.readouterr().err


HOSTILE = ("<img src=x onerror=alert(1)>", "${alert(1)}", "=1+1", "@SUM(A1)", "-2+3", "+1", "\u202egnp.exe", "x" * 300)


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_are_text_in_table_and_report(words: str, folder: Path) -> None:
    assert ran(folder, f'questions = ["{words}"]\n{CLIPS.replace("notes", words)}[[settings]]\nname = "{words}"') == 0
    (row,) = rows(folder)
    assert row["question"] == (f"'{words}" if words.startswith(FORMULA) else words)
    assert not any(cell.startswith(FORMULA) for cell in row.values())
    assert all("\u202e" not in row[column] for column in ("clips", "settings"))
    report = (folder / "out" / REPORT).read_text("utf-8")
    assert "<img" not in report


@given(st.text())
def test_no_text_becomes_a_formula(text: str) -> None:
    kept = _harmless(text)
    assert kept in (text, f"'{text}") and not kept.strip().startswith(FORMULA)
    assert _harmless(-1.5) == -1.5
    assert _harmless("\u200b\ufeff\t =1+1").startswith("'")


def test_a_boost_that_cannot_act_is_refused_before_the_first_question(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = FakeEngine(delay_seconds=0)
    engine.info = replace(engine.info, attention=False)
    assert ran(folder, f"{SMALL}[[settings]]\nmethod = 'mata'", engine) == 2
    assert "method mata cannot act there" in capsys.readouterr().err and engine.asked == []


def test_a_progress_line_is_one_line_and_keeps_its_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question = "why? " * 90 + "\\n\\u001b[31m"
    assert ran(folder, f'questions = ["{question}"]\n{CLIPS}') == 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "\x1b" not in said and len(said) < 200
    assert re.search(r"first token in \d+\.\d s · \d+ tokens/s$", said.strip())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_command_runs_a_sheet_from_a_terminal(folder: Path) -> None:
    command = [sys.executable, "-m", "chat_app.compare"]
    path = written(folder, f'model = "fake"\n{SMALL}')
    done = subprocess.run([*command, str(path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("1/1 notes · default · Which is higher?: first token in ")
    assert done.stdout.splitlines() == [str(folder / "sheet-answers" / name) for name in (TABLE, REPORT)]
    bare = written(folder, SMALL)  # what it does not name is as on the command line
    app = [sys.executable, "app.py", "--model", "fake", "--sheet", str(bare), "--out", str(folder / "bare")]
    done = subprocess.run(app, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "fake answer" in (folder / "bare" / TABLE).read_text("utf-8"), done.stderr
    wrong = written(folder, f'model = "embedded"\nprecision = "nf3"\n{SMALL}')
    done = subprocess.run(
        [*command, str(wrong), "--out", str(folder / "out")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stderr == "There is no precision 'nf3': choose one of auto, bf16, int8, nf4.\n"


def test_the_clips_are_read_as_on_the_page(folder: Path) -> None:
    engine = FakeEngine(delay_seconds=0)
    ran(folder, SMALL, engine)
    ((conversation, _),) = engine.asked
    expected = (read_clip(EXAMPLES / "piano_a4.flac"), read_clip(EXAMPLES / "piano_c5.flac"), "Which is higher?")
    assert conversation == Conversation((Turn("user", expected),))

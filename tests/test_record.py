"""The log of a run: what was cut, changed, failed or written by others."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import LoadError
from core.evaluation.record import Log, Record, merged

HEADER = {"model": "tiny", "precision": "fp32"}


def record(item: str, **more: object) -> Record:
    return replace(Record(item, "t", "digest", adapter="on", reading="free", right=True, words="Ä\n|"), **more)  # type: ignore[arg-type]


@contextmanager
def opened(folder: Path, process: int = 0, retry: bool = False, **header: object) -> Iterator[Log]:
    """A log that is closed in the end."""
    log = Log.open(folder, "b", {**HEADER, **header}, process, retry)
    yield log
    log.close()


def jsonl(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    some = [record("1"), record("2", scores=(-1.5, -0.25), right=None, effect=0.1 + 0.2)]
    with opened(tmp_path / "new" / "folder") as log:
        log.add(some)
        assert log.known == {one.key: one for one in some}
    with opened(tmp_path / "new" / "folder") as again:
        assert list(again.known.values()) == some


@given(cut=st.integers(0, 10_000))
def test_a_file_cut_anywhere_loses_no_whole_line_and_goes_on(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, some = tmp_path_factory.mktemp("cut"), [record(str(number)) for number in range(4)]
    with opened(folder) as log:
        log.add(some)
    (file,) = jsonl(folder)
    content = file.read_bytes()
    cut %= len(content) + 1
    file.write_bytes(content[:cut])
    whole = max(content[:cut].count(b"\n") - 1, 0)
    with opened(folder) as again:
        assert list(again.known.values()) == some[:whole]
        again.add(some[whole:])
    assert file.read_bytes() == content


def test_another_header_is_another_file_and_the_old_one_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.add([record("1")])
    (old,) = jsonl(tmp_path)
    content = old.read_bytes()
    with opened(tmp_path, precision="bf16") as other:
        assert not other.known
        other.add([record("2")])
    assert len(jsonl(tmp_path)) == 2 and old.read_bytes() == content
    assert json.loads(content.splitlines()[0]) == HEADER
    with opened(tmp_path) as again:
        assert list(again.known) == [record("1").key]


def test_a_header_or_record_changed_by_hand_is_no_reason_to_write_over(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.add([record("1")])
    (file,) = jsonl(tmp_path)
    content = file.read_bytes()
    for changed, words in (
        (content.replace(b"fp32", b"fp16"), "does not begin as it should"),
        (content.replace(b'"item": "1"', b'"key": "1"'), "Line 2 of .* is no record"),
        (content + b"[]\n", "Line 3 of .* is no record"),
        (content + b"\xff\n", "Line 3 of .* is no record"),
    ):
        file.write_bytes(changed)
        with pytest.raises(LoadError, match=words):
            Log.open(tmp_path, "b", HEADER)
        assert file.read_bytes() == changed


def test_processes_write_apart_and_read_all(tmp_path: Path) -> None:
    with opened(tmp_path) as first, opened(tmp_path, process=1) as second:
        first.add([record("1")])
        second.add([record("2")])
        assert len(jsonl(tmp_path)) == 2
        first.read_again()
        assert {key[0] for key in first.known} == {"1", "2"}
    with opened(tmp_path) as alone:
        assert {key[0] for key in alone.known} == {"1", "2"}


def test_two_runs_do_not_write_into_one_file(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(LoadError, match="Another run writes to"):
        Log.open(tmp_path, "b", HEADER)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LoadError, match="name another folder with --out"):
        Log.open(tmp_path / "file", "b", HEADER)


def test_what_failed_is_forgotten_on_demand_and_an_answer_takes_its_place(tmp_path: Path) -> None:
    failed, unread = record("1", right=None, error="no memory"), Record("2", "t", error="no sound")
    with opened(tmp_path, process=1) as log:
        log.add([failed, unread])
    with opened(tmp_path) as log:
        assert len(log.known) == 2, "an error is not asked again by itself"
    with opened(tmp_path, retry=True) as log:
        assert not log.known
        log.add([record("1"), record("2")])
    with opened(tmp_path) as log:
        assert list(log.known.values()) == [record("1"), record("2")]


def test_the_first_answer_counts() -> None:
    twice = [record("1", words="one"), record("1", words="two")]
    assert list(merged(twice).values()) == twice[:1]


def test_the_arm_is_read_off_the_order() -> None:
    assert [record("1", order=order).arm for order in ("", "AB", "BA", "BCA")] == [
        "audio",
        "audio",
        "reversed",
        "orders",
    ]
    assert record("1", order="AB", silenced=True).arm == "silence"
    assert set(asdict(record("1"))) == set(json.loads(json.dumps(asdict(record("1")))))

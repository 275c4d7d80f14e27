"""Runs that are killed at any point and begun again, and runs of two processes: the records are those of one run."""

import os
import signal
import socket
import time
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from tests import benchmark_files, evaluation_tiny
from tests.faults import Failed, small_files, told_by

# One server imports the libraries once; each run is a fresh process forked off it.
SERVER = get_context("forkserver")
SERVER.set_forkserver_preload(["tests.evaluation_tiny"])
SECONDS = 240.0
"""After which a run hangs."""


def child(arguments: Sequence[str], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the report is in its file
    evaluation_tiny.evaluate(arguments)


def begun(arguments: Sequence[str], **environment: str) -> BaseProcess:
    process = SERVER.Process(target=child, args=(arguments, environment), daemon=True)
    process.start()
    return process


def ended(*processes: BaseProcess) -> None:
    for process in processes:
        process.join(SECONDS)
        assert process.exitcode == 0


@pytest.fixture(scope="module")
def mae(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command on a small benchmark, in every arm."""
    folder = benchmark_files.write_mae(tmp_path_factory.mktemp("mae"))
    ways = ["--arms", "audio", "silence", "orders", "--read", "likelihood", "free", "--boost", "0.3:0-0,0.5:1-2"]
    return ["mae", "--data", str(folder), *ways, "--effects", "--out"]


@pytest.fixture(scope="module")
def undisturbed(mae: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves that nobody disturbs."""
    out = tmp_path_factory.mktemp("undisturbed")
    ended(begun([*mae, str(out)]))
    return out


def records(folder: Path) -> list[str]:
    """All lines but the headers, by file."""
    return [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()[1:]]


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.jsonl"))


def test_a_run_killed_again_and_again_ends_with_the_records_of_one_that_was_not(
    mae: list[str], undisturbed: Path, tmp_path: Path
) -> None:
    rng, whole = np.random.default_rng(0), size(undisturbed)
    kills = 0
    for point in sorted(rng.integers(0, int(0.9 * whole), 7)):
        process, deadline = begun([*mae, str(tmp_path)]), time.monotonic() + SECONDS
        while size(tmp_path) < max(point, 1) and process.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(float(rng.uniform(0, 0.02)))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(SECONDS)
        kills += process.exitcode == -signal.SIGKILL
        # what a write leaves that power or disk cut short
        (file,) = tmp_path.glob("*.jsonl")
        content = file.read_bytes()
        file.write_bytes(content[: len(content) - int(rng.integers(0, 200))])
    assert kills >= 5
    ended(begun([*mae, str(tmp_path)]))
    assert records(tmp_path) == records(undisturbed)
    (name,) = (file.name for file in undisturbed.glob("*.jsonl"))
    assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes()
    for report in ("mae.md", "mae.json", "mae.html"):
        assert (tmp_path / report).read_text() == (undisturbed / report).read_text()


def on_a_small_disk(arguments: Sequence[str], most_bytes: int) -> None:
    evaluation_tiny.engine()  # what it is made of is written with room
    with small_files(most_bytes):
        evaluation_tiny.evaluate(arguments)


def test_a_run_that_finds_the_disk_full_is_a_sentence_and_goes_on_when_there_is_room(
    mae: list[str], undisturbed: Path, tmp_path: Path
) -> None:
    failed = told_by(on_a_small_disk, [*mae, str(tmp_path)], size(undisturbed) // 2)
    (file,) = tmp_path.glob("*.jsonl")
    advice = "make room on the disk, or take another folder, then start again."
    assert failed == Failed("WriteError", f"{file} cannot be written (File too large): {advice}")
    assert file.stat().st_size <= size(undisturbed) // 2 and not (tmp_path / "mae.md").exists()
    ended(begun([*mae, str(tmp_path)]))
    assert records(tmp_path) == records(undisturbed)


def test_two_processes_share_a_run_and_one_report_has_the_answers_of_both(
    mae: list[str], undisturbed: Path, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # as torchrun and accelerate launch tell processes of each other
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ended(*[begun([*mae, str(tmp_path)], RANK=str(rank), LOCAL_RANK=str(rank), **common) for rank in range(2)])
    files = sorted(tmp_path.glob("*.jsonl"))
    assert len(files) == 2 and all(len(file.read_text().splitlines()) > 10 for file in files)
    assert sorted(records(tmp_path)) == sorted(records(undisturbed)), "each question once, with the same answers"
    assert (tmp_path / "mae.json").read_text() == (undisturbed / "mae.json").read_text()
    ended(begun([*mae, str(tmp_path)]))
    assert sorted(records(tmp_path)) == sorted(records(undisturbed)), "one process goes on where two were"

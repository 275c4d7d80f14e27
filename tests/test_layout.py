"""The house rules that can be read off the files: who imports whom, what the README draws, what never gets in."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODEL_LIBRARIES = {"torch", "transformers", "peft", "accelerate", "bitsandbytes", "onnxruntime", "onnx", "gguf"}
CORE_FOR_THE_APP = {
    *("core.types", "core.errors", "core.engine", "core.audio", "core.fake", "core.serial", "core.texts"),
    "core.files",
    *("core.letters", "core.orders", "core.verdict", "core.measure", "core.spectrogram", "core.summary"),
}


def tracked() -> list[Path]:
    """Files under version control, relative to the root."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout: which files belong to the project cannot be told")
    return [Path(name) for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    """The file's text; empty where it is sound, a picture or weights."""
    content = (ROOT / path).read_bytes()
    return "" if b"\0" in content else content.decode("utf-8")


def modules(package: str) -> list[Path]:
    """Every Python file of a package, committed or not."""
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"{package} is empty"
    return found


def imported(path: Path) -> Iterator[str]:
    """Full names a file imports anywhere, in functions too: `from core import types` gives `core.types`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(name: str) -> str:
    """`core.types.Clip` to `core.types`: the longest part that is a file or a package."""
    parts = name.split(".")
    while parts and not ((ROOT / "/".join(parts)).is_dir() or (ROOT / "/".join(parts)).with_suffix(".py").is_file()):
        parts.pop()
    return ".".join(parts)


def test_core_knows_no_screen() -> None:
    for path in modules("core"):
        names = {name.split(".")[0] for name in imported(path)}
        assert not names & {"gradio", "gradio_client", "chat_app", "app"}, path


def test_the_app_knows_no_model() -> None:
    for path in modules("chat_app"):
        names = set(imported(path))
        assert not {name.split(".")[0] for name in names} & MODEL_LIBRARIES, path
        of_core = {module_of(name) for name in names if name.split(".")[0] == "core"} - {"core"}
        assert of_core <= CORE_FOR_THE_APP, f"{path}: {of_core - CORE_FOR_THE_APP}"


def test_importing_the_app_loads_no_torch() -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in modules("chat_app")
    ]
    imports = "\n".join(f"import {name}" for name in names)
    report = "import sys; print('torch' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}\n{report}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "False"]


TREE_LINE = re.compile(r"^(?P<indent> *)(?P<name>\S+)(?:  +(?P<about>\S.*))?$")


def drawn_tree(markdown: str) -> dict[str, str]:
    """Path to description of each line of the fenced block that begins with `earshot/`; folders end in a slash."""
    block = re.search(r"^```\w*\nearshot/[^\n]*\n(.*?)^```", markdown, re.DOTALL | re.MULTILINE)
    assert block is not None, "README.md draws no file tree: a fenced block whose first line is earshot/"
    tree: dict[str, str] = {}
    folders: list[tuple[int, str]] = []
    for line in filter(str.strip, block[1].splitlines()):
        match = TREE_LINE.match(line)
        assert match is not None, f"a name, two spaces, a description: {line!r}"
        indent = len(match["indent"])
        while folders and folders[-1][0] >= indent:
            folders.pop()
        path = (folders[-1][1] if folders else "") + match["name"]
        tree[path] = match["about"] or ""
        if path.endswith("/"):
            folders.append((indent, path))
    return tree


def test_the_readme_draws_the_tree_as_it_is() -> None:
    drawn = drawn_tree((ROOT / "README.md").read_text(encoding="utf-8"))
    files = tracked()
    existing = {path.as_posix() for path in files} | {
        f"{folder.as_posix()}/" for path in files for folder in path.parents
    }
    assert not set(drawn) - existing, "drawn, but not there"
    assert all(drawn.values()), "each line says what its file is for"
    tops = {path.parts[0] + ("/" if len(path.parts) > 1 else "") for path in files if not path.parts[0].startswith(".")}
    # README.md need not draw itself; an empty __init__.py has nothing to describe.
    python = {
        path.as_posix()
        for path in files
        if path.suffix == ".py" and path.parts[0] in {"core", "chat_app"} and (ROOT / path).stat().st_size > 0
    }
    assert not (tops | python) - set(drawn) - {"README.md"}, "there, but not drawn"


def test_a_drawn_tree_is_read_by_its_indent() -> None:
    drawn = drawn_tree(
        "# x\n```\nearshot/\n  app.py  starts\n  core/  engine\n    types.py   values\n    families/  models\n"
        "      qwen.py  one\n    load.py  loads\n  tests/  checks\n```\n"
    )
    assert drawn == {
        "app.py": "starts",
        "core/": "engine",
        "core/types.py": "values",
        "core/families/": "models",
        "core/families/qwen.py": "one",
        "core/load.py": "loads",
        "tests/": "checks",
    }


RUNNABLE = re.compile(r"^<!-- run(?:: (?P<marker>\w+))? -->\n+```python\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE)


def docs_examples() -> list[object]:
    """Blocks of docs marked `<!-- run -->`, or `<!-- run: weights -->` to carry a pytest marker."""
    return [
        pytest.param(
            match["code"],
            id=f"{path.name}-{number}",
            marks=[getattr(pytest.mark, match["marker"])] if match["marker"] else [],
        )
        for path in sorted((ROOT / "docs").glob("*.md"))
        for number, match in enumerate(RUNNABLE.finditer(path.read_text(encoding="utf-8")), start=1)
    ]


@pytest.mark.parametrize("code", docs_examples())
def test_examples_of_the_docs_run(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(code, "docs example", "exec"), {"__name__": "docs"})


def test_examples_are_found_by_their_mark() -> None:
    blocks = (
        "<!-- run -->\n```python\nx = 1\n```\n```python\nnot_this\n```\n<!-- run: slow -->\n```python\ny = 2\n```\n"
    )
    page = f"text\n{blocks}"
    assert [(match["marker"], match["code"]) for match in RUNNABLE.finditer(page)] == [
        (None, "x = 1\n"),
        ("slow", "y = 2\n"),
    ]


# Put together here, so that this file does not hold what it looks for.
NOWHERE = {
    "a folder of one machine": re.compile(r"(?<![\w.])/(?:" + "work|root|home/[a-z]+" + r")/"),
    "a package index": re.compile("|".join(["pypi" + r"\.org", "python" + r"hosted\.", "download" + r"\.pytorch"])),
    "a note to do it later": re.compile(r"\b(?:" + "TO" + "DO|FIX" + r"ME)\b"),
}
NOT_IN_CODE = {
    "pickle": re.compile(r"^\s*(?:import|from)\s+(?:cloud)?" + "pickle", re.MULTILINE),
    "remote code": re.compile("trust_remote" + r"_code\s*=\s*True"),
    "a public link": re.compile(r"\bshare\s*=\s*" + "True"),
}


@pytest.mark.parametrize("what", NOWHERE)
def test_no_file_holds(what: str) -> None:
    assert [path.as_posix() for path in tracked() if NOWHERE[what].search(text_of(path))] == []


@pytest.mark.parametrize("what", NOT_IN_CODE)
def test_no_code_holds(what: str) -> None:
    assert [
        path.as_posix() for path in tracked() if path.suffix == ".py" and NOT_IN_CODE[what].search(text_of(path))
    ] == []


def test_the_needles_are_sharp() -> None:
    assert NOWHERE["a folder of one machine"].search('open("/' + 'work/x")')
    assert not NOWHERE["a folder of one machine"].search("https://example.org/work/x and frame/work/")
    assert NOWHERE["a package index"].search("https://" + "pypi" + ".org/simple")
    assert NOWHERE["a note to do it later"].search("# TO" + "DO: later")
    assert NOT_IN_CODE["pickle"].search("x = 1\nimport pick" + "le\n")
    assert NOT_IN_CODE["remote code"].search("trust_remote_code" + "=True")
    assert NOT_IN_CODE["a public link"].search("launch(share" + "=True)")

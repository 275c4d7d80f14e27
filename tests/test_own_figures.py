"""What a benchmark makes of its answers itself: its own figures, and files for others' judges."""

from pathlib import Path

import pytest

from tests import benchmark_files as files
from tests.evaluation_tiny import evaluate


@pytest.mark.parametrize("name", ["mugen", "mmau", "star-bench"])
def test_a_benchmark_has_its_own_figures_and_files_for_its_judge(name: str, tmp_path: Path) -> None:
    write = {"mugen": files.write_mugen, "mmau": files.write_mmau, "star-bench": files.write_star_bench}[name]
    write(tmp_path / "data")
    out = tmp_path / "out"
    evaluate([name, "--data", str(tmp_path / "data"), "--arms", "audio", "--read", "free", "--out", str(out)])
    text = (out / f"{name}.md").read_text("utf-8")
    assert ("Its own figures" in text) == (name == "star-bench")
    written = [path.name for path in (out / f"{name}-predictions").rglob("*.json")]
    assert bool(written) == (name != "star-bench")

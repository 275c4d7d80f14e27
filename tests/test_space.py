"""The head of the README, by which the repository is a Hugging Face Space."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def head() -> dict[str, str]:
    """Keys and values of the YAML, each in one line."""
    block = re.match(r"---\n(.*?)\n---\n\n# Earshot\n", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block is not None, "README.md begins with the Space's head"
    lines = [line.partition(": ") for line in block[1].splitlines()]
    return {key: value.strip('"') for key, _, value in lines}


def test_its_versions_are_those_the_app_is_installed_with() -> None:
    told = head()
    requirements = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    assert f"gradio~={told['sdk_version']}" in requirements
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    low, high = (tuple(map(int, bound.split("."))) for bound in re.findall(r"\d+\.\d+", project["requires-python"]))
    assert low <= tuple(map(int, told["python_version"].split("."))) < high
    assert told["license"] == project["license"].lower()


def test_it_names_what_is_there() -> None:
    told = head()
    assert (told["title"], told["sdk"]) == ("Earshot", "gradio")
    assert "demo = build(" in (ROOT / told["app_file"]).read_text("utf-8")
    assert 0 < len(told["short_description"]) <= 60, "what the hub accepts"
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {told["colorFrom"], told["colorTo"]} <= colours

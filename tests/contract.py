"""The contract as a table, family by check.

    python -m tests.contract

runs what every family has to keep and prints how each did: "ok", "FAILED", or "-" where a check is not for a family
(it hears without a processor, or its clips are never longer than its window).
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from core.families import FAMILIES

FILES = ("test_families", "test_hub", "test_load", "test_footprint", "test_proof", "test_own_adapter")
NODE = re.compile(r"::test_(?P<check>\w+)\[(?P<case>.+)\]$")


class Table:
    """A pytest plugin that keeps how each check of each family ended."""

    def __init__(self) -> None:
        self.ended: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest for each phase of each test."""
        found = NODE.search(report.nodeid)
        families = [part for part in found["case"].split("-") if part in FAMILIES] if found else []
        if found and families and (report.when == "call" or report.outcome != "passed"):
            self.ended[found["check"].replace("_", " ")][families[0]].add(report.outcome)

    def __str__(self) -> str:
        names = {name: str(place + 1) for place, name in enumerate(FAMILIES)}
        width = max(map(len, self.ended), default=0)
        lines = [f"{number:>3} {name}" for name, number in names.items()]
        lines += ["", "check".ljust(width) + "".join(number.rjust(4) for number in names.values())]
        for check, ended in self.ended.items():
            cells = (_cell(ended.get(name, set())) for name in names)
            lines.append(check.ljust(width) + "".join(cell.rjust(4) for cell in cells))
        return "\n".join(lines)


def _cell(outcomes: set[str]) -> str:
    return "FAILED" if "failed" in outcomes else "ok" if "passed" in outcomes else "-"


def main() -> int:
    """0 when every family keeps every check."""
    table = Table()
    here = Path(__file__).parent
    # the registry was imported before pytest could rewrite the assertions of a plugin it brings along
    options = ["-k", " or ".join(FAMILIES), "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    status = pytest.main([*options, *(str(here / f"{name}.py") for name in FILES)], [table])
    print(table)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())

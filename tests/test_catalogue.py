"""The list of checkpoints: what it says of sizes is counted from their shapes."""

import pytest

from bench.shapes import SHAPES, counted, token_bytes
from core.catalogue import CHECKPOINTS, table
from core.families import FAMILIES

SIZES = {checkpoint.name: checkpoint.size for checkpoint in CHECKPOINTS}
TOKENS = {checkpoint.name: checkpoint.token_bytes for checkpoint in CHECKPOINTS}


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_sizes_are_those_of_the_shapes(name: str) -> None:
    assert (SIZES[name], TOKENS[name]) == (counted(name), token_bytes(name))


def test_every_family_from_the_hub_has_a_checkpoint_that_is_listed_once() -> None:
    assert {checkpoint.family for checkpoint in CHECKPOINTS} == set(FAMILIES) - {"embedded"}
    assert len(SIZES) == len(CHECKPOINTS) and set(SHAPES) <= set(SIZES)


def test_the_list_has_a_line_for_each_and_the_built_in_model() -> None:
    heading, *lines = table().splitlines()
    assert [line.split()[0] for line in lines] == ["embedded", *SIZES]
    assert {len(line) for line in (heading, *lines)} == {len(heading)}

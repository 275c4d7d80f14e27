"""The long part of the tests, for `make soak`: whatever depends on `SLOW` tries more, or is tried at all."""

import os

import pytest

SLOW = os.environ.get("EARSHOT_SLOW") == "1"
slow = pytest.mark.skipif(not SLOW, reason="long: make soak")

"""Benchmarks by name: where their questions come from, how they are asked, and how an answer is judged."""

from collections.abc import Mapping

from core.evaluation.benchmarks import mae, mmar, mmau, mmau_pro, mugen, pairs, star_bench
from core.evaluation.item import Benchmark

BENCHMARKS: Mapping[str, Benchmark] = {
    module.BENCHMARK.name: module.BENCHMARK for module in (pairs, mae, mugen, mmau, mmar, mmau_pro, star_bench)
}

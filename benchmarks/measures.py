"""Claim: every measure runs over 1,000 models x 60,000 examples in seconds and bounded memory.

Measures by example go block by block, as a run calls them; making the evidence is not timed. Trajectories have 20
checkpoints. Influence is over 2,000 models x 50,000 examples x 10,000 queries. `--quick` takes a tenth of the examples
(influence: 500 x 20,000 x 2,000) under the same bars. Memory is what a measure takes beyond its evidence.

Usage: python benchmarks/measures.py [--quick]
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from _timing import finish

from byrote.evidence.schema import quantity
from byrote.measures.catalog import Measure, catalog
from byrote.measures.influence import influence
from byrote.run import BLOCK_BYTES

MODELS, EXAMPLES, CHECKPOINTS = 1000, 60_000, 20


def evidence(need: str, sizes: dict[str, int], rng: np.random.Generator) -> np.ndarray:
    """Random evidence of that name."""
    if need == "design.pair":
        return np.arange(sizes["model"]) // 2
    if need == "design.member":
        first = rng.integers(0, 2, (sizes["model"] // 2, sizes["example"]), dtype=np.int8)
        return np.stack([first, 1 - first], axis=1).reshape(sizes["model"], sizes["example"])
    if need == "trajectory.epochs":
        return np.arange(sizes["checkpoint"])
    expected = quantity(need)
    shape = tuple(sizes[dim] for dim in expected.dims)
    if expected.dtype == "bool":
        return rng.integers(0, 2, shape, dtype=np.int8).astype(bool)
    if need == "presentation.presentations":
        return np.full(shape, 100, np.int32)
    if expected.dtype.startswith("int"):
        return rng.integers(0, 3, shape, dtype=np.int32)
    return rng.random(shape, dtype=np.float32)


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and the most bytes held beyond what was held before; in two runs, for tracing costs time."""
    started = time.perf_counter()
    function()
    seconds = time.perf_counter() - started
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, float(peak)


def over_blocks(entry: Measure, examples: int, rng: np.random.Generator) -> tuple[float, float]:
    """One measure over all examples; a measure that is not by example takes them as one block."""
    checkpoints = CHECKPOINTS if any(need.startswith("trajectory.") for need in entry.needs) else 1
    size = max(1, BLOCK_BYTES // (8 * MODELS * checkpoints * len(entry.needs)))
    size = min(size, examples) if entry.by_example else examples
    sizes = {"model": MODELS, "example": size, "checkpoint": CHECKPOINTS}
    arguments = {name: evidence(need, sizes, rng) for name, need in entry.parameters.items()}
    blocks = -(-examples // size)
    # every block is of the same shape: one is run three times, and its median stands for each
    seconds, peaks = zip(*(timed(lambda: entry.function(**arguments)) for _ in range(3)), strict=True)
    return float(np.median(seconds)) * blocks, max(peaks)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the examples, same bars")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    examples = EXAMPLES // 10 if options.quick else EXAMPLES
    figures: dict[str, float] = {"examples": examples}
    bars: dict[str, float] = {}
    for key, entry in catalog().items():
        if key == "influence":
            continue
        figures[f"{key} seconds"], figures[f"{key} GB"] = over_blocks(entry, examples, rng)
        bars |= {f"{key} seconds": 60.0, f"{key} GB": 2.0}
    models, trained, queries = (500, 20_000, 2_000) if options.quick else (2_000, 50_000, 10_000)
    sizes = {"model": models, "example": trained, "query": queries}
    correct = evidence("heldout.correct", sizes, rng)
    member = evidence("design.member", sizes, rng)
    figures["influence seconds"], peak = timed(lambda: influence(correct, member))
    figures["influence GB"] = peak
    bars |= {"influence seconds": 120.0, "influence GB": 2.0}
    for name in figures:
        if name.endswith(" GB"):
            figures[name] /= 1e9
    finish(figures, bars, at_most=tuple(bars))


if __name__ == "__main__":
    main()

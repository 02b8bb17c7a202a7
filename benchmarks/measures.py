"""Claim: every measure runs over 1,000 models x 60,000 examples in seconds and bounded memory.

Seconds: at most 60 a measure, 120 for influence, summed over all blocks of examples, each with evidence of its own, as
a run would read it; making the evidence is not timed. Memory: at most 2 GB beyond the evidence (tracemalloc), from a
first block that is not timed. Trajectories have 20 checkpoints. Influence is over 2,000 models x 50,000 examples x
10,000 queries. One example in a hundred is a canary that is to be forgotten. `--quick` takes a tenth of the examples
(influence: 500 x 20,000 x 2,000) under the same bars.

Usage: python benchmarks/measures.py [--quick]
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np
from _timing import finish

from byrote.evidence.schema import quantity
from byrote.measures.catalog import Measure, catalog
from byrote.measures.influence import influence
from byrote.runs.run import BLOCK_BYTES

MODELS, EXAMPLES, CHECKPOINTS, CLASSES = 1000, 60_000, 20, 10
#: Logits are kept while they fit into a gigabyte.
LOGIT_MODELS = 256


def evidence(need: str, sizes: dict[str, int], rng: np.random.Generator) -> np.ndarray:
    """Random evidence of that name."""
    if need == "design.pair":
        return np.arange(sizes["model"]) // 2
    if need == "design.member":
        first = rng.integers(0, 2, (sizes["model"] // 2, sizes["example"]), dtype=np.int8)
        return np.stack([first, 1 - first], axis=1).reshape(sizes["model"], sizes["example"])
    if need == "design.ratio":
        return np.full(sizes["model"], 0.5)
    if need in ("trajectory.epochs", "first_phase.epochs"):
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


def seconds_of(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def gigabytes_of(function: Callable[[], object]) -> float:
    """The most that one call holds beyond what was held before; in a call of its own, for tracing costs time."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e9


def over_blocks(entry: Measure, models: int, examples: int, rng: np.random.Generator) -> tuple[float, float]:
    """Seconds and GB of one measure over all examples; one that is not by example takes them as one block."""
    checkpoints = CHECKPOINTS if any("checkpoint" in quantity(need).dims for need in entry.needs) else 1
    size = max(1, BLOCK_BYTES // (8 * models * checkpoints * len(entry.needs))) if entry.by_example else examples
    seconds = gigabytes = 0.0
    for start in range(0, examples, size):
        sizes = {"model": models, "example": min(size, examples - start), "checkpoint": CHECKPOINTS, "class": CLASSES}
        arguments = {name: evidence(need, sizes, rng) for name, need in entry.parameters.items()}
        call = partial(entry.function, **arguments)
        if not start:
            gigabytes = gigabytes_of(call)
        seconds += seconds_of(call)
    return seconds, gigabytes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the examples, same bars")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    examples = EXAMPLES // 10 if options.quick else EXAMPLES
    figures: dict[str, float] = {"examples": examples}
    bars: dict[str, float] = {}
    for key, entry in catalog().items():
        # attacks have a benchmark of their own, and so have the measures of text
        if key == "influence" or entry.attacks or entry.of_text:
            continue
        models = LOGIT_MODELS if "outputs.logits" in entry.needs else MODELS
        looked_at = examples // 100 if key == "rate_of_forgetting" else examples
        seconds, gigabytes = over_blocks(entry, models, looked_at, rng)
        print(f"{key}: {seconds:.1f} s, {gigabytes:.2f} GB", file=sys.stderr, flush=True)
        figures[f"{key} seconds"], figures[f"{key} GB"] = seconds, gigabytes
        bars |= {f"{key} seconds": 60.0, f"{key} GB": 2.0}
    models, trained, queries = (500, 20_000, 2_000) if options.quick else (2_000, 50_000, 10_000)
    sizes = {"model": models, "example": trained, "query": queries}
    correct = evidence("heldout.correct", sizes, rng)
    member = evidence("design.member", sizes, rng)
    call = partial(influence, correct, member)
    figures["influence GB"] = gigabytes_of(call)
    figures["influence seconds"] = seconds_of(call)
    bars |= {"influence seconds": 120.0, "influence GB": 2.0}
    finish(figures, bars, at_most=tuple(bars))


if __name__ == "__main__":
    main()

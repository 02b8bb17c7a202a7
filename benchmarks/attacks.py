"""Claim: every attack scores 256 models x 60,000 examples in seconds and bounded memory, and RMIA grows as n log n.

Each model is a target once, its mate left out of its references. Seconds: at most 30 an attack, from one call that is
not traced. Memory: at most 2 GB beyond the evidence (tracemalloc), from another call. Growth: RMIA's seconds at 8 times
the examples (120,000 against 15,000, 32 models, median of 3 interleaved rounds) over 8 log(8 n) / log(n), which is 1
where it grows as n log n and 6.6 where as n^2; at most 1.5. `--quick` takes a tenth of the examples under the same
bars.

Usage: python benchmarks/attacks.py [--quick]
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from functools import partial
from math import log

import numpy as np
from _timing import finish, interleaved, ratio

from byrote.evidence.schema import quantity
from byrote.measures.catalog import catalog, find
from byrote.measures.rmia import rmia

MODELS, EXAMPLES, CLASSES, AUGMENTATIONS = 256, 60_000, 10, 2
ATTACKS = ("lira", "rmia", "loss_attack", "entropy_attack", "margin_attack", "membership_risk")


def evidence(need: str, models: int, examples: int, rng: np.random.Generator) -> np.ndarray:
    """Random evidence of that name."""
    if need == "design.pair":
        return np.arange(models) // 2
    if need == "design.member":
        first = rng.integers(0, 2, (models // 2, examples), dtype=np.int8)
        return np.stack([first, 1 - first], axis=1).reshape(models, examples)
    if need == "data.label":
        return rng.integers(0, CLASSES, examples)
    sizes = {"model": models, "example": examples, "class": CLASSES, "augmentation": AUGMENTATIONS}
    return rng.standard_normal(tuple(sizes[dim] for dim in quantity(need).dims), dtype=np.float32)


def growth(examples: int, rng: np.random.Generator) -> float:
    """How RMIA grows from these examples to 8 times as many, as a multiple of n log n."""
    calls = {}
    for name, size in (("few", examples), ("many", 8 * examples)):
        needs = ("outputs.log_odds", "design.member", "design.pair")
        calls[name] = partial(rmia, *(evidence(need, 32, size, rng) for need in needs))
    expected = 8 * log(8 * examples) / log(examples)
    return ratio(interleaved(calls, rounds=3), slow="many", fast="few") / expected


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the examples, same bars")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    examples = EXAMPLES // 10 if options.quick else EXAMPLES
    figures: dict[str, float] = {"models": MODELS, "examples": examples}
    bars: dict[str, float] = {}
    for key in (key for key in catalog() if key.partition("[")[0] in ATTACKS):
        entry = find(key)
        arguments = {name: evidence(need, MODELS, examples, rng) for name, need in entry.parameters.items()}
        started = time.perf_counter()
        entry.function(**arguments)
        figures[f"{key} seconds"] = time.perf_counter() - started
        tracemalloc.start()
        entry.function(**arguments)
        figures[f"{key} GB"] = tracemalloc.get_traced_memory()[1] / 1e9
        tracemalloc.stop()
        bars |= {f"{key} seconds": 30.0, f"{key} GB": 2.0}
    figures["rmia growth over n log n"] = growth(1_500 if options.quick else 15_000, rng)
    bars["rmia growth over n log n"] = 1.5
    finish(figures, bars, at_most=tuple(bars))


if __name__ == "__main__":
    main()

"""Interleaved timing: every round runs every contestant once, so that a drifting machine drifts under all of them."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from statistics import median


def interleaved(
    contestants: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each contestant in each round, after one round that does not count, by a clock."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            started = clock()
            run()
            if number:
                seconds[name].append(clock() - started)
    return seconds


def ratio(seconds: dict[str, list[float]], slow: str, fast: str) -> float:
    """How many times as fast `fast` is as `slow`: the median of the rounds' ratios."""
    return median(a / b for a, b in zip(seconds[slow], seconds[fast], strict=True))


def finish(figures: dict[str, float], bars: dict[str, float], *, at_most: tuple[str, ...] = ()) -> None:
    """Print one line of JSON and end with status 1 where a figure is beyond its bar."""
    failed = [name for name, bar in bars.items() if (figures[name] > bar if name in at_most else figures[name] < bar)]
    versions = {name: version(name) for name in ("byrote", "torch", "numpy")} | {"python": platform.python_version()}
    rounded = {name: round(value, 4) for name, value in figures.items()}
    print(json.dumps({"figures": rounded, "bars": bars, "failed": failed, "versions": versions}))
    sys.exit(bool(failed))

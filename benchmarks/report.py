"""Claim: a report costs seconds, whatever the size of its run.

CPU seconds: at most 5 at 64 models x 4,000 examples, at most 15 at 256 x 60,000, from the opened folder to the written
page; memory: at most 1 GB beyond what the process holds before it opens the run. Imports do not count. Not reached yet:
on an EPYC core of 2 GHz that others use as well, where the smaller one took 60 s when this was written, it takes 18 s,
9 of them for attacks that are made again without each part of the models and with membership swapped, and 3 for
figures; the same core took 24 s before these came from sums by pair. The larger one took 95 s at first and 62 s and
0.99 GB then, half of that for measures by example. The evidence is synthetic: 10 classes, one
example in twenty with a planted wrong label, held-out answers, logits, what training saw, and, of the smaller run,
answers at 20 checkpoints. `--quick` takes a fifth of the models (at least 16) and examples under the same bars.

Usage: python benchmarks/report.py [--quick]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

from _invented import Invented, make
from _timing import finish

CHECKPOINTS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 17, 22, 28, 36, 46, 60, 77, 100)
SIZES = {"small": (64, 4_000, CHECKPOINTS), "large": (256, 60_000, ())}
BARS = {"small seconds": 5.0, "small GB": 1.0, "large seconds": 15.0, "large GB": 1.0}


def report_on(folder: str) -> tuple[float, float]:
    """CPU seconds and GB of one report, in a process of its own."""
    import matplotlib.figure  # noqa: F401 - what is imported to draw does not count

    from byrote.report.page import write_report
    from byrote.runs.run import Run

    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    write_report(Run.open(folder))
    seconds = time.process_time() - started
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a fifth of the models and examples, same bars")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    for name, (models, examples, epochs) in SIZES.items():
        if options.quick:
            models, examples = max(16, models // 5 // 2 * 2), examples // 5
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / name
            make(folder, Invented(models, examples, epochs))
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                figures[f"{name} seconds"], figures[f"{name} GB"] = pool.apply(report_on, (str(folder),))
    finish(figures, BARS, at_most=tuple(BARS))


if __name__ == "__main__":
    main()

"""Claim: what is large does not have to fit into memory.

A run of 2,000 models x 60,000 examples is measured, reported and verified within 2 GB, each in a process of its own
whose whole memory counts (`ru_maxrss`), and its page has at most 10 MB. Time grows no faster than models, examples or
classes: CPU seconds of a report, with each of the three eight times as large, grow by a power of at most 1.1. Importing
logits of 256 models x 60,000 examples x 10 classes takes at most half of what they take. So does reading inputs of 1 GB
on a machine that is said to have no more (`RssAnon`: what is mapped from a file the system can drop).

The evidence is synthetic, written by what writes that of audits, without logits, which an audit of that size does not
keep. `--quick` takes a tenth of the models and examples, and a third or a quarter of what is imported and read, under
the same bars.

Usage: python benchmarks/scale.py [--quick] [--folder FOLDER]   (the large run takes 5 GB of disk there)
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _invented import Quick, make
from _timing import finish

MODELS, EXAMPLES, CLASSES = 2_000, 60_000, 10
#: From here each of the three grows by `TIMES`.
SMALL, TIMES = (16, 2_000, 5), 8
MEASURES = ("label_memorization", "membership_risk", "consistency_score", "forgetting_events")
STEPS = ("measure", "report", "verify")
GROWING = ("models", "examples", "classes")
BARS = {
    **{f"{step} GB": 2.0 for step in STEPS},
    "report MB": 10.0,
    **{f"power of {name}": 1.1 for name in GROWING},
    "share imported": 0.5,
    "share read": 0.5,
}


def apart(step: Callable[..., None], *given: Any) -> tuple[float, float]:
    """CPU seconds of a step and the GB that its process takes, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (step, given))


def _measured(step: Callable[..., None], given: tuple[Any, ...]) -> tuple[float, float]:
    started = time.process_time()
    step(*given)
    return time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def invent(folder: str, models: int, examples: int, classes: int) -> None:
    make(Path(folder), Quick(models, examples, classes))


def measure(folder: str) -> None:
    from byrote.runs.run import Run

    run = Run.open(folder)
    for key in MEASURES:
        run.measure(key)


def report(folder: str) -> None:
    from byrote.report.page import write_report
    from byrote.runs.run import Run

    write_report(Run.open(folder))


def verify(folder: str) -> None:
    from byrote.report.verify import examine
    from byrote.runs.run import Run

    found = examine(Run.open(folder))
    assert not found.faults, found.faults[:3]


def import_logits(folder: str, models: int, examples: int) -> float:
    """The memory that importing takes at most, beyond what was there before, as a share of what the logits take."""
    from byrote.evidence.by_model import ByModel
    from byrote.runs.imported import import_arrays

    rng = np.random.default_rng(0)
    noise = rng.normal(size=(examples, CLASSES)).astype(np.float32)
    member = (np.arange(models)[:, None] + rng.integers(0, 2, examples)) % 2
    logits = ByModel(models, lambda model: np.roll(noise, model, axis=0))
    given = {"labels": np.arange(examples) % CLASSES, "member": member.astype(np.int8)}
    few = {"labels": given["labels"], "member": given["member"][:2], "evidence": {"outputs.logits": logits[:2]}}
    import_arrays(Path(folder) / "first", **few)  # modules that the first import loads do not count
    with Watched() as memory:
        import_arrays(Path(folder) / "imported", **given, evidence={"outputs.logits": logits})
    return memory.beyond / (models * noise.nbytes)


class Items:
    """Images that are made when they are asked for."""

    def __init__(self, count: int) -> None:
        self.count, self.image = count, np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        return self.image + np.float32(row), row % CLASSES


def read_inputs(folder: str, count: int) -> float:
    """The memory that reading so many images takes at most, beyond what was there before, as a share of the images."""
    from byrote.data import room
    from byrote.data.mapped import place_of
    from byrote.data.torch_dataset import from_torch

    os.environ["TMPDIR"] = folder
    size = count * 3 * 64 * 64 * 4
    room.memory = lambda: size
    with Watched() as memory:
        dataset = from_torch(Items(count))
        dataset.fingerprint()
    assert place_of(dataset.inputs) is not None
    return memory.beyond / size


class Watched:
    """The memory of this process that no file stands behind, while something is done."""

    def __enter__(self) -> Watched:
        self.before, self.most, self.done = self.own(), 0, threading.Event()
        self.watching = threading.Thread(target=self.watch)
        self.watching.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.done.set()
        self.watching.join()

    @property
    def beyond(self) -> int:
        """The most bytes beyond those at the start."""
        return max(0, self.most - self.before)

    def watch(self) -> None:
        while not self.done.wait(0.01):
            self.most = max(self.most, self.own())

    def own(self) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def of_large_run(place: Path, models: int, examples: int) -> dict[str, float]:
    """What a large run takes."""
    folder = str(place / "large")
    apart(invent, folder, models, examples, CLASSES)
    figures: dict[str, float] = {}
    for name, step in zip(STEPS, (measure, report, verify), strict=True):
        figures[f"{name} seconds"], figures[f"{name} GB"] = apart(step, folder)
    figures["report MB"] = (Path(folder) / "report.html").stat().st_size / 1e6
    return figures


def powers(place: Path) -> dict[str, float]:
    """By which power of models, examples and classes the CPU seconds of a report grow."""
    seconds = []
    for number in range(4):
        sizes = [size * (TIMES if number == each + 1 else 1) for each, size in enumerate(SMALL)]
        folder = str(place / f"growing-{number}")
        apart(invent, folder, *sizes)
        seconds.append(min(apart(report, folder)[0] for _ in range(2)))
    return {
        f"power of {name}": math.log(own / seconds[0]) / math.log(TIMES)
        for name, own in zip(GROWING, seconds[1:], strict=True)
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of models, examples and inputs, same bars")
    parser.add_argument("--folder", default=None, help="where the runs are written")
    options = parser.parse_args()
    part = 10 if options.quick else 1
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        place = Path(name)
        figures = {**of_large_run(place, MODELS // part, EXAMPLES // part), **powers(place)}
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            figures["share imported"] = pool.apply(import_logits, (name, 256, EXAMPLES // (3 if options.quick else 1)))
            figures["share read"] = pool.apply(read_inputs, (name, 20_000 // (4 if options.quick else 1)))
    finish(figures, BARS, at_most=tuple(BARS))


if __name__ == "__main__":
    main()

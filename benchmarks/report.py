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

import numpy as np
from _timing import finish

from byrote.data.controls import LABEL_NOISE, Controls
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.evidence.finite import not_finite, verdict
from byrote.evidence.store import Evidence
from byrote.runs.imported import signals_of
from byrote.runs.opening import Tables, described, opened

CLASSES, HELDOUT = 10, 1_000
CHECKPOINTS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 17, 22, 28, 36, 46, 60, 77, 100)
SIZES = {"small": (64, 4_000, CHECKPOINTS), "large": (256, 60_000, ())}
BARS = {"small seconds": 5.0, "small GB": 1.0, "large seconds": 15.0, "large GB": 1.0}


class Invented:
    """Examples that are easy, hard or mislabelled, and models that learn the first and memorize the rest."""

    def __init__(self, models: int, examples: int, epochs: tuple[int, ...]) -> None:
        self.rng, self.epochs = np.random.default_rng(0), epochs
        self.truth = self.rng.integers(0, CLASSES, examples)
        self.queries = self.rng.integers(0, CLASSES, HELDOUT)
        self.wrong = self.rng.random(examples) < 0.05
        shifted = (self.truth + self.rng.integers(1, CLASSES, examples)) % CLASSES
        self.labels = np.where(self.wrong, shifted, self.truth)
        self.easy = self.rng.gamma(2.0, 1.5, examples)
        self.design = half_subset_pairs(examples, models, rng=self.rng)

    def logits(self, model: int, strength: float = 1.0) -> np.ndarray:
        """`[example, class]`: the truth, the label where the model was trained on it, and noise."""
        found = self.rng.normal(size=(len(self.labels), CLASSES)).astype(np.float32)
        every = np.arange(len(self.labels))
        found[every, self.truth] += strength * self.easy
        found[every, self.labels] += strength * 4.0 * self.design.member[model]
        return found

    def of_heldout(self) -> np.ndarray:
        """The same of held-out examples."""
        found = self.rng.normal(size=(HELDOUT, CLASSES)).astype(np.float32)
        found[np.arange(HELDOUT), self.queries] += self.rng.gamma(2.0, 1.5, HELDOUT)
        return found

    def shards(self, model: int) -> dict[str, dict[str, np.ndarray]]:
        """All evidence of a model."""
        logits, member = self.logits(model), self.design.member[model]
        shown = np.where(member, 100, 0).astype(np.int32)
        learned = self.rng.integers(1, 60, len(member), dtype=np.int32) * member
        found = {
            "outputs": {"logits": logits, **_signals(logits, self.labels)},
            "heldout": _signals(self.of_heldout(), self.queries),
            "presentation": {
                "presentations": shown,
                "loss_sum": (shown * self.rng.gamma(1.0, 3.0 / (1 + self.easy))).astype(np.float32),
                "logit_margin_sum": (shown * self.rng.normal(self.easy, 1.0)).astype(np.float32),
                "forgetting_count": self.rng.poisson(4.0 / (1 + self.easy)).astype(np.int32) * member,
                "first_learned": learned.astype(np.int32),
            },
        }
        if self.epochs:
            course = [_signals(self.logits(model, e / (e + 5)), self.labels) for e in self.epochs]
            kept = ("log_odds", "logit_margin", "entropy", "top_confidence")
            found["trajectory"] = {name: np.stack([at[name] for at in course]) for name in kept}
            found["trajectory"]["epochs"] = np.array(self.epochs, np.int64)
        return found


def _signals(logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[0] for name, values in signals_of(logits[None], labels).items()}


def make(folder: Path, models: int, examples: int, epochs: tuple[int, ...]) -> None:
    """Write a run of invented evidence, a model at a time."""
    made = Invented(models, examples, epochs)
    ids, names = np.arange(examples).astype(np.str_), tuple(map(str, range(CLASSES)))
    planted = Controls(
        example=ids[made.wrong],
        kind=np.full(int(made.wrong.sum()), LABEL_NOISE),
        original=made.truth[made.wrong].astype(np.str_),
    )
    manifest = described(
        made.design,
        origin="imported",
        dataset={"name": "invented", "examples": examples, "class_names": list(names), "fingerprint": None},
        heldout={"examples": HELDOUT},
        checkpoints=epochs,
        evidence=("outputs", "heldout", "presentation", *(["trajectory"] if epochs else [])),
    )
    tables = Tables(ids=ids, labels=made.labels, controls=planted)
    with opened(folder, made.design, tables, lambda: manifest):
        store = Evidence(folder / "evidence")
        for model in range(models):
            for kind, columns in made.shards(model).items():
                store.write(kind, model, 0, columns, verdict(not_finite(columns)).words())


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
            make(folder, models, examples, epochs)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                figures[f"{name} seconds"], figures[f"{name} GB"] = pool.apply(report_on, (str(folder),))
    finish(figures, BARS, at_most=tuple(BARS))


if __name__ == "__main__":
    main()

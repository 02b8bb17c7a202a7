"""Claim: triage tells planted trouble apart by its kind, learned from another planting over the same data.

Two plantings each of digits and of 4,000 images of Fashion-MNIST; what one taught is judged on the other, both ways
round. Confusion tables are printed for all signals, without when an example is forgotten in a second split, without
anything that training left behind (end-state answers only), and without distances between inputs. Bars: accuracy
(mean over kinds of the share told right) .80 on digits and .65 on Fashion-MNIST; confidence within .10 of it.

Usage: python benchmarks/triage.py [--quick] [--data-dir DIR]; `--quick` takes digits only.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from _timing import finish

import byrote
from byrote.analyses.triage import MEASURES, Signals, Triage, triage
from byrote.changes.planting import plant
from byrote.cli.sources import DIGITS
from byrote.data.dataset import Dataset
from byrote.data.digits import digits
from byrote.data.fashion_mnist import fashion_mnist
from byrote.recipes.recipe import Recipe
from byrote.runs.run import Run

FASHION = byrote.Recipe(network=byrote.MLP(hidden=(256,)), epochs=60, batch_size=32, optimizer=byrote.SGD(lr=0.05))
EXAMPLES = 4_000
DISTANCES = (
    "distance_to_the_same_label",
    "distance_to_another_label",
    "ratio_of_distances",
    "nearness_of_the_same_label",
    "nearness_of_another_label",
    "share_of_neighbours_alike",
)
BARS = {"digits accuracy": 0.80, "fashion-mnist accuracy": 0.65}


def without_distances(known: Signals) -> Signals:
    """All but what inputs say of each other."""
    return known.without(*DISTANCES)


def end_state(known: Signals) -> Signals:
    """What trained networks answer, and nothing of how they came there."""
    return known.without(*DISTANCES, *MEASURES)


def runs_of(dataset: Dataset, recipe: Recipe, folder: Path, seed: int) -> tuple[Run, Run]:
    """The ensemble of one planting, and its second-split run."""
    data = plant(dataset, "triage", seed=seed)
    ensemble = byrote.audit(data, recipe, models=32, full=0, out=folder / f"halves{seed}", seed=seed)
    splits = byrote.two_splits(len(data), 16, rng=np.random.default_rng(seed))
    return ensemble, byrote.audit(data, recipe, design=splits, out=folder / f"splits{seed}", seed=seed)


def judged(found: list[Triage]) -> tuple[np.ndarray, float, float, float]:
    """Summed confusion; accuracy, log loss and confidence on average."""
    of = [np.mean([getattr(each, name) for each in found]) for name in ("accuracy", "log_loss", "confidence")]
    return sum(each.confusion for each in found), float(of[0]), float(of[1]), float(of[2])  # type: ignore[return-value]


def study(name: str, dataset: Dataset, recipe: Recipe, folder: Path) -> dict[str, float]:
    """All signal sets on one dataset."""
    pairs = [runs_of(dataset, recipe, folder / name, seed) for seed in (0, 1)]
    (first, first_split), (second, second_split) = pairs
    figures = {}
    for words, only, splits in (
        ("all signals and forgetting times", None, True),
        ("all signals", None, False),
        ("no distances", without_distances, False),
        ("end state only", end_state, False),
        ("end state and forgetting times", end_state, True),
    ):
        found = []
        for judge, teacher, forgetting in (
            (first, second, (first_split, second_split)),
            (second, first, (second_split, first_split)),
        ):
            given = {} if only is None else {"only": only}
            found.append(triage(judge, taught_by=teacher, forgetting=forgetting if splits else (), **given))
        table, accuracy, log_loss, confidence = judged(found)
        print(f"{name}, {words}: accuracy {accuracy:.3f}, log loss {log_loss:.3f}, confidence {confidence:.3f}")
        for kind, row in zip(found[0].kinds, table, strict=True):
            print(f"  {kind:24}", *(f"{count:5d}" for count in row))
        figures[f"{name} {words} accuracy"] = accuracy
        if words == "all signals":
            figures |= {f"{name} accuracy": accuracy, f"{name} calibration error": abs(accuracy - confidence)}
    return figures


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data-dir", default="/usr/share/datasets/fashion-mnist")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        figures = study("digits", digits()[0], DIGITS, Path(place))
        bars = {"digits accuracy": BARS["digits accuracy"], "digits calibration error": 0.1}
        if not options.quick:
            images, _ = fashion_mnist(options.data_dir)
            some = np.sort(np.random.default_rng(0).permutation(len(images))[:EXAMPLES])
            figures |= study("fashion-mnist", images.subset(some), FASHION, Path(place))
            bars |= {"fashion-mnist accuracy": BARS["fashion-mnist accuracy"], "fashion-mnist calibration error": 0.1}
        finish(figures, bars, at_most=tuple(name for name in bars if "error" in name))


if __name__ == "__main__":
    main()

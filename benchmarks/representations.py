"""Claim: what layers hand on tells networks that memorize from others as in an independent small experiment.

Digits, 1,200 examples to train on and 597 held out; an MLP 64-256-128-64-10, SGD with momentum .9, rate .1 along half a
cosine, batches of 32, 60 epochs (random labels: 120), six seeds. Arms: true labels, 10 % wrong labels, random labels.
The figures of that experiment stand beside each figure here, whose error is over the models. Four differences are
known: at 597 inputs SVCCA and PWCCA keep 29 directions here (without that limit untrained layers have .76 .66 .56 .44
and .89 .77 .64 .49, as in the other experiment); its linear classifiers are logistic; its split of digits is another,
and dilation follows the split: at epoch 60 eight splits and draws of labels have .65 .44 .49 (noisy, clean, held out)
with a standard deviation of .026 .022 .027 between them, and of .011 between seeds of one.

Usage: python benchmarks/representations.py [--quick]; `--quick` takes two arms, 3 seeds and few checkpoints.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from _timing import finish

import byrote
from byrote.analyses.benign_memorization import benign_memorization
from byrote.analyses.similarity import similarity
from byrote.changes.change import Context
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data.controls import LABEL_NOISE, planted
from byrote.data.dataset import Dataset
from byrote.data.digits import digits
from byrote.designs.full_data import full_data
from byrote.engine.afterwards import probe
from byrote.recipes.schedules import Cosine
from byrote.results import Curve, Table
from byrote.runs.run import Run

RECIPE = byrote.Recipe(
    network=byrote.MLP(hidden=(256, 128, 64)),
    epochs=60,
    batch_size=32,
    optimizer=byrote.SGD(lr=0.1, momentum=0.9),
    schedule=Cosine(),
)
PROBES = ("neural_collapse", "dilation", "layer_probes", "intrinsic_dimension")
TRUE, NOISE, RANDOM = "true labels", "10 % wrong", "random labels"
#: Figures of the other experiment: by arm, at hidden layers 1, 2, 3 and the logits.
LIKENESS = {
    ("PWCCA", "untrained"): (0.88, 0.75, 0.64, 0.47),
    ("PWCCA", TRUE): (0.89, 0.89, 0.90, 0.97),
    ("PWCCA", NOISE): (0.86, 0.84, 0.82, 0.91),
    ("PWCCA", RANDOM): (0.84, 0.72, 0.61, 0.63),
    ("CKA", "untrained"): (0.91, 0.72, 0.54, 0.23),
    ("CKA", TRUE): (0.95, 0.92, 0.88, 0.84),
    ("CKA", NOISE): (0.94, 0.90, 0.84, 0.84),
    ("CKA", RANDOM): (0.85, 0.64, 0.47, 0.45),
    ("SVCCA", "untrained"): (0.74, 0.64, 0.58, 0.43),
    ("SVCCA", TRUE): (0.77, 0.83, 0.92, 0.91),
    ("SVCCA", NOISE): (0.74, 0.72, 0.72, 0.90),
    ("SVCCA", RANDOM): (0.71, 0.61, 0.51, 0.61),
}
DIMENSION = {
    "untrained": (8.5, 8.8, 9.0, 8.5, 7.1),
    TRUE: (8.5, 6.8, 5.4, 4.3, 3.7),
    NOISE: (8.5, 7.5, 6.0, 5.1, 4.4),
    RANDOM: (8.5, 8.1, 7.9, 7.8, 6.5),
}
NEIGHBOURS = {
    "untrained": (0.977, 0.976, 0.977, 0.952),
    NOISE: (0.977, 0.979, 0.984, 0.975),
    RANDOM: (0.977, 0.973, 0.924, 0.813),
}
LINEAR = {"untrained": (0.977, 0.965, 0.931), NOISE: (0.983, 0.982, 0.977), RANDOM: (0.984, 0.956, 0.841)}
COLLAPSE = {"NC1": (2.24, 0.53, 0.35, 0.32, 0.35, 0.35), "NC2 angles": (0.25, 0.23, 0.14, 0.13, 0.14, 0.14)}
COLLAPSE |= {"NC4": (0.91, 0.11, 0.03, 0.02, 0.06, 0.07)}
COLLAPSE_AT = (0, 3, 8, 20, 40, 60)
DILATION = {"planted label noise": (0.39, 0.60), "clean": (0.31, 0.40), "held out": (0.35, 0.44)}


def arms() -> dict[str, Dataset]:
    """The training data of each arm."""
    clean, rng = data()[0], np.random.default_rng(1)
    noisy = SymmetricLabelNoise(0.1).apply(clean, Context(dataset=clean, rng=rng))
    targets = rng.permutation(clean.targets)
    moved = np.flatnonzero(targets != clean.targets)
    controls = planted(LABEL_NOISE, clean.ids[moved], [clean.class_names[label] for label in clean.targets[moved]])
    random = clean.replace(name="digits with random labels", targets=targets, controls=controls)
    return {TRUE: clean, NOISE: noisy, RANDOM: random}


def data() -> tuple[Dataset, Dataset]:
    """1,200 digits to train on, and those held out."""
    both = digits()
    inputs, targets = (np.concatenate([getattr(one, name) for one in both]) for name in ("inputs", "targets"))
    whole = byrote.from_arrays(inputs, targets, name="digits", class_names=both[0].class_names)
    order = np.random.default_rng(0).permutation(len(whole))
    return whole.subset(np.sort(order[:1200])), whole.subset(np.sort(order[1200:]))


def trained(arm: str, dataset: Dataset, folder: Path, *, seeds: int, checkpoints: int, epochs: int) -> Run:
    """The models of one arm, read while they train and compared afterwards."""
    run = byrote.audit(
        dataset,
        replace(RECIPE, epochs=2 * epochs if arm == RANDOM else epochs),
        heldout=data()[1],
        design=full_data(len(dataset), seeds),
        probes=PROBES,
        checkpoints=checkpoints,
        keep_weights_at="checkpoints",
        out=folder / arm.replace(" ", "-").replace("%", "percent"),
        progress=False,
    )
    return probe(run, "similarity")


def line(name: str, found: np.ndarray, error: np.ndarray, beside: tuple[float, ...]) -> float:
    """Print figures with their errors and the others', and give the largest distance."""
    ours = "  ".join(f"{value:.3f} ± {one:.3f}" for value, one in zip(found, error, strict=True))
    theirs = "  ".join(f"{value:.3f}" for value in beside)
    print(f"{name:42} {ours}   | {theirs}")
    return float(np.nanmax(np.abs(found - np.array(beside)))) if beside else 0.0


def likeness(run: Run, arm: str) -> dict[str, float]:
    """Between seeds, untrained and at the end."""
    table, apart = similarity(run, role="full"), {}
    for index in ("PWCCA", "CKA", "SVCCA"):
        for which, label in ((0, "untrained"), (-1, arm)):
            if which == 0 and arm != TRUE:
                continue
            one, error = of_layers(table, index, which)
            apart[f"{index} {label}"] = line(f"{index} between seeds, {label}", one, error, LIKENESS[index, label])
    return apart


def of_layers(table: Table, figure: str, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """A figure by layer at the first or the last epoch."""
    wanted = sorted({int(one) for one in table.rows["epoch"]})[epoch]
    found = [
        one
        for at, one in zip(table.rows["epoch"], table.figures[figure], strict=True)
        if int(at) == wanted and one is not None
    ]
    return np.array([one.value for one in found]), np.array([one.stderr for one in found])


def curve(run: Run, key: str) -> Curve:
    """A measure on the models of all data."""
    found = run.measure(key, role="full")
    assert isinstance(found, Curve)
    return found


def at_the_end(run: Run, arm: str) -> dict[str, float]:
    """Dimension and classifiers by layer."""
    apart = {}
    dimension = curve(run, "intrinsic_dimension")
    for place, label in ((0, "untrained"), (-1, arm)):
        if place == 0 and arm != TRUE:
            continue
        values, errors = dimension.values[:, place], dimension.stderr[:, place]
        apart[f"dimension {label}"] = line(f"TwoNN, {label}", values, errors, DIMENSION[label])
    table = benign_memorization(run, role="full")
    print(table)
    if arm == TRUE:
        return apart
    gained = [column[1:] for column in (table.figures["before training"], table.figures["after training"])]
    for label, column in zip(("untrained", arm), gained, strict=True):
        found = np.array([one.value for one in column[:4] if one is not None])
        apart[f"neighbours {label} {arm}"] = line(f"kNN held out, {label}", found, np.zeros(4), NEIGHBOURS[label])
    answers = run.load("layer_probes.heldout_ridge", run.models("full")) == run.load(
        "layer_probes.heldout_label", run.models("full")
    )
    for place, label in ((0, "untrained"), (-1, arm)):
        found = answers.mean(3)[:, place, 1:4].mean(0)
        line(f"ridge held out, {label} (theirs: logistic)", found, np.zeros(3), LINEAR[label])
    return apart


def in_time(run: Run) -> None:
    """Collapse and dilation with 10 % wrong labels."""
    collapse, dilation = curve(run, "neural_collapse"), curve(run, "memorization_dilation")
    places = [int(np.abs(collapse.at - epoch).argmin()) for epoch in COLLAPSE_AT]
    print("epochs", collapse.at[places].astype(int).tolist(), "beside", COLLAPSE_AT)
    for name, beside in COLLAPSE.items():
        row = next(n for n, group in enumerate(collapse.groups) if group.startswith(name))
        line(f"{name} at these", collapse.values[row, places], collapse.stderr[row, places], beside)
    for row, group in enumerate(dilation.groups):
        ends = [places[3], places[5]]
        line(f"dilation, {group}", dilation.values[row, ends], dilation.stderr[row, ends], DILATION[group])
    lines = zip(dilation.at.astype(int).tolist(), dilation.values.T.round(3).tolist(), strict=True)
    print("dilation by epoch:", *(f"{at}: {values}" for at, values in lines))


def main() -> None:
    """Run the arms and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    figures: dict[str, float] = {}
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for arm, dataset in arms().items():
            if quick and arm == RANDOM:
                continue
            sizes = dict(zip(("seeds", "checkpoints", "epochs"), (3, 4, 20) if quick else (6, 12, 60), strict=True))
            run = trained(arm, dataset, Path(folder), **sizes)
            print(f"\n{arm}: {time.process_time() - started:.0f} CPU seconds so far")
            figures |= likeness(run, arm) | at_the_end(run, arm)
            if arm == NOISE:
                in_time(run)
    finish(figures, {})


if __name__ == "__main__":
    main()

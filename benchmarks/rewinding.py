"""Claim: the causal map of six models, four layers and eleven checkpoints takes at most 20 CPU seconds on digits.

The bench: 1,200 digits of which a tenth have a wrong label, 597 held out, an MLP 64-256-128-64-10, SGD with momentum
.9, lr .1 and a cosine, batches of 32, 60 epochs, 6 models on all data, weights kept after epochs 0 1 2 3 5 8 12 20 30
40 60. Besides the time of `byrote probe RUN rewinding` it prints the map beside the figures that an independent program
gave on a bench of the same description, whose digits, wrong labels and seeds were others: what differs by more than
three standard errors is marked. `--quick` trains 20 epochs of 2 models, under the same bar.

Usage: python benchmarks/rewinding.py [--quick]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _timing import finish

import byrote
from byrote.changes.change import Context
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data.arrays import from_arrays
from byrote.data.dataset import Dataset
from byrote.designs.full_data import full_data
from byrote.engine.afterwards import probe
from byrote.results import Curve
from byrote.runs.run import Run

MOST_SECONDS = 20.0
EPOCHS = (0, 1, 2, 3, 5, 8, 12, 20, 30, 40, 60)
#: Localization and readout of the other program, layers by epochs, and the largest of its standard errors.
STORED = {3: (0.38, 0.69, 0.71, 0.51), 8: (0.53, 0.75, 0.71, 0.44), 20: (0.54, 0.53, 0.45, 0.30)}
VISIBLE = {8: (-0.99, -0.96, -0.93), 20: (-0.95, -0.89, -0.80), 60: (-0.96, -0.77, -0.39)}
THEIR_ERROR = 0.06


def bench() -> tuple[Dataset, Dataset]:
    """1,200 digits with 120 wrong labels, and 597 held out."""
    from sklearn.datasets import load_digits

    bunch, rng = load_digits(), np.random.default_rng(0)
    whole = from_arrays((bunch.data / 16).astype(np.float32), bunch.target, name="digits")
    chosen = np.isin(np.arange(len(bunch.target)), rng.permutation(len(bunch.target))[:1200])
    train = whole.subset(chosen)
    return SymmetricLabelNoise(0.1).apply(train, Context(dataset=train, rng=rng)), whole.subset(~chosen)


def trained(folder: Path, *, quick: bool) -> Run:
    """The bench's models, with their weights."""
    train, heldout = bench()
    recipe = byrote.Recipe(
        network=byrote.MLP(hidden=(256, 128, 64)),
        optimizer=byrote.SGD(lr=0.1),
        batch_size=32,
        epochs=20 if quick else 60,
    )
    kept = [epoch for epoch in EPOCHS if epoch <= recipe.epochs]
    return byrote.audit(
        train,
        recipe,
        heldout=heldout,
        design=full_data(len(train), 2 if quick else 6),
        out=folder,
        workers=1,
        progress=False,
        checkpoints=recipe.epochs + 1,
        keep_weights_at=",".join(map(str, kept)),
    )


def beside(found: Curve, theirs: dict[int, tuple[float, ...]], layers: slice) -> list[str]:
    """A line for each epoch, ours and theirs; what is three standard errors apart is marked."""
    lines = []
    for epoch, expected in theirs.items():
        if epoch not in found.at.tolist():
            continue
        at = found.at.tolist().index(epoch)
        ours, error = found.values[layers, at], np.hypot(found.stderr[layers, at], THEIR_ERROR)
        marks = ["*" if far else "" for far in np.abs(ours - expected) > 3 * error]
        cells = [f"{a:.2f} ({b:.2f}){mark}" for a, b, mark in zip(ours, expected, marks, strict=True)]
        lines.append(f"  epoch {epoch}: {'  '.join(cells)}")
    return lines


def main() -> None:
    """Train, rewind, read, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        run, seconds = trained(Path(folder) / "run", quick=quick), {}
        for name in ("rewinding", "readout"):
            started = time.process_time()
            run = probe(run, name)
            seconds[name] = time.process_time() - started
        started = time.process_time()
        byrote.ask(run, "where")
        seconds["where"] = time.process_time() - started
        for name, theirs, layers in (("rewinding", STORED, slice(None)), ("readout", VISIBLE, slice(1, 4))):
            found = run.measure(name, role="full")
            assert isinstance(found, Curve)
            print(
                f"{name}, layers {', '.join(found.groups[layers])}: ours (theirs)",
                *beside(found, theirs, layers),
                sep="\n",
            )
    finish(seconds, {"rewinding": MOST_SECONDS}, at_most=("rewinding",))


if __name__ == "__main__":
    sys.exit(main())

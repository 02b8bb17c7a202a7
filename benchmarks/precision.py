"""Claim: an audit measures memorized examples to an error of .10 in far less CPU time than a loop as in the paper does.

What one writes from the paper (Feldman & Zhang 2020): a DataLoader loop over models, each on an i.i.d. subset of .7,
and the difference of two rates of right answers. Byrote: an audit of complementary halves, and the measure
`label_memorization[margin]`. Each is judged by a reference of its own design, of models that are in no ensemble: one
half of it chooses the examples with a label memorization above .25, the other is the truth, whose own variance is taken
off. The error is the root mean square over them and over disjoint ensembles of one size. The number of models that it
takes to .10 is read off between sizes, and times CPU seconds: of byrote those of an audit of so many models, of the
loop those of a model, taken before and after. Intervals of all examples, by level of true memorization, are held
against the whole reference ("raw"), and against it with its own error ("covered"), from 16 models on, and against known
truths in simulation.

Digits (1,438, 5 % wrong labels, 64-128-10, 30 epochs), and, where a folder with its files is given, Fashion-MNIST
(1,200 pictures of 14 x 14, 5 % wrong labels, 196-64-10, 30 epochs). Bars: 8 times fewer CPU seconds on digits, 2.5 on
Fashion-MNIST; coverage .93 at every level. `--quick` takes digits and smaller references under the same bars. Runs
that are kept in a folder are gone on with.

Usage: python benchmarks/precision.py [--quick] [--fashion-mnist FOLDER] [--runs FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from _timing import finish
from few_models import noisy
from scipy.special import expit
from scipy.stats import norm, t
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import byrote
from byrote.cli.sources import DIGITS
from byrote.data.dataset import Dataset
from byrote.data.digits import digits
from byrote.data.fashion_mnist import fashion_mnist
from byrote.designs.iid_subsets import iid_subsets
from byrote.measures.label_memorization import label_memorization
from byrote.measures.label_memorization_margin import label_memorization_margin
from byrote.measures.label_memorization_shrunk import label_memorization_shrunk
from byrote.recipes.recipe import Recipe
from byrote.results import PerExample

ERROR, MEMORIZED, RATIO, SEED = 0.10, 0.25, 0.7, 10
SIZES = (8, 16, 24, 32, 48, 64, 96, 128)
COVERED_AT = (16, 32, 64)
ENSEMBLES = 20
LEVELS = {"below .05": (-2, 0.05), ".05 to .25": (0.05, 0.25), ".25 to .75": (0.25, 0.75), "above .75": (0.75, 2)}
ESTIMATES = {
    "plain": lambda margin, odds, member: label_memorization(margin > 0, member),
    "margin": lambda margin, odds, member: label_memorization_margin(margin, member),
    "shrunk": lambda margin, odds, member: label_memorization_shrunk(margin > 0, expit(odds), member),
}


@dataclass(frozen=True)
class Bench:
    """What is trained, how many models are the reference, and how many the ensembles are cut from, of either design."""

    name: str
    dataset: Dataset
    recipe: Recipe
    reference: int
    pairs: int
    subsets: int


@dataclass(frozen=True)
class Answers:
    """What the models of a run say of every example, `[model, example]`; the first are the reference."""

    margin: np.ndarray
    odds: np.ndarray
    member: np.ndarray
    reference: int

    @classmethod
    def of(cls, bench: Bench, folder: Path, *, halves: bool) -> Answers:
        models = bench.reference + (bench.pairs if halves else bench.subsets)
        rng = np.random.default_rng([SEED, 7])
        design = None if halves else iid_subsets(len(bench.dataset), models, ratio=RATIO, rng=rng)
        run = byrote.audit(
            bench.dataset, bench.recipe, models=models if halves else None, design=design, full=0, seed=SEED,
            out=folder / f"{bench.name}-{'halves' if halves else 'subsets'}", checkpoints=2, workers=1, progress=False,
        )  # fmt: skip
        every = run.models()
        margin, odds = (run.load(f"outputs.{name}", every) for name in ("logit_margin", "log_odds"))
        return cls(margin, odds, run.member[every], bench.reference)

    def ensembles(self, estimate: str, size: int) -> list[PerExample]:
        """The estimates of disjoint ensembles, at most twice as many as are asked for."""
        starts = range(self.reference, len(self.margin) - size + 1, size)[: 2 * ENSEMBLES]
        parts = [slice(start, start + size) for start in starts]
        return [ESTIMATES[estimate](self.margin[p], self.odds[p], self.member[p]) for p in parts]

    def truth(self, part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Label memorization by some models, and the variance of it."""
        right, member = self.margin[part] > 0, self.member[part]
        values = [(right & (member == side)).sum(0) / (member == side).sum(0) for side in (0, 1)]
        spread = [p * (1 - p) / ((member == side).sum(0) - 1) for side, p in enumerate(values)]
        return values[1] - values[0], spread[0] + spread[1]

    def error(self, estimate: str, size: int) -> float:
        """Of the examples that half of the reference says are memorized, against the other half."""
        half = self.reference // 2
        chosen = self.truth(slice(half))[0] > MEMORIZED
        truth, variance = (of[chosen] for of in self.truth(slice(half, self.reference)))
        off = [(one.values[chosen] - truth) ** 2 for one in self.ensembles(estimate, size)]
        return float(np.sqrt(max(np.mean(off) - variance.mean(), 0.0)))

    def models_to_error(self, estimate: str) -> tuple[float, dict[int, float]]:
        """How many models it takes to the error, between sizes by straight lines in logarithms; and errors by size."""
        sizes = [size for size in SIZES if 4 * size <= len(self.margin) - self.reference]
        errors = {size: self.error(estimate, size) for size in sizes}
        sizes = [size for size in sizes if not np.isnan(errors[size])]  # few subsets of .7 leave no model without some
        last = max((size for size in sizes if errors[size] > ERROR), default=sizes[0])
        beyond = next((size for size in sizes if size > last), None)
        if beyond is None:
            return last * (errors[last] / ERROR) ** 2, {size: errors[size] for size in sizes}
        share = np.log(errors[last] / ERROR) / np.log(errors[last] / errors[beyond])
        return float(last * (beyond / last) ** share), {size: errors[size] for size in sizes}

    def coverage(self, estimate: str, size: int) -> Iterator[tuple[str, float]]:
        """By level of memorization in the whole reference: intervals that contain it, and their mean length."""
        truth, variance = self.truth(slice(self.reference))
        own = norm.ppf(0.975) * np.sqrt(variance)
        every = self.ensembles(estimate, size)
        raw = np.mean([(one.low <= truth) & (truth <= one.high) for one in every], axis=0)
        net = np.mean(
            [
                (one.values - np.hypot(one.values - one.low, own) <= truth)
                & (truth <= one.values + np.hypot(one.high - one.values, own))
                for one in every
            ],
            axis=0,
        )
        length = np.mean([one.high - one.low for one in every], axis=0)
        for level, (low, high) in LEVELS.items():
            some = (low <= truth) & (truth < high)
            yield f"{level} covered", float(net[some].mean())
            yield f"{level} raw", float(raw[some].mean())
            yield f"{level} width", float(length[some].mean())


def loop_seconds(bench: Bench, models: int) -> list[float]:
    """CPU seconds of each model of the loop that one writes from the paper."""
    data, rng, found = bench.dataset, np.random.default_rng(SEED), []
    whole = TensorDataset(torch.from_numpy(np.array(data.inputs[:])), torch.from_numpy(np.array(data.targets)))
    shape, optimizer = data.inputs.shape[1:], bench.recipe.optimizer
    for _ in range(models):
        started = time.process_time()
        subset = rng.choice(len(data), int(RATIO * len(data)), replace=False)
        loader = DataLoader(Subset(whole, subset.tolist()), bench.recipe.batch_size, shuffle=True)
        network = bench.recipe.network.build(shape, data.outputs)
        descent = torch.optim.SGD(network.parameters(), lr=optimizer.lr, momentum=optimizer.momentum)
        objective = nn.CrossEntropyLoss()
        for _ in range(bench.recipe.epochs):
            for inputs, targets in loader:
                loss = objective(network(inputs), targets)
                descent.zero_grad()
                loss.backward()
                descent.step()
        with torch.no_grad():
            (network(whole.tensors[0]).argmax(1) == whole.tensors[1]).numpy()
        found.append(time.process_time() - started)
    return found


def audit_seconds(bench: Bench, models: int, key: str) -> float:
    """CPU seconds of an audit of so many models, and of its measure."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = byrote.audit(
            bench.dataset, bench.recipe, models=models, full=0, out=Path(folder) / "run", seed=SEED + 1, checkpoints=2,
            workers=1, progress=False,
        )  # fmt: skip
        run.measure(key)
        return time.process_time() - started


def figures_of(bench: Bench, folder: Path) -> dict[str, float]:
    """Models, CPU seconds and coverage of one data set."""
    halves, subsets = (Answers.of(bench, folder, halves=each) for each in (True, False))
    figures: dict[str, float] = {}
    takes: dict[str, float] = {}
    for name in (*ESTIMATES, "loop"):
        takes[name], errors = subsets.models_to_error("plain") if name == "loop" else halves.models_to_error(name)
        figures |= {f"{name} error of {size}": error for size, error in errors.items()}
        figures[f"{name} models"] = takes[name]
        print(f"{bench.name}: {name} takes {takes[name]:.1f} models; {errors}", file=sys.stderr, flush=True)
    keys = {"margin": "label_memorization[margin]", "plain": "label_memorization"}
    before = loop_seconds(bench, 3)
    for name, key in keys.items():
        even = 2 * int(np.ceil(takes[name] / 2))
        figures[f"{name} seconds"] = audit_seconds(bench, even, key) * takes[name] / even
    figures["loop seconds"] = takes["loop"] * median(before + loop_seconds(bench, 3))
    for name in ("loop", "plain"):
        figures[f"{name} by margin"] = figures[f"{name} seconds"] / figures["margin seconds"]
    for estimate in ESTIMATES:
        for size in COVERED_AT:
            found = halves.coverage(estimate, size)
            figures |= {f"{estimate} of {size}, {what}": value for what, value in found}
    return {f"{bench.name}: {name}": value for name, value in figures.items()}


def simulated(tails: int | None, size: int, examples: int = 1500) -> float:
    """The least coverage of a level, of margins that are normal or have so heavy tails, whose truth is known."""
    rng = np.random.default_rng(0)
    drawn = norm() if tails is None else t(tails, scale=np.sqrt((tails - 2) / tails))
    easy = rng.random(examples) < 0.5
    outside = np.where(easy, rng.normal(5, 2, examples), rng.normal(0, 2.5, examples))
    mean, spread = np.stack([outside, 1 + rng.gamma(4, 1.5, examples)]), np.exp(rng.normal(0.4, 0.4, (2, examples)))
    rate = drawn.cdf(mean / spread)
    truth, inside = rate[1] - rate[0], []
    for _ in range(ENSEMBLES):
        first = rng.random((size // 2, examples)) < 0.5
        member = np.concatenate([first, ~first]).astype(np.int8)
        margin = np.where(member == 1, mean[1], mean[0]) + np.where(member == 1, spread[1], spread[0]) * drawn.rvs(
            size=member.shape, random_state=rng
        )
        found = label_memorization_margin(margin, member)
        inside.append((found.low <= truth) & (truth <= found.high))
    covered = np.mean(inside, axis=0)
    return float(min(covered[(low <= truth) & (truth < high)].mean() for low, high in LEVELS.values()))


def benches(quick: bool, pictures: Path | None) -> Iterator[Bench]:
    """Digits, and Fashion-MNIST where it is there."""
    recipe = replace(DIGITS, network=byrote.MLP(hidden=(128,)), epochs=30)
    sizes = (256, 512, 512) if quick else (512, 64 * ENSEMBLES, 768)
    yield Bench("digits", noisy(digits()[0], SEED), recipe, *sizes)
    if pictures is not None and not quick:
        every, _ = fashion_mnist(pictures)
        chosen = np.zeros(len(every), bool)
        chosen[np.random.default_rng(SEED).permutation(len(every))[:1200]] = True
        data = every.subset(chosen)
        small = np.asarray(data.inputs[:]).reshape(len(data), 1, 14, 2, 14, 2).mean((3, 5)).astype(np.float32)
        data = noisy(data.replace(inputs=small), SEED)
        yield Bench("fashion", data, replace(recipe, network=byrote.MLP(hidden=(64,))), 256, 32 * ENSEMBLES, 256)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--fashion-mnist", type=Path)
    parser.add_argument("--runs", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, float] = {}
    bars: dict[str, float] = {}
    for tails, size in ((None, 16), (None, 64), (3, 16), (3, 64)):
        name = f"simulated, {'normal' if tails is None else f'{tails} degrees of freedom'}, of {size}"
        figures[name] = simulated(tails, size)
        bars[name] = 0.93
    with tempfile.TemporaryDirectory() as folder:
        for bench in benches(options.quick, options.fashion_mnist):
            figures |= figures_of(bench, options.runs or Path(folder))
            bars[f"{bench.name}: loop by margin"] = {"digits": 8.0, "fashion": 2.5}[bench.name]
    bars |= {name: 0.93 for name in figures if ": margin of" in name and name.endswith("covered")}
    finish(figures, bars)


if __name__ == "__main__":
    main()

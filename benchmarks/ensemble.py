"""Claim: an audit takes less than loops over models that record the same, and recording costs little.

CPU seconds on one thread, interleaved in one process. Whole audits (choosing how to train, training, a record of all
examples at every epoch, evidence on disk), all models on halves, against a loop over models that indexes tensors and
keeps loss, margin and correctness in arrays; a model of the loop takes as long as any other, so a few of them count for
all. Bars, times as fast as that loop:
- 32 MLPs 64-256-10 on the digits, batch 32: {mlp}; against a DataLoader in that loop: {loader};
- 16 MLPs 64-512-256-10: {wide}. The products of matrices alone set the limit there: both sides compute them as fast as
  the machine can, and `wide_limit` is how much faster the audit would be if it did nothing else;
- 8 small CNNs on images of 28 x 28, by whichever way the audit chooses: {cnn}.
Clean passes at 20 log-spaced checkpoints of 100 epochs add at most {recording} of the time without.

Printed without a bar: times as fast as JAX (one program of vmap over models and scan over steps, without its
compilation; skipped where jax is not installed), the share of the machine's matrix peak, and the seconds that two
models on all data add to the 32.

Usage: python benchmarks/ensemble.py [--quick]; `--quick` takes fewer epochs and rounds under the same bars.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import torch
from _timing import finish, interleaved, ratio
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import byrote
from byrote.cli.sources import DIGITS
from byrote.data.dataset import Dataset
from byrote.engine.executors import keep_memory
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.networks.small_cnn import SmallCNN
from byrote.recipes.recipe import Recipe

BARS = {"mlp": 3.0, "loader": 3.5, "wide": 1.4, "cnn": 0.9, "recording": 0.15}
CLEAN = 256


class Bench:
    """A dataset, a recipe, and each way to train so many models of it with a record at every epoch."""

    def __init__(self, dataset: Dataset, recipe: Recipe, models: int) -> None:
        self.dataset, self.recipe, self.models = dataset, recipe, models
        self.inputs = torch.from_numpy(np.array(dataset.inputs))
        self.targets = torch.from_numpy(dataset.learned.astype(np.int64))
        self.shape, self.half = tuple(self.inputs.shape[1:]), len(self.inputs) // 2

    def audit(self, *, full: int = 0, checkpoints: int | None = None, models: int | None = None) -> None:
        """Byrote's."""
        with tempfile.TemporaryDirectory() as folder:
            byrote.audit(
                self.dataset,
                self.recipe,
                models=models or self.models,
                full=full,
                checkpoints=checkpoints or self.recipe.epochs + 1,
                out=Path(folder) / "run",
                workers=1,
                device="cpu",
                progress=False,
            )

    def loop(self, models: int, *, loader: bool = False) -> None:
        """What a person writes: one model after another, batches by indexing or by a DataLoader."""
        recipe, objective = self.recipe, nn.CrossEntropyLoss()
        for model in range(models):
            torch.manual_seed(model)
            network = recipe.network.build(self.shape, 10)
            optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
            member = torch.randperm(len(self.inputs))[: self.half]
            data = Subset(TensorDataset(self.inputs, self.targets), member.tolist())
            loading = DataLoader(data, recipe.batch_size, shuffle=True)
            kept = np.zeros((recipe.epochs + 1, 3, len(self.inputs)), np.float32)
            self.record(network, kept[0])
            for epoch in range(recipe.epochs):
                order = member[torch.randperm(len(member))].split(recipe.batch_size)
                for inputs, targets in loading if loader else ((self.inputs[i], self.targets[i]) for i in order):
                    loss = objective(network(inputs), targets)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                self.record(network, kept[epoch + 1])

    def record(self, network: nn.Module, kept: np.ndarray) -> None:
        """Loss, margin and correctness of every example."""
        network.eval()
        with torch.no_grad():
            for start in range(0, len(self.inputs), CLEAN):
                rows = slice(start, start + CLEAN)
                logits, own = network(self.inputs[rows]), self.targets[rows, None]
                others = logits.scatter(1, own, -torch.inf).amax(1)
                kept[0, rows] = nn.functional.cross_entropy(logits, own[:, 0], reduction="none")
                kept[1, rows] = logits.gather(1, own)[:, 0] - others
                kept[2, rows] = logits.argmax(1) == own[:, 0]
        network.train()

    def operations(self) -> float:
        """Of the products of matrices of an MLP: those of steps and of clean passes."""
        assert isinstance(self.recipe.network, MLP)
        widths = [int(np.prod(self.shape)), *self.recipe.network.hidden, 10]
        sizes = [a * b for a, b in pairwise(widths)]
        step, clean = 2 * (3 * sum(sizes) - sizes[0]), 2 * sum(sizes)
        epochs = self.recipe.epochs
        return float(self.models * (epochs * self.half * step + (epochs + 1) * len(self.inputs) * clean))


def in_jax(bench: Bench) -> Callable[[], object]:
    """All models of an MLP in one program an epoch, compiled beforehand."""
    import jax
    import jax.numpy as jnp

    widths = [int(np.prod(bench.shape)), *bench.recipe.network.hidden, 10]
    inputs = jnp.asarray(bench.inputs.flatten(1).numpy())
    targets, batch = jnp.asarray(bench.targets.numpy()), bench.recipe.batch_size
    steps = bench.half // batch

    def answers(weights, x):
        for weight, bias in weights[:-1]:
            x = jax.nn.relu(x @ weight + bias)
        return x @ weights[-1][0] + weights[-1][1]

    def loss(weights, rows):
        log_p = jax.nn.log_softmax(answers(weights, inputs[rows]))
        return -jnp.take_along_axis(log_p, targets[rows][:, None], 1).mean()

    def step(state, rows):
        weights, moments = state
        moments = jax.tree.map(lambda m, g: 0.9 * m + g, moments, jax.grad(loss)(weights, rows))
        return (jax.tree.map(lambda w, m: w - 0.05 * m, weights, moments), moments), None

    def epoch(state, order):
        state, _ = jax.lax.scan(step, state, order)
        logits = answers(state[0], inputs)
        own = jnp.take_along_axis(logits, targets[:, None], 1)[:, 0]
        others = jnp.where(jax.nn.one_hot(targets, 10, dtype=bool), -jnp.inf, logits).max(1)
        return state, (jax.nn.logsumexp(logits, 1) - own, own - others, logits.argmax(1) == targets)

    program = jax.jit(jax.vmap(epoch))

    def run() -> None:
        rng = np.random.default_rng(0)
        weights = [
            (
                jnp.asarray(rng.normal(0, a**-0.5, (bench.models, a, b)).astype(np.float32)),
                jnp.zeros((bench.models, b)),
            )
            for a, b in pairwise(widths)
        ]
        state = (weights, jax.tree.map(jnp.zeros_like, weights))
        members = [rng.permutation(len(inputs))[: bench.half] for _ in range(bench.models)]
        for _ in range(bench.recipe.epochs):
            orders = np.stack([rng.permutation(each)[: steps * batch].reshape(steps, batch) for each in members])
            state, kept = program(state, jnp.asarray(orders))
            [np.asarray(each) for each in kept]

    return run


def images(examples: int) -> Dataset:
    """Noise of the size of Fashion-MNIST, as good as clothes for a clock."""
    rng = np.random.default_rng(0)
    drawn = rng.random((examples, 1, 28, 28), np.float32)
    return byrote.from_arrays(drawn, np.arange(examples) % 10)


def matrix_peak() -> float:
    """Billions of operations a CPU second in the product of two large matrices."""
    left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)
    seconds = interleaved({"product": lambda: left @ right}, 5, time.process_time)
    return 2 * 1024**3 / min(seconds["product"]) / 1e9


def mlp_figures(name: str, bench: Bench, rounds: int, few: int, peak: float) -> dict[str, float]:
    """An audit of MLPs against loops, and JAX where it is."""
    contestants: dict[str, Callable[[], object]] = {"audit": bench.audit, "loop": partial(bench.loop, few)}
    if name == "mlp":
        contestants |= {"loader": partial(bench.loop, 1, loader=True), "full": partial(bench.audit, full=2)}
    if find_spec("jax"):
        contestants["jax"] = in_jax(bench)
    else:
        print("jax is not installed: audits are not compared with it")
    seconds = interleaved(contestants, rounds, time.process_time)
    least = bench.operations() / 1e9 / peak
    figures = {
        name: bench.models / few * ratio(seconds, "loop", "audit"),
        f"{name}_share_of_matrix_peak": least / median(seconds["audit"]),
        f"{name}_limit": bench.models / few * median(seconds["loop"]) / least,
    }
    if "loader" in seconds:
        figures["loader"] = bench.models * ratio(seconds, "loader", "audit")
        figures["full_models_add"] = ratio(seconds, "full", "audit") - 1
    if "jax" in seconds:
        figures[f"{name}_over_jax"] = ratio(seconds, "jax", "audit")
    print(figures, flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer epochs and rounds, same bars")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    keep_memory()
    digits, _ = byrote.digits()
    rounds, epochs = (1, 5) if quick else (3, 20)
    peak = matrix_peak()
    narrow = replace(DIGITS, epochs=epochs)
    wide = replace(narrow, network=MLP(hidden=(512, 256)))
    figures = mlp_figures("mlp", Bench(digits, narrow, 32), rounds, 2, peak)
    figures |= mlp_figures("wide", Bench(digits, wide, 16), rounds, 1, peak)
    cnn = Recipe(network=SmallCNN(), epochs=3 if quick else 6, batch_size=32)
    few = Bench(images(500 if quick else 2000), cnn, 8)
    seconds = interleaved({"audit": few.audit, "loop": partial(few.loop, 2)}, rounds, time.process_time)
    figures["cnn"] = 4 * ratio(seconds, "loop", "audit")
    print({"cnn": figures["cnn"]}, flush=True)
    recorded = Bench(digits, replace(DIGITS, epochs=100), 8 if quick else 16)
    seconds = interleaved(
        {"with": partial(recorded.audit, checkpoints=20), "without": partial(recorded.audit, checkpoints=2)},
        rounds,
        time.process_time,
    )
    figures["recording"] = ratio(seconds, "with", "without") - 1
    finish(figures, BARS, at_most=("recording",))


if __name__ == "__main__":
    assert __doc__
    __doc__ = __doc__.format(**BARS)
    main()

"""Claim: the engine trains an ensemble faster than loops over models, and recording costs little.

Against a plain tensor-indexing PyTorch loop and a DataLoader loop, interleaved in one process on one thread, with the
engine's recording of presentations on:
- the demo's MLP 64-256-10 at batch 32: at least 2.0 times the tensor loop and 4 times the DataLoader loop as it is, and
  3 times the tensor loop compiled;
- a small CNN, by whichever way the engine's probe chooses: at least .95 times the tensor loop;
- clean passes at 20 log-spaced checkpoints of 100 epochs: at most 1.25 times the time without.

Usage: python benchmarks/ensemble.py [--quick] [--no-compile]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from _timing import finish, interleaved, ratio
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from byrote.cli.doctor import matmul_gflops
from byrote.cli.sources import DIGITS
from byrote.data.digits import digits
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.engine.block import train_phase
from byrote.engine.choose import choose
from byrote.engine.executors import keep_memory
from byrote.engine.job import Job, Labelled
from byrote.engine.looking import Looking
from byrote.engine.many import Many
from byrote.engine.one import One
from byrote.probes.contract import Block
from byrote.probes.presentation import PresentationProbe
from byrote.probes.trajectory import TrajectoryProbe, log_spaced
from byrote.recipes.algorithm import Shape
from byrote.recipes.networks.small_cnn import SmallCNN
from byrote.recipes.recipe import BoundRecipe, Recipe

CPU = torch.device("cpu")


class Bench:
    """The digits, a design over them, and each way to train one of its models for some epochs."""

    def __init__(self, recipe: Recipe, models: int) -> None:
        dataset, _ = digits()
        self.data = Labelled(inputs=dataset.inputs, targets=dataset.targets)
        self.inputs, self.targets = self.data.tensors(CPU)
        self.design = half_subset_pairs(len(dataset), max(models, 4), rng=np.random.default_rng(0))
        self.recipe = recipe
        self.models = models
        self.bound = BoundRecipe(recipe, Shape(inputs=(1, 8, 8), classes=10, examples=len(dataset)), CPU)
        self.member = torch.from_numpy(np.flatnonzero(self.design.member[0]))

    def plain(self, epochs: int, *, loader: bool = False) -> None:
        """What a person writes: one model, batches by indexing or by a DataLoader."""
        network = self.recipe.network.build((1, 8, 8), 10)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
        objective = nn.CrossEntropyLoss()
        data = DataLoader(
            Subset(TensorDataset(self.inputs, self.targets), self.member.tolist()), self.recipe.batch_size, shuffle=True
        )
        for _ in range(epochs):
            order = self.member[torch.randperm(len(self.member))]
            batches = (
                data if loader else ((self.inputs[i], self.targets[i]) for i in order.split(self.recipe.batch_size))
            )
            for inputs, targets in batches:
                loss = objective(network(inputs), targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    def engine(self, epochs: int, learner: Many | One, models: int, *, checkpoints: tuple[int, ...] = ()) -> None:
        """The engine with its recording."""
        recipe = Recipe(**{**vars(self.recipe), "epochs": epochs})
        bound = BoundRecipe(recipe, self.bound.shape, CPU)
        chosen = list(range(models))
        block = Block(
            models=tuple(chosen),
            seeds=tuple(chosen),
            phase=0,
            epochs=checkpoints or (epochs,),
            inputs=self.inputs,
            targets=self.targets,
            member=torch.from_numpy(self.design.member[chosen]),
            classes=10,
            task="classes",
            algorithm=bound,
        )
        probes = [PresentationProbe(), *([TrajectoryProbe()] if checkpoints else [])]
        train_phase(
            learner,
            bound,
            self.design.phases[0],
            chosen,
            chosen,
            self.inputs,
            self.targets,
            Looking(probes, block, learner, stacked=models > 1),
            checkpoints=checkpoints,
        )

    def chooses_to_stack(self) -> bool:
        """What the engine's own probe decides, whatever the timings here say."""
        job = Job(
            recipe=self.recipe,
            data=self.data,
            heldout=None,
            classes=10,
            design=self.design,
            seeds=range(self.models),
            checkpoints=(0, self.recipe.epochs),
            folder=Path(),
            keep_logits=True,
            keep_weights=False,
            device="cpu",
        )
        return choose(job, per_worker=self.models).stacked


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer rounds and models, same bars")
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled engine out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    rounds, models, epochs = (3, 16, 2) if options.quick else (9, 32, 4)

    mlp = Bench(DIGITS, models)
    stacked = Many(mlp.bound, range(models))
    contestants = {
        "tensor loop": lambda: mlp.plain(epochs),
        "data loader": lambda: mlp.plain(epochs, loader=True),
        "engine": lambda: mlp.engine(epochs, stacked, models),
    }
    if not options.no_compile:
        compiled = Many(mlp.bound, range(models), compiled=True)
        contestants["compiled"] = lambda: mlp.engine(epochs, compiled, models)
    seconds = interleaved(contestants, rounds)
    figures = {
        "mlp_vs_tensor_loop": models * ratio(seconds, "tensor loop", "engine"),
        "mlp_vs_data_loader": models * ratio(seconds, "data loader", "engine"),
    }
    bars = {"mlp_vs_tensor_loop": 2.0, "mlp_vs_data_loader": 4.0}
    if not options.no_compile:
        figures["mlp_compiled_vs_tensor_loop"] = models * ratio(seconds, "tensor loop", "compiled")
        bars["mlp_compiled_vs_tensor_loop"] = 3.0
    each = len(mlp.member) * epochs
    operations = models * each * (2 * 2 * (64 * 256 + 256 * 10) + 2 * 256 * 10)
    figures["mlp_share_of_matrix_peak"] = operations / min(seconds["engine"]) / 1e9 / matmul_gflops()
    figures["mlp_microseconds_a_model_step"] = min(seconds["engine"]) / models / (each / 32) * 1e6

    cnn = Bench(Recipe(network=SmallCNN(), epochs=20, batch_size=32), 8)
    one, many = One(cnn.bound, 0), Many(cnn.bound, range(8))
    seconds = interleaved(
        {
            "tensor loop": lambda: cnn.plain(epochs),
            "one": lambda: cnn.engine(epochs, one, 1),
            "many": lambda: cnn.engine(epochs, many, 8),
        },
        rounds,
    )
    figures["cnn_one_vs_tensor_loop"] = ratio(seconds, "tensor loop", "one")
    figures["cnn_many_vs_tensor_loop"] = 8 * ratio(seconds, "tensor loop", "many")
    chosen = "cnn_many_vs_tensor_loop" if cnn.chooses_to_stack() else "cnn_one_vs_tensor_loop"
    figures["cnn_chosen_vs_tensor_loop"] = figures[chosen]
    bars["cnn_chosen_vs_tensor_loop"] = 0.95

    block = 8 if options.quick else 16
    learner = Many(mlp.bound, range(block))
    seconds = interleaved(
        {
            "without": lambda: mlp.engine(100, learner, block),
            "with": lambda: mlp.engine(100, learner, block, checkpoints=log_spaced(100, 20)),
        },
        3,
    )
    figures["recording_cost"] = ratio(seconds, "with", "without")
    bars["recording_cost"] = 1.25
    finish(figures, bars, at_most=("recording_cost",))


if __name__ == "__main__":
    main()

"""The bench of a study: a lab with the data, the recipe, the seeds and the folder that the study works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from byrote.analyses.lab import Lab
from byrote.changes.change import Context
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data.controls import Controls
from byrote.data.dataset import Dataset
from byrote.data.digits import digits
from byrote.data.split import held_out
from byrote.data.task import refuse_other_tasks
from byrote.designs.design import Design
from byrote.errors import BadInput
from byrote.recipes.algorithm import TrainingRecipe
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.optimizers import SGD
from byrote.recipes.recipe import Recipe
from byrote.runs.run import Run
from byrote.stats.verdicts import Verdict, judge

#: What the digits are trained with: slowly enough that one can see what is learned first.
DIGITS: Final = Recipe(network=MLP(hidden=(128,)), epochs=40, batch_size=32, optimizer=SGD(lr=0.02, momentum=0.9))
#: The same with several hidden layers, which fits wrong labels within its epochs: for claims about layers and units.
DEEP: Final = Recipe(network=MLP(hidden=(256, 128, 64)), epochs=60, batch_size=32, optimizer=SGD(lr=0.1, momentum=0.9))
LEAST_EXAMPLES: Final = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """What a study is run on: data, and a recipe. `source` is the file that they came from, empty for the digits."""

    dataset: Dataset
    recipe: TrainingRecipe
    source: str = ""

    def __post_init__(self) -> None:
        refuse_other_tasks(self.dataset.task, self.dataset.name, "A study")
        if len(self.dataset) < LEAST_EXAMPLES:
            raise BadInput(
                f"A study takes {LEAST_EXAMPLES} examples or more. {self.dataset.name!r} has {len(self.dataset)}.",
                hint="give more data.",
            )

    def facts(self) -> dict[str, Any]:
        """What is fixed of it: the digest of the data, their name, and the recipe."""
        return {
            "name": self.dataset.name,
            "examples": len(self.dataset),
            "fingerprint": self.dataset.fingerprint(),
            "recipe": self.recipe.describe(),
        }


def on_digits(recipe: TrainingRecipe | None = None) -> Material:
    """The training digits, and a small network unless a study names another."""
    return Material(dataset=digits()[0], recipe=recipe or DIGITS)


@dataclass(frozen=True, kw_only=True)
class Bench(Lab):
    """A lab that knows what the study at hand has fixed: data, recipe, how many units, their seed, the margin."""

    material: Material
    units: int
    seed: int
    margin: float
    folder: Path

    @property
    def dataset(self) -> Dataset:
        """The data as they were given."""
        return self.material.dataset

    @property
    def recipe(self) -> TrainingRecipe:
        """The recipe as it was given."""
        return self.material.recipe

    def noisy(self, amount: float, dataset: Dataset | None = None) -> Dataset:
        """The data, or these, with so many labels planted wrong."""
        data = self.dataset if dataset is None else dataset
        rng = np.random.default_rng([self.seed, 7])
        return SymmetricLabelNoise(amount).apply(data, Context(dataset=data, rng=rng))

    def divided(self, share: float) -> tuple[Dataset, Dataset]:
        """The data without this share of every class, or of its groups, and that share, which nobody trains on."""
        held = held_out(self.dataset.targets, self.dataset.groups, share=share, seed=self.seed)
        return self.dataset.subset(~held), self.dataset.subset(held).replace(name=f"{self.dataset.name}-held-out")

    def shuffled(self, dataset: Dataset) -> Dataset:
        """The same examples with their labels permuted, so that they say nothing about the inputs."""
        targets = np.random.default_rng([self.seed, 9]).permutation(dataset.targets)
        return dataset.replace(name=f"{dataset.name}-shuffled", targets=targets, controls=Controls())

    def train(
        self,
        dataset: Dataset,
        design: Design,
        *,
        name: str = "run",
        recipe: TrainingRecipe | None = None,
        **settings: Any,
    ) -> Run:
        """An audit of the data with the recipe, or another one, the study's seed and its folder."""
        trained = recipe or self.recipe
        return self.audit(dataset, trained, design=design, seed=self.seed, out=self.folder / name, **settings)

    def verdict(self, units: Float[np.ndarray, " unit"]) -> Verdict:
        """The verdict on the effect of each unit.

        A unit whose training diverged is missing and has no value.

        Raises:
            BadInput: these are more units than were fixed.
        """
        if len(units) > self.units:
            raise BadInput(f"The study fixed {self.units} units. Got {len(units)}.", hint="give one value for each.")
        missing = np.full(self.units - len(units), np.nan)
        return judge(np.concatenate([np.asarray(units, np.float64), missing]), self.margin)


def epochs_of(run: Run, role: str = "reference") -> Int[np.ndarray, " checkpoint"]:
    """The epochs done at each checkpoint; the same for all models."""
    return np.asarray(run.load("trajectory.epochs", run.models(role)[:1]), np.int64)

"""What studies of adversarial training share: the radius of their attacks, and recipes that train on these."""

from __future__ import annotations

from typing import Final

import numpy as np

from byrote.changes.change import Change, Context
from byrote.changes.recipe.adversarial_training import AdversarialTraining, TradesTraining
from byrote.data.blocks import range_of
from byrote.data.dataset import Dataset
from byrote.recipes.algorithm import TrainingRecipe
from byrote.studies.bench import Bench

#: Steps of the attacks that models are trained on, and of those that they are judged by.
TRAINED, JUDGED = 5, 20
#: The largest change of an input value, as a share of the range of all values.
SHARE: Final = 0.1


def radius_of(dataset: Dataset, share: float = SHARE) -> float:
    """So much of the range of all input values."""
    low, high = range_of(dataset.inputs)
    return share * (high - low)


def judged_by(dataset: Dataset, share: float = SHARE) -> str:
    """The probe that attacks the trained models."""
    return f"adversarial,radius={radius_of(dataset, share):g},steps={JUDGED},restarts=1"


def on_attacks(bench: Bench, share: float = SHARE, recipe: TrainingRecipe | None = None) -> TrainingRecipe:
    """The recipe of the bench, or another one, with PGD adversarial training."""
    return _changed(bench, AdversarialTraining(radius_of(bench.dataset, share), TRAINED), recipe)


def with_trades(bench: Bench, share: float = SHARE, recipe: TrainingRecipe | None = None) -> TrainingRecipe:
    """The same with TRADES."""
    return _changed(bench, TradesTraining(radius_of(bench.dataset, share), steps=TRAINED), recipe)


def _changed(bench: Bench, change: Change, recipe: TrainingRecipe | None) -> TrainingRecipe:
    context = Context(dataset=bench.dataset, rng=np.random.default_rng(bench.seed))
    changed: TrainingRecipe = change.apply(recipe or bench.recipe, context)
    return changed

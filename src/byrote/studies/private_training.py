"""What the studies of private training share: the private form of a recipe, and how well membership is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float

from byrote.designs.design import Design
from byrote.recipes.algorithm import TrainingRecipe
from byrote.recipes.guarantee import multiplier_of
from byrote.recipes.private import Arm, Poisson, Private
from byrote.recipes.recipe import Recipe
from byrote.runs.run import Run
from byrote.stats.ranking import auroc
from byrote.studies.before_overfitting import whole_pairs
from byrote.studies.bench import Bench

#: The norm that gradients are clipped to, and by how much larger a learning rate clipped gradients are given.
CLIP: Final = 0.5
FASTER: Final = 4.0


def privately(
    recipe: TrainingRecipe, design: Design, epsilon: float, *, arm: Arm = "both", faster: float = FASTER
) -> TrainingRecipe:
    """The recipe by DP-SGD with this epsilon for each model, at so many times its learning rate.

    Raises:
        BadInput: it is no recipe that treats examples one by one, or opacus is not installed.
    """
    members = int(design.phases[0].count[0].sum(dtype=np.int64))
    rate = min(1.0, recipe.batch_size / members)
    noise = multiplier_of(epsilon, rate, recipe.epochs * Poisson(rate=rate).steps, 1 / (10 * design.examples))
    return Private(at_rate(recipe, faster), clip=CLIP, noise=noise, rate=rate, members=members, arm=arm)


def at_rate(recipe: Any, times: float) -> Any:
    """The recipe at so many times its learning rate; what is no recipe stays, and is refused by whoever uses it."""
    if not isinstance(recipe, Recipe):
        return recipe
    optimizer: Any = recipe.optimizer
    return replace(recipe, optimizer=replace(optimizer, lr=times * optimizer.lr))


def told_apart(run: Run) -> Float[np.ndarray, " pair"]:
    """How well each pair's wrong labels are told to have been shown to one of its models and not to the other."""
    models = whole_pairs(run.models())
    wrong = run.controls.mask(run.ids, "label_noise")
    log_odds = np.asarray(run.load("outputs.log_odds", models), np.float64)[:, wrong]
    return by_pair(log_odds, np.asarray(run.load("design.member", models) == 1, bool)[:, wrong])


def by_pair(
    log_odds: Float[np.ndarray, "model example"], member: Bool[np.ndarray, "model example"]
) -> Float[np.ndarray, " pair"]:
    """The AUROC of the log-odds less the mate's; models 2k and 2k + 1 are mates."""
    return np.array([auroc(a - b, mine) for a, b, mine in zip(log_odds[::2], log_odds[1::2], member[::2], strict=True)])


def trained(bench: Bench, name: str, data: Any, design: Design, recipe: TrainingRecipe, **settings: Any) -> Run:
    """An arm of a study, by its name."""
    return bench.train(data, design, name=name, recipe=recipe, checkpoints=2, **settings)

"""O14: what is memorized lies elsewhere in a network of another architecture."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float

from byrote.designs.full_data import full_data
from byrote.errors import BadInput
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.networks.small_cnn import SmallCNN
from byrote.recipes.recipe import Recipe
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study
from byrote.studies.not_only_deep import stored_in

#: A network is divided into so many parts by the depth of its layers.
PARTS: Final = 3


def elsewhere(
    one: Float[np.ndarray, "model part"], other: Float[np.ndarray, "model part"]
) -> Float[np.ndarray, " unit"]:
    """How much further the profiles of two architectures are apart than those of two models of one.

    Two models of either are a unit: the mean of their four distances across, less the mean of the two within.
    """
    found = []
    for first in range(0, min(len(one), len(other)) - 1, 2):
        a, b = one[first : first + 2], other[first : first + 2]
        across = np.abs(a[:, None] - b).sum(2).mean() / 2
        within = (np.abs(a[0] - a[1]).sum() + np.abs(b[0] - b[1]).sum()) / 4
        found.append(across - within)
    return np.array(found, np.float64)


def profiles(stored: Float[np.ndarray, "model layer checkpoint"]) -> Float[np.ndarray, "model part"]:
    """The share of what is stored in the first, middle and last third of the depth, by the mean over its layers.

    What is below 0 counts as 0. NaN where a third has no layer, or nothing is stored.
    """
    course = np.maximum(stored.mean(2), 0.0)
    layers = course.shape[1]
    part = ((np.arange(layers) + 0.5) / layers * PARTS).astype(np.int64)
    count = np.bincount(part, minlength=PARTS)
    if not count.all():
        return np.full((len(course), PARTS), np.nan)
    means = np.stack([course[:, part == third].mean(1) for third in range(PARTS)], axis=1)
    total = means.sum(1, keepdims=True)
    return np.asarray(np.divide(means, total, out=np.full_like(means, np.nan), where=total > 0))


def simulated(rng: np.random.Generator, units: int, moved: float) -> Float[np.ndarray, " unit"]:
    """The effect on profiles of which so much lies in the last third instead of the first one, with spread."""
    profile = np.array([0.4, 0.35, 0.25])
    of_unit = np.repeat(moved + rng.normal(0, 0.02, units), 2)[:, None]
    spread = rng.normal(0, 0.005, (2, 2 * units, PARTS))
    return elsewhere(profile + spread[0], profile + of_unit * np.array([-1.0, 0.0, 1.0]) + spread[1])


@study(
    claim="O14",
    section="4.5",
    says="The memorization location is different for different model architecture.",
    effect="how much further apart two architectures are than two models of one, in the shares of what is stored of "
    "fitted wrong labels in the first, middle and last third of the depth (total variation)",
    unit="two models of the recipe's network and two of another architecture",
    margin=0.05,
    units=4,
    minutes=3,
    recipe=DEEP,
    caveat="A multilayer perceptron beside a small convolutional network, on thirds of the depth: other architectures "
    "may differ more or less. One draw of wrong labels (10 %).",
    null=lambda rng, units: simulated(rng, units, 0.056),
    planted=lambda rng, units: simulated(rng, units, 0.2),
)
def other_place(bench: Bench) -> Verdict:
    """Train two architectures on all data with one label in ten wrong, and take layers back to checkpoints."""
    dataset = bench.noisy(0.1)
    found = []
    for name, recipe in (("own", bench.recipe), ("other", other_architecture(bench))):
        run = bench.train(
            dataset,
            full_data(len(dataset), 2 * bench.units),
            name=name,
            recipe=recipe,
            checkpoints=8,
            keep_weights_at="checkpoints",
        )
        found.append(profiles(stored_in(bench.probe(run, "rewinding"))))
    return bench.verdict(elsewhere(*found))


def other_architecture(bench: Bench) -> Recipe:
    """The recipe with a small convolutional network in place of a perceptron, or a perceptron in place of any other.

    Raises:
        BadInput: the recipe has no network to be replaced, or the inputs are no images.
    """
    recipe = bench.recipe
    if not isinstance(recipe, Recipe):
        raise BadInput(
            "The study O14 puts another network into the recipe, and this one has no slot for it.",
            hint="give a byrote.Recipe(network=…).",
        )
    if not isinstance(recipe.network, MLP):
        return replace(recipe, network=MLP(hidden=(256, 128, 64)))
    if bench.dataset.inputs.ndim != 4:
        raise BadInput(
            "The study O14 compares a perceptron with a convolutional network, and the inputs are no images.",
            hint="give images, or a recipe whose network is not byrote.MLP.",
        )
    return replace(recipe, network=SmallCNN())

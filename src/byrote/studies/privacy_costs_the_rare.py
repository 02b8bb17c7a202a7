"""O41: differential privacy suppresses what is atypical."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from byrote.data.dataset import Dataset
from byrote.designs.full_data import full_data
from byrote.stats.neighbours import nearest
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import Bench
from byrote.studies.catalog import study
from byrote.studies.little_representative import NEIGHBOURS
from byrote.studies.privacy_hides_members import EPSILON
from byrote.studies.private_training import privately, trained

#: The share of the held-out examples that counts as atypical.
ATYPICAL: Final = 0.2


def rarer_lose_more(
    plain: Bool[np.ndarray, "model query"], private: Bool[np.ndarray, "model query"], rare: Bool[np.ndarray, " query"]
) -> Float[np.ndarray, " model"]:
    """The fall of accuracy on atypical examples minus that on the others, by model."""
    lost = plain.astype(np.float64) - private
    return np.asarray(lost[:, rare].mean(1) - lost[:, ~rare].mean(1))


def atypical(held: Dataset, data: Dataset) -> Bool[np.ndarray, " query"]:
    """The held-out examples that are farthest from the training examples of their class."""
    inputs = [np.asarray(one.inputs, np.float64).reshape(len(one), -1) for one in (held, data)]
    far = np.full(len(held), np.nan)
    for label in np.unique(held.targets):
        own, there = np.flatnonzero(held.targets == label), np.flatnonzero(data.targets == label)
        if len(there) >= NEIGHBOURS:
            far[own] = nearest(inputs[0][own], inputs[1][there], NEIGHBOURS).distance.mean(1)
    return np.asarray(far >= np.nanquantile(far, 1 - ATYPICAL))


def simulated(rng: np.random.Generator, units: int, more: float) -> Float[np.ndarray, " unit"]:
    """The effect of a fall of .05 on typical examples, and of so much more on atypical ones."""
    rare = np.arange(430) < 86
    plain = rng.uniform(size=(units, 430)) < np.where(rare, 0.9, 0.97)
    return rarer_lose_more(plain, rng.uniform(size=(units, 430)) < np.where(rare, 0.85 - more, 0.92), rare)


@study(
    claim="O41",
    section="5.5",
    says="The effectiveness of DP may be achieved by suppressing atypical features, thereby harming generalization.",
    effect="the fall of accuracy from plain to private training (epsilon 8) on the fifth of the held-out examples that "
    "is farthest from its class, minus the fall on the others",
    unit="model with its own initial weights and batches",
    margin=0.02,
    units=12,
    minutes=0.4,
    caveat="Whatever makes a network fit less costs hard examples more, so that this is not about privacy alone. One "
    "held-out set: the interval is about other models on these data.",
    null=lambda rng, units: simulated(rng, units, 0.02),
    planted=lambda rng, units: simulated(rng, units, 0.15),
)
def privacy_costs_the_rare(bench: Bench) -> Verdict:
    """Train on all but a share of the data, plainly and privately, and compare what is lost where."""
    data, held = bench.divided(0.3)
    design = full_data(len(data), bench.units)
    runs = [
        trained(bench, name, data, design, recipe, heldout=held)
        for name, recipe in (("plain", bench.recipe), ("private", privately(bench.recipe, design, EPSILON)))
    ]
    models = np.intersect1d(runs[0].models("full"), runs[1].models("full"))
    plain, private = (np.asarray(run.load("heldout.correct", models), bool) for run in runs)
    return bench.verdict(rarer_lose_more(plain, private, atypical(held, data)))

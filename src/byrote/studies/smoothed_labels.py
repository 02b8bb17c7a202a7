"""O38: one-hot labels hurt adversarial training."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float

from byrote.changes.recipe.inner import changed
from byrote.designs.full_data import full_data
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.recipe import Recipe
from byrote.stats.verdicts import Verdict
from byrote.studies.attacks import judged_by, on_attacks
from byrote.studies.bench import Bench
from byrote.studies.catalog import study
from byrote.studies.robust_overfitting import HELD_OUT, LONG

SMOOTHED: Final = 0.3


def gained(
    smoothed: Bool[np.ndarray, "model query"], one_hot: Bool[np.ndarray, "model query"]
) -> Float[np.ndarray, " model"]:
    """The accuracy under attack that a model has more with smoothed labels, by seed."""
    return np.asarray(smoothed.mean(1) - one_hot.mean(1), np.float64)


def simulated(rng: np.random.Generator, units: int, more: float) -> Float[np.ndarray, " unit"]:
    """The effect where so much is gained over an accuracy of .7 on 400 examples."""
    of_unit = 0.7 + rng.normal(0, 0.02, (units, 1))
    smoothed, one_hot = (rng.random((units, 400)) < of_unit + of for of in (more, 0.0))
    return gained(smoothed, one_hot)


@study(
    claim="O38",
    section="5.4",
    says="Excessive memorization of mislabeled features or one-hot labels can break decision boundaries.",
    effect="accuracy under attack on held-out data after adversarial training with labels smoothed by .3, minus that "
    "with one-hot labels",
    unit="seed, of a model of each training",
    margin=0.0,
    units=6,
    minutes=1.8,
    recipe=LONG,
    caveat="That memorization is the cause is not tried. Attacks are within a tenth of the range of the inputs.",
    null=lambda rng, units: simulated(rng, units, 0.0),
    planted=lambda rng, units: simulated(rng, units, 0.15),
)
def smoothed_labels(bench: Bench) -> Verdict:
    """Train adversarially on smoothed and on one-hot labels until these are fitted, and attack held-out examples."""
    data, held = bench.divided(HELD_OUT)
    right = []
    for name, amount in (("smoothed", SMOOTHED), ("one-hot", 0.0)):
        recipe = changed(on_attacks(bench), partial(_smoothed, amount))
        run = bench.train(
            data,
            full_data(len(data), bench.units),
            name=name,
            recipe=recipe,
            heldout=held,
            checkpoints=2,
            probes=(judged_by(bench.dataset),),
        )
        right.append((run, run.models("full")))
    models = np.intersect1d(right[0][1], right[1][1])
    smoothed, one_hot = (np.asarray(run.load("adversarial.heldout_correct", models), bool) for run, _ in right)
    return bench.verdict(gained(smoothed, one_hot))


def _smoothed(amount: float, _: Recipe) -> dict[str, Any]:
    """The slot that learns labels smoothed so much."""
    return {"objective": CrossEntropy(label_smoothing=amount)}

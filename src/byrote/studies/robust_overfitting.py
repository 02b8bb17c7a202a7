"""R74: adversarial training overfits robustly: accuracy under attack is lost late in the training."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from byrote.analyses.robust_overfitting import halves, stopped_early
from byrote.designs.full_data import full_data
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.optimizers import SGD
from byrote.recipes.recipe import Recipe
from byrote.stats.verdicts import Verdict
from byrote.studies.attacks import on_attacks, radius_of
from byrote.studies.bench import Bench
from byrote.studies.catalog import study

#: What fits all attacked training examples in the end.
LONG: Final = Recipe(network=MLP(hidden=(256, 128)), epochs=80, batch_size=32, optimizer=SGD(lr=0.05, momentum=0.9))
HELD_OUT: Final = 0.6
LOOKS: Final = 10


def lost_late(
    right: Bool[np.ndarray, "model checkpoint query"], chooses: Bool[np.ndarray, " query"]
) -> Float[np.ndarray, " model"]:
    """The accuracy of each model where half of the examples would have stopped it, less that at its end.

    The half that judges is never the one that chooses.
    """
    return np.asarray(stopped_early(right, chooses) - right[:, -1].mean(1), np.float64)


def simulated(rng: np.random.Generator, units: int, lost: float) -> Float[np.ndarray, " unit"]:
    """The effect where so much of an accuracy of .8 on 400 examples is lost after the second of three checkpoints."""
    rates = np.array([0.5, 0.8, 0.8 - lost])[:, None] + rng.normal(0, 0.01, (units, 1, 1))
    return lost_late(rng.random((units, 3, 400)) < rates, halves(np.arange(400), 0))


@study(
    claim="R74",
    section="5.4",
    says="This aligns with robust overfitting, where one-hot labels misrepresent adversarial examples, which may "
    "require low-confidence assignments.",
    effect="accuracy under attack on held-out data where half of them would have stopped the training, minus that at "
    "its end, judged by the other half",
    unit="model",
    margin=0.0,
    units=6,
    minutes=1.5,
    recipe=LONG,
    caveat="The learning rate falls slowly to 0, without the sudden drop after which the effect was reported. Attacks "
    "are within a tenth of the range of the inputs.",
    null=lambda rng, units: simulated(rng, units, 0.0),
    planted=lambda rng, units: simulated(rng, units, 0.1),
)
def robust_overfitting(bench: Bench) -> Verdict:
    """Train adversarially until attacked training examples are fitted, and attack held-out examples meanwhile."""
    data, held = bench.divided(HELD_OUT)
    probe = f"adversarial_trajectory,radius={radius_of(bench.dataset):g},steps=10,checkpoints={LOOKS},models=all"
    run = bench.train(
        data,
        full_data(len(data), bench.units),
        recipe=on_attacks(bench),
        heldout=held,
        checkpoints=3 * LOOKS,
        probes=(probe,),
    )
    right = np.asarray(run.load("adversarial_trajectory.heldout_correct", run.models("full")), bool)
    return bench.verdict(lost_late(right, halves(run.heldout_clusters, bench.seed)))

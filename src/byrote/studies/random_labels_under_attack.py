"""R73: TRADES fits random labels, and PGD adversarial training does not."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from byrote.designs.full_data import full_data
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.optimizers import SGD
from byrote.recipes.recipe import Recipe
from byrote.stats.verdicts import Verdict
from byrote.studies.attacks import on_attacks, with_trades
from byrote.studies.bench import Bench
from byrote.studies.catalog import study

#: So many examples can be fitted, by models that are trained so long.
EXAMPLES: Final = 300
LONG: Final = Recipe(network=MLP(hidden=(128,)), epochs=100, batch_size=32, optimizer=SGD(lr=0.05, momentum=0.9))
#: Attacks reach over so much of the range of the inputs.
FAR: Final = 0.2


def more_fitted(
    trades: Bool[np.ndarray, "model example"], pgd: Bool[np.ndarray, "model example"]
) -> Float[np.ndarray, " model"]:
    """The share of the labels that a model fits with the first training, less that with the second, by seed."""
    return np.asarray(trades.mean(1) - pgd.mean(1), np.float64)


def simulated(rng: np.random.Generator, units: int, more: float) -> Float[np.ndarray, " unit"]:
    """The effect where TRADES fits so much more than a fifth of 300 labels."""
    of_unit = np.clip(more + rng.normal(0, 0.02, (units, 1)), 0, 0.8)
    trades, pgd = (rng.random((units, 300)) < 0.2 + of for of in (of_unit, 0.0))
    return more_fitted(trades, pgd)


@study(
    claim="R73",
    section="5.4",
    says="While PGD-AT fails to converge on random labels, TRADES attains near 100 % accuracy.",
    effect="share of permuted labels that TRADES fits on clean inputs, minus that of PGD adversarial training",
    unit="seed, of a model of each training",
    margin=0.2,
    units=6,
    minutes=1.0,
    recipe=LONG,
    caveat="Accuracy near 100 % is not asked for: the share that TRADES fits depends on how long it trains and on "
    "beta, which is 6. One permutation of the labels of 300 examples; attacks within a fifth of the inputs' range.",
    null=lambda rng, units: simulated(rng, units, 0.2),
    planted=lambda rng, units: simulated(rng, units, 0.4),
)
def random_labels_under_attack(bench: Bench) -> Verdict:
    """Permute the labels of some examples, and train on them with TRADES and with PGD adversarial training."""
    order = np.random.default_rng([bench.seed, 12]).permutation(len(bench.dataset))[:EXAMPLES]
    data = bench.shuffled(bench.dataset.subset(np.sort(order)))
    design = full_data(len(data), bench.units)
    fitted = []
    for name, recipe in (("trades", with_trades(bench, FAR)), ("pgd", on_attacks(bench, FAR))):
        run = bench.train(data, design, name=name, recipe=recipe, checkpoints=2)
        fitted.append((run, run.models("full")))
    models = np.intersect1d(fitted[0][1], fitted[1][1])
    trades, pgd = (np.asarray(run.load("outputs.correct", models), bool) for run, _ in fitted)
    return bench.verdict(more_fitted(trades, pgd))

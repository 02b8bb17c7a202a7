"""R99: units that memorize and units that hold patterns are different ones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from byrote.designs.full_data import full_data
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study


def apart(
    memory: Bool[np.ndarray, "model example"],
    pattern: Bool[np.ndarray, "model example"],
    noisy: Bool[np.ndarray, "model example"],
    right: Bool[np.ndarray, "model example"],
) -> Float[np.ndarray, " model"]:
    """The smaller of two differences, so that both must be there.

    They are by how much more wrong labels than right ones are lost with the memory units, and by how much more right
    labels than wrong ones with the pattern units. NaN where a model fits none of either.
    """
    found = []
    for of_memory, of_pattern, group, fitted in zip(memory, pattern, noisy, right, strict=True):
        wrong, others = fitted & group, fitted & ~group
        if not wrong.any() or not others.any():
            found.append(np.nan)
            continue
        by_memory = of_memory[wrong].mean() - of_memory[others].mean()
        by_pattern = of_pattern[others].mean() - of_pattern[wrong].mean()
        found.append(min(by_memory, by_pattern))
    return np.array(found, np.float64)


def simulated(rng: np.random.Generator, units: int, size: float) -> Float[np.ndarray, " unit"]:
    """The effect where memory units lose many more wrong labels, and pattern units so many more right ones."""
    noisy = np.tile(np.arange(400) < 200, (units, 1))
    of_model = np.clip(size + rng.normal(0, 0.02, (units, 1)), 0, 1)
    memory = rng.random(noisy.shape) < np.where(noisy, 0.6, 0.1)
    pattern = rng.random(noisy.shape) < np.where(noisy, 0.1, 0.1 + of_model)
    return apart(memory, pattern, noisy, np.ones_like(noisy))


@study(
    claim="R99",
    section="8.1",
    says="It is important to differentiate between memorization learning and pattern learning neurons.",
    effect="share of the fitted labels lost with 5 % of the units that were chosen on other examples: wrong less right "
    "ones with memory units, or right less wrong ones with pattern units, whichever is less",
    unit="model with its own initial weights and order",
    margin=0.05,
    minutes=1.2,
    recipe=DEEP,
    caveat="It is a double dissociation that is tried: that one kind of units can be told from the other. Wrong labels "
    "lie near the boundary and fall with any units. One draw of wrong labels (10 %): the interval is about other "
    "models on these data.",
    null=lambda rng, units: simulated(rng, units, 0.05),
    planted=lambda rng, units: simulated(rng, units, 0.2),
)
def units_apart(bench: Bench) -> Verdict:
    """Train on all data with one label in ten wrong, and silence units chosen on one half for the other half."""
    dataset = bench.noisy(0.1)
    run = bench.train(dataset, full_data(len(dataset), bench.units), checkpoints=2, keep_weights_at="last")
    bench.probe(run, "dissociation")
    models, names = run.models("full"), ("memory_5", "pattern_5", "group", "right")
    return bench.verdict(apart(*(np.asarray(run.load(f"dissociation.{name}", models), bool) for name in names)))

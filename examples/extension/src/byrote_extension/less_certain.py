"""A study: are wrong labels, once learned, answered with less certainty than right ones?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from byrote.data.controls import LABEL_NOISE
from byrote.designs.full_data import full_data
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import Bench
from byrote.studies.catalog import study


def less_certain(
    entropy: Float[np.ndarray, "model example"], noisy: Bool[np.ndarray, " example"]
) -> Float[np.ndarray, " model"]:
    """How many nats of entropy the answers to wrongly labelled examples have more than those to the others, by model.

    Example:
        >>> less_certain(np.array([[0.5, 0.25, 0.25]]), np.array([True, False, False]))
        array([0.25])
    """
    return np.asarray(entropy[:, noisy].mean(1) - entropy[:, ~noisy].mean(1))


def simulated(rng: np.random.Generator, units: int, nats: float) -> Float[np.ndarray, " unit"]:
    """The effect on answers that are so much less certain of wrong labels, with spread between models and examples."""
    noisy = np.arange(400) < 40
    of_model = nats + rng.normal(0, 0.02, (units, 1))
    return less_certain(rng.gamma(2, 0.05, (units, 400)) + of_model * noisy, noisy)


@study(
    claim="less-certain",
    section="4.4",
    says="Wrong labels are answered with less certainty than right ones, at the end of the training too.",
    effect="nats of entropy that answers to wrongly labelled examples have more than answers to the others",
    unit="model with its own initial weights and order",
    margin=0.02,
    units=6,
    minutes=0.5,
    caveat="One draw of wrong labels (10 %): the interval is about other models on these data.",
    null=lambda rng, units: simulated(rng, units, 0.02),
    planted=lambda rng, units: simulated(rng, units, 0.2),
)
def wrong_labels_are_less_certain(bench: Bench) -> Verdict:
    """Train on all data with one label in ten wrong, and compare the entropy of the answers."""
    dataset = bench.noisy(0.1)
    run = bench.train(dataset, full_data(len(dataset), bench.units))
    entropy = np.asarray(run.load("outputs.entropy", run.models("full")), np.float64)
    return bench.verdict(less_certain(entropy, run.controls.mask(run.ids, LABEL_NOISE)))

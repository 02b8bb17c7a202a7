"""O12: deep layers of networks that memorize are less alike than those of networks that learn patterns."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from byrote.designs.full_data import full_data
from byrote.runs.run import Run
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study
from byrote.studies.shallow_alike import HELD, hidden_likeness, least_index, pairwise


def apart(
    true: Float[np.ndarray, "index model"], shuffled: Float[np.ndarray, "index model"]
) -> Float[np.ndarray, " unit"]:
    """How much less alike models of shuffled labels are than those of true ones, in one layer.

    A unit is one model of either kind, which counts with what it contributes to the mean over pairs of models, by the
    index for which the difference is the least: a claim about layers must hold by all of them.
    """
    return least_index(true - shuffled)


def simulated(rng: np.random.Generator, units: int, less: float) -> Float[np.ndarray, " unit"]:
    """The effect where two indices see much of it, and the third one so much."""
    true = np.stack([pairwise(rng, units, 0.8) for _ in range(3)])
    shuffled = np.stack([pairwise(rng, units, 0.8 - size) for size in (less, less + 0.2, less + 0.3)])
    return apart(true, shuffled)


@study(
    claim="O12",
    section="4.5",
    says="For deep layers, memorization networks converge to different representations.",
    effect="by how much the likeness between models in the last hidden layer is smaller after training on shuffled "
    "labels than on true ones, by the index of three (CKA, SVCCA, PWCCA) by which it is least",
    unit="model of the true labels and model of the shuffled ones, with their own initial weights and orders",
    margin=0.1,
    minutes=1.2,
    recipe=DEEP,
    caveat="Different means less alike than models of true labels are, not less alike than untrained models. One "
    "permutation of the labels: the interval is about other models on these data.",
    null=lambda rng, units: simulated(rng, units, 0.1),
    planted=lambda rng, units: simulated(rng, units, 0.3),
)
def deep_apart(bench: Bench) -> Verdict:
    """Train on the labels as given and on permuted ones, and compare the last hidden layers of the models."""
    data, held = bench.divided(HELD)

    def last(name: str, shuffled: bool) -> Float[np.ndarray, "index model"]:
        run: Run = bench.train(
            bench.shuffled(data) if shuffled else data,
            full_data(len(data), bench.units),
            name=name,
            heldout=held,
            checkpoints=2,
            keep_weights_at="last",
        )
        return hidden_likeness(bench.probe(run, "similarity"))[:, :, -1, -1]

    true, both = last("true", shuffled=False), last("shuffled", shuffled=True)
    count = min(true.shape[1], both.shape[1])
    return bench.verdict(apart(true[:, :count], both[:, :count]))

"""O11: shallow layers of different networks come to be more alike than deep ones."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float

from byrote.designs.full_data import full_data
from byrote.errors import BadInput
from byrote.runs.run import Run
from byrote.stats.jackknife import own_parts
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study

#: The indices of likeness, none of which is right alone.
INDICES: Final = ("cka", "svcca", "pwcca")
#: This share of the data is held out, for layers to be compared on.
HELD: Final = 0.4


def shallow_more(likeness: Float[np.ndarray, "index model checkpoint layer"]) -> Float[np.ndarray, " model"]:
    """How much more alike the first layer became than the last one, between the first and the last checkpoint.

    Each model counts with what it contributes to the mean over pairs of models, by the index for which that mean is
    the least: a claim about layers must hold by all of them.
    """
    risen = likeness[:, :, -1] - likeness[:, :, 0]
    return least_index(risen[:, :, 0] - risen[:, :, -1])


def least_index(shared: Float[np.ndarray, "index model"]) -> Float[np.ndarray, " model"]:
    """What each model contributes to the mean over pairs of models, by the index for which that mean is the least."""
    return own_parts(shared[int(shared.mean(1).argmin())])


def hidden_likeness(run: Run) -> Float[np.ndarray, "index model checkpoint layer"]:
    """The likeness of each model with the others, in the layers before the last one.

    Raises:
        BadInput: there are fewer than two of them.
    """
    models = run.models("full")
    if len(run.load("similarity.layer", models)) < 3:
        raise BadInput(
            "The study compares a shallow hidden layer with a deep one, and the network has fewer than two.",
            hint="give a recipe with two hidden layers or more, as byrote.MLP(hidden=(64, 64)).",
        )
    return np.stack([np.asarray(run.load(f"similarity.{name}", models), np.float64)[..., :-1] for name in INDICES])


def pairwise(rng: np.random.Generator, units: int, mean: float) -> Float[np.ndarray, " unit"]:
    """Likeness about a mean, with spread between models and between pairs of them: the mean of each with the others."""
    of_model = rng.normal(0, 0.02, units)
    of_pair = np.triu(rng.normal(0, 0.02, (units, units)), 1)
    both = mean + of_model[:, None] + of_model + of_pair + of_pair.T
    return np.asarray((both.sum(1) - np.diag(both)) / (units - 1))


def simulated(rng: np.random.Generator, units: int, more: float) -> Float[np.ndarray, " unit"]:
    """The effect where two indices see much of it, and the third one so much."""
    likeness = np.zeros((3, units, 2, 3))
    for index, size in enumerate((more, more + 0.2, more + 0.3)):
        likeness[index, :, 0] = pairwise(rng, units, 0.5)[:, None]
        likeness[index, :, 1] = likeness[index, :, 0] + pairwise(rng, units, 0.2)[:, None]
        likeness[index, :, 1, 0] += pairwise(rng, units, size)
    return shallow_more(likeness)


@study(
    claim="O11",
    section="4.5",
    says="With multiple networks, shallow layers converge to more similar representations.",
    effect="by how much more the likeness between models rises during the training in the first hidden layer than in "
    "the last one, by the index of three (CKA, SVCCA, PWCCA) by which it is least",
    unit="model with its own initial weights and order, beside the others",
    margin=0.0,
    minutes=0.7,
    recipe=DEEP,
    caveat="The indices disagree: by one alone the claim may hold. Layers are compared on examples held out, on which "
    "canonical correlations take the directions of largest variance, one for 20 examples.",
    null=lambda rng, units: simulated(rng, units, 0.0),
    planted=lambda rng, units: simulated(rng, units, 0.2),
)
def shallow_alike(bench: Bench) -> Verdict:
    """Train on the labels as given, and compare layers of the models before and after."""
    data, held = bench.divided(HELD)
    run = bench.train(data, full_data(len(data), bench.units), heldout=held, checkpoints=2, keep_weights_at="0,last")
    return bench.verdict(shallow_more(hidden_likeness(bench.probe(run, "similarity"))))

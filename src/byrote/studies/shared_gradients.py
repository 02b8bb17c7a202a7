"""O10: examples whose gradients agree with those of their class are learned first."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from byrote.analyses.comparison import rank_correlation
from byrote.analyses.learning_order import learned_at
from byrote.designs.full_data import full_data
from byrote.measures._in_time import early
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study


def sooner(
    cosine: Float[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    learned: Int[np.ndarray, "model example"],
) -> Float[np.ndarray, " model"]:
    """The rank correlation of agreement with the class after a tenth of the training with being learned soon.

    NaN where all labels are learned at once. Examples without a cosine are left out.
    """
    agreed = early(cosine, epochs)
    found = []
    for own, time in zip(agreed, learned.astype(np.float64), strict=True):
        known = ~np.isnan(own)
        found.append(rank_correlation(own[known], -time[known]))
    return np.array(found, np.float64)


def simulated(rng: np.random.Generator, units: int, agreed: float) -> Float[np.ndarray, " unit"]:
    """The effect on cosines of 100 examples that go with their order so much, with spread between models."""
    of_model = np.clip(agreed + rng.normal(0, 0.03, (units, 1)), 0, 1)
    time = rng.normal(size=(units, 100))
    cosine = -of_model * time + np.sqrt(1 - of_model**2) * rng.normal(size=time.shape)
    learned = np.argsort(np.argsort(time, axis=1), axis=1)
    return sooner(np.repeat(cosine[:, None], 2, axis=1), np.array([0, 5]), learned)


@study(
    claim="O10",
    section="4.4",
    says="Pattern learning dominates the early phase of training, driven by consistent gradients from similar "
    "examples, while memorization emerges later.",
    effect="rank correlation between the cosine of an example's gradient with that of its class, after a tenth of the "
    "training, and how soon it is learned for good",
    unit="model with its own initial weights and order",
    margin=0.2,
    minutes=0.7,
    recipe=DEEP,
    caveat="A correlation, which shows no cause. Before any training the cosine is mostly one of inputs. One draw of "
    "wrong labels (10 %): the interval is about other models on these data.",
    null=lambda rng, units: simulated(rng, units, 0.209),
    planted=lambda rng, units: simulated(rng, units, 0.5),
)
def shared_gradients(bench: Bench) -> Verdict:
    """Train on all data with one label in ten wrong; look at gradients early, and at answers after every epoch."""
    dataset = bench.noisy(0.1)
    run = bench.train(
        dataset,
        full_data(len(dataset), bench.units),
        checkpoints=1_000,
        probes=("class_cosine,models=all,checkpoints=11",),
    )
    models = run.models("full")
    cosine = np.asarray(run.load("class_cosine.cosine", models), np.float64)
    epochs = np.asarray(run.load("class_cosine.epochs", models), np.int64)
    learned = learned_at(np.asarray(run.load("trajectory.correct", models), bool))
    return bench.verdict(sooner(cosine, epochs, learned))

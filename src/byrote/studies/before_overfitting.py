"""R98: a part of what is memorized is memorized before the network overfits."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.data.controls import LABEL_NOISE
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study


def by_the_minimum(
    correct: Bool[np.ndarray, "model checkpoint example"],
    loss: Float[np.ndarray, "model checkpoint example"],
    member: Bool[np.ndarray, "model example"],
    noisy: Bool[np.ndarray, " example"],
) -> Float[np.ndarray, " pair"]:
    """The share of its memorization of wrong labels that a pair has where its loss on what is left out is lowest.

    Models 2k and 2k + 1 are mates, of which each trains on what the other leaves out. Memorization is the accuracy on
    wrong labels that a model trains on, less that on those that it leaves out, the mean over the pair; the loss is that
    of right labels. NaN where nothing is memorized in the end.
    """
    found = []
    for first in range(0, len(correct), 2):
        two = range(first, first + 2)
        inside, left_out = ([member[k] == side for k in two] for side in (True, False))
        memorized, left = np.zeros(correct.shape[1]), np.zeros(correct.shape[1])
        for k, mine, others in zip(two, inside, left_out, strict=True):
            memorized += correct[k][:, noisy & mine].mean(1) - correct[k][:, noisy & others].mean(1)
            left += loss[k][:, ~noisy & others].mean(1)
        found.append(memorized[left.argmin()] / memorized[-1] if memorized[-1] > 0 else np.nan)
    return np.array(found, np.float64)


def simulated(rng: np.random.Generator, units: int, share: float) -> Float[np.ndarray, " unit"]:
    """The effect on pairs that have memorized so much of 80 wrong labels at the second of three checkpoints."""
    noisy = np.arange(200) < 80
    half = np.stack([rng.permutation(200) < 100 for _ in range(units)])
    member = np.stack([half, ~half], axis=1).reshape(2 * units, 200)
    of_pair = np.repeat(np.clip(share + rng.normal(0, 0.03, units), 0, 1), 2)
    fitted = rng.random((2 * units, 200)) < of_pair[:, None]
    correct = np.stack([np.zeros_like(member), member & fitted, member], axis=1) | ~noisy
    loss = np.broadcast_to(np.array([1.0, 0.2, 0.4])[:, None], correct.shape)
    return by_the_minimum(correct, loss, member, noisy)


@study(
    claim="R98",
    section="8.1",
    says="This also explains why memorization does not depend on overfitting.",
    effect="share of the final label memorization of wrong labels that is there at the lowest loss on right labels "
    "left out",
    unit="pair of models, trained on the two halves of the data",
    margin=0.1,
    minutes=1.2,
    recipe=DEEP,
    caveat="Overfitting begins where the loss on what is left out is lowest. One draw of wrong labels (10 %): the "
    "interval is about other models and halves on these data.",
    null=lambda rng, units: simulated(rng, units, 0.1),
    planted=lambda rng, units: simulated(rng, units, 0.3),
)
def before_overfitting(bench: Bench) -> Verdict:
    """Train pairs of models on halves of the data with one label in ten wrong, and look after every epoch."""
    dataset = bench.noisy(0.1)
    rng = np.random.default_rng([bench.seed, 3])
    design = half_subset_pairs(len(dataset), 2 * bench.units, rng=rng, groups=dataset.groups)
    run = bench.train(dataset, design, checkpoints=1_000)
    models = whole_pairs(run.models())
    correct = np.asarray(run.load("trajectory.correct", models), bool)
    loss = np.asarray(run.load("trajectory.loss", models), np.float64)
    member = np.asarray(run.load("design.member", models) == 1, bool)
    return bench.verdict(by_the_minimum(correct, loss, member, run.controls.mask(run.ids, LABEL_NOISE)))


def whole_pairs(models: Int[np.ndarray, " model"]) -> Int[np.ndarray, " model"]:
    """Those of the models whose mates are there too; 2k and 2k + 1 are mates.

    Example:
        >>> whole_pairs(np.array([0, 1, 3, 4, 5]))
        array([0, 1, 4, 5])
    """
    return np.asarray(models[np.isin(models ^ 1, models)])

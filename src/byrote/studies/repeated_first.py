"""O6: what is repeated is learned first."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float, UInt8

from byrote.designs.design import Design, Phase
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import Bench, epochs_of
from byrote.studies.catalog import study

#: So often the repeated half of the chosen examples is shown in an epoch, and so many are chosen at most.
TIMES: Final = 8
CHOSEN: Final = 64


def earlier(
    loss: Float[np.ndarray, "model checkpoint example"], often: Bool[np.ndarray, "model example"]
) -> Float[np.ndarray, " pair"]:
    """How much lower the loss of an example is where it is repeated, over its own where it is not, in each pair.

    Models 2k and 2k + 1 are a pair: either repeats the half of the examples that the other shows once. The mean is
    over examples and over the checkpoints given.
    """
    course = loss.mean(1)
    sign = np.where(often, -1.0, 1.0)
    return np.asarray((course * sign).mean(1).reshape(-1, 2).sum(1))


def halves(rng: np.random.Generator, pairs: int, chosen: int) -> Bool[np.ndarray, "model chosen"]:
    """Which of the chosen examples each model repeats: a half drawn for each pair, and the other half for its mate."""
    first = np.stack([rng.permutation(chosen) < chosen // 2 for _ in range(pairs)])
    return np.stack([first, ~first], axis=1).reshape(2 * pairs, chosen)


def simulated(rng: np.random.Generator, units: int, nats: float) -> Float[np.ndarray, " unit"]:
    """The effect on losses that a repetition lowers by so many nats, with spread between examples, pairs and models."""
    often = halves(rng, units, CHOSEN)
    of_pair = np.repeat(nats + rng.normal(0, 0.05, (units, 1, 1)), 2, axis=0)
    loss = rng.gamma(2, 0.3, (1, 1, CHOSEN)) + rng.normal(0, 0.1, (2 * units, 10, CHOSEN)) - of_pair * often[:, None]
    return earlier(loss, often)


@study(
    claim="O6",
    section="4.3",
    says="DNNs tend to prioritize the memorization of repeated data.",
    effect="nats by which an example's loss in training is lower where it is shown 8 times an epoch than where once",
    unit="pair of models, each of which repeats the examples that the other does not",
    margin=0.02,
    minutes=0.4,
    caveat="Examples are held fixed within a pair, and so is the number of steps. The loss is the mean over "
    "checkpoints after the start, dense at first.",
    null=lambda rng, units: simulated(rng, units, 0.02),
    planted=lambda rng, units: simulated(rng, units, 0.2),
)
def repeated_first(bench: Bench) -> Verdict:
    """Show one half of some examples 8 times an epoch to one model, and the other half to its mate."""
    rng = np.random.default_rng([bench.seed, 8])
    chosen = 2 * min(CHOSEN // 2, len(bench.dataset) // 10)
    rows, often = rng.permutation(len(bench.dataset))[:chosen], halves(rng, bench.units, chosen)
    count = np.ones((2 * bench.units, len(bench.dataset)), np.uint8)
    count[:, rows] = np.where(often, TIMES, 1)
    run = bench.train(bench.dataset, repeating(count), checkpoints=12)
    loss = np.asarray(run.load("trajectory.loss", run.models()), np.float64)
    kept = often[run.models()]
    return bench.verdict(earlier(loss[:, epochs_of(run) > 0][:, :, rows], kept))


def repeating(count: UInt8[np.ndarray, "model example"]) -> Design:
    """Pairs of models that are shown examples so often."""
    models = len(count)
    return Design(
        name="repetitions",
        phases=(Phase(name="train", count=count),),
        pair=np.arange(models) // 2,
        role=np.zeros(models, np.int8),
        parameters={"times": TIMES},
    )

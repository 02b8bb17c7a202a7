"""R96: the more an example is like another class, the more it is memorized."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from byrote.analyses.comparison import rank_correlation
from byrote.data.dataset import Dataset
from byrote.data.mapped import copied
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.recipes.optimizers import SGD
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DIGITS, Bench
from byrote.studies.catalog import study
from byrote.studies.little_representative import MODELS, memorized_by_unit

#: So many examples are blended, a seventh of the data at most.
BLENDS: Final = 200


def with_share(
    memorized: Float[np.ndarray, "unit example"], share: Float[np.ndarray, " example"]
) -> Float[np.ndarray, " unit"]:
    """The rank correlation of memorization with the share of another class, over blends with less than a half of it.

    Up to there the label is that of the larger part, so that the blends go from easy to hard without a wrong label.
    """
    chosen = share < 0.5
    return np.array([rank_correlation(one[chosen], share[chosen]) for one in memorized], np.float64)


def blended(
    dataset: Dataset, rng: np.random.Generator
) -> tuple[Dataset, Int[np.ndarray, " blend"], Float[np.ndarray, " blend"]]:
    """The data with some inputs mixed with one of another class, their rows, and the share of that; labels stay."""
    count = min(BLENDS, len(dataset) // 7)
    rows = rng.permutation(len(dataset))[:count]
    share = rng.uniform(size=count)
    others = np.array([rng.choice(np.flatnonzero(dataset.targets != label)) for label in dataset.targets[rows]])
    inputs = copied(dataset.inputs)
    wide = share.reshape(-1, *[1] * (inputs.ndim - 1))
    inputs[rows] = (1 - wide) * dataset.inputs[rows] + wide * dataset.inputs[others]
    return dataset.replace(name=f"{dataset.name}-blended", inputs=inputs), rows, share


def simulated(rng: np.random.Generator, units: int, correlated: float) -> Float[np.ndarray, " unit"]:
    """The effect on memorization of 200 blends that goes with the share so much, with spread between units."""
    share = (np.arange(200) + 0.5) / 200
    common = np.where(share < 0.5, (share - 0.25) / (0.5 / np.sqrt(12)), 0.0)
    of_unit = np.clip(correlated + rng.normal(0, 0.03, (units, 1)), 0, 1)
    return with_share(of_unit * common + np.sqrt(1 - of_unit**2) * rng.normal(size=(units, 200)), share)


@study(
    claim="R96",
    section="8.1",
    says="The harder the pattern extraction, the stronger the memorization tendency.",
    effect="rank correlation between label memorization and the share of another class that an input was blended with, "
    "up to a half",
    unit="4 pairs of models, each pair trained on the two halves of the data",
    margin=0.1,
    minutes=0.6,
    recipe=replace(DIGITS, optimizer=SGD(lr=0.1, momentum=0.9)),
    caveat="Difficulty is planted, by blending inputs of two classes. One draw of blends: the interval is about other "
    "models on these data.",
    null=lambda rng, units: simulated(rng, units, 0.102),
    planted=lambda rng, units: simulated(rng, units, 0.4),
)
def harder_memorized(bench: Bench) -> Verdict:
    """Blend some inputs with those of other classes, and train pairs of models on halves of the data."""
    data, rows, share = blended(bench.dataset, np.random.default_rng([bench.seed, 10]))
    rng = np.random.default_rng([bench.seed, 3])
    design = half_subset_pairs(len(data), MODELS * bench.units, rng=rng, groups=data.groups)
    run = bench.train(data, design, checkpoints=2)
    return bench.verdict(with_share(memorized_by_unit(run, bench.units)[:, rows], share))

"""O5: what lies far from the others of its class is memorized."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Int

from byrote.analyses.comparison import rank_correlation
from byrote.data.dataset import Dataset
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.results import PerExample
from byrote.runs.run import Run
from byrote.stats.neighbours import nearest
from byrote.stats.ranking import ranks
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import Bench
from byrote.studies.catalog import study

#: Models that together tell how much an example is memorized: one unit. And the neighbours that represent it.
MODELS: Final = 8
NEIGHBOURS: Final = 5


def lonelier(
    memorized: Float[np.ndarray, "unit example"],
    distance: Float[np.ndarray, " example"],
    label: Int[np.ndarray, " example"],
) -> Float[np.ndarray, " unit"]:
    """The rank correlation, within classes, of memorization with the distance to others of the class.

    Ranks are taken within each class, as a share of it, and correlated over all. NaN where nothing is memorized.
    """
    far = of_class(distance, label)
    return np.array([rank_correlation(of_class(one, label), far) for one in memorized], np.float64)


def of_class(values: Float[np.ndarray, " example"], label: Int[np.ndarray, " example"]) -> np.ndarray:
    """The rank of each value within its class, about 0 and divided by the size of the class; NaN where it has none."""
    found = np.full(len(values), np.nan)
    for one in np.unique(label):
        rows = np.flatnonzero((label == one) & np.isfinite(values))
        found[rows] = (ranks(values[rows]) - (len(rows) + 1) / 2) / max(1, len(rows))
    return found


def distances(dataset: Dataset) -> Float[np.ndarray, " example"]:
    """The mean distance of each input to the nearest others of its class; NaN in a class of too few."""
    inputs = np.asarray(dataset.inputs, np.float64).reshape(len(dataset), -1)
    found = np.full(len(dataset), np.nan)
    for label in np.unique(dataset.targets):
        rows = np.flatnonzero(dataset.targets == label)
        if len(rows) > NEIGHBOURS:
            near = nearest(inputs[rows], inputs[rows], NEIGHBOURS, own=np.arange(len(rows)))
            found[rows] = near.distance.mean(1)
    return found


def memorized_by_unit(run: Run, units: int) -> Float[np.ndarray, "unit example"]:
    """Label memorization as 8 models in a row tell it, which are whole pairs.

    A unit is left out where one of them diverged.
    """
    return memorized_by(run, whole_units(run, units))


def whole_units(run: Run, units: int) -> Int[np.ndarray, " unit"]:
    """The units of which no model diverged."""
    return np.flatnonzero(np.bincount(run.models() // MODELS, minlength=units) == MODELS)


def memorized_by(run: Run, units: Int[np.ndarray, " unit"]) -> Float[np.ndarray, "unit example"]:
    """Label memorization as the models of each of these units tell it."""
    found = []
    for unit in units.tolist():
        result = run.measured_on("label_memorization", np.arange(unit * MODELS, (unit + 1) * MODELS))
        assert isinstance(result, PerExample)
        found.append(result.values)
    return np.array(found, np.float64).reshape(-1, len(run.ids))


def simulated(rng: np.random.Generator, units: int, correlated: float) -> Float[np.ndarray, " unit"]:
    """The effect on memorization that goes with distance so much, with spread between units."""
    label, distance = np.arange(80) % 2, np.arange(80.0)
    common = (distance - distance.mean()) / distance.std()
    of_unit = np.clip(correlated + rng.normal(0, 0.02, (units, 1)), 0, 1)
    return lonelier(of_unit * common + np.sqrt(1 - of_unit**2) * rng.normal(size=(units, 80)), distance, label)


@study(
    claim="O5",
    section="4.2",
    says="Neural networks memorize atypical long-tailed examples due to their low representativeness, focusing on "
    "reducing training loss rather than capturing meaningful features.",
    effect="rank correlation within classes between label memorization and the mean distance of an input to the 5 "
    "nearest others of its class",
    unit="4 pairs of models, each pair trained on the two halves of the data",
    margin=0.1,
    minutes=0.3,
    caveat="A correlation: that a low representativeness is the cause, and what the features are worth, is not tried. "
    "Four pairs tell memorization coarsely, which makes the correlation smaller than that of many.",
    null=lambda rng, units: simulated(rng, units, 0.102),
    planted=lambda rng, units: simulated(rng, units, 0.4),
)
def little_representative(bench: Bench) -> Verdict:
    """Train pairs of models on halves of the data, and correlate what they memorize with how lonely it is."""
    rng = np.random.default_rng([bench.seed, 3])
    data = bench.dataset
    design = half_subset_pairs(len(data), MODELS * bench.units, rng=rng, groups=data.groups)
    run = bench.train(data, design, checkpoints=2)
    memorized = memorized_by_unit(run, bench.units)
    return bench.verdict(lonelier(memorized, distances(data), np.asarray(data.targets, np.int64)))

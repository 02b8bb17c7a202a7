"""R69: few poisons of a backdoor are known by rote, and many become a pattern."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from byrote.changes.change import Context
from byrote.changes.data.backdoor import Backdoor
from byrote.data.controls import BACKDOOR
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.recipes.optimizers import SGD
from byrote.runs.run import Run
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DIGITS, Bench
from byrote.studies.catalog import study
from byrote.studies.little_representative import MODELS, memorized_by, whole_units

#: Few poisons, and the share of many.
FEW: Final = 4
MANY: Final = 0.05


def less_by_rote(
    few: Float[np.ndarray, "unit few"], many: Float[np.ndarray, "unit many"]
) -> Float[np.ndarray, " unit"]:
    """How much more each of few poisons is memorized than each of many."""
    return np.asarray(few.mean(1) - many.mean(1))


def simulated(rng: np.random.Generator, units: int, more: float) -> Float[np.ndarray, " unit"]:
    """The effect where each of 4 poisons is memorized by so much more than each of 70."""
    few = 0.1 + more + rng.normal(0, 0.05, (units, 1)) + rng.normal(0, 0.1, (units, FEW))
    return less_by_rote(few, 0.1 + rng.normal(0, 0.02, (units, 1)) + rng.normal(0, 0.1, (units, 70)))


@study(
    claim="R69",
    section="8.3",
    says="A backdoor of few poisons is learned by rote, one of many as a pattern.",
    effect="mean label memorization of 4 poisons minus that of poisons that are 5 % of the data",
    unit="4 pairs of models of either number of poisons, each pair trained on the two halves of the data",
    margin=0.25,
    minutes=1.1,
    recipe=replace(DIGITS, optimizer=SGD(lr=0.1, momentum=0.9)),
    caveat="A patch of 2 × 2 pixels, drawn once for each number. Models that lack one of many poisons saw half of the "
    "others, which teach the pattern; `byrote ask RUN backdoor_copies` also holds out all of them together.",
    null=lambda rng, units: simulated(rng, units, 0.25),
    planted=lambda rng, units: simulated(rng, units, 0.45),
)
def backdoor_by_rote(bench: Bench) -> Verdict:
    """Plant few and many poisons, and train pairs of models on halves of the data."""
    runs = [_trained(bench, amount) for amount in (FEW / len(bench.dataset), MANY)]
    units = reduce(np.intersect1d, [whole_units(run, bench.units) for run in runs])
    return bench.verdict(less_by_rote(*(_memorized(run, units) for run in runs)))


def _memorized(run: Run, units: Int[np.ndarray, " unit"]) -> Float[np.ndarray, "unit poison"]:
    return memorized_by(run, units)[:, run.controls.mask(run.ids, BACKDOOR)]


def _trained(bench: Bench, amount: float) -> Run:
    context = Context(dataset=bench.dataset, rng=np.random.default_rng([bench.seed, 12]))
    data = Backdoor(amount).apply(bench.dataset, context)
    rng = np.random.default_rng([bench.seed, 3])
    design = half_subset_pairs(len(data), MODELS * bench.units, rng=rng, groups=data.groups)
    return bench.train(data, design, name=f"poisons-{amount:g}", checkpoints=2)

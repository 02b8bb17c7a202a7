"""O35: mislabelled and noisy examples of a poisoning are readily memorized."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float

from byrote.changes.change import Context
from byrote.changes.data.input_noise import InputNoise
from byrote.data.controls import INPUT_NOISE, LABEL_NOISE
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.recipes.optimizers import SGD
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DIGITS, Bench
from byrote.studies.catalog import study
from byrote.studies.little_representative import MODELS, memorized_by_unit

AMOUNT: Final = 0.03


def beyond_clean(
    flips: Float[np.ndarray, "unit flip"],
    noise: Float[np.ndarray, "unit noisy"],
    clean: Float[np.ndarray, "unit other"],
) -> Float[np.ndarray, " unit"]:
    """How much more the less memorized of the two poisons is memorized than clean examples, by their means."""
    return np.asarray(np.minimum(flips.mean(1), noise.mean(1)) - clean.mean(1))


def simulated(rng: np.random.Generator, units: int, more: float) -> Float[np.ndarray, " unit"]:
    """The effect where flips are memorized by so much more than clean examples, and noise by more than that."""
    flips, noise, clean = (
        middle + rng.normal(0, 0.03, (units, 1)) + rng.normal(0, 0.1, (units, 40))
        for middle in (0.05 + more, 0.25 + more, 0.05)
    )
    return beyond_clean(flips, noise, clean)


@study(
    claim="O35",
    section="5.3",
    says="Neural networks readily memorize mislabeled or noisy data in poisoning attacks.",
    effect="mean label memorization of wrong labels, or of inputs of noise alone, whichever is less, minus that of "
    "clean examples",
    unit="4 pairs of models, each pair trained on the two halves of the data",
    margin=0.25,
    minutes=0.6,
    recipe=replace(DIGITS, optimizer=SGD(lr=0.1, momentum=0.9)),
    caveat="3 % of either kind, drawn once. The claim's open part, more complex poisons, is that of R69.",
    null=lambda rng, units: simulated(rng, units, 0.25),
    planted=lambda rng, units: simulated(rng, units, 0.4),
)
def poisons_memorized(bench: Bench) -> Verdict:
    """Plant wrong labels and inputs of noise, and train pairs of models on halves of the data."""
    noisy = bench.noisy(AMOUNT)
    data = InputNoise(AMOUNT, 1.0).apply(noisy, Context(dataset=noisy, rng=np.random.default_rng([bench.seed, 13])))
    rng = np.random.default_rng([bench.seed, 3])
    design = half_subset_pairs(len(data), MODELS * bench.units, rng=rng, groups=data.groups)
    run = bench.train(data, design, checkpoints=2)
    memorized = memorized_by_unit(run, bench.units)
    flips, noise = (run.controls.mask(run.ids, kind) for kind in (LABEL_NOISE, INPUT_NOISE))
    return bench.verdict(beyond_clean(memorized[:, flips], memorized[:, noise], memorized[:, ~(flips | noise)]))

"""R68: the more noise an input holds, the more it is memorized."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from byrote.changes.change import Context
from byrote.changes.data.input_noise import InputNoise
from byrote.data.dataset import Dataset
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.recipes.optimizers import SGD
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DIGITS, Bench
from byrote.studies.catalog import study
from byrote.studies.little_representative import MODELS, memorized_by_unit

#: Shares of noise in an input, and how many of the examples get each.
SHARES: Final = (0.25, 0.5, 1.0)
AMOUNT: Final = 0.03


def rise(
    little: Float[np.ndarray, "unit few"], half: Float[np.ndarray, "unit some"], whole: Float[np.ndarray, "unit many"]
) -> Float[np.ndarray, " unit"]:
    """The smaller of the two steps of mean memorization: from little noise to half, and from half to noise alone."""
    means = [each.mean(1) for each in (little, half, whole)]
    return np.asarray(np.minimum(means[1] - means[0], means[2] - means[1]))


def with_noise(dataset: Dataset, seed: int) -> tuple[Dataset, list[Int[np.ndarray, " noisy"]]]:
    """The data in which some inputs hold each share of noise, and the rows of these."""
    rows: list[np.ndarray] = []
    for number, share in enumerate(SHARES):
        before = set(dataset.controls.example.tolist())
        context = Context(dataset=dataset, rng=np.random.default_rng([seed, 11, number]))
        dataset = InputNoise(AMOUNT, share).apply(dataset, context)
        rows.append(dataset.index_of([one for one in dataset.controls.example.tolist() if one not in before]))
    return dataset, rows


def simulated(rng: np.random.Generator, units: int, step: float) -> Float[np.ndarray, " unit"]:
    """The effect of 40 examples of each share, where the second step is so large and the first one larger."""
    middles = (0.1, 0.2 + step, 0.2 + 2 * step)
    little, half, whole = (
        middle + rng.normal(0, 0.03, (units, 1)) + rng.normal(0, 0.1, (units, 40)) for middle in middles
    )
    return rise(little, half, whole)


@study(
    claim="R68",
    section="5.3",
    says="Inputs with artificial noise are memorized, the more the more noise they hold.",
    effect="the smaller of the two rises of mean label memorization: from a quarter of noise to half, and from half to "
    "noise alone",
    unit="4 pairs of models, each pair trained on the two halves of the data",
    margin=0.1,
    minutes=0.4,
    recipe=replace(DIGITS, optimizer=SGD(lr=0.1, momentum=0.9)),
    caveat="The noise of an example stays the same in all epochs; noise that is drawn anew cannot be memorized. One "
    "draw of noise: the interval is about other models on these data.",
    null=lambda rng, units: simulated(rng, units, 0.1),
    planted=lambda rng, units: simulated(rng, units, 0.2),
)
def noise_memorized(bench: Bench) -> Verdict:
    """Mix some inputs with noise of three shares, and train pairs of models on halves of the data."""
    data, rows = with_noise(bench.dataset, bench.seed)
    rng = np.random.default_rng([bench.seed, 3])
    design = half_subset_pairs(len(data), MODELS * bench.units, rng=rng, groups=data.groups)
    memorized = memorized_by_unit(bench.train(data, design, checkpoints=2), bench.units)
    return bench.verdict(rise(*(memorized[:, one] for one in rows)))

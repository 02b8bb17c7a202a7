"""O37: atypical examples that are memorized corrupt robustness."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float

from byrote.data.dataset import Dataset
from byrote.data.mapped import copied
from byrote.designs.full_data import full_data
from byrote.stats.verdicts import Verdict
from byrote.studies.attacks import judged_by, on_attacks
from byrote.studies.bench import Bench
from byrote.studies.catalog import study

#: Of each class so many examples become atypical, by so much of an example of the next class.
ATYPICAL: Final = 0.1
OF_ANOTHER: Final = 0.7
HELD_OUT: Final = 0.3


def atypical(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    """The data with some examples of each class that look like the next class: a blend with one of its examples.

    Labels stay. Which examples are blended with which is drawn at random.
    """
    inputs, classes = copied(dataset.inputs), np.unique(dataset.targets)
    rows = {one: rng.permutation(np.flatnonzero(dataset.targets == one)) for one in classes}
    for one, following in zip(classes, np.roll(classes, -1), strict=True):
        chosen = rows[one][: round(ATYPICAL * len(rows[one]))]
        others = rng.choice(rows[following], len(chosen))
        inputs[chosen] = OF_ANOTHER * dataset.inputs[others] + (1 - OF_ANOTHER) * dataset.inputs[chosen]
    return dataset.replace(name=f"{dataset.name}-atypical", inputs=inputs)


def corrupted(
    typical: Bool[np.ndarray, "model query"], with_atypical: Bool[np.ndarray, "model query"]
) -> Float[np.ndarray, " model"]:
    """The accuracy under attack that a model has less with atypical examples, by seed."""
    return np.asarray(typical.mean(1) - with_atypical.mean(1), np.float64)


def simulated(rng: np.random.Generator, units: int, lost: float) -> Float[np.ndarray, " unit"]:
    """The effect where so much of an accuracy of .7 on 400 examples is lost."""
    of_unit = 0.7 + rng.normal(0, 0.02, (units, 1))
    typical, others = (rng.random((units, 400)) < of_unit - of for of in (0.0, lost))
    return corrupted(typical, others)


@study(
    claim="O37",
    section="5.4",
    says="Memorized atypical examples may corrupt the adversarial robustness.",
    effect="accuracy under attack on held-out data after adversarial training on typical examples, minus that after "
    "training with one example in ten blended with the next class",
    unit="seed, of a model of each training",
    margin=0.0,
    minutes=1.0,
    caveat="The atypical examples are planted: .7 of an input of the next class and .3 of their own, with their own "
    "label. In the other arm the same examples stay as they are, so that both have as many. One draw of them.",
    null=lambda rng, units: simulated(rng, units, 0.0),
    planted=lambda rng, units: simulated(rng, units, 0.15),
)
def atypical_harm(bench: Bench) -> Verdict:
    """Train adversarially with and without examples that look like another class, and attack held-out examples."""
    data, held = bench.divided(HELD_OUT)
    blended = atypical(data, np.random.default_rng([bench.seed, 15]))
    design, recipe = full_data(len(data), bench.units), on_attacks(bench)
    settings: dict[str, Any] = {"heldout": held, "checkpoints": 2, "probes": (judged_by(bench.dataset),)}
    typical = bench.train(data, design, name="typical", recipe=recipe, **settings)
    others = bench.train(blended, design, name="atypical", recipe=recipe, **settings)
    models = np.intersect1d(typical.models("full"), others.models("full"))
    right = [np.asarray(run.load("adversarial.heldout_correct", models), bool) for run in (typical, others)]
    return bench.verdict(corrupted(*right))

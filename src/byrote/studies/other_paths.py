"""R25: what is memorized is carried by other units in each network."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from byrote.data.controls import LABEL_NOISE
from byrote.designs.full_data import full_data
from byrote.stats.jackknife import own_parts
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study


def less_shared(
    own: Float[np.ndarray, "model example"],
    same_label: Float[np.ndarray, "model example"],
    compared: Bool[np.ndarray, "model example"],
    noisy: Bool[np.ndarray, " example"],
) -> Float[np.ndarray, " model"]:
    """How much more the units that carry a right label are shared between networks than those of a wrong one.

    Either counts beyond the units of another example of its label. Each model counts with what it contributes to the
    mean over pairs of models. NaN where a model and the others fit none of either.
    """
    found = []
    for beyond, there in zip(own - same_label, compared, strict=True):
        of_right, of_wrong = beyond[there & ~noisy], beyond[there & noisy]
        found.append(of_right.mean() - of_wrong.mean() if len(of_right) and len(of_wrong) else np.nan)
    return own_parts(np.array(found, np.float64))


def simulated(rng: np.random.Generator, units: int, less: float) -> Float[np.ndarray, " unit"]:
    """The effect on units in common that are so much fewer of wrong labels, with spread between models."""
    noisy = np.arange(100) < 30
    of_model = rng.normal(0, 0.005, (units, 1)) * noisy
    own = 0.15 - less * noisy + of_model + rng.normal(0, 0.02, (units, 100))
    return less_shared(own, np.full_like(own, 0.1), np.ones(own.shape, bool), noisy)


@study(
    claim="R25",
    section="4.2",
    says="Memorization paths differ across independent training experiments for the same example, suggesting that DNNs "
    "may select different particular features to uniquely identify the same example.",
    effect="overlap (intersection over union) of the units that carry a label with those of another network, matched, "
    "beyond another example of the label: right labels less wrong ones",
    unit="model with its own initial weights and order, beside the others",
    margin=0.01,
    minutes=0.7,
    recipe=DEEP,
    caveat="Matched units correlate far from perfectly. The claim is read as one about wrong labels "
    "in comparison with right ones. One draw of wrong labels (10 %).",
    null=lambda rng, units: simulated(rng, units, 0.01),
    planted=lambda rng, units: simulated(rng, units, 0.05),
)
def other_paths(bench: Bench) -> Verdict:
    """Train on all data with one label in ten wrong, and match the units of each network with those of the others."""
    dataset = bench.noisy(0.1)
    run = bench.train(dataset, full_data(len(dataset), bench.units), checkpoints=2, keep_weights_at="last")
    bench.probe(run, "unit_paths")
    models = run.models("full")
    own, same = (
        np.asarray(run.load(f"unit_paths.overlap_{whose}", models), np.float64) for whose in ("own", "same_label")
    )
    compared = np.asarray(run.load("unit_paths.networks", models) > 0, bool)
    return bench.verdict(less_shared(own, same, compared, run.controls.mask(run.ids, LABEL_NOISE)))

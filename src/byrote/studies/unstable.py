"""R97: what is memorized is lost at smaller changes of the weights than examples of the same margin."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from byrote.data.controls import LABEL_NOISE
from byrote.designs.full_data import full_data
from byrote.measures.flip_radius import residuals
from byrote.stats.ranking import auroc
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study


def sooner_lost(
    radius: Float[np.ndarray, "model example"],
    confidence: Float[np.ndarray, "model example"],
    noisy: Bool[np.ndarray, " example"],
) -> Float[np.ndarray, " model"]:
    """How much better than by chance a small radius, beyond what the margin says of it, tells wrong labels from right.

    It is an AUROC less .5, over the labels that a model fits, whose radius is a number. NaN where it fits none of
    either.
    """
    fitted = np.isfinite(radius)
    beyond = residuals(radius, confidence, fitted)
    return np.array([auroc(one[mine], noisy[mine]) - 0.5 for one, mine in zip(beyond, fitted, strict=True)], np.float64)


def simulated(rng: np.random.Generator, units: int, shift: float) -> Float[np.ndarray, " unit"]:
    """The effect on radii that follow the margin and, of wrong labels, are smaller by so many deviations."""
    noisy = np.arange(80) < 30
    margin = rng.normal(size=(units, 80)) - noisy
    of_model = shift + rng.normal(0, 0.1, (units, 1))
    return sooner_lost(np.exp(margin + rng.normal(size=margin.shape) - of_model * noisy), margin, noisy)


@study(
    claim="R97",
    section="8.1",
    says="These memorized examples become highly unstable: even if a small part of the associated parameters has been "
    "updated, these examples are likely to be misclassified.",
    effect="AUROC less .5 with which the noise on the weights that loses an example, beyond what the margin says of "
    "it, tells fitted wrong labels from fitted right ones",
    unit="model with its own initial weights and order",
    margin=0.1,
    minutes=1.3,
    recipe=DEEP,
    caveat="Memorized are wrong labels here; of rare examples it says nothing. One draw of wrong labels (10 %): the "
    "interval is about other models on these data.",
    null=lambda rng, units: simulated(rng, units, 0.37),
    planted=lambda rng, units: simulated(rng, units, 1.5),
)
def unstable(bench: Bench) -> Verdict:
    """Train on all data with one label in ten wrong, and disturb the final weights."""
    dataset = bench.noisy(0.1)
    run = bench.train(dataset, full_data(len(dataset), bench.units), checkpoints=2, keep_weights_at="last")
    bench.probe(run, "stability")
    models = run.models("full")
    radius, confidence = (
        np.asarray(run.load(f"stability.{name}", models), np.float64) for name in ("radius", "confidence")
    )
    return bench.verdict(sooner_lost(radius, confidence, run.controls.mask(run.ids, LABEL_NOISE)))

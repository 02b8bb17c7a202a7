"""The share of the examples that are memorized: the headline of a report, and a figure of `byrote check`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from byrote.changes.cross_fit import ensemble_rates
from byrote.results import PerExample, Scalar
from byrote.runs.run import Run
from byrote.stats.extrapolated_share import extrapolated_share
from byrote.stats.jackknife import from_replicates

#: Feldman & Zhang 2020 call an example memorized from this score on.
MEMORIZED: Final = 0.25
#: The bound for differences of rates: a little lower, because rounding may put a true quarter below .25.
LEAST_MEMORIZED: Final = MEMORIZED - 1e-9
#: With fewer models on a side the share of memorized examples cannot be corrected for chance: with 8 models the
#: error of the corrected share is larger than its interval.
FEWEST_ON_A_SIDE: Final = 16


def memorized_share(run: Run) -> Scalar:
    """The share in the headline of a report: corrected for chance if there are enough models, else raw.

    Raises:
        MissingEvidence, TooFewModels: label memorization cannot be measured.
    """
    memorization = run.measure("label_memorization")
    assert isinstance(memorization, PerExample)
    return corrected_share(run, memorization) or raw_share(run, memorization)


def raw_share(run: Run, memorization: PerExample) -> Scalar:
    """The share of the estimates that reach the threshold, some of them by chance."""
    known = int((memorization.reason_code == 0).sum())
    return run.pooled("label_memorization", _reaching, examples=known, bounds=(0.0, 1.0))


def corrected_share(run: Run, memorization: PerExample) -> Scalar | None:
    """The share of the examples that are memorized, corrected for estimates that chance puts over the threshold.

    None with fewer than 32 models, or where models are compared within several strata.
    """
    if models_on_a_side(memorization) < FEWEST_ON_A_SIDE:
        return None
    defined = memorization.reason_code == 0
    rates = ensemble_rates(run)
    everyone, strata = np.arange(len(rates.right)), rates.right.shape[1]
    if strata > 1:  # how chance carries estimates over the threshold is known for one stratum
        return None

    def share(kept: np.ndarray) -> float:
        found = rates.of(kept)
        return extrapolated_share(found.right[0, 0], found.models[0, 0], MEMORIZED)

    figure = from_replicates(
        share(everyone >= 0),
        np.array([share(everyone != part) for part in everyone]),
        models=memorization.models,
        examples=int(defined.sum()),
        bounds=(0.0, 1.0),
    )
    return at_least_one(figure)


def models_on_a_side(memorization: PerExample) -> float:
    """The smaller number of models, trained on the example or not; the median over examples."""
    defined = memorization.reason_code == 0
    if not defined.any() or not {"members", "nonmembers"} <= set(memorization.counts):
        return 0.0
    return float(np.median(np.minimum(*(memorization.counts[side][defined] for side in ("members", "nonmembers")))))


def at_least_one(figure: Scalar) -> Scalar:
    """A share of examples with the error of one of them at least: at 0 and 1 leaving out pairs changes nothing."""
    one = 1 / figure.examples
    if math.isnan(figure.value) or figure.stderr >= one:
        return figure
    return replace(
        figure,
        stderr=one,
        low=max(0.0, float(np.fmin(figure.low, figure.value - one))),
        high=min(1.0, float(np.fmax(figure.high, figure.value + one))),
        note="",
    )


def _reaching(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.mean(known >= LEAST_MEMORIZED)) if len(known) else float("nan")

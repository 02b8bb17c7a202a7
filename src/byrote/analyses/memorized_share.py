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
#: The same as a bound for differences of rates, which may miss a true quarter by rounding.
LEAST_MEMORIZED: Final = MEMORIZED - 1e-9
#: With fewer models on a side the share of memorized examples cannot be freed of chance: at 8 the corrected share is
#: off by more than its interval tells.
FEWEST_ON_A_SIDE: Final = 16


def memorized_share(run: Run) -> Scalar:
    """The share that a report has in its headline: freed of chance where there are models enough for it, else raw.

    Raises:
        MissingEvidence, TooFewModels: label memorization cannot be measured.
    """
    memorization = run.measure("label_memorization")
    assert isinstance(memorization, PerExample)
    return corrected_share(run, memorization) or raw_share(run, memorization)


def raw_share(run: Run, memorization: PerExample) -> Scalar:
    """The share of the estimates that reach the line, some of them by chance."""
    known = int((memorization.reason_code == 0).sum())
    return run.pooled("label_memorization", _reaching, examples=known, bounds=(0.0, 1.0))


def corrected_share(run: Run, memorization: PerExample) -> Scalar | None:
    """The share of the examples that are memorized, freed of what chance carries over the line.

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
    """How many models a typical example has at least on either side: trained on it, or not."""
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

"""Values with parts of the models left out from sums are those of the measure run again on the models left."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from byrote.measures.catalog import catalog
from byrote.measures.leaving_out import again_without_each, measured_without, without_each
from byrote.stats.jackknife import parts
from measures.evidence import make_evidence
from over_all import over_all

FAST = {key: entry for key, entry in catalog().items() if entry.without is not None}
#: Seed, strata, parts and the share of memberships that nobody knows.
RUNS = {"known": (0, 1, 20, 0.0), "unknown": (1, 1, 20, 0.1), "few parts": (2, 1, 3, 0.0), "strata": (3, 2, 20, 0.1)}
#: What the other runs have as well.
PLAIN = ("known", "unknown")


@cache
def made(run):
    """The evidence of a run, which no test changes."""
    seed, strata, _, unknown = RUNS[run]
    return make_evidence(seed=seed, unknown=unknown, strata=strata)


@over_all("key", {key: key for key in FAST})
@pytest.mark.parametrize("run", [pytest.param(run, marks=pytest.mark.slow if run in PLAIN else ()) for run in RUNS])
def test_sums_give_what_running_again_gives(key, run):
    evidence = made(run)
    part = parts(evidence["design.pair"], groups=RUNS[run][2])
    given = {name: evidence[need] for name, need in FAST[key].parameters.items()}
    slow = again_without_each(FAST[key], part, given)
    np.testing.assert_allclose(without_each(FAST[key], part, given), slow, rtol=1e-9, atol=1e-9)
    assert np.isfinite(slow).any()


@pytest.mark.parametrize(
    "name", ["label_memorization", "membership_risk", "label_error_probability", "consistency_score", "learning_events"]
)
def test_scores_that_every_audit_has_are_computed_from_sums(name):
    assert name in FAST


@pytest.mark.parametrize("key", [key for key, entry in FAST.items() if entry.together is not None])
def test_what_comes_from_the_same_sums_is_the_measure_and_its_values_without_each_part(key):
    evidence = make_evidence(seed=4)
    given = {name: evidence[need] for name, need in FAST[key].parameters.items()}
    for part in (parts(evidence["design.pair"], groups=20), parts(evidence["design.pair"], groups=3)):
        whole, without = measured_without(FAST[key], part, given)
        alone = FAST[key].function(**given)
        for of in ("values", "stderr", "low", "high"):
            np.testing.assert_array_equal(getattr(whole, of), getattr(alone, of))
        np.testing.assert_array_equal(without, without_each(FAST[key], part, given))

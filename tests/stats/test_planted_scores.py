from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.special import expit

from byrote.stats.planted_scores import FARTHEST, curve, curves


def drawn(rate, *, seed=0, cases=2_000, others=4_000, apart=4.0):
    """Scores of cases and of others, for which the log-odds of being a case are linear in the score."""
    rng = np.random.default_rng(seed)
    is_case = rng.random(others) < rate
    scores = rng.normal(np.where(is_case, apart / 2, -apart / 2), 1.0)
    return scores, is_case, rng.normal(apart / 2, 1.0, cases)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_the_rate_and_the_probabilities_are_those_of_the_draw(rate):
    scores, is_case, planted = drawn(rate)
    found = curve(scores, planted)
    assert found.rate == pytest.approx(rate, rel=0.25)
    truth = expit(np.log(rate / (1 - rate)) + 4 * scores)
    assert np.abs(found.probability(scores) - truth).mean() < 0.02
    assert found.probability(scores).sum() == pytest.approx(is_case.sum(), rel=0.25)


@pytest.mark.parametrize("ways", [1, 2, 9, np.inf])
def test_no_other_curve_is_likelier(ways):
    scores, _, planted = drawn(0.1, others=400, cases=400)
    found = curve(scores, planted, ways)

    def unlikelihood(x):
        offset, slope, rate = x[0], np.exp(x[1]), np.exp(x[2])

        def odds(z):
            p = expit(offset + slope * z)
            return np.log((1 - rate / ways) * p / rate + rate / ways * (1 - p) / (1 - rate))

        return np.logaddexp(0, odds(scores)).sum() + np.logaddexp(0, -odds(planted)).sum()

    here = np.array([found.offset, np.log(found.slope), np.log(found.rate)])
    assert np.abs(approx_fprime(here, unlikelihood, 1e-6)).max() < 0.1
    others = minimize(unlikelihood, here + 0.3, method="Nelder-Mead", options={"maxiter": 2_000})
    assert unlikelihood(here) <= others.fun + 1e-3


@pytest.mark.parametrize("ways", [1, 3])
def test_what_is_planted_on_a_case_can_be_none(ways):
    """Another label in place of a wrong one is the right one, one time in `ways`."""
    scores, is_case, _ = drawn(0.2, others=8_000)
    rng = np.random.default_rng(7)
    right = is_case & (rng.random(len(is_case)) < 1 / ways)
    planted = rng.normal(np.where(right, -2.0, 2.0), 1.0)
    assert curve(scores, planted, ways).rate == pytest.approx(0.2, rel=0.15)
    assert curve(scores, planted).rate < 0.17  # where that is left out, too few are cases


def test_where_no_other_is_a_case_next_to_none_is_called_one():
    rng = np.random.default_rng(1)
    found = curve(rng.normal(-4, 1, 500), rng.normal(4, 1, 500))
    assert found.probability(rng.normal(-4, 1, 500)).sum() < 5


def test_a_higher_score_is_never_less_likely_and_far_ones_are_bounded():
    scores, _, planted = drawn(0.1)
    scores[0], scores[1] = np.inf, np.nan
    found = curve(scores, planted)
    asked = np.array([-np.inf, -40, -1, 0, 1, FARTHEST, np.inf])
    assert (np.diff(found.probability(asked)) >= 0).all()
    assert found.probability(asked)[-1] == found.probability(asked)[-2] > 0.9


def test_of_no_scores_nothing_is_known():
    unknown = np.full(3, np.nan)
    assert np.isnan(curve(unknown, unknown).probability(np.array([1.0]))).all()


def test_curves_of_examples_drawn_anew_scatter_around_the_curve():
    scores, _, planted = drawn(0.1, others=1_000, cases=1_000)
    found = curve(scores, planted)
    again = curves(scores, planted, rng=np.random.default_rng(0), draws=20)
    low, high = np.quantile([one.rate for one in again], [0.05, 0.95])
    assert low < found.rate < high < 3 * low
    assert len(curves(np.full(3, np.nan), planted[:3], rng=np.random.default_rng(0), draws=2)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_the_scatter_of_curves_covers_the_probability(rate):
    """Counted where a case is about as likely as not, among 400 examples."""
    place = -np.log(rate / (1 - rate)) / 4
    hits = 0
    for seed in range(40):
        scores, _, planted = drawn(rate, seed=seed, others=400, cases=400)
        again = curves(scores, planted, rng=np.random.default_rng(seed), draws=40)
        low, high = np.quantile([one.log_odds(np.array(place)) for one in again], [0.025, 0.975])
        hits += low <= 0 <= high
    assert hits >= 34

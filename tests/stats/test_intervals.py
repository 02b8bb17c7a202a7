from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit

from byrote.stats.intervals import adjusted_rate, agresti_caffo, mean_interval, paired_mean, welch
from byrote.stats.moments import Moments, RunningMoments

RATES = np.array([0.01, 0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.99])
UNIT = (0.0, 1.0)
ANY = (-np.inf, np.inf)


def moments_of(values: np.ndarray) -> Moments:
    """Moments over the first axis."""
    running = RunningMoments(values.shape[1])
    for row in values:
        running.add(row, np.ones(values.shape[1], bool))
    return running.result()


@cache
def chances(trials, rate):
    """The chance of each count."""
    return stats.binom.pmf(np.arange(trials + 1), trials, rate)


def exact_coverage(low, high, rate_in, trials_in, rate_out, trials_out):
    """Probability that the interval of the counts holds the true difference, all outcomes enumerated."""
    truth = rate_in - rate_out
    held = (low <= truth + 1e-12) & (truth - 1e-12 <= high)
    return float(chances(trials_in, rate_in) @ held @ chances(trials_out, rate_out))


def outcomes(trials_in, trials_out):
    shape = trials_in + 1, trials_out + 1
    right_in, right_out = (a.copy() for a in np.broadcast_arrays(*np.ogrid[: shape[0], : shape[1]]))
    return right_in, np.full(shape, trials_in), right_out, np.full(shape, trials_out)


def worst_coverage(trials_in, trials_out, rates=RATES):
    interval = agresti_caffo(*outcomes(trials_in, trials_out))
    return min(exact_coverage(interval.low, interval.high, p, trials_in, q, trials_out) for p in rates for q in rates)


PROMISED = [(n, m) for n in (8, 16, 32, 64) for m in (8, 16, 32, 64) if {n, m} != {8, 64}]


@pytest.mark.parametrize(("trials_in", "trials_out"), PROMISED)
def test_agresti_caffo_covers(trials_in, trials_out):
    assert worst_coverage(trials_in, trials_out) >= 0.93


@pytest.mark.parametrize(
    ("trials_in", "trials_out", "worst"), [(3, 3, 0.886), (4, 4, 0.912), (4, 64, 0.883), (8, 64, 0.911)]
)
def test_agresti_caffo_without_promise(trials_in, trials_out, worst):
    """Very few trials beside very many: the docstring names these. Literals: this enumeration."""
    assert worst_coverage(trials_in, trials_out) == pytest.approx(worst, abs=1e-3)


@pytest.mark.parametrize(
    ("trials", "worst"),
    [
        (3, 0.866),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in ((8, 0.906), (16, 0.923), (32, 0.934), (64, 0.937))),
    ],
)
def test_agresti_caffo_between_the_rates(trials, worst):
    """On rates .005, .02, .035 ... the dips between the grid of the promise. Literals: this enumeration."""
    assert worst_coverage(trials, trials, np.arange(0.005, 1, 0.015)) == pytest.approx(worst, abs=1e-3)


def test_wald_covers_badly():
    """Why it is Agresti-Caffo: at 32 and 32 trials with rates .99 and .98 the plain interval holds .61."""
    right_in, n_in, right_out, n_out = outcomes(32, 32)
    p, q = right_in / n_in, right_out / n_out
    reach = stats.norm.ppf(0.975) * np.sqrt(p * (1 - p) / n_in + q * (1 - q) / n_out)
    wald = exact_coverage(p - q - reach, p - q + reach, 0.99, 32, 0.98, 32)
    assert wald == pytest.approx(0.61, abs=0.01)
    interval = agresti_caffo(right_in, n_in, right_out, n_out)
    assert exact_coverage(interval.low, interval.high, 0.99, 32, 0.98, 32) >= 0.95


def test_agresti_caffo_by_hand():
    """5 of 6 against 0 of 2: rates 6/8 and 1/4, variance 3/128 + 3/64."""
    interval = agresti_caffo(np.array([5]), np.array([6]), np.array([0]), np.array([2]))
    stderr = np.sqrt(3 / 128 + 3 / 64)
    assert interval.stderr[0] == pytest.approx(stderr)
    assert interval.low[0] == pytest.approx(0.5 - 1.959964 * stderr, abs=1e-6)
    assert interval.high[0] == pytest.approx(1.0)
    assert adjusted_rate(np.array([5]), np.array([6]))[0] == 0.75


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_agresti_caffo_holds_the_raw_difference(trials_in, trials_out, seed):
    rng = np.random.default_rng(seed)
    right_in, right_out = rng.integers(0, trials_in + 1, 1), rng.integers(0, trials_out + 1, 1)
    interval = agresti_caffo(right_in, np.array([trials_in]), right_out, np.array([trials_out]))
    if not trials_in or not trials_out:
        assert np.isnan([interval.stderr[0], interval.low[0], interval.high[0]]).all()
        return
    raw = right_in[0] / trials_in - right_out[0] / trials_out
    assert -1 <= interval.low[0] <= raw <= interval.high[0] <= 1
    assert interval.stderr[0] > 0


@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_agree_with_scipy(n, m, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(1, 2, (n, 3)), rng.normal(0, 1, (m, 3))
    one, other = moments_of(a), moments_of(b)
    expected = stats.ttest_1samp(a, 0.0).confidence_interval()
    found = mean_interval(one, bounds=ANY)
    np.testing.assert_allclose([found.low, found.high], [expected.low, expected.high])
    np.testing.assert_allclose(paired_mean(one, a.mean(0), b.mean(0), bounds=ANY).low, expected.low)
    found = welch(one, other, bounds=ANY)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    np.testing.assert_allclose([found.low, found.high], [expected.low, expected.high])


def test_a_large_mean_costs_no_digits():
    small = np.random.default_rng(0).normal(size=(20, 50))
    np.testing.assert_allclose(
        mean_interval(moments_of(small + 1e9), bounds=ANY).stderr,
        mean_interval(moments_of(small), bounds=ANY).stderr,
        rtol=1e-5,
    )


def test_no_error_bar_is_zero():
    ones, zeros = moments_of(np.ones((8, 1))), moments_of(np.zeros((8, 1)))
    unit = agresti_caffo(np.array([8]), np.array([8]), np.array([0]), np.array([8]))
    for interval in (welch(ones, zeros, bounds=UNIT), paired_mean(ones, ones.mean, zeros.mean, bounds=UNIT)):
        np.testing.assert_allclose(interval.stderr, unit.stderr)
        assert interval.high[0] == 1.0
    # one success and one failure added to 8 of 8: 9 of 10
    assert mean_interval(ones, bounds=UNIT).stderr[0] == pytest.approx(np.sqrt(0.9 * 0.1 / 10))
    assert mean_interval(moments_of(np.full((8, 1), 3.0)), bounds=(0.0, 3.0)).stderr[0] == pytest.approx(
        3 * np.sqrt(0.9 * 0.1 / 10)
    )


def test_without_bounds_an_error_that_cannot_be_seen_is_unknown():
    same = moments_of(np.full((5, 1), 0.7))
    for interval in (
        mean_interval(same, bounds=(0.0, np.inf)),
        paired_mean(same, same.mean, same.mean, bounds=ANY),
        welch(same, moments_of(np.arange(5.0)[:, None]), bounds=ANY),
    ):
        assert np.isnan([interval.stderr[0], interval.low[0], interval.high[0]]).all()


def test_one_value_has_no_error():
    one, many = moments_of(np.array([[0.5]])), moments_of(np.array([[0.1], [0.6]]))
    for interval in (
        mean_interval(one, bounds=UNIT),
        paired_mean(one, one.mean, one.mean, bounds=UNIT),
        welch(one, many, bounds=UNIT),
        welch(many, one, bounds=UNIT),
    ):
        assert np.isnan(interval.stderr[0])


@pytest.mark.parametrize(("pairs", "most"), [(8, 0.988), (16, 0.98), (32, 0.97)])
def test_paired_intervals_cover(pairs, most):
    """Probabilities of mates that share an effect of their pair: 6,000 trials, margin of .006 in them."""
    rng = np.random.default_rng(1)
    shared = rng.normal(0, 0.7, (pairs, 6000))
    inside = expit(1.0 + shared + rng.normal(0, 0.7, shared.shape))
    outside = expit(-0.5 - 0.8 * shared + rng.normal(0, 0.7, shared.shape))
    grid = np.linspace(-12, 12, 4001)
    weight = stats.norm.pdf(grid) * (grid[1] - grid[0])
    truth = weight @ expit(1.0 + grid * np.hypot(0.7, 0.7)) - weight @ expit(-0.5 + grid * np.hypot(0.56, 0.7))
    interval = paired_mean(moments_of(inside - outside), inside.mean(0), outside.mean(0), bounds=UNIT)
    covered = np.mean((interval.low <= truth) & (truth <= interval.high))
    assert 0.95 <= covered <= most
    taken_as_independent = welch(moments_of(inside), moments_of(outside), bounds=UNIT)
    assert np.mean(taken_as_independent.stderr) < 0.95 * np.mean(interval.stderr)
    student = paired_mean(moments_of(inside - outside), inside.mean(0), outside.mean(0), bounds=ANY)
    assert 0.93 <= np.mean((student.low <= truth) & (truth <= student.high)) <= 0.97


@pytest.mark.parametrize("pairs", [4, 8, 16, 32])
@pytest.mark.parametrize("rare", [0.01, 0.02, 0.05, 0.1])
def test_paired_intervals_know_of_outcomes_that_few_pairs_miss(pairs, rare):
    """Sure models, one in 100 to 10 of which errs: inside, on both sides, or where those outside are never right."""
    rng = np.random.default_rng(2)
    right, wrong = (0.99 - 0.01 * rng.random((2, pairs, 4000)) for _ in range(2))
    wrong = 1.0 - wrong
    errs = rng.random(right.shape) < rare
    sure, mean_right, mean_wrong = np.where(errs, wrong, right), 0.985, 0.015
    sure_mean = (1 - rare) * mean_right + rare * mean_wrong
    for inside, outside, truth in (
        (sure[0], wrong[1], sure_mean - mean_wrong),
        (sure[0], sure[1], 0.0),
        (right[0], sure[1], mean_right - sure_mean),
    ):
        interval = paired_mean(moments_of(inside - outside), inside.mean(0), outside.mean(0), bounds=UNIT)
        assert np.mean((interval.low <= truth) & (truth <= interval.high)) >= 0.925


@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_of_zeros_and_ones_it_is_agresti_caffo(trials_in, trials_out, seed):
    rng = np.random.default_rng(seed)
    one, other = (rng.random((trials, 4)) < 0.7 for trials in (trials_in, trials_out))
    found = welch(moments_of(one.astype(float)), moments_of(other.astype(float)), bounds=UNIT)
    counts = one.sum(0), np.full(4, trials_in), other.sum(0), np.full(4, trials_out)
    expected = agresti_caffo(*counts)
    for name in ("stderr", "low", "high"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-12)
    wide = welch(moments_of(3.0 * one - 1), moments_of(3.0 * other - 1), bounds=(-1.0, 2.0))
    np.testing.assert_allclose([wide.low, wide.high], [3 * expected.low, 3 * expected.high], atol=1e-12)


def test_a_value_added_at_each_bound_by_hand():
    """.8 and .6 in, .1 and .3 out of two pairs: means 2.4/4 and 1.4/4; differences .7 and .3 scatter by .08."""
    inside, outside = np.array([[0.8], [0.6]]), np.array([[0.1], [0.3]])
    found = paired_mean(moments_of(inside - outside), inside.mean(0), outside.mean(0), bounds=UNIT)
    added = 2 * 0.1**2 + 0.6**2 + 0.4**2 + 2 * 0.15**2 + 0.35**2 + 0.65**2
    stderr = np.sqrt((0.08 + added) / 16)
    assert found.stderr[0] == pytest.approx(stderr)
    assert found.low[0] == pytest.approx(0.25 - 1.959964 * stderr)
    assert found.high[0] == pytest.approx(0.25 + 1.959964 * stderr)


def test_welch_covers_independent_groups():
    rng = np.random.default_rng(2)
    one, other = rng.normal(0, 1, (20, 6000)), rng.normal(0, 3, (9, 6000))
    interval = welch(moments_of(one), moments_of(other), bounds=ANY)
    assert 0.93 <= np.mean((interval.low <= 0) & (interval.high >= 0)) <= 0.97


def skewed(values: np.ndarray, bounds: tuple[float, float] = ANY) -> object:
    """The interval of the mean over the first axis with cubes."""
    running = RunningMoments(values.shape[1], cubes=True)
    for row in values:
        running.add(row, np.ones(values.shape[1], bool))
    return mean_interval(running.result(), bounds=bounds)


def test_the_ends_of_a_skewed_mean_solve_its_equation():
    values = np.random.default_rng(0).gamma(2.0, size=(9, 30)) ** 2
    found, deviation = skewed(values), values.std(0, ddof=1)
    skew = 9 * ((values - values.mean(0)) ** 3).sum(0) / (8 * 7) / deviation**3
    for end, sign in ((found.low, 1), (found.high, -1)):
        t = (values.mean(0) - end) / deviation
        there = t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / (6 * 9)
        np.testing.assert_allclose(there, sign * stats.t(8).ppf(0.975) / 3, rtol=1e-6)


def test_values_that_are_not_skewed_have_the_interval_of_student():
    values = np.r_[np.arange(-4.0, 5), np.arange(-4.0, 5)][:, None]
    found, student = skewed(values), mean_interval(moments_of(values), bounds=ANY)
    np.testing.assert_allclose([found.low, found.high], [student.low, student.high], rtol=1e-4)
    two = np.array([[1.0], [2.0]])
    assert skewed(two).high == mean_interval(moments_of(two), bounds=ANY).high


@pytest.mark.parametrize("count", [4, 8, 16, 32])
def test_intervals_of_skewed_means_hold_better_than_those_of_student(count):
    """Squares of gamma distributed values, as those of gradients are; of 4 values they still miss in 8 of 100."""
    values = np.random.default_rng(count).gamma(6.0, size=(count, 4000)) ** 2
    missed = [
        float(((one.low > 42) | (one.high < 42)).mean())  # the mean of the squares is 6 * 7
        for one in (skewed(values), mean_interval(moments_of(values), bounds=ANY))
    ]
    assert missed[0] < missed[1]
    assert missed[0] < (0.1 if count == 4 else 0.08)
    normal = np.random.default_rng(count).normal(size=(count, 4000))
    found = skewed(normal)
    assert ((found.low > 0) | (found.high < 0)).mean() < 0.075

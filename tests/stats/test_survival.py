import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from byrote.stats.jackknife import jackknife
from byrote.stats.survival import kaplan_meier, median_time, survival_by_group


def slow_kaplan_meier(times, happened, grid):
    """The product over event times, from the list of everyone's times."""
    curve = []
    for t in grid:
        survival = 1.0
        for u in sorted({x for x, h in zip(times, happened, strict=True) if h and x <= t}):
            at_risk = sum(x >= u for x in times)
            survival *= 1 - sum(x == u and h for x, h in zip(times, happened, strict=True)) / at_risk
        undefined = all(x < t for x in times) and survival > 0
        curve.append(np.nan if undefined else survival)
    return np.array(curve)


def tallies(times, happened, grid):
    return (
        np.array([sum(x == t and h for x, h in zip(times, happened, strict=True)) for t in grid]),
        np.array([sum(x == t and not h for x, h in zip(times, happened, strict=True)) for t in grid]),
    )


watched = st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=12)


@given(watched)
def test_agrees_with_the_slow_loop(people):
    times, happened = zip(*people, strict=True)
    grid = range(1, 7)
    np.testing.assert_allclose(
        kaplan_meier(*tallies(times, happened, grid)), slow_kaplan_meier(times, happened, grid), atol=1e-12
    )


@given(watched)
def test_agrees_with_scipy(people):
    times, happened = zip(*people, strict=True)
    censored = stats.CensoredData.right_censored(np.array(times, float), ~np.array(happened))
    known = stats.ecdf(censored).sf
    grid = known.quantiles.astype(int).tolist()
    np.testing.assert_allclose(kaplan_meier(*tallies(times, happened, grid)), known.probabilities, atol=1e-12)


def test_by_hand():
    """Ten at risk, 2 events; of the 8 left one is censored; of 7 two events: .8, .8, .8 * 5 / 7; the rest leave."""
    events, censored = np.array([2, 0, 2, 0]), np.array([0, 1, 0, 5])
    np.testing.assert_allclose(kaplan_meier(events, censored), [0.8, 0.8, 4 / 7, 4 / 7])


def test_undefined_where_nobody_is_left_to_watch():
    np.testing.assert_array_equal(kaplan_meier(np.array([1, 0, 0]), np.array([0, 1, 0])), [0.5, 0.5, np.nan])
    np.testing.assert_array_equal(kaplan_meier(np.array([2, 0]), np.array([0, 0])), [0.0, 0.0])
    np.testing.assert_array_equal(kaplan_meier(np.array([0, 0]), np.array([0, 0])), [np.nan, np.nan])


def test_median_is_where_half_are_left():
    times = np.array([1.0, 2.0, 4.0])
    assert median_time(times, np.array([0.6, 0.5, 0.1])) == 2.0
    assert np.isnan(median_time(times, np.array([0.9, 0.8, 0.51])))
    assert np.isnan(median_time(times, np.full(3, np.nan)))


def test_exponential_times_have_their_closed_form_in_spite_of_censoring():
    """Event and censoring times ~ Exp(1), Exp(.5), to whole times: S(t) = exp(-t); 20,000 give 4 sd = .02."""
    rng = np.random.default_rng(0)
    event, gone = rng.exponential(1, 20_000), rng.exponential(2, 20_000)
    grid = np.linspace(0.01, 3, 300)
    happened = event <= gone
    at = np.searchsorted(grid, np.minimum(event, gone))
    events, censored = (np.bincount(at[h], minlength=301)[:300] for h in (happened, ~happened))
    censored[-1] += 20_000 - events.sum() - censored.sum()
    np.testing.assert_allclose(kaplan_meier(events, censored), np.exp(-grid), atol=0.02)
    naive = 1 - np.cumsum(events) / 20_000
    assert np.abs(naive - np.exp(-grid)).max() > 0.2


def study(seed=0, models=12, examples=30):
    rng = np.random.default_rng(seed)
    event = rng.integers(0, 5, (models, examples))
    watched = rng.random((models, examples)) < 0.5
    groups = {"all": np.ones(examples, bool), "few": np.arange(examples) < 6}
    return event, watched, groups, np.arange(models) // 2


def test_groups_are_the_pooled_curves_with_the_jackknife_over_pairs():
    event, watched, groups, pair = study()
    times = np.array([1.0, 2.0, 5.0, 9.0])
    found = survival_by_group(event, watched, groups, pair, axis="epoch", times=times)
    assert found.groups == ("all", "few")
    for row, mask in enumerate(groups.values()):
        for column in range(4):

            def left(kept, column=column, mask=mask):
                chosen = watched[kept] & mask
                return float((event[kept][chosen] > column).mean())

            expected = jackknife(left, pair)
            assert found.values[row, column] == pytest.approx(expected.value)
            assert found.stderr[row, column] == pytest.approx(expected.stderr)
        assert found.counts[row] == (watched & mask).sum()
        assert found.censored[row] == (watched & mask & (event == 4)).sum()
        assert found.median[row] == median_time(times, found.values[row])


def test_a_group_that_nobody_watched_is_undefined_and_named():
    event, watched, groups, pair = study()
    watched[:, :6] = False
    found = survival_by_group(event, watched, groups, pair, axis="epoch", times=np.arange(4.0))
    assert np.isnan(found.values[1]).all()
    assert np.isnan(found.median[1])
    assert found.note == "few: no model watched an example of it"
    two = survival_by_group(event[:4], watched[:4], groups, pair[:4], axis="epoch", times=np.arange(4.0))
    assert np.isfinite(two.values[0]).all()
    assert np.isnan(two.stderr[0]).all()
    assert "all: fewer than 3 pairs" in two.note


@pytest.mark.slow
def test_covers_with_effects_of_pairs_where_greenwood_does_not():
    """Every pair has its own hazard: P(event at the first time) uniform in [.2, .8], truth .5. 400 trials: .022."""
    rng = np.random.default_rng(2)
    groups, pair, times = {"all": np.ones(40, bool)}, np.arange(24) // 2, np.ones(1)
    covered = independent = 0
    for _ in range(400):
        hazard = np.repeat(rng.uniform(0.2, 0.8, 12), 2)[:, None]
        event = (rng.random((24, 40)) > hazard).astype(np.int64)
        found = survival_by_group(event, np.ones((24, 40), bool), groups, pair, axis="epoch", times=times)
        covered += found.low[0, 0] <= 0.5 <= found.high[0, 0]
        value = found.values[0, 0]
        independent += abs(value - 0.5) <= 1.96 * np.sqrt(value * (1 - value) / 960)
    assert 0.93 <= covered / 400 <= 0.975
    assert independent / 400 < 0.7

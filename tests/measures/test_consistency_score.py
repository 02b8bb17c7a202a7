import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit

from byrote.data.controls import KINDS
from byrote.designs.ratio_grid import TENTHS, ratio_grid
from byrote.measures._groups import CONTROLS
from byrote.measures.consistency_score import consistency_profile, consistency_score
from byrote.stats.jackknife import jackknife
from measures.evidence import half_subset_pairs, make_evidence

NAMES = [name.split(".")[1] for name in CONTROLS]


def slow(correct, member, ratio, weights, i):
    """The formula: 1 - sum of weighted held-out accuracies."""
    consistent = 0.0
    for s, weight in weights.items():
        held_out = [correct[k, i] for k in range(len(member)) if ratio[k] == s and member[k, i] == 0]
        if not held_out:
            return np.nan
        consistent += weight * sum(held_out) / len(held_out)
    return 1 - consistent


GRIDS = {
    "one": {0.5: 1.0},
    "even": {0.2: 1 / 3, 0.5: 1 / 3, 0.8: 1 / 3},
    # trapezoids of widths .1 and .3: .05, .05 + .15 and .15, over .4
    "uneven": {0.2: 0.125, 0.3: 0.5, 0.6: 0.375},
}
every_grid = pytest.mark.parametrize("weights", GRIDS.values(), ids=GRIDS)


@every_grid
@given(st.integers(1, 5), st.integers(1, 8), st.integers(0, 999))
def test_agrees_with_the_slow_loop(weights, models_per_ratio, examples, seed):
    rng = np.random.default_rng(seed)
    ratio = rng.permutation(np.repeat(list(weights), models_per_ratio))
    correct = rng.random((len(ratio), examples)) < 0.6
    member = rng.integers(-1, 2, correct.shape).astype(np.int8)
    found = consistency_score(correct, member, ratio)
    expected = [slow(correct, member, ratio, weights, i) for i in range(examples)]
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    np.testing.assert_array_equal(found.counts["nonmembers"], (member == 0).sum(0))


def test_by_hand():
    """Missed by 1 of 2 at .2 and by 3 of 4 at .8, the grid even: .625. Two rates: one of each added at both."""
    missed = np.array([1, 0, 1, 1, 1, 0], bool)[:, None]
    found = consistency_score(~missed, np.zeros((6, 1), np.int8), np.array([0.2] * 2 + [0.8] * 4))
    assert found.values[0] == pytest.approx(0.625)
    stderr = np.sqrt(0.25 * (1 / 2 * 1 / 2 / 4 + 2 / 3 * 1 / 3 / 6))
    assert found.stderr[0] == pytest.approx(stderr)
    centre = (1 / 2 + 2 / 3) / 2
    assert found.low[0] == pytest.approx(centre - 1.959964 * stderr)
    assert found.high[0] == pytest.approx(centre + 1.959964 * stderr)
    assert found.note == ""


def test_one_ratio_has_the_interval_of_agresti_and_coull_and_says_so():
    """Missed by 3 of 16: rate 5/20, error sqrt(.25 * .75 / 20)."""
    missed = (np.arange(16) < 3)[:, None]
    found = consistency_score(~missed, np.zeros((16, 1), np.int8), np.full(16, 0.5))
    assert found.values[0] == pytest.approx(3 / 16)
    assert found.stderr[0] == pytest.approx(np.sqrt(0.25 * 0.75 / 20))
    assert found.note.startswith("at one training set size only, 50% of the examples")


def test_ratios_of_coins_are_one_ratio():
    """Of 1,000 coins heads are 50 % with sd 1.6 %: 40 models lie close together."""
    ratio = np.random.default_rng(0).binomial(1000, 0.5, 40) / 1000
    found = consistency_score(np.ones((40, 1), bool), np.zeros((40, 1), np.int8), ratio)
    assert found.note.startswith("at one training set size only, 50%")


def test_undefined_has_its_reason():
    member = np.array([[0, 1, -1], [0, 0, 0], [0, 0, 0], [1, 0, 0]], np.int8)
    found = consistency_score(np.ones((4, 3), bool), member, np.array([0.3, 0.7, 0.7, 0.7]))
    np.testing.assert_array_equal(np.isnan(found.values), [False, True, True])
    assert (
        found.reason(1)
        == "every model trained on 30% of the examples was trained on it; it takes 2 such models or more"
    )
    assert np.isnan([found.stderr[1], found.low[1], found.high[1]]).all()


def test_what_everyone_predicts_is_zero_and_what_nobody_does_is_one():
    member, _ = half_subset_pairs(np.random.default_rng(0), 16, 20)
    for right, expected in ((np.ones((16, 20), bool), 0.0), (member == 1, 1.0)):
        found = consistency_score(right, member, np.full(16, 0.5))
        np.testing.assert_array_equal(found.values, expected)
        assert (found.stderr > 0).all()
        assert (found.low <= expected).all()
        assert (found.high >= expected).all()


@pytest.mark.parametrize(("models_per_ratio", "ratios"), [(24, TENTHS), (24, (0.5,)), (16, (0.2, 0.3, 0.6))])
@pytest.mark.parametrize("middle", [0.0, 3.0])
def test_covers_a_learning_curve(models_per_ratio, ratios, middle):
    """P(correct at s) = expit(middle + 4 (s - .5)): the truth is its weighted mean. 1,500 examples, margin .013."""
    rng = np.random.default_rng(1)
    member = ratio_grid(1500, models_per_ratio, ratios=ratios, rng=rng).member
    ratio = np.repeat(ratios, models_per_ratio)
    right = expit(middle + 4 * (np.array(ratios) - 0.5))
    weights = {3: np.array([0.125, 0.5, 0.375])}.get(len(ratios), np.full(len(ratios), 1 / len(ratios)))
    truth = 1 - weights @ right
    correct = rng.random(member.shape) < np.repeat(right, models_per_ratio)[:, None]
    found = consistency_score(correct, member, ratio)
    known = found.reason_code == 0
    assert known.mean() > 0.85
    error = found.values[known].std() / np.sqrt(known.sum())
    assert abs(found.values[known].mean() - truth) < 4 * error
    # an interval of rates, which may hold more often than it says
    assert 0.93 <= np.mean((found.low <= truth)[known] & (truth <= found.high)[known]) < 0.99


def profile(run, **changes):
    controls = {name: run[f"controls.{name}"] for name in NAMES} | changes
    return consistency_profile(
        run["outputs.correct"], run["design.member"], run["design.ratio"], run["design.pair"], **controls
    )


def test_groups_are_the_kinds_of_controls():
    assert tuple(NAMES) == KINDS


@pytest.mark.slow
@given(st.integers(1, 12), st.integers(0, 99))
def test_profile_agrees_with_the_slow_loop(pairs, seed):
    run = make_evidence(models=2 * pairs, examples=25, seed=seed, unknown=0.2)
    found = profile(run)
    correct, member, ratio, pair = (
        run[name] for name in ("outputs.correct", "design.member", "design.ratio", "design.pair")
    )
    masks = {name: run[f"controls.{name}"] for name in NAMES if run[f"controls.{name}"].any()}
    clean = ~np.any([run[f"controls.{name}"] for name in NAMES], axis=0)
    groups = {"clean": clean, **masks}
    assert found.groups == tuple(groups)
    for row, mask in enumerate(groups.values()):
        for column, s in enumerate(found.at):
            shares = {}
            for k in np.flatnonzero(ratio == s):
                missed = [not correct[k, i] for i in range(25) if member[k, i] == 0 and mask[i]]
                if missed:
                    shares[k] = sum(missed) / len(missed)
            assert found.values[row, column] == pytest.approx(np.mean([*shares.values()] or [np.nan]), nan_ok=True)
            units = pair[list(shares)] if shares else np.array([], np.int64)
            if len(np.unique(units)) < 3:
                assert np.isnan(found.stderr[row, column])
                continue
            values = np.array(list(shares.values()))
            error = jackknife(lambda kept, v=values: float(v[kept].mean()), units)
            if np.isfinite(error.stderr):
                assert found.stderr[row, column] == pytest.approx(error.stderr)
            else:
                assert found.stderr[row, column] > 0


@pytest.mark.slow
def test_profile_covers_with_effects_of_models():
    """Each model misses its own share, uniform in [.2, .8]: truth .5 at either ratio. 400 trials, margin .022."""
    rng = np.random.default_rng(4)
    ratio, none = np.repeat([0.2, 0.8], 12), np.zeros(60, bool)
    covered = np.zeros(2)
    for _ in range(400):
        member = (rng.random((24, 60)) < ratio[:, None]).astype(np.int8)
        correct = rng.random((24, 60)) < rng.uniform(0.2, 0.8, (24, 1))
        found = consistency_profile(correct, member, ratio, np.full(24, -1), *[none] * len(NAMES))
        covered += (found.low[0] <= 0.5) & (found.high[0] >= 0.5)
    assert (np.abs(covered / 400 - 0.95) < 0.025).all()


def test_profile_of_a_learning_curve():
    """Clean examples are predicted from s = .5 on, planted noise never."""
    member = ratio_grid(40, 8, ratios=(0.25, 0.75), rng=np.random.default_rng(0)).member
    ratio, noisy, none = np.repeat([0.25, 0.75], 8), np.arange(40) < 8, np.zeros(40, bool)
    correct = (ratio[:, None] > 0.5) & ~noisy
    found = consistency_profile(correct, member, ratio, np.full(16, -1), noisy, *[none] * (len(NAMES) - 1))
    np.testing.assert_array_equal(found.values, [[1, 0], [1, 1]])
    np.testing.assert_array_equal(found.at, [0.25, 0.75])
    np.testing.assert_array_equal(found.counts, [32, 8])
    # 8 of 8 with a success and a failure added
    np.testing.assert_allclose(found.stderr, np.sqrt(0.9 * 0.1 / 10))


def test_coverage_of_one_rate_by_enumeration():
    """At 16 trials and rates .05 to .95 the interval holds to .93 or better, over all 17 outcomes."""
    missed = np.arange(16)[:, None] < np.arange(17)
    found = consistency_score(~missed, np.zeros((16, 17), np.int8), np.full(16, 0.5))
    for rate in (0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95):
        chance = stats.binom.pmf(np.arange(17), 16, rate)
        assert chance[(found.low <= rate) & (rate <= found.high)].sum() >= 0.93


def test_the_share_without_a_value_is_told():
    member = np.zeros((4, 4), np.int8)
    member[2:, 1] = 1
    found = consistency_score(np.ones((4, 4), bool), member, np.array([0.2, 0.2, 0.8, 0.8]))
    assert found.undefined == (
        "undefined for 25.0% of the examples, most often because: "
        "every model trained on 80% of the examples was trained on it; it takes 5 such models or more"
    )
    assert consistency_score(np.ones((4, 4), bool), 0 * member, np.array([0.2, 0.2, 0.8, 0.8])).undefined == ""


def test_it_says_how_many_models_it_takes():
    """At 1 - 1/k it is k, without a model more for the rounding of 1 - .9 or .8."""
    for k in (2, 4, 5, 10):
        found = consistency_score(np.ones((2, 1), bool), np.ones((2, 1), np.int8), np.full(2, 1 - 1 / k))
        assert found.reason(0).endswith(f"it takes {k} such models or more")
    whole = consistency_score(np.ones((2, 1), bool), np.ones((2, 1), np.int8), np.ones(2))
    assert whole.reason(0).endswith("was trained on it")

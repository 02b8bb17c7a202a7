import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from byrote.errors import BadInput, TooFewModels
from byrote.results import Scalar
from byrote.stats.jackknife import difference, jackknife, own_parts, spread, units
from byrote.stats.ranking import auroc


def pairs(count: int) -> np.ndarray:
    return np.arange(2 * count) // 2


def test_units_by_hand():
    np.testing.assert_array_equal(units(np.array([7, -1, 7, 2, -1])), [1, 2, 1, 0, 3])
    np.testing.assert_array_equal(units(np.array([], np.int64)), [])


@given(st.integers(3, 12), st.integers(0, 2**32 - 1))
def test_mean_over_single_models_has_the_usual_error(models, seed):
    """Of a mean, the delete-one jackknife is the standard error of the mean."""
    x = np.random.default_rng(seed).normal(size=models)
    found = jackknife(lambda kept: float(x[kept].mean()), np.full(models, -1), examples=7)
    interval = stats.ttest_1samp(x, 0.0).confidence_interval()
    assert found.value == pytest.approx(x.mean())
    assert found.stderr == pytest.approx(stats.sem(x))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (found.models, found.examples, len(found.replicates)) == (models, 7, models)


def test_a_pair_is_left_out_as_a_whole():
    seen = []
    jackknife(lambda kept: seen.append(kept.copy()) or float(kept.sum()), np.array([4, 9, 4, 9, -1]))
    left_out = [tuple(np.flatnonzero(~kept)) for kept in seen]
    assert left_out == [(), (0, 2), (1, 3), (4,)]


def test_what_models_contribute_to_a_mean_over_pairs_has_its_jackknife_error():
    likeness = np.random.default_rng(0).random((6, 6))
    likeness = (likeness + likeness.T) / 2

    def mean(models):
        return likeness[np.ix_(models, models)][np.triu_indices(len(models), 1)].mean()

    shared = (likeness.sum(1) - np.diag(likeness)) / 5
    parts = own_parts(shared)
    assert parts.mean() == pytest.approx(mean(np.arange(6)))
    left = np.array([mean(np.delete(np.arange(6), one)) for one in range(6)])
    assert parts.std(ddof=1) / np.sqrt(6) == pytest.approx(float(spread(left)))
    assert np.isnan(own_parts(np.ones(2))).all()


def test_many_units_are_dealt_out_evenly():
    sizes = []
    jackknife(lambda kept: sizes.append(int((~kept).sum())) or float(kept.sum()), pairs(23), groups=10)
    assert sorted(sizes[1:]) == [4] * 7 + [6] * 3


def test_delete_a_group_has_about_the_error_of_delete_one():
    x = np.random.default_rng(0).normal(size=4000)
    found = jackknife(lambda kept: float(x[kept].mean()), np.full(4000, -1))
    assert len(found.replicates) == 40
    # a variance from 40 groups is known to 1/sqrt(2 * 39) = 11 %
    assert found.stderr == pytest.approx(stats.sem(x), rel=0.35)


@pytest.mark.parametrize("pair", [np.array([0, 0, 1, 1]), np.array([-1, -1]), np.array([], np.int64)])
def test_two_units_are_refused(pair):
    with pytest.raises(TooFewModels, match="at least 3 pairs"):
        jackknife(lambda kept: 0.0, pair)


def test_two_groups_are_refused():
    with pytest.raises(BadInput, match="Got 2"):
        jackknife(lambda kept: 0.0, pairs(5), groups=2)


def test_undefined_stays_undefined():
    found = jackknife(lambda kept: np.nan, pairs(5))
    assert np.isnan(found.value)
    assert found.reason
    part = jackknife(lambda kept: 1.0 if kept.all() else np.nan, pairs(5))
    assert part.value == 1.0
    assert np.isnan(part.stderr)
    assert part.note


def test_no_error_bar_is_zero():
    found = jackknife(lambda kept: 0.25, pairs(5))
    assert found.value == 0.25
    assert np.isnan([found.stderr, found.low, found.high]).all()


@pytest.mark.slow
def test_covers_a_pooled_mean_with_effects_of_models():
    """Pooled over models and examples; each pair shifts all its examples. 2,000 trials: margin .01."""
    rng = np.random.default_rng(5)
    covered = independent = 0
    for _ in range(2000):
        x = np.repeat(rng.normal(0, 1, 12), 2)[:, None] + rng.normal(0, 1, (24, 30))
        found = jackknife(lambda kept, x=x: float(x[kept].mean()), pairs(12))
        covered += found.low <= 0 <= found.high
        independent += abs(x.mean()) <= 1.96 * x.std() / np.sqrt(x.size)
    assert 0.93 <= covered / 2000 <= 0.97
    assert independent / 2000 < 0.5


@pytest.mark.slow
def test_covers_an_auroc_with_effects_of_models():
    """Positives of model k ~ N(1 + b_k, 1), b_k ~ N(0, 1), negatives ~ N(0, 1): AUROC = Phi(1 / sqrt(3))."""
    rng = np.random.default_rng(6)
    truth = stats.norm.cdf(1 / np.sqrt(3))
    covered = 0
    for _ in range(800):
        high = rng.normal(1, 1, (40, 10)) + np.repeat(rng.normal(0, 1, 20), 2)[:, None]
        scores = np.concatenate([high, rng.normal(0, 1, (40, 10))], axis=1)
        positive = np.broadcast_to(np.arange(20) < 10, scores.shape)
        found = jackknife(lambda kept, s=scores, p=positive: auroc(s[kept].ravel(), p[kept].ravel()), pairs(20))
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 800 <= 0.98


def scalar(value: float, stderr: float, replicates=(), reason: str = "") -> Scalar:
    value = float(value)
    return Scalar(
        value=value,
        stderr=stderr,
        low=value,
        high=value,
        models=8,
        examples=5,
        reason=reason,
        replicates=np.array(replicates, np.float64),
    )


def test_paired_difference_is_the_jackknife_of_the_difference():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(2, 10))
    y += x
    single = np.full(10, -1)
    before = jackknife(lambda kept: float(x[kept].mean()), single)
    after = jackknife(lambda kept: float(y[kept].mean()), single)
    direct = jackknife(lambda kept: float((y - x)[kept].mean()), single)
    found = difference(after, before, paired=True)
    assert (found.value, found.stderr, found.low) == pytest.approx((direct.value, direct.stderr, direct.low))
    apart = difference(after, before, paired=False)
    assert apart.stderr == pytest.approx(np.hypot(after.stderr, before.stderr))


def test_unpaired_difference_has_the_degrees_of_satterthwaite():
    """stderr 3 and 4 with 4 and 9 degrees: 5^4 / (3^4 / 4 + 4^4 / 9) = 12.83."""
    found = difference(scalar(3, 3.0, range(5)), scalar(1, 4.0, range(10)), paired=False)
    reach = stats.t.ppf(0.975, 625 / (81 / 4 + 256 / 9)) * 5
    assert (found.value, found.low, found.high) == pytest.approx((2, 2 - reach, 2 + reach))
    without_replicates = difference(scalar(3, 3.0), scalar(1, 4.0), paired=False)
    assert without_replicates.high == pytest.approx(2 + 1.959964 * 5)


def test_difference_of_undefined_is_undefined():
    found = difference(scalar(np.nan, np.nan, reason="no positives"), scalar(1, 1.0), paired=False)
    assert np.isnan(found.value)
    assert found.reason == "after: no positives"
    assert np.isnan(difference(scalar(2, np.nan), scalar(1, 1.0), paired=False).stderr)


@pytest.mark.parametrize("count", [0, 4])
def test_pairing_of_unequal_replicates_is_refused(count):
    with pytest.raises(BadInput, match="same 3 or more replicates"):
        difference(scalar(2, 1.0, range(count)), scalar(1, 1.0, range(5)), paired=True)


def test_intervals_of_bounded_figures_are_cut():
    x = np.array([0.2, 0.9, 1.0, 1.0, 1.0])
    single = np.full(5, -1)
    wide = jackknife(lambda kept: float(x[kept].mean()), single)
    cut = jackknife(lambda kept: float(x[kept].mean()), single, bounds=(0.0, 1.0))
    assert wide.high > 1.0
    assert cut.high == 1.0
    assert (cut.value, cut.stderr, cut.low) == (wide.value, wide.stderr, wide.low)
    unknown = jackknife(lambda kept: 0.25, single, bounds=(0.0, 1.0))
    assert np.isnan([unknown.low, unknown.high]).all()


def test_a_difference_of_bounded_figures_is_cut_at_their_distance():
    before, after = scalar(1.0, 0.4, range(4)), scalar(0.2, 0.4, range(4))
    assert difference(after, before, paired=False).low < -1.0
    cut = difference(after, before, paired=False, bounds=(0.0, 1.0))
    assert cut.low == -1.0
    assert difference(before, after, paired=False, bounds=(0.0, 1.0)).high == 1.0


def test_more_comparisons_make_wider_intervals():
    before, after = scalar(0.0, 3.0, range(6)), scalar(1.0, 4.0, range(6))
    one = difference(after, before, paired=False)
    ten = difference(after, before, paired=False, comparisons=10)
    degrees = 625 / (81 / 5 + 256 / 5)
    assert one.high == pytest.approx(1 + 5 * stats.t.ppf(0.975, degrees))
    assert ten.high == pytest.approx(1 + 5 * stats.t.ppf(0.9975, degrees))
    assert ten.stderr == one.stderr


@pytest.mark.slow
def test_simultaneous_intervals_hold_all_at_once():
    """Eight true nulls, 1,500 trials: each interval alone errs somewhere in about 1 - .95^8 = .34 of them."""
    rng = np.random.default_rng(9)
    alone = together = 0
    for _ in range(1500):
        x = rng.normal(size=(10, 8))
        replicates = (x.sum(0) - x) / 9
        figures = [scalar(float(v), 1.0, r) for v, r in zip(x.mean(0), replicates.T, strict=True)]
        zero = scalar(0.0, 1.0, np.zeros(10))
        for comparisons in (1, 8):
            found = [difference(f, zero, paired=True, comparisons=comparisons) for f in figures]
            wrong = any(not f.low <= 0 <= f.high for f in found)
            alone, together = (alone + wrong, together) if comparisons == 1 else (alone, together + wrong)
    assert alone / 1500 > 0.28
    assert 0.03 <= together / 1500 <= 0.065

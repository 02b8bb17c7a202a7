import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit

from byrote.measures.catalog import find
from byrote.measures.label_memorization import label_memorization, label_memorization_probability
from byrote.stats.intervals import agresti_caffo
from measures.evidence import half_subset_pairs

sizes = st.integers(0, 9), st.integers(1, 8), st.integers(0, 2**32 - 1)


def slow(value, member, i):
    """The formula, with the models on either side."""
    inside = [value[k, i] for k in range(len(member)) if member[k, i] == 1]
    outside = [value[k, i] for k in range(len(member)) if member[k, i] == 0]
    mean = sum(inside) / len(inside) - sum(outside) / len(outside) if inside and outside else np.nan
    return mean, inside, outside


def agrees_with_added_values(found, i, inside, outside, scatter):
    """The interval after a 0 and a 1 have joined either side, whose deviations are those from the new mean."""
    means, variance = [], scatter
    for side in (inside, outside):
        means.append((sum(side) + 1) / (len(side) + 2))
        moved = len(side) * (np.mean(side) - means[-1]) ** 2
        variance += (moved + means[-1] ** 2 + (1 - means[-1]) ** 2) / (len(side) + 2) ** 2
    reach = 1.959964 * np.sqrt(variance)
    assert found.stderr[i] == pytest.approx(np.sqrt(variance))
    assert found.low[i] == pytest.approx(min(max(means[0] - means[1] - reach, -1), found.values[i]), abs=1e-6)
    assert found.high[i] == pytest.approx(max(min(means[0] - means[1] + reach, 1), found.values[i]), abs=1e-6)


def test_the_probability_form_says_that_it_is_another_quantity():
    member = np.array([[1], [0], [1], [0]], np.int8)
    found = label_memorization_probability(np.array([[0.9], [0.2], [0.7], [0.1]]), member, np.array([0, 0, 1, 1]))
    assert found.note.startswith("another quantity than label_memorization")
    assert "models trained on 50%" in found.note
    title, differs = find("label_memorization[probability]").title, label_memorization_probability.__doc__
    assert "not label memorization itself" in title
    assert "no estimate of it with a smaller error" in " ".join(differs.split())


@given(*sizes)
def test_agrees_with_the_slow_loop(models, examples, seed):
    rng = np.random.default_rng(seed)
    correct = rng.random((models, examples)) < 0.6
    member = rng.integers(-1, 2, (models, examples)).astype(np.int8)
    found = label_memorization(correct, member)
    for i in range(examples):
        mean, inside, outside = slow(correct, member, i)
        assert found.values[i] == pytest.approx(mean, nan_ok=True)
        assert (found.counts["members"][i], found.counts["nonmembers"][i]) == (len(inside), len(outside))
        if inside and outside:
            counts = [np.array([n]) for n in (sum(inside), len(inside), sum(outside), len(outside))]
            interval = agresti_caffo(*counts)
            assert found.stderr[i] == pytest.approx(interval.stderr[0])
            assert (found.low[i], found.high[i]) == pytest.approx((interval.low[0], interval.high[0]))


def test_by_hand():
    """Right in 2 of 3 models with the example and 1 of 4 without: 2/3 - 1/4."""
    correct = np.array([1, 1, 0, 1, 0, 0, 0, 1], bool)[:, None]
    member = np.array([1, 1, 1, 0, 0, 0, 0, -1], np.int8)[:, None]
    found = label_memorization(correct, member)
    assert found.values[0] == pytest.approx(5 / 12)
    assert found.models == 8
    assert "43%" in found.note  # 3 of 7 known


def test_undefined_has_its_reason():
    member = np.array([[1, 0, -1, 1], [1, 0, -1, 0]], np.int8)
    found = label_memorization(np.ones((2, 4), bool), member)
    np.testing.assert_array_equal(np.isnan(found.values), [True, True, True, False])
    assert found.reason(0) == "every model was trained on it"
    assert found.reason(1) == "no model was trained on it"
    assert found.reason(2) == "its membership is known in no model"
    assert found.reason(3) == ""
    assert np.isnan(found.stderr[:3]).all()


def test_a_lookup_table_memorizes_all_and_a_constant_nothing():
    member, pair = half_subset_pairs(np.random.default_rng(0), 16, 21)
    known = np.ones_like(member)
    for right, expected in ((member == 1, 1.0), (known == 1, 0.0), (known == 0, 0.0)):
        np.testing.assert_array_equal(label_memorization(right, member).values, expected)
        soft = label_memorization_probability(right.astype(np.float32), member, pair)
        np.testing.assert_array_equal(soft.values, expected)
        assert (soft.stderr > 0).all()
        assert (soft.low <= expected).all()
        assert (expected <= soft.high).all()


@given(st.integers(0, 6), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_pairs_agree_with_the_slow_loop(pairs, examples, seed):
    rng = np.random.default_rng(seed)
    member = np.zeros((2 * pairs, examples), np.int8)
    for p in range(pairs):
        for i in range(examples):
            member[2 * p : 2 * p + 2, i] = [(0, 1), (1, 0), (0, 0), (-1, 0), (1, -1)][rng.integers(5)]
    probability = rng.random((2 * pairs, examples))
    order = rng.permutation(2 * pairs)
    pair = (np.arange(2 * pairs) // 2)[order]
    found = label_memorization_probability(probability[order], member[order], pair)
    for i in range(examples):
        differences, sides = [], ([], [])
        for one, other in zip(range(0, 2 * pairs, 2), range(1, 2 * pairs, 2), strict=True):
            if {member[one, i], member[other, i]} == {0, 1}:
                inside, outside = (one, other) if member[one, i] == 1 else (other, one)
                differences.append(probability[inside, i] - probability[outside, i])
                sides[0].append(probability[inside, i])
                sides[1].append(probability[outside, i])
        if len(differences) < 2:
            assert np.isnan(found.values[i])
            assert found.reason(i)
            continue
        assert found.values[i] == pytest.approx(np.mean(differences))
        scatter = np.var(differences) * len(differences) / (len(differences) + 2) ** 2
        agrees_with_added_values(found, i, *sides, scatter)
        assert found.counts["pairs"][i] == len(differences)


@given(*sizes)
def test_unpaired_models_agree_with_the_slow_loop(models, examples, seed):
    rng = np.random.default_rng(seed)
    probability = rng.random((models, examples))
    member = rng.integers(-1, 2, (models, examples)).astype(np.int8)
    found = label_memorization_probability(probability, member, np.full(models, -1))
    for i in range(examples):
        mean, inside, outside = slow(probability, member, i)
        if len(inside) < 2 or len(outside) < 2:
            assert np.isnan(found.values[i])
            assert found.reason(i)
            continue
        assert found.values[i] == pytest.approx(mean)
        scatter = sum(np.var(side) * len(side) / (len(side) + 2) ** 2 for side in (inside, outside))
        agrees_with_added_values(found, i, inside, outside, scatter)


def test_a_pair_with_both_mates_in_is_taken_as_unpaired():
    rng = np.random.default_rng(3)
    member = np.array([[1, 1], [0, 1], [1, 0], [0, 1], [0, 0], [1, 0]], np.int8)
    probability = rng.random((6, 2))
    paired = label_memorization_probability(probability, member, np.repeat([0, 1, 2], 2))
    single = label_memorization_probability(probability, member, np.full(6, -1))
    assert paired.values[1] == single.values[1]
    assert paired.stderr[1] == single.stderr[1]
    assert paired.stderr[0] != single.stderr[0]


def test_a_probability_that_is_not_finite_is_undefined():
    member, pair = half_subset_pairs(np.random.default_rng(0), 8, 4)
    probability = np.full((8, 4), 0.5)
    probability[3, 2] = np.nan
    found = label_memorization_probability(probability, member, pair)
    np.testing.assert_array_equal(np.isnan(found.values), [False, False, True, False])
    assert found.reason(2) == "a model's probability is not finite"


def test_gaussian_model_has_its_closed_form():
    """Log-odds N(2, 1.5^2) in, N(-1, 1.5^2) out; E expit by quadrature, P(correct) = Phi(mean / 1.5)."""
    rng = np.random.default_rng(4)
    member, pair = half_subset_pairs(rng, 32, 3000)
    log_odds = np.where(member == 1, 2.0, -1.0) + rng.normal(0, 1.5, member.shape)
    grid = np.linspace(-12, 12, 4001)
    weight = stats.norm.pdf(grid) * (grid[1] - grid[0])
    soft = weight @ expit(2 + 1.5 * grid) - weight @ expit(-1 + 1.5 * grid)
    hard = stats.norm.cdf(2 / 1.5) - stats.norm.cdf(-1 / 1.5)
    for found, truth in (
        (label_memorization_probability(expit(log_odds), member, pair), soft),
        (label_memorization(log_odds > 0, member), hard),
    ):
        error = found.values.std() / np.sqrt(3000)
        assert abs(found.values.mean() - truth) < 4 * error
        assert 0.93 <= np.mean((found.low <= truth) & (truth <= found.high)) <= 0.98
        # the stated errors are as large as the scatter that they speak of, and not much larger
        assert 0.97 * found.values.std() <= np.sqrt(np.mean(found.stderr**2)) <= 1.25 * found.values.std()


@given(st.integers(2, 6), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_its_mean_over_halves_is_the_generalization_gap(pairs, half, seed):
    """Accuracy on members less accuracy on those left out, of the same models: the two are one number.

    Each example is a member of one model of each pair, and each model has half of the examples.
    """
    rng = np.random.default_rng(seed)
    member, _ = half_subset_pairs(rng, 2 * pairs, 2 * half)
    correct = rng.random(member.shape) < np.where(member == 1, 0.9, 0.6)
    gap = correct[member == 1].mean() - correct[member == 0].mean()
    assert label_memorization(correct, member).values.mean() == pytest.approx(gap)

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.measures.noisy_label_memorization import noisy_label_memorization
from byrote.stats.jackknife import jackknife
from measures.evidence import half_subset_pairs, make_evidence


def slow_share(correct, noisy, member, models, c):
    """Mean over those models of the share right at checkpoint c among the members of the group."""
    shares = []
    for k in models:
        right = [correct[k, c, i] for i in range(len(noisy)) if member[k, i] == 1 and noisy[i]]
        if right:
            shares.append(sum(right) / len(right))
    return sum(shares) / len(shares) if shares else np.nan


def slow_rate(value, cells):
    """Error and bounds of a rate with one success and one failure added, reaching the rate itself."""
    rate = (value * cells + 1) / (cells + 2)
    error = math.sqrt(rate * (1 - rate) / (cells + 2))
    return error, min(max(rate - 1.959964 * error, 0), value), max(min(rate + 1.959964 * error, 1), value)


@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 99), st.booleans())
def test_agrees_with_the_slow_loop(pairs, examples, seed, paired):
    run = make_evidence(models=2 * pairs, examples=examples, seed=seed, unknown=0.2)
    correct, epochs, member = run["trajectory.correct"], run["trajectory.epochs"], run["design.member"]
    noisy = np.random.default_rng(seed).random(examples) < 0.4
    pair = run["design.pair"] if paired else np.full(2 * pairs, -1)
    found = noisy_label_memorization(correct, epochs, noisy, member, pair)
    np.testing.assert_array_equal(found.at, epochs)
    np.testing.assert_array_equal(found.counts, [noisy.sum(), (~noisy).sum()])
    for g, group in enumerate((noisy, ~noisy)):
        having = ((member == 1) & group).any(1)
        for c in range(len(epochs)):
            expected = slow_share(correct, group, member, range(2 * pairs), c)
            assert found.values[g, c] == pytest.approx(expected, nan_ok=True)
            if len(np.unique(pair[having])) < 3 if paired else having.sum() < 3:
                assert np.isnan(found.stderr[g, c])
                continue
            models = np.flatnonzero(having)
            share = partial(slow_share, correct, group, member, c=c)
            error = jackknife(lambda kept, share=share, m=models: share(models=m[kept]), pair[having])
            rate = slow_rate(expected, int(((member == 1) & group).sum()))
            jack = error.stderr if np.isfinite(error.stderr) else 0.0
            assert found.stderr[g, c] == pytest.approx(max(jack, rate[0]))
            assert found.low[g, c] == pytest.approx(np.fmin(np.clip(error.low, 0, 1), rate[1]))
            assert found.high[g, c] == pytest.approx(np.fmax(np.clip(error.high, 0, 1), rate[2]))


def test_a_group_without_members_is_undefined_and_named():
    run = make_evidence()
    found = noisy_label_memorization(
        run["trajectory.correct"], run["trajectory.epochs"], np.zeros(31, bool), run["design.member"],
        run["design.pair"],
    )  # fmt: skip
    assert np.isnan(found.values[0]).all()
    assert np.isfinite(found.values[1]).all()
    assert found.note == "planted label noise: no model was trained on an example of it"


def test_two_pairs_give_values_without_errors():
    run = make_evidence(models=4)
    found = noisy_label_memorization(
        run["trajectory.correct"], run["trajectory.epochs"], np.arange(31) < 9, run["design.member"],
        run["design.pair"],
    )  # fmt: skip
    assert np.isfinite(found.values).all()
    assert np.isnan(found.stderr).all()
    assert "fewer than 3 pairs" in found.note


def test_a_lookup_learner_fits_all_and_a_constant_learner_nothing():
    """Errors are those of all answers right with a success and a failure added: 6 pairs see each example once."""
    member, pair = half_subset_pairs(np.random.default_rng(0), 12, 20)
    noisy, epochs = np.arange(20) < 6, np.array([0, 1])
    correct = np.zeros((12, 2, 20), bool)
    correct[:, 1] = member == 1
    found = noisy_label_memorization(correct, epochs, noisy, member, pair)
    np.testing.assert_array_equal(found.values, [[0.0, 1.0], [0.0, 1.0]])
    for row, cells in enumerate((36, 84)):
        np.testing.assert_allclose(found.stderr[row], np.sqrt(cells + 1) / (cells + 2) ** 1.5)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.9, 0.99, 0.999, 0.9999])
def test_covers_where_nearly_all_labels_are_fitted(rate):
    """Single answers fail, 1600 of them in all: 160, 16, 1.6 or .16 are expected to. 300 trials."""
    rng = np.random.default_rng(3)
    member, pair = half_subset_pairs(rng, 16, 200)
    covered = 0
    for _ in range(300):
        correct = rng.random((16, 1, 200)) < rate
        found = noisy_label_memorization(correct, np.array([5]), np.ones(200, bool), member, pair)
        covered += found.low[0, 0] <= rate <= found.high[0, 0]
    assert covered / 300 >= 0.93


@pytest.mark.slow
def test_covers_with_effects_of_pairs():
    """Each pair fits its own share of the noise, uniform in [.2, .8]: truth .5. 600 trials, margin .018."""
    rng = np.random.default_rng(9)
    noisy, epochs = np.ones(24, bool), np.array([5])
    covered = 0
    for _ in range(600):
        member, pair = half_subset_pairs(rng, 24, 24)
        rate = np.repeat(rng.uniform(0.2, 0.8, 12), 2)
        correct = rng.random((24, 1, 24)) < rate[:, None, None]
        found = noisy_label_memorization(correct, epochs, noisy, member, pair)
        covered += found.low[0, 0] <= 0.5 <= found.high[0, 0]
    assert 0.93 <= covered / 600 <= 0.97

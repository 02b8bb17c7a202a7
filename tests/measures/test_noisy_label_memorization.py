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
            if np.isfinite(error.stderr):
                assert found.stderr[g, c] == pytest.approx(error.stderr)
                assert found.low[g, c] == pytest.approx(max(error.low, 0))
                assert found.high[g, c] == pytest.approx(min(error.high, 1))
            else:
                assert found.stderr[g, c] > 0


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
    """Errors are those of 6 of 6 with a success and a failure added: rate 7/8 over 8."""
    member, pair = half_subset_pairs(np.random.default_rng(0), 12, 20)
    noisy, epochs = np.arange(20) < 6, np.array([0, 1])
    correct = np.zeros((12, 2, 20), bool)
    correct[:, 1] = member == 1
    found = noisy_label_memorization(correct, epochs, noisy, member, pair)
    np.testing.assert_array_equal(found.values, [[0.0, 1.0], [0.0, 1.0]])
    np.testing.assert_allclose(found.stderr, np.sqrt(7 / 8 * 1 / 8 / 8))


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

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brute
from scipy.special import expit, log_softmax, softmax

from byrote.measures.label_error_probability import LabelModel, _answers, label_error_probability

UNPAIRED = -1


def drawn(examples, *, noise, classes=4, seed=0, spread=3.0):
    """Answers whose softmax is the truth, and labels drawn from it, wrong at the noise rate."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, (examples, classes))
    right = (softmax(logits, -1).cumsum(-1) > rng.random((examples, 1))).argmax(-1)
    wrong = rng.random(examples) < noise
    label = np.where(wrong, (right + rng.integers(1, classes, examples)) % classes, right)
    return logits, label, wrong


def by_loops(logits, label, member):
    """The formula example by example, the likelihood searched on a grid."""
    models, examples, classes = logits.shape
    mean = np.zeros((examples, classes))
    for i in range(examples):
        rows = [log_softmax(logits[k, i].astype(float)) for k in range(models) if member[k, i] == 0]
        mean[i] = np.mean(rows, axis=0)

    def both(parameters):
        noise, sharpness = expit(parameters[0]), np.exp(parameters[1])
        s = softmax(sharpness * mean, -1)
        wrong = [noise * (1 - s[i, label[i]]) / (classes - 1) for i in range(examples)]
        right = [(1 - noise) * s[i, label[i]] for i in range(examples)]
        return np.array(wrong), np.array(right)

    found = brute(lambda p: -np.log(np.add(*both(p))).sum(), ((-6, 0), (-2, 2)), Ns=25)
    wrong, right = both(found)
    return wrong / (wrong + right)


def test_it_is_the_formula():
    logits, label, _ = drawn(150, noise=0.15)
    rng = np.random.default_rng(1)
    several = logits + rng.normal(0, 1, (6, *logits.shape))
    member = (rng.random((6, 150)) < 0.4).astype(np.int8)
    member[0] = 0
    result = label_error_probability(several, label, member, np.full(6, UNPAIRED))
    np.testing.assert_allclose(result.values, by_loops(several, label, member), atol=2e-3)


def test_it_is_calibrated_where_its_model_holds():
    logits, label, wrong = drawn(20_000, noise=0.1)
    blurred = logits[None] * 0.5  # the answers are half as sharp as the truth
    values = label_error_probability(blurred, label, np.zeros((1, 20_000), np.int8), np.array([UNPAIRED])).values
    bins = np.digitize(values, [0.01, 0.1, 0.3, 0.5, 0.7, 0.9])
    for number in np.unique(bins):
        here = bins == number
        error = np.sqrt(values[here].mean() / here.sum())
        assert abs(values[here].mean() - wrong[here].mean()) < 4 * error
    assert values.mean() == pytest.approx(0.1, abs=0.01)


def test_models_trained_on_an_example_have_no_say():
    logits, label, _ = drawn(60, noise=0.1)
    several = np.stack([logits, logits])
    member = np.zeros((2, 60), np.int8)
    member[1, ::2] = 1
    before = label_error_probability(several, label, member, np.full(2, UNPAIRED)).values
    several[1, ::2] += 100 * np.eye(4)[label[::2]]
    after = label_error_probability(several, label, member, np.full(2, UNPAIRED)).values
    np.testing.assert_array_equal(before, after)


def test_where_every_model_was_trained_on_it():
    logits, label, _ = drawn(20, noise=0.1)
    member = np.zeros((1, 20), np.int8)
    member[0, 3] = 1
    result = label_error_probability(logits[None], label, member, np.array([UNPAIRED]))
    assert np.flatnonzero(np.isnan(result.values)).tolist() == [3]
    assert result.reason(3) == "every model was trained on it"
    assert np.isnan(result.stderr).all()


def test_no_example_can_be_judged():
    logits, label, _ = drawn(5, noise=0.1)
    result = label_error_probability(logits[None], label, np.ones((1, 5), np.int8), np.array([UNPAIRED]))
    assert np.isnan(result.values).all()


@pytest.mark.slow
def test_intervals_cover():
    logits, label, _ = drawn(300, noise=0.1, seed=5)
    rng = np.random.default_rng(6)

    def of(models):
        several = logits + rng.normal(0, 2, (models, 1, 4)) + rng.normal(0, 2, (models, *logits.shape))
        return label_error_probability(several, label, np.zeros((models, 300), np.int8), np.arange(models) // 2)

    truth = of(4_000).values
    unsure = (truth > 0.02) & (truth < 0.98)
    results = [of(32) for _ in range(40)]
    covered = np.mean([(r.low <= truth)[unsure] & (truth <= r.high)[unsure] for r in results])
    assert 0.92 < covered < 0.985


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
def test_answers_that_say_nothing_of_the_label(seed):
    """Where noise rate and sharpness can hardly be told apart, no try of the search leaves the rates there are."""
    rng = np.random.default_rng(seed)
    label, member = rng.integers(0, 3, 100), (rng.random((20, 100)) < 0.5).astype(np.int8)
    logits = rng.normal(size=(20, 100, 3))
    values = label_error_probability(logits, label, member, np.full(20, UNPAIRED)).values
    assert ((values >= 0) & (values <= 1)).all()


def test_gradient_and_hessian_of_the_likelihood():
    """Against central differences."""
    logits, label, _ = drawn(200, noise=0.1)
    answers = _answers(log_softmax(logits, -1).T, label)
    at, step = np.log([0.07, 0.8]), 1e-4

    def of(logarithms):
        return answers.log_likelihood(LabelModel(*np.exp(logarithms)))

    _, gradient, hessian = of(at)
    for axis, shift in enumerate(np.eye(2) * step):
        above, below = of(at + shift), of(at - shift)
        assert gradient[axis] == pytest.approx((above[0] - below[0]) / (2 * step), rel=1e-6)
        np.testing.assert_allclose(hessian[axis], (above[1] - below[1]) / (2 * step), rtol=1e-6)

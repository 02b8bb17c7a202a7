import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from byrote.probes.signals import signals

RNG = np.random.default_rng(0)


def slow(logits, target):
    """In float64, from the definitions in the schema."""
    z = logits.astype(np.float64)
    others = np.delete(z, target)
    log_p = z - logsumexp(z)
    p = np.exp(log_p)
    return z[target] - logsumexp(others), z[target] - others.max(), -(p * log_p).sum(), p.max()


@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0, 1e4])
@pytest.mark.parametrize("classes", [2, 5])
def test_against_float64(scale, classes):
    logits = (RNG.normal(size=(3, 7, classes)) * scale).astype(np.float32)
    targets = RNG.integers(0, classes, (3, 7))
    found = signals(torch.from_numpy(logits), torch.from_numpy(targets))
    for model in range(3):
        for n in range(7):
            expected = slow(logits[model, n], targets[model, n])
            got = [float(part[model, n]) for part in found]
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6 * max(scale, 1))


def test_saturated_logits_stay_finite_and_exact():
    logits = torch.tensor([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]])
    found = signals(logits, torch.tensor([0, 1, 2]))
    np.testing.assert_allclose(found.log_odds.numpy(), [1e4, -2e4, -np.log(2)], atol=1e-3)
    np.testing.assert_allclose(found.logit_margin.numpy(), [1e4, -2e4, 0])
    np.testing.assert_allclose(found.entropy.numpy(), [0, 0, np.log(3)], atol=1e-6)
    np.testing.assert_allclose(found.top_confidence.numpy(), [1, 1, 1 / 3], rtol=1e-6)


def test_confident_answers_are_told_apart_where_probabilities_are_not():
    logits = torch.tensor([[20.0, 0.0], [40.0, 0.0]])
    assert (logits.softmax(-1)[:, 0] == 1).all()
    assert signals(logits, torch.tensor([0, 0])).log_odds.tolist() == [20.0, 40.0]


def test_half_precision_is_computed_in_float32():
    found = signals(torch.tensor([[300.0, 1.0]], dtype=torch.bfloat16), torch.tensor([0]))
    assert all(part.dtype == torch.float32 for part in found)


def test_what_is_not_finite_shows():
    assert not signals(torch.tensor([[float("nan"), 1.0]]), torch.tensor([0])).log_odds.isfinite().any()

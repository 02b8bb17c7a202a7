import numpy as np
import pytest
import torch

from byrote.recipes.objectives.cross_entropy import CrossEntropy
from recipes.objectives.asked import loss_of


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_against_the_formula(smoothing):
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(7, 4)) * 3, rng.integers(0, 4, 7)
    found, memory = loss_of(CrossEntropy(smoothing), torch.tensor(logits), torch.tensor(targets))
    assert memory is None
    for n in range(7):
        log_p = logits[n] - np.log(np.exp(logits[n]).sum())
        expected = -(1 - smoothing) * log_p[targets[n]] - smoothing * log_p.mean()
        np.testing.assert_allclose(found[n].item(), expected)


def test_no_memory():
    assert CrossEntropy().memory(10, 3) is None

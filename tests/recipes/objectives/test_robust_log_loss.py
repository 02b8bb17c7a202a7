"""The robust log loss against its formula, its symmetry and its limits."""

import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.recipes.objectives.robust_log_loss import RobustLogLoss
from recipes.objectives.asked import check_by_class, check_certain, loss_of

RNG = np.random.default_rng(0)
LOGITS, TARGETS = torch.tensor(RNG.normal(size=(6, 5)) * 2), torch.tensor(RNG.integers(0, 5, 6))


@pytest.mark.parametrize("a", [0.1, 2.0])
def test_against_the_formula(a):
    def formula(p, y):
        others = sum(np.log(a + p[k]) for k in range(4) if k != y) / 3
        return np.log((1 + a) / a) - np.log(a + p[y]) + others

    check_by_class(RobustLogLoss(a), formula)


def test_over_all_labels_it_has_one_sum():
    """K log((1 + a) / a), whatever is answered."""
    summed = sum(loss_of(RobustLogLoss(0.1), LOGITS, torch.full((6,), label))[0] for label in range(5))
    torch.testing.assert_close(summed, torch.full((6,), 5 * np.log(11.0), dtype=torch.float64))


def test_its_limits():
    """Of certain answers 0, and where wrong (1 + 1 / (K - 1)) log((1 + a) / a); 0 for large a."""
    torch.testing.assert_close(check_certain(RobustLogLoss(0.1)), torch.tensor([0.0, 1.5 * float(np.log(11.0))]))
    assert loss_of(RobustLogLoss(1e6), LOGITS, TARGETS)[0].abs().max() < 1e-5


@pytest.mark.parametrize("a", [0.0, -1.0, float("nan"), float("inf")])
def test_an_offset_is_positive(a):
    with pytest.raises(BadInput, match=r"^The 'a' argument of RobustLogLoss"):
        RobustLogLoss(a)

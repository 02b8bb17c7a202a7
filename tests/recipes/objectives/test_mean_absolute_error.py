"""The absolute error of probabilities against its formula, and its symmetry."""

import numpy as np
import torch

from byrote.recipes.objectives.mean_absolute_error import MeanAbsoluteError
from recipes.objectives.asked import check_by_class, check_certain, loss_of

RNG = np.random.default_rng(0)
LOGITS = torch.tensor(RNG.normal(size=(6, 5)) * 2)


def test_against_the_formula():
    check_by_class(MeanAbsoluteError(), lambda p, y: np.abs(p - np.eye(4)[y]).sum())


def test_over_all_labels_it_has_one_sum():
    """2 (K - 1), whatever is answered."""
    summed = sum(loss_of(MeanAbsoluteError(), LOGITS, torch.full((6,), label))[0] for label in range(5))
    torch.testing.assert_close(summed, torch.full((6,), 8.0, dtype=torch.float64))


def test_it_is_bounded():
    torch.testing.assert_close(check_certain(MeanAbsoluteError()), torch.tensor([0.0, 2.0]))

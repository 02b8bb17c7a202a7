"""Symmetric cross-entropy against its formula and its two parts."""

import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.objectives.mean_absolute_error import MeanAbsoluteError
from byrote.recipes.objectives.symmetric_cross_entropy import SymmetricCrossEntropy
from recipes.objectives.asked import check_by_class, check_certain, loss_of

RNG = np.random.default_rng(0)
LOGITS, TARGETS = torch.tensor(RNG.normal(size=(6, 5)) * 2), torch.tensor(RNG.integers(0, 5, 6))


def test_against_the_formula():
    """The reverse: minus the sum over classes of p_k times the log of the label's distribution, floor for log 0."""

    def formula(p, y):
        reverse = -sum(p[k] * (0.0 if k == y else -3.0) for k in range(4))
        return -0.3 * np.log(p[y]) + 2.0 * reverse

    check_by_class(SymmetricCrossEntropy(alpha=0.3, beta=2.0, floor=-3.0), formula)


def test_its_parts_are_cross_entropy_and_the_absolute_error():
    def of(objective):
        return loss_of(objective, LOGITS, TARGETS)[0]

    torch.testing.assert_close(of(SymmetricCrossEntropy(1.0, 0.0)), of(CrossEntropy()))
    torch.testing.assert_close(of(SymmetricCrossEntropy(0.0, 1.0, floor=-2.0)), of(MeanAbsoluteError()))


def test_certain_answers():
    torch.testing.assert_close(check_certain(SymmetricCrossEntropy()), torch.tensor([0.0, 0.1 * 200 + 4]))


@pytest.mark.parametrize(
    "wrong", [{"alpha": -1.0}, {"alpha": 0.0, "beta": 0.0}, {"beta": float("nan")}, {"floor": 0.0}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(BadInput, match="of SymmetricCrossEntropy must be"):
        SymmetricCrossEntropy(**wrong)

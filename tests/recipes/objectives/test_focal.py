"""The focal loss against its formula and its limit."""

import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.objectives.focal import Focal
from recipes.objectives.asked import check_by_class, check_certain, loss_of

RNG = np.random.default_rng(0)
LOGITS, TARGETS = torch.tensor(RNG.normal(size=(6, 5)) * 2), torch.tensor(RNG.integers(0, 5, 6))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_against_the_formula(gamma):
    check_by_class(Focal(gamma), lambda p, y: -((1 - p[y]) ** gamma) * np.log(p[y]))


def test_gamma_0_is_cross_entropy():
    def of(objective):
        return loss_of(objective, LOGITS, TARGETS)[0]

    torch.testing.assert_close(of(Focal(0.0)), of(CrossEntropy()))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_certain_answers(gamma):
    torch.testing.assert_close(check_certain(Focal(gamma)), torch.tensor([0.0, 200.0]))


@pytest.mark.parametrize("gamma", [-0.1, float("nan"), float("inf")])
def test_other_powers_are_refused(gamma):
    with pytest.raises(BadInput, match=r"^The 'gamma' argument of Focal"):
        Focal(gamma)

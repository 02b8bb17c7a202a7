"""Generalised cross-entropy against its formula and its two limits."""

import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.objectives.generalised_cross_entropy import GeneralisedCrossEntropy
from byrote.recipes.objectives.mean_absolute_error import MeanAbsoluteError
from recipes.objectives.asked import check_by_class, check_certain, loss_of

RNG = np.random.default_rng(0)
LOGITS, TARGETS = torch.tensor(RNG.normal(size=(6, 5)) * 2), torch.tensor(RNG.integers(0, 5, 6))


@pytest.mark.parametrize("q", [0.1, 0.7, 1.0])
def test_against_the_formula(q):
    check_by_class(GeneralisedCrossEntropy(q), lambda p, y: (1 - p[y] ** q) / q)


def test_its_limits_are_cross_entropy_and_half_the_absolute_error():
    def of(objective):
        return loss_of(objective, LOGITS, TARGETS)[0]

    torch.testing.assert_close(of(GeneralisedCrossEntropy(1e-9)), of(CrossEntropy()), rtol=1e-6, atol=0)
    torch.testing.assert_close(of(GeneralisedCrossEntropy(1.0)), of(MeanAbsoluteError()) / 2)


def test_a_certain_answer_costs_1_over_q_at_most():
    torch.testing.assert_close(check_certain(GeneralisedCrossEntropy(0.5)), torch.tensor([0.0, 2.0]))


@pytest.mark.parametrize("q", [0.0, -1.0, 1.5, float("nan")])
def test_other_exponents_are_refused(q):
    with pytest.raises(BadInput, match=r"^The 'q' argument of GeneralisedCrossEntropy"):
        GeneralisedCrossEntropy(q)

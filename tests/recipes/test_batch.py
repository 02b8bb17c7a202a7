import numpy as np
import pytest
import torch

from byrote.recipes.batch import Batch

RNG = np.random.default_rng(0)
LOSS = torch.tensor(RNG.random((2, 5)))
ROWS = {"inputs": torch.zeros(2, 5, 3), "targets": torch.zeros(2, 5), "ids": torch.arange(10).reshape(2, 5)}
MASK = torch.tensor([[True, True, False, True, False], [False] * 5])
WEIGHTS = torch.tensor(RNG.normal(size=(2, 5)))


@pytest.mark.parametrize("normaliser", [None, 7.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("mask", [None, MASK])
def test_total_is_the_weighted_sum_of_what_counts_over_the_normaliser(mask, weights, normaliser):
    found = Batch(**ROWS, mask=mask, weights=weights, normaliser=normaliser).total(LOSS)
    expected = 0.0
    for model in range(2):
        rows = [row for row in range(5) if mask is None or mask[model, row]]
        terms = [float(LOSS[model, row]) * (1 if weights is None else float(weights[model, row])) for row in rows]
        expected += sum(terms) / (normaliser or max(1, len(rows)))
    assert float(found) == pytest.approx(expected)


def test_a_row_that_does_not_count_may_have_any_loss():
    spoiled = torch.where(MASK, LOSS, torch.nan).requires_grad_()
    total = Batch(**ROWS, mask=MASK).total(spoiled)
    total.backward()
    assert total.item() == pytest.approx(float(LOSS[0][MASK[0]].mean()))
    assert torch.equal(spoiled.grad != 0, MASK)


def test_the_axis_of_one_model_comes_and_goes():
    batch = Batch(**{name: tensor[1] for name, tensor in ROWS.items()}, mask=MASK[1], weights=WEIGHTS[1])
    back = batch.with_axis().without_axis()
    for name in ("inputs", "targets", "ids", "mask", "weights"):
        assert torch.equal(getattr(back, name), getattr(batch, name))
        assert getattr(batch.with_axis(), name).shape == (1, *getattr(batch, name).shape)

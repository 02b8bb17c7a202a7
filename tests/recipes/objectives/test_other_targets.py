import pytest
import torch
import torch.nn.functional as F

from byrote.errors import BadInput
from byrote.recipes.objectives.binary_cross_entropy import BinaryCrossEntropy
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.objectives.squared_error import SquaredError
from recipes.objectives.asked import loss_of

LOGITS = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])


def test_binary_cross_entropy_by_hand():
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    loss, memory = loss_of(BinaryCrossEntropy(), LOGITS, targets)
    slow = [
        sum(-float(F.logsigmoid(z if t else -z)) for z, t in zip(row, has, strict=True))
        for row, has in zip(LOGITS, targets, strict=True)
    ]
    assert loss.tolist() == pytest.approx(slow)
    assert memory is None
    heavy, _ = loss_of(BinaryCrossEntropy((2.0, 1.0, 1.0)), LOGITS, targets)
    assert (heavy - loss).tolist() == pytest.approx([-float(F.logsigmoid(LOGITS[0, 0])), 0.0])


def test_squared_error_by_hand():
    loss, _ = loss_of(SquaredError(), torch.tensor([[1.0], [-2.0]]), torch.tensor([0.5, 1.0]))
    assert loss.tolist() == [0.25, 9.0]


def test_class_weights_multiply():
    targets = torch.tensor([0, 1])
    plain, _ = loss_of(CrossEntropy(), LOGITS, targets)
    weighted, _ = loss_of(CrossEntropy(class_weights=(2.0, 0.5, 1.0)), LOGITS, targets)
    assert weighted.tolist() == pytest.approx((plain * torch.tensor([2.0, 0.5])).tolist())


@pytest.mark.parametrize("make", [lambda w: CrossEntropy(class_weights=w), BinaryCrossEntropy])
def test_weights_that_are_none(make):
    with pytest.raises(BadInput, match="must be above 0"):
        make((1.0, 0.0))

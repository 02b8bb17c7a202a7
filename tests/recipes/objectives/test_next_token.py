import pytest
import torch

from byrote.recipes.objectives.next_token import IGNORED, NextToken
from recipes.objectives.asked import loss_of


def test_the_mean_over_rows_is_the_mean_over_tokens():
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 4, 5), torch.randint(0, 5, (3, 4))
    targets[0, 1:] = IGNORED
    targets[2, 3] = IGNORED
    loss, memory = loss_of(NextToken(), logits, targets)
    assert memory is None
    terms = [
        -logits[row, place].log_softmax(0)[targets[row, place]].item()
        for row in range(3)
        for place in range(4)
        if targets[row, place] != IGNORED
    ]
    assert loss.shape == (3,)
    assert loss.mean().item() == pytest.approx(sum(terms) / len(terms))


def test_nothing_to_learn_is_no_loss():
    loss, _ = loss_of(NextToken(), torch.randn(2, 3, 5), torch.full((2, 3), IGNORED))
    assert loss.tolist() == [0.0, 0.0]


def test_rows_that_do_not_count_change_nothing_of_the_others():
    torch.manual_seed(1)
    logits, targets = torch.randn(3, 4, 5), torch.randint(0, 5, (3, 4))
    mask = torch.tensor([True, False, True])
    loss, _ = loss_of(NextToken(), logits, targets, mask=mask)
    expected, _ = loss_of(NextToken(), logits[mask], targets[mask])
    torch.testing.assert_close(loss[mask], expected)

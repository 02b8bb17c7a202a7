import pytest
import torch

from byrote.errors import BadInput
from byrote.recipes.batch import Batch
from byrote.recipes.objectives.next_token import IGNORED, NextToken
from byrote.recipes.slots import described
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


def test_tokens_that_do_not_count_change_nothing_and_a_negative_weight_turns_the_gradient():
    """Two documents in a row: masking the second is to leave it out, and a weight of -1 is to climb on it."""
    torch.manual_seed(2)
    targets = torch.randint(0, 5, (2, 6))
    second = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1]], dtype=torch.bool)

    def gradient(targets, **how):
        logits = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(3)).requires_grad_()
        batch = Batch(inputs=logits[None], targets=targets[None], ids=torch.arange(2)[None], **how)
        _, loss, _ = NextToken().loss(lambda inputs, *, train: inputs, batch, None)
        (found,) = torch.autograd.grad(batch.total(loss), logits)
        return found

    without = gradient(torch.where(second, IGNORED, targets))
    torch.testing.assert_close(gradient(targets, mask=~second[None]), without)
    whole, climbing = gradient(targets), gradient(targets, weights=torch.where(second, -1.0, 1.0)[None])
    torch.testing.assert_close(climbing, torch.where(second[..., None], -whole, whole))
    assert whole.abs().min() > 0
    whole_row_masked = gradient(targets, mask=torch.tensor([[[True] * 6, [False] * 6]]))
    torch.testing.assert_close(whole_row_masked[0], gradient(targets, mask=torch.tensor([[True, False]]))[0])


def test_smoothing_is_towards_uniform_and_changes_no_recipe_without_it():
    torch.manual_seed(0)
    logits, targets = torch.randn(1, 3, 5), torch.tensor([[0, 4, IGNORED]])
    loss, _ = loss_of(NextToken(label_smoothing=0.2), logits, targets)
    log_p = logits[0].log_softmax(-1)
    terms = [-0.8 * log_p[place, targets[0, place]] - 0.2 * log_p[place].mean() for place in range(2)]
    assert loss.item() == pytest.approx(float(sum(terms)) / 2)
    assert described(NextToken()) == {"slot": "NextToken"}
    assert described(NextToken(label_smoothing=0.2)) == {"slot": "NextToken", "label_smoothing": 0.2}
    with pytest.raises(BadInput, match=r"'label_smoothing' argument of NextToken must lie in \[0, 1\). Got 1"):
        NextToken(label_smoothing=1.0)

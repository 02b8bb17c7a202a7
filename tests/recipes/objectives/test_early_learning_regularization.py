import numpy as np
import torch

from byrote.recipes.objectives.early_learning_regularization import EarlyLearningRegularization
from recipes.objectives.asked import loss_of

RNG = np.random.default_rng(0)


def slow(logits, target, q, momentum, strength):
    """Eq. 6 and 9 of arXiv:2007.00151 for one example."""
    p = np.exp(logits - logits.max())
    p = np.clip(p / p.sum(), 1e-4, 1 - 1e-4)
    q = momentum * q + (1 - momentum) * p / p.sum()
    ce = np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[target]
    return ce + strength * np.log(1 - q @ p), q


def test_against_the_formula_over_several_presentations():
    elr = EarlyLearningRegularization(momentum=0.6, strength=2.0)
    memory = elr.memory(5, 4).double()
    assert memory.shape == (5, 4)
    assert not memory.any()
    expected_memory = np.zeros((5, 4))
    for _ in range(4):
        logits, targets = RNG.normal(size=(5, 4)) * 4, RNG.integers(0, 4, 5)
        loss, memory = loss_of(elr, torch.tensor(logits), torch.tensor(targets), memory)
        for n in range(5):
            expected, expected_memory[n] = slow(logits[n], targets[n], expected_memory[n], 0.6, 2.0)
            np.testing.assert_allclose(loss[n].item(), expected)
        np.testing.assert_allclose(memory.numpy(), expected_memory)


def test_gradient_treats_the_memory_as_a_constant():
    logits, targets, q = RNG.normal(size=(1, 4)), np.array([1]), RNG.dirichlet(np.ones(4), 1)
    tensor = torch.tensor(logits, requires_grad=True)
    loss, memory = loss_of(EarlyLearningRegularization(), tensor, torch.tensor(targets), torch.tensor(q))
    assert not memory.requires_grad
    loss.sum().backward()
    _, fixed = slow(logits[0], 1, q[0], 0.7, 3.0)
    for k in range(4):
        ends = []
        for sign in (1, -1):
            moved = logits[0].copy()
            moved[k] += sign * 1e-6
            p = np.exp(moved) / np.exp(moved).sum()
            ends.append(-np.log(p[1]) + 3.0 * np.log(1 - fixed @ p))
        np.testing.assert_allclose(tensor.grad[0, k].item(), (ends[0] - ends[1]) / 2e-6, rtol=1e-6)


def test_saturated_predictions_stay_finite():
    logits = torch.tensor([[1e4, 0.0], [-1e4, 1e4]], requires_grad=True)
    elr = EarlyLearningRegularization()
    memory = elr.memory(2, 2)
    for _ in range(50):
        loss, memory = loss_of(elr, logits, torch.tensor([0, 0]), memory)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()

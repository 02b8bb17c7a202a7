import numpy as np
import torch
import torch.nn.functional as F

from byrote.recipes.input_perturbations import ProjectedGradient

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(3, 6, 4, generator=GENERATOR)
WEIGHTS = torch.randn(3, 4, 5, generator=GENERATOR, requires_grad=True)
TARGETS = torch.randint(0, 5, (3, 6), generator=GENERATOR)


def loss(inputs):
    return F.cross_entropy((inputs @ WEIGHTS).movedim(-1, 1), TARGETS, reduction="none")


def test_against_a_slow_loop():
    found = ProjectedGradient(radius=0.1, steps=4, step_size=0.04).apply(INPUTS, loss)
    weights = WEIGHTS.detach().double().numpy()
    for model in range(3):
        for n in range(6):
            start = INPUTS[model, n].double().numpy()
            moved = start.copy()
            for _ in range(4):
                z = moved @ weights[model]
                p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
                p[TARGETS[model, n]] -= 1
                moved = moved + 0.04 * np.sign(weights[model] @ p)
                moved = np.clip(moved, start - 0.1, start + 0.1)
            np.testing.assert_allclose(found[model, n].numpy(), moved, atol=1e-6)


def test_stays_in_the_box_and_raises_the_loss():
    found = ProjectedGradient(radius=0.1, steps=5, step_size=0.06).apply(INPUTS, loss)
    assert float((found - INPUTS).abs().max()) <= 0.1 + 1e-6
    assert (loss(found) > loss(INPUTS)).all(), "the loss is convex in the inputs, so each must rise"
    assert not found.requires_grad


def test_leaves_no_gradient_behind():
    WEIGHTS.grad = None
    before = INPUTS.clone()
    ProjectedGradient().apply(INPUTS, loss)
    assert WEIGHTS.grad is None
    assert torch.equal(INPUTS, before)


def test_no_steps_no_change():
    assert torch.equal(ProjectedGradient(steps=0).apply(INPUTS, loss), INPUTS)

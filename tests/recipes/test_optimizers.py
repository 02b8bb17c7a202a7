import sys

import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.recipes.optimizers import SGD, AdamW

GRADIENTS = np.random.default_rng(0).normal(size=(6, 3))


def trained(slot):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = slot.build([weight])
    for gradient in GRADIENTS:
        weight.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step()
    return weight.detach().numpy()


def test_sgd_against_the_formula():
    weight, velocity = np.ones(3), np.zeros(3)
    for gradient in GRADIENTS:
        velocity = 0.8 * velocity + gradient + 0.1 * weight
        weight = weight - 0.03 * velocity
    np.testing.assert_allclose(trained(SGD(lr=0.03, momentum=0.8, weight_decay=0.1)), weight, rtol=1e-5)


def test_sgd_nesterov_against_the_formula():
    weight, velocity = np.ones(3), np.zeros(3)
    for gradient in GRADIENTS:
        velocity = 0.8 * velocity + gradient
        weight = weight - 0.03 * (gradient + 0.8 * velocity)
    np.testing.assert_allclose(trained(SGD(lr=0.03, momentum=0.8, nesterov=True)), weight, rtol=1e-5)


def test_adamw_against_the_formula():
    """Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2."""
    weight, m, v = np.ones(3), np.zeros(3), np.zeros(3)
    for t, gradient in enumerate(GRADIENTS, start=1):
        weight = weight * (1 - 0.02 * 0.1)
        m = 0.8 * m + 0.2 * gradient
        v = 0.95 * v + 0.05 * gradient**2
        weight = weight - 0.02 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-6)
    found = trained(AdamW(lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1))
    np.testing.assert_allclose(found, weight, rtol=1e-5)


@pytest.mark.parametrize("lr", [0.0, -0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("slot", [SGD, AdamW])
def test_rates_that_are_none(slot, lr):
    with pytest.raises(BadInput, match=rf"'lr' argument of {slot.__name__} must be a positive number\. Got {lr}\."):
        slot(lr=lr)


@pytest.mark.parametrize(("slot", "torchs"), [(SGD(nesterov=True), torch.optim.SGD), (AdamW(), torch.optim.AdamW)])
def test_torchs_own_optimizers_make_the_same_steps_and_import_the_compiler(slot, torchs, monkeypatch):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torchs([weight], **vars(slot), fused=True)
    for gradient in GRADIENTS:
        weight.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step()
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    np.testing.assert_array_equal(trained(slot), weight.detach())
    with pytest.raises(ModuleNotFoundError, match=r"torch\._dynamo"):
        optimizer.step()

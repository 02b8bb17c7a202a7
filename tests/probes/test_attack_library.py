"""The probe beside a maintained attack library: PGD of equal strength finds as many wrong answers, point for point."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from byrote.data.digits import digits
from byrote.probes.adversarial import worst

STEPS, RESTARTS = 50, 5


def trained(seed: int) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A small convolutional network of the digits, and held-out digits."""
    train, held = digits()
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(192, 32), nn.ReLU(),
        nn.Linear(32, 10),
    )  # fmt: skip
    inputs, targets = torch.from_numpy(np.array(train.inputs)), torch.from_numpy(np.array(train.targets, np.int64))
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(15):
        for rows in torch.randperm(len(inputs)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs[rows]), targets[rows]).backward()
            optimizer.step()
    return network.eval(), torch.from_numpy(np.array(held.inputs)), torch.from_numpy(np.array(held.targets, np.int64))


@pytest.mark.slow
@pytest.mark.parametrize("radius", [0.05, 0.1])
def test_as_many_answers_hold_as_under_the_pgd_of_foolbox(radius):
    with warnings.catch_warnings():  # it imports names that SciPy is about to drop
        warnings.simplefilter("ignore")
        foolbox = pytest.importorskip("foolbox", reason="foolbox is not installed")
    network, inputs, targets = trained(0)
    extent = (torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    rows = torch.arange(len(inputs))
    with torch.no_grad():
        found = worst(network, inputs, targets, rows, radius=radius, steps=STEPS, restarts=RESTARTS, extent=extent)
    ours = (found[:, 1] > 0).numpy()
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.LinfPGD(rel_stepsize=2.5 / STEPS, steps=STEPS, random_start=True)
    held = (network(inputs).argmax(1) == targets).numpy()
    for restart in range(RESTARTS):
        torch.manual_seed(restart)
        _, moved, wrong = attack(model, inputs, targets, epsilons=radius)
        assert float((moved - inputs).abs().max()) <= radius + 1e-6
        held &= ~wrong.numpy()
    assert 0.05 < held.mean() < 0.95, "an attack that matters"
    # the worst over all steps and starts finds no less than that over the ends of all starts, but for chance
    assert ours.mean() <= held.mean() + 0.006
    assert (ours != held).mean() < 0.02

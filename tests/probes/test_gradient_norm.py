from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from byrote.errors import BadInput
from byrote.probes import ghost
from byrote.probes.ghost import gradient_norms, slow_norms
from byrote.probes.gradient_norm import GradientNormProbe
from byrote.probes.moment import losses
from engine.toys import IMAGE, RECIPES, ROW, bound, data

LOSS = partial(losses, task="classes")


def slow(network, inputs, targets) -> list[float]:
    """One backward pass an example over the weights that require gradients."""
    learned, norms = [w for w in network.parameters() if w.requires_grad], []
    for one, target in zip(inputs, targets, strict=True):
        gradients = torch.autograd.grad(F.cross_entropy(network(one[None]), target[None]), learned)
        norms.append(float(torch.cat([g.flatten() for g in gradients]).norm()))
    return norms


def network_of(name: str):
    """A network of a reference recipe in evaluation mode, its running statistics anything but 0 and 1."""
    given, network = data(RECIPES[name][0]), bound(name).build(1).eval()
    torch.manual_seed(0)
    for key, buffer in network.named_buffers():
        if "running" in key:
            buffer.copy_(torch.rand(buffer.shape) + 0.5)
    return network, torch.from_numpy(given.inputs), torch.from_numpy(given.targets)


@pytest.mark.parametrize("way", [gradient_norms, slow_norms])
@pytest.mark.parametrize("name", RECIPES)
def test_agrees_with_one_backward_pass_an_example(name, way):
    network, inputs, targets = network_of(name)
    found = way(network, inputs, targets, LOSS).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow(network, inputs, targets), rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("way", [gradient_norms, slow_norms])
def test_linear_softmax_has_its_closed_form(way):
    """The gradient is (p - e_y) x for the weights and p - e_y for the bias."""
    torch.manual_seed(0)
    network, inputs, targets = nn.Linear(*ROW, 3), torch.randn(9, *ROW), torch.arange(9) % 3
    off = network(inputs).softmax(-1) - F.one_hot(targets, 3)
    expected = off.norm(dim=1) * (inputs.square().sum(1) + 1).sqrt()
    torch.testing.assert_close(way(network, inputs, targets, LOSS), expected.detach())


@pytest.mark.parametrize("way", [gradient_norms, slow_norms])
def test_blocks_of_examples_give_the_same(monkeypatch, way):
    network, inputs, targets = network_of("mlp")
    whole = way(network, inputs, targets, LOSS)
    monkeypatch.setattr(ghost, "BLOCK_NUMBERS", 3 * sum(w.numel() for w in network.parameters()))
    torch.testing.assert_close(way(network, inputs, targets, LOSS), whole)


@pytest.mark.parametrize("way", [gradient_norms, slow_norms])
def test_the_network_is_left_as_it_was(way):
    network, inputs, targets = network_of("resnet with batch norm")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    way(network, inputs, targets, LOSS)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_that_cannot_be_mapped_over_examples_is_refused():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(*ROW, 3)

        def forward(self, inputs):
            return self.linear(inputs) * (2 if inputs.sum() > 0 else 1)

    algorithm, targets = bound("mlp"), torch.tensor([0, 1])
    with pytest.raises(BadInput, match="'gradient_norm' cannot take the network's gradients by example") as caught:
        GradientNormProbe().check(algorithm, Branching(), torch.randn(2, *ROW), targets)
    assert "vmap" in str(caught.value.hint)
    GradientNormProbe().check(algorithm, network_of("small cnn")[0], torch.zeros(2, *IMAGE), targets)

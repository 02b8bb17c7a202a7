"""Layers in the order in which a network calls them, and what it makes of examples there."""

import pytest
import torch
from torch import nn

from byrote.errors import BadInput
from byrote.probes.layers import flat, layers_of, seen
from byrote.recipes.networks.resnet import ResNet


class Backwards(nn.Module):
    """Its layers are named in another order than they are called, and its output is tied to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 3, bias=False)
        self.body = nn.Linear(3, 4)
        self.first = nn.Linear(3, 3, bias=False)
        self.first.weight = self.head.weight
        self.unused = nn.Linear(2, 2)
        self.scale = nn.Parameter(torch.ones(1))
        self.last = nn.Linear(4, 2)

    def forward(self, inputs):
        return self.last(torch.relu(self.body(self.first(inputs)))) * self.scale


def test_layers_stand_in_the_order_of_their_calls_and_tied_ones_are_one():
    network = Backwards()
    found = layers_of(network, lambda: network(torch.zeros(1, 3)))
    assert list(found) == ["scale", "head", "body", "last", "unused"]
    assert found["head"] == ("head.weight", "first.weight")


def test_running_statistics_belong_to_their_layer():
    network = ResNet(depth=8, width=4).build((1, 8, 8), 3).eval()
    found = layers_of(network, lambda: network(torch.zeros(1, 1, 8, 8)))
    assert list(found) == ["0", "1", "3", "4", "5", "8"]
    assert {"1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"} == set(found["1"])
    assert {"4.first_norm.running_var", "4.shortcut.1.running_mean"} <= set(found["4"])
    assert sorted(name for names in found.values() for name in names) == sorted(network.state_dict())


def test_a_layer_is_read_as_what_the_next_one_is_given():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    inputs = torch.randn(5, 3)
    with torch.no_grad(), seen(network, ["0", "2"]) as found:
        answer = network(inputs)
    torch.testing.assert_close(found.tensor("0"), network[1](network[0](inputs)).detach())
    torch.testing.assert_close(found.tensor("2"), answer)
    assert not network._forward_hooks
    assert not network[2]._forward_pre_hooks


class Turned(nn.Module):
    """Its second layer is given positions first, and examples after them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, inputs):
        return self.second(self.first(inputs).transpose(0, 1)).transpose(0, 1).mean(1)


def test_what_cannot_be_read_is_refused_with_a_sentence():
    network = Turned()
    with seen(network, ["first", "second"]) as found:
        network(torch.zeros(2, 7, 3))
    assert found.tensor("second").shape == (2, 2)
    with pytest.raises(BadInput, match="in the layer 'first' cannot be read") as caught:
        found.tensor("first")
    assert "readout,layers=" in str(caught.value.hint)


def test_large_images_are_averaged_over_positions():
    assert flat(torch.ones(2, 3, 4, 4)).shape == (2, 48)
    made = torch.arange(2 * 3 * 40 * 40).reshape(2, 3, 40, 40).float()
    torch.testing.assert_close(flat(made), made.mean((2, 3)))
    assert flat(torch.ones(2, 5, 1000)).shape == (2, 5000)

import pytest
import torch
from torch import nn

from byrote.recipes.dropout import Dropout
from byrote.recipes.networks.mlp import MLP


@pytest.mark.parametrize(
    ("hidden", "linear"), [((), [(12, 3)]), ((5,), [(12, 5), (5, 3)]), ((5, 4), [(12, 5), (5, 4), (4, 3)])]
)
def test_layers(hidden, linear):
    network = MLP(hidden=hidden).build((3, 2, 2), 3)
    assert [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)] == linear
    assert sum(isinstance(m, nn.ReLU) for m in network.modules()) == len(hidden)
    assert network(torch.zeros(7, 3, 2, 2)).shape == (7, 3)


def test_dropout_after_each_relu():
    kinds = [type(module) for module in MLP(hidden=(5, 4), dropout=0.2).build((6,), 3)]
    assert kinds == [nn.Flatten, nn.Linear, nn.ReLU, Dropout, nn.Linear, nn.ReLU, Dropout, nn.Linear]

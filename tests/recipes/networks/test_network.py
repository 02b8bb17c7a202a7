import torch
from torch import nn

from byrote.recipes.algorithm import Shape
from byrote.recipes.networks.network import Network
from byrote.recipes.recipe import Recipe

CPU = torch.device("cpu")


class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 3)

    def forward(self, inputs):
        return self.last(inputs)


def test_a_class_or_a_function():
    for make in (Mine, lambda: nn.Linear(4, 3)):
        assert Network(make).build((4,), 3)(torch.zeros(2, 4)).shape == (2, 3)


def test_a_seed_fixes_its_weights():
    algorithm = Recipe(network=Network(Mine)).bind(Shape(inputs=(4,), classes=3, examples=5), CPU)
    weights = [algorithm.init(seed).network.last.weight for seed in (1, 1, 2)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])

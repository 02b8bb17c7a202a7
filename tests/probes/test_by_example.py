"""Networks whose gradients by example do not exist are refused in a sentence."""

import pytest
import torch
from torch import nn

from byrote.errors import BadInput
from byrote.probes import registry
from engine.toys import IMAGE, ROW, bound

PROBES = ("gradient_norm", "input_gradients", "variance_of_gradients", "weight_gradients")


def refused(name: str, network: nn.Module, inputs: torch.Tensor) -> BadInput:
    with pytest.raises(BadInput) as caught:
        registry.made(name).check(bound("mlp"), network, inputs, torch.tensor([0, 1]))
    return caught.value


@pytest.mark.parametrize("name", PROBES)
def test_batch_statistics_are_refused_and_running_ones_are_not(name: str) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(2, *ROW)
    layers = [nn.Linear(6, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.ReLU(), nn.Linear(8, 3)]
    error = refused(name, nn.Sequential(*layers), inputs)
    assert "depends on the others of its batch" in str(error) or "vmap" in str(error.hint)
    layers[1] = nn.BatchNorm1d(8, track_running_stats=True)  # as the hint says
    registry.made(name).check(bound("mlp"), nn.Sequential(*layers), inputs, torch.tensor([0, 1]))


@pytest.mark.parametrize("name", PROBES)
def test_networks_with_conv_and_normalisation_are_read(name: str) -> None:
    for recipe in ("resnet with batch norm", "resnet with group norm"):
        network = bound(recipe).build(0)
        registry.made(name).check(bound(recipe), network, torch.randn(2, *IMAGE), torch.tensor([0, 1]))


@pytest.mark.parametrize("name", ["input_gradients", "variance_of_gradients"])
def test_whole_numbers_have_no_gradient(name: str) -> None:
    class Looks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(4, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.table(inputs).sum(1)

    assert "by example" in str(refused(name, Looks(), torch.zeros(2, 5, dtype=torch.int64)))


def test_an_unknown_value_is_refused() -> None:
    with pytest.raises(BadInput, match=r"must be of loss, probability, logit, margin\. Got 'entropy'") as caught:
        registry.made("variance_of_gradients,of=entropy")
    assert "of=loss" in str(caught.value.hint)
    assert [kind.name for kind in registry.made("variance_of_gradients,of=margin;loss").kinds] == [
        "variance_of_gradients",
        "variance_of_gradients_of_margin",
    ]

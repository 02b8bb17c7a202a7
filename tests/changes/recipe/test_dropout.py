"""Dropout as a change of a recipe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import byrote
from byrote.changes.change import Context
from byrote.changes.registry import parse_change
from byrote.errors import BadInput
from small import RECIPE, blobs


class Plain:
    """A network slot of one's own that is no dataclass."""

    def build(self, inputs, classes):
        return torch.nn.Linear(inputs[0], classes)


CONTEXT = Context(dataset=blobs(), rng=np.random.default_rng(0))


@pytest.mark.parametrize("network", [byrote.MLP(hidden=(16,)), byrote.SmallCNN(), byrote.BagOfEmbeddings(words=9)])
def test_it_is_a_setting_of_the_network(network):
    made = parse_change("dropout=0.3").apply(replace(RECIPE, network=network), CONTEXT)
    assert made == replace(RECIPE, network=replace(network, dropout=0.3))


def test_a_network_without_the_setting_is_refused():
    with pytest.raises(BadInput, match=r"^The network ResNet has no setting 'dropout'"):
        parse_change("dropout").apply(replace(RECIPE, network=byrote.ResNet(depth=8)), CONTEXT)
    for name in ("dropout", "example-tied-dropout"):
        with pytest.raises(BadInput, match=r"^The network Plain has no"):
            parse_change(name).apply(replace(RECIPE, network=Plain()), CONTEXT)
    with pytest.raises(BadInput, match="argument of Dropout must lie in"):
        parse_change("dropout=1")

"""What layers hand on: of any network, stacked or not, whatever the batches."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from byrote.errors import BadInput
from byrote.probes.contract import Block
from byrote.probes.handed import read_of
from byrote.probes.intrinsic_dimension import IntrinsicDimensionProbe
from byrote.probes.moment import Models, Moment
from engine.toys import RECIPES, bound, data
from probes.layered import NAMES, layered, trained_blocks_differ


def moment(name: str, *, stacked: bool, rows: slice = slice(None)) -> tuple[Moment, list[nn.Module]]:
    inputs, targets = data(RECIPES[name][0], examples=300).tensors(torch.device("cpu"))
    networks = [bound(name).build(seed) for seed in (1, 2)]
    at = Moment(
        "checkpoint",
        Models(lambda: networks, stacked=stacked),
        "classes",
        rows=torch.arange(300)[rows],
        inputs=lambda: inputs[rows],
        targets=targets[rows],
        heldout=(inputs[:7], targets[:7]),
    )
    return at, networks


@pytest.mark.parametrize("name", ["mlp with dropout and masks", "small cnn", "resnet with batch norm", "backbone"])
def test_stacked_or_not_and_in_any_batches_layers_hand_on_the_same(name):
    one, networks = moment(name, stacked=False)
    many, _ = moment(name, stacked=True)
    few, _ = moment(name, stacked=True, rows=slice(40, 43))
    assert list(one.handed()) == list(many.handed()) == ["inputs", *read_of(networks[0].eval(), one.inputs[:1])]
    for layer, handed in one.handed().items():
        torch.testing.assert_close(many.handed()[layer], handed, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(few.handed()[layer], handed[:, 40:43], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(list(one.handed().values())[-1], one.logits)
    assert one.heldout is not None
    torch.testing.assert_close(one.heldout.handed()["inputs"], one.handed()["inputs"][:, :7])


def test_a_layer_hands_on_what_the_next_is_given():
    at, networks = moment("mlp with dropout and masks", stacked=True)
    first = networks[0].eval()
    by_hand = torch.relu(first[1](at.inputs.flatten(1)))
    torch.testing.assert_close(at.handed()["1"][0], by_hand.detach(), rtol=1e-4, atol=1e-5)


class Sideways(nn.Module):
    """Called in another order than written, one layer twice, and with a tensor that is changed in place."""

    def __init__(self):
        super().__init__()
        self.head, self.norm, self.body = nn.Linear(4, 3), nn.LayerNorm(4), nn.Linear(4, 4)

    def forward(self, inputs):
        hidden = self.body(inputs)
        hidden = self.body(F.relu_(self.norm(hidden)))
        logits = self.head(hidden)
        hidden.zero_()
        return logits


def test_layers_stand_in_the_order_of_their_first_call_and_work_in_place_spoils_nothing():
    torch.manual_seed(0)
    network, inputs = Sideways().eval(), torch.randn(5, 4)
    assert read_of(network, inputs) == ("body", "norm", "head")
    at = Moment(
        "checkpoint",
        Models(lambda: [network], stacked=False),
        "classes",
        rows=torch.arange(5),
        inputs=lambda: inputs,
        targets=torch.zeros(5, dtype=torch.int64),
    )
    body = network.body(F.relu(network.norm(network.body(inputs))))
    torch.testing.assert_close(at.handed()["norm"][0], body.detach())
    torch.testing.assert_close(at.handed()["body"][0], network.body(inputs).detach())


class Free(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.ones(2, 3))

    def forward(self, inputs):
        return inputs @ self.table


def test_a_network_without_layers_is_refused():
    with pytest.raises(BadInput, match="Free calls no layer with weights") as told:
        read_of(Free(), torch.ones(1, 2))
    assert "nn.Linear" in told.value.hint


def test_a_layer_that_does_not_exist_is_refused_with_those_that_do():
    at, networks = moment("mlp", stacked=True)
    with pytest.raises(BadInput, match="The network has no layer 'fc7'") as told:
        at.features("fc7")
    assert "its layers are 0; 1; 2; 3" in told.value.hint
    asked = partial(IntrinsicDimensionProbe(layers="1;fc7").check, bound("mlp"), networks[0])
    with pytest.raises(BadInput, match="The network has no layer 'fc7'") as told:
        asked(at.inputs[:2], at.targets[:2])
    assert "its layers are inputs; 1; 3" in told.value.hint


@pytest.mark.slow
def test_of_many_examples_some_are_drawn_and_the_same_for_every_model():
    probe = IntrinsicDimensionProbe(most=50)
    run = layered()
    assert run.dataset is not None
    inputs, targets = torch.from_numpy(np.array(run.dataset.inputs)), torch.from_numpy(np.array(run.dataset.targets))
    block = Block(
        models=(0, 1),
        seeds=(0, 1),
        phase=0,
        epochs=(0,),
        inputs=inputs,
        targets=targets,
        member=torch.from_numpy(run.design.member[:2]),
        classes=3,
        task="classes",
        algorithm=bound("mlp"),
    )
    probe.begin(block)
    assert len(probe.rows) == 50
    assert (np.diff(probe.rows) > 0).all()
    assert probe.member.dtype == bool
    again = IntrinsicDimensionProbe(most=50)
    again.begin(block)
    np.testing.assert_array_equal(again.rows, probe.rows)


@pytest.mark.slow
def test_what_probes_of_layers_write_is_the_same_stacked_and_one_by_one():
    many, one = layered(), layered(stacked=False)
    assert trained_blocks_differ(many)
    assert not trained_blocks_differ(one)
    models = range(4)
    for name in ("neural_collapse.within", "neural_collapse.duality_true", "dilation.distance", "dilation.spread"):
        np.testing.assert_allclose(many.load(name, models), one.load(name, models), rtol=2e-3, atol=2e-3, err_msg=name)
    for name in ("neighbours_given", "ridge_true", "heldout_neighbours"):
        first, second = (run.load(f"layer_probes.{name}", models) for run in (many, one))
        assert (first != second).mean() < 0.01, name
    assert {kind for kind in many.manifest.evidence if kind in NAMES} == {*NAMES}

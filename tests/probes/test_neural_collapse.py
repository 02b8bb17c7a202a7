"""The probe of neural collapse against the features of trained networks, by hand."""

from dataclasses import astuple
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from byrote.errors import BadInput
from byrote.probes.neural_collapse import NeuralCollapseProbe
from byrote.stats.neural_collapse import collapse
from engine.toys import bound
from probes.layered import final, hidden, layered


@pytest.mark.parametrize(("end", "fact"), [("", "data.label"), ("_true", "data.true_label")])
@pytest.mark.parametrize("model", [1, 4])
def test_figures_at_the_end_are_those_of_the_trained_network(end, fact, model):
    run = layered()
    assert run.dataset is not None
    network, labels = final(run, model), run.load(fact, [model])
    mine = run.design.member[model] == 1
    features = hidden(network, run.dataset.inputs, -1)[mine]
    weights = network[-1].weight.detach().numpy()
    predicted = hidden(network, run.dataset.inputs, 99)[mine].argmax(1)
    expected = astuple(collapse(features, labels[mine], weights, predicted))
    names = ("within", "norms", "angles", "duality", "mean_rule")
    found = [run.load(f"neural_collapse.{name}{end}", [model])[0, -1] for name in names]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert run.load("neural_collapse.epochs", [model]).tolist() == list(run.load("trajectory.epochs", [model]))


def test_a_network_that_does_not_end_in_a_linear_layer_is_refused():
    check = partial(NeuralCollapseProbe().check, bound("mlp"), inputs=torch.randn(64, 4), targets=torch.arange(64) % 2)
    with pytest.raises(BadInput, match="The probe 'neural_collapse' needs a network whose logits come straight out"):
        check(nn.Sequential(nn.Linear(4, 3), nn.ReLU()))
    with pytest.raises(BadInput, match="Sequential has it within '1'") as told:
        check(nn.Sequential(nn.Linear(4, 5), nn.Sequential(nn.ReLU(), nn.Linear(5, 3))))
    assert "at the top of the network" in told.value.hint
    check(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)))

"""Memory units, on networks whose memory units hold what is known, and on a run that learns wrong labels by them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import byrote
from byrote.analyses.catalog import ask
from byrote.errors import BadInput
from byrote.probes.tied_dropout import TiedDropoutProbe, dropped, masked
from byrote.recipes.dropout import ExampleTiedDropout, salt_all
from byrote.recipes.noise import tied_keys, uniform
from byrote.report.verify import verify
from engine.toys import bound
from small import RECIPE, blobs, small_audit


def held_by_memory() -> tuple[nn.Sequential, np.ndarray]:
    """Class 1 where a memory unit is on that sees the example, else class 0; and who has such a unit of its own.

    Of 40 units the first 8 are always on and say class 0; each other unit sees one example.
    """
    network = nn.Sequential(nn.Linear(32, 40, bias=False), ExampleTiedDropout(0.2, 0.3), nn.Linear(40, 2, bias=False))
    salt_all(network)
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].weight[:8] = 0.1
        network[0].weight[8:] = torch.eye(32)
        network[2].weight.zero_()
        network[2].weight[0, :8] = 1.0
        network[2].weight[1, 8:] = 1.0
    on = uniform(tied_keys(torch.arange(32)), 40, salt=1)[:, 8:] < 0.3
    return network.eval(), on.numpy()


def test_an_example_is_read_with_its_own_units_or_with_another_ones() -> None:
    network, on = held_by_memory()
    layers, inputs = [network[1]], torch.eye(32)
    own = masked(network, layers, inputs, torch.arange(32)).numpy()
    np.testing.assert_array_equal(own, np.diag(on))
    other = torch.arange(32).roll(1)
    np.testing.assert_array_equal(masked(network, layers, inputs, other).numpy(), on[other.numpy(), np.arange(32)])
    assert not network[1].training
    assert network[1].keys is None


def test_dropped_units_are_back_afterwards() -> None:
    network, _ = held_by_memory()
    inputs = torch.rand(5, 32)
    before = network(inputs)
    with dropped([network[1]]):
        made = network[0](inputs)
        made[:, 8:] = 0
        torch.testing.assert_close(network(inputs), network[2](made * (0.2 + 0.3 * 0.8) / 0.2))
    torch.testing.assert_close(network(inputs), before)
    with pytest.raises(ZeroDivisionError), dropped([network[1]]):
        raise ZeroDivisionError
    torch.testing.assert_close(network(inputs), before)


def test_a_network_without_such_a_layer_is_refused() -> None:
    with pytest.raises(BadInput, match="the recipe's network has none"):
        TiedDropoutProbe().check(bound("mlp"), nn.Linear(3, 2), torch.zeros(2, 3), torch.zeros(2))


def test_a_run_is_read(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=(32,), tied_dropout=(0.3, 0.2)), epochs=3)
    run = small_audit(
        tmp_path / "run", dataset=blobs(120, noise=0.4), recipe=recipe, models=4, full=0, probes=("tied_dropout",)
    )
    test = run.load("tied_dropout.test", range(4))
    np.testing.assert_array_equal(test, run.load("outputs.prediction", range(4)))
    assert (run.load("tied_dropout.own", range(4)) != test).any()
    heldout = (run.load("heldout.logit_margin", range(4)) > 0).mean(1)
    np.testing.assert_allclose(run.load("tied_dropout.heldout_test", range(4)), heldout, atol=1e-6)
    table = ask(run, "tied_dropout")
    assert table.rows["group"][-1] == "held-out examples"
    row = table.rows["group"].index("planted label noise")
    noisy = (run.design.member == 1) & run.controls.mask(run.ids, "label_noise")
    rates = [(test[model, mine] == run.labels[mine]).mean() for model, mine in enumerate(noisy) if mine.sum() >= 20]
    assert table.figures["evaluation mode"][row].value == pytest.approx(np.mean(rates), abs=0.05)
    assert table.figures["true label when dropped"][row].value > 0.2
    assert verify(run) == []

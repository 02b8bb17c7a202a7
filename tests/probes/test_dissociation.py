"""Memory and pattern units, on a network of which it is known which units hold what."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import byrote
from byrote.analyses.catalog import ask
from byrote.engine.afterwards import probe
from byrote.errors import BadInput
from byrote.probes.dissociation import DissociationProbe, _halves, _order, preference
from byrote.probes.gated import Gated
from byrote.report.verify import verify
from small import RECIPE, blobs, small_audit


def test_each_unit_alone_against_a_slow_loop() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    inputs, targets = torch.randn(20, 4), torch.arange(20) % 3
    group = np.arange(20) < 7
    found = Gated(network, ["0", "2", "4"], inputs).loss_changes(
        inputs, targets, torch.from_numpy(np.stack([group, ~group])).float()
    )
    weights = [(network[place].weight.detach().numpy(), network[place].bias.detach().numpy()) for place in (0, 2, 4)]

    def losses(unit: int) -> np.ndarray:
        made = inputs.numpy()
        for number, (weight, bias) in enumerate(weights):
            made = made @ weight.T + bias
            if number < 2:
                made = np.maximum(made, 0)
                place = unit - 6 * number
                if 0 <= place < made.shape[1] and unit < 11:
                    made[:, place] = 0
        return np.log(np.exp(made).sum(1)) - made[np.arange(20), targets.numpy()]

    for unit in range(11):
        change = losses(unit) - losses(99)
        np.testing.assert_allclose(found[:, unit], [change[group].mean(), change[~group].mean()], atol=1e-5)


def held_apart(examples: int = 40) -> tuple[nn.Sequential, torch.Tensor, torch.Tensor, np.ndarray]:
    """Ten units; the first alone holds the group, the last alone the others, and those between hold nothing."""
    network = nn.Sequential(nn.Linear(10, 10, bias=False), nn.ReLU(), nn.Linear(10, 2, bias=False)).eval()
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(10))
        network[2].weight.zero_()
        network[2].weight[1, 0] = 1.0
        network[2].weight[0, 9] = 1.0
    group = np.arange(examples) % 2 == 0
    inputs = torch.rand(examples, 10) * 0.1
    inputs[group, 0], inputs[group, 9] = 1.0, 0.0
    inputs[~group, 9], inputs[~group, 0] = 1.0, 0.0
    return network, inputs, torch.from_numpy(group.astype(np.int64)), group


def test_units_that_hold_a_group_are_found_on_half_of_it() -> None:
    network, inputs, targets, group = held_apart()
    gated = Gated(network, ["0", "2"], inputs)
    first, second = _halves(group, ~group, np.random.default_rng(0))
    assert (first ^ second).all()
    assert [(first & one).sum() for one in (group, ~group)] == [10, 10]
    order = _order(gated, inputs, targets, np.stack([group & first, ~group & first]))
    assert (order[0], order[-1]) == (0, 9)
    right = gated.right_without(inputs, targets, order[:1])
    np.testing.assert_array_equal(right, ~group)
    np.testing.assert_array_equal(gated.right_without(inputs, targets, order[1:9]), np.ones(40, bool))
    assert gated.layers_of(order[:3]).tolist() == [3]


def test_a_group_that_no_unit_changes_counts_as_nothing() -> None:
    np.testing.assert_allclose(preference(np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])), [0, -1.2247449, -2.4494897])


def test_a_run_is_taken_apart(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=(24,)), epochs=2)
    run = small_audit(
        tmp_path / "run", dataset=blobs(160, noise=0.4), recipe=recipe, models=4, full=0, keep_weights_at="last"
    )
    run = probe(run, "dissociation,draws=3")
    right, group = (run.load(f"dissociation.{name}", range(4)) for name in ("right", "group"))
    np.testing.assert_array_equal(right, run.load("outputs.correct", range(4)))
    np.testing.assert_array_equal(group, (run.design.member == 1) & run.controls.mask(run.ids, "label_noise"))
    for name in ("memory_1", "pattern_5", "random_5"):
        assert not run.load(f"dissociation.{name}", range(4))[~right].any()
    assert run.load("dissociation.memory_units", range(4)).sum() == 8
    table = ask(run, "dissociation")
    assert table.rows["units"][:2] == ("memory", "pattern")
    assert any("dissociation" in note or "No verdict" in note for note in table.notes)
    assert verify(run) == []


def test_what_cannot_be_taken_apart_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="must be at least 1"):
        DissociationProbe(draws=0)
    with pytest.raises(BadInput, match="must be a kind of control"):
        DissociationProbe(group="noise")
    run = small_audit(tmp_path / "run", models=4, full=0, keep_weights_at="last")
    with pytest.raises(BadInput, match="20 are needed"):
        probe(run, "dissociation")

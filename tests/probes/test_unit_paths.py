"""Paths across runs, on networks of which it is known that they carry the same, and in which units."""

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import byrote
from byrote.analyses.catalog import ask
from byrote.analyses.unit_paths import over_networks
from byrote.engine.afterwards import probe
from byrote.errors import BadInput
from byrote.probes.gated import Gated
from byrote.probes.unit_paths import UnitPathsProbe, another, in_common, largest, matched
from byrote.report.verify import verify
from small import RECIPE, blobs, small_audit


def network_of(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()


def shuffled(network: nn.Sequential, first: torch.Tensor, second: torch.Tensor) -> nn.Sequential:
    """The same function with its hidden units in another order."""
    made = copy.deepcopy(network)
    with torch.no_grad():
        made[0].weight.copy_(network[0].weight[first])
        made[0].bias.copy_(network[0].bias[first])
        made[2].weight.copy_(network[2].weight[second][:, first])
        made[2].bias.copy_(network[2].bias[second])
        made[4].weight.copy_(network[4].weight[:, second])
    return made


def test_a_network_in_another_order_carries_all_by_the_same_units() -> None:
    network, inputs, targets = network_of(0), torch.randn(40, 4), torch.arange(40) % 3
    first, second = torch.tensor([3, 1, 5, 0, 2, 4]), torch.tensor([4, 0, 3, 1, 2])
    other = shuffled(network, first, second)
    torch.testing.assert_close(other(inputs), network(inputs))
    here, there = (Gated(one, ["0", "2", "4"], inputs) for one in (network, other))
    match, alike = matched(here.activations(inputs), there.activations(inputs))
    vary = np.concatenate([one.std(0) > 0 for one in here.activations(inputs)])
    back = np.concatenate([torch.argsort(first).numpy(), 6 + torch.argsort(second).numpy()])
    np.testing.assert_array_equal(match[vary], back[vary])
    np.testing.assert_allclose(alike, 1)
    mine, theirs = (largest(one.slopes(inputs, targets), 3) for one in (here, there))
    np.testing.assert_array_equal(mine, theirs[:, match])
    np.testing.assert_allclose(in_common(mine, theirs[:, match])[mine.any(1)], 1)
    lost = here.lost_without(inputs, targets, theirs[:, match])
    np.testing.assert_array_equal(lost, there.lost_without(inputs, targets, theirs))


def test_slopes_and_losses_against_a_slow_loop() -> None:
    network, inputs, targets = network_of(1), torch.randn(12, 4), torch.arange(12) % 3
    gated = Gated(network, ["0", "2", "4"], inputs)

    def logits(row: int, gates: torch.Tensor) -> torch.Tensor:
        first = network[1](network[0](inputs[row])) * gates[:6]
        return network[4](network[3](network[2](first)) * gates[6:])

    for row in range(12):
        slope = torch.autograd.functional.jacobian(
            lambda g, r=row: nn.functional.cross_entropy(logits(r, g)[None], targets[r : r + 1]), torch.ones(11)
        )
        np.testing.assert_allclose(gated.slopes(inputs, targets)[row], slope, atol=1e-6)
    units = np.random.default_rng(0).random((12, 11)) < 0.3
    lost = [int(logits(row, torch.from_numpy(~units[row]).float()).argmax()) != row % 3 for row in range(12)]
    assert gated.lost_without(inputs, targets, units).tolist() == lost


def test_units_of_images_are_matched_by_their_means() -> None:
    network = byrote.SmallCNN(width=4).build((1, 8, 8), 3).eval()
    gated = Gated(network, ["0", "1", "4", "5", "9"], torch.zeros(2, 1, 8, 8))
    inputs = torch.randn(7, 1, 8, 8)
    seen = gated.activations(inputs)
    np.testing.assert_allclose(seen[0], network[0](inputs).mean((2, 3)).detach(), atol=1e-6)


def test_another_is_of_the_group_and_never_itself() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(5), 4)
    for _ in range(20):
        found = another(group, rng)
        np.testing.assert_array_equal(group[found], group)
        assert (found != np.arange(20)).all()
    assert another(np.array([1, 2]), rng).tolist() == [0, 1]


def test_figures_of_a_group() -> None:
    values = np.arange(4.0)[:, None] / 10 + np.zeros((4, 30))
    rows = np.ones((4, 30), bool)
    assert over_networks(values, rows, np.full(4, -1)).value == pytest.approx(0.15)
    rows[3, 15:] = False
    assert over_networks(values, rows, np.full(4, -1)).value == pytest.approx(0.1)
    assert over_networks(values, rows[:, :10], np.full(4, -1)).reason == "fewer than 20 examples in every model"


def excess_of(top: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Units in common with the own ones less those with another's of four labels, by network and example."""
    label, count = np.repeat(np.arange(4), 10), len(top)
    made = np.zeros(top.shape[:2])
    for here, there in ((a, b) for a in range(count) for b in range(count) if a != b):
        own, other = (in_common(top[here], top[there][rows]) for rows in (np.arange(40), another(label, rng)))
        made[here] += (own - other) / (count - 1)
    return made


def test_networks_with_paths_of_their_own_have_no_more_in_common_than_chance() -> None:
    """The error is that of networks that differ from each other, and too large where only examples differ."""
    rng, out, values = np.random.default_rng(0), 0, []
    for _ in range(40):
        excess = excess_of(rng.random((6, 40, 30)) < 0.3, rng)
        found = over_networks(excess, np.ones(excess.shape, bool), np.full(6, -1))
        out += int(found.low > 0 or found.high < 0)
        values.append(found.value)
    assert out <= 5
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(40)


def test_networks_that_share_the_paths_of_examples_have_more_in_common() -> None:
    rng = np.random.default_rng(1)
    shared = rng.random((40, 30)) < 0.3
    top = np.where(rng.random((6, 40, 30)) < 0.4, shared, rng.random((6, 40, 30)) < 0.3)
    excess = excess_of(top, rng)
    assert over_networks(excess, np.ones(excess.shape, bool), np.full(6, -1)).low > 0
    by_label = np.repeat(rng.random((4, 30)) < 0.3, 10, axis=0)
    excess = excess_of(np.where(rng.random((6, 40, 30)) < 0.4, by_label, rng.random((6, 40, 30)) < 0.3), rng)
    assert abs(over_networks(excess, np.ones(excess.shape, bool), np.full(6, -1)).value) < 0.03


@pytest.mark.slow
def test_networks_that_differ_stand_out_in_one_of_twenty() -> None:
    rng, out = np.random.default_rng(2), 0
    for _ in range(200):
        effect = rng.normal(size=8)
        likeness = effect * 6 / 7 + effect.sum() / 7 + 0.1 * rng.normal(size=8)
        found = over_networks(np.repeat(likeness[:, None], 30, 1), np.ones((8, 30), bool), np.full(8, -1))
        out += int(found.low > 0 or found.high < 0)
    assert 4 <= out <= 16, out


def test_networks_of_a_run_are_compared(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=(8,)), epochs=4)
    run = small_audit(tmp_path / "run", dataset=blobs(90), recipe=recipe, models=4, full=0, keep_weights_at="last")
    run = probe(run, "unit_paths,top=3,draws=2")
    networks = run.load("unit_paths.networks", range(4))
    member, right = run.design.member == 1, run.load("outputs.correct", range(4))
    fitted = (member & right).astype(int)
    np.testing.assert_array_equal(networks[0], fitted[0] * (fitted[2] + fitted[3]))
    own = run.load("unit_paths.overlap_own", range(4))
    np.testing.assert_array_equal(np.isnan(own), networks == 0)
    table = ask(run, "unit_paths")
    assert table.rows["figure"][:2] == ("units in common", "lost with them")
    row = table.rows["group"].index("trained on")
    assert 0 <= table.figures["own"][row].value <= 1
    assert verify(run) == []


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(BadInput, match="'top' setting of unit_paths must be at least 1"):
        UnitPathsProbe(top=0)

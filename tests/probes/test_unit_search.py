"""Units that flip an example, on networks of which it is known which units hold what."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import byrote
from byrote.engine.afterwards import probe
from byrote.errors import BadInput
from byrote.probes.gated import Gated
from byrote.probes.unit_search import UnitSearchProbe
from byrote.report.verify import verify
from small import RECIPE, blobs, small_audit


def held_by_one_unit() -> nn.Sequential:
    """Two classes; the third unit alone holds the example (0, 0, 1), and two units hold the others."""
    network = nn.Sequential(nn.Linear(3, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(3))
        network[2].weight.copy_(torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    return network.eval()


def test_an_example_that_one_unit_holds_falls_with_it():
    network, inputs = held_by_one_unit(), torch.tensor([[0.2, 0.0, 1.0], [1.0, 1.0, 0.2]])
    targets = torch.tensor([1, 0])
    gated = Gated(network, ["0", "2"], inputs)
    assert gated.sizes == [3]
    silenced, wrong = gated.search(inputs, targets, torch.zeros(3), 10)
    assert silenced.tolist() == [[1, 2]]
    assert wrong.tolist() == [True, True]
    assert gated.search(inputs, targets, torch.zeros(3), 1)[1].tolist() == [True, False]
    assert not network[2]._forward_pre_hooks


def test_the_search_ends_where_no_unit_raises_the_loss():
    network, inputs = held_by_one_unit(), torch.tensor([[0.0, 0.0, 1.0]])
    gated = Gated(network, ["0", "2"], inputs)
    silenced, wrong = gated.search(inputs, torch.tensor([1]), torch.full((3,), -100.0), 10)
    assert (silenced.tolist(), wrong.tolist()) == ([[0]], [False])


def test_against_a_slow_search():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    inputs = torch.randn(20, 4)
    targets = network(inputs).argmax(1)
    gated = Gated(network, ["0", "2", "4"], inputs)
    mean = gated.mean_gradient(inputs, targets)
    silenced, wrong = gated.search(inputs, targets, mean, 8)

    def loss(row: int, gates: torch.Tensor) -> torch.Tensor:
        first = network[1](network[0](inputs[row])) * gates[:6]
        logits = network[4](network[3](network[2](first)) * gates[6:])
        return nn.functional.cross_entropy(logits[None], targets[row : row + 1]), logits

    slopes = [torch.autograd.functional.jacobian(lambda g, r=row: loss(r, g)[0], torch.ones(11)) for row in range(20)]
    torch.testing.assert_close(torch.stack(slopes).mean(0), mean, atol=1e-6, rtol=1e-4)
    for row in range(20):
        gates, fell = torch.ones(11), False
        for _ in range(8):
            slope = torch.autograd.functional.jacobian(lambda g, r=row: loss(r, g)[0], gates)
            score = torch.where(gates > 0, mean - slope, -torch.inf)
            if score.max() <= 0:
                break
            gates[score.argmax()] = 0
            fell = bool(loss(row, gates)[1].argmax() != targets[row])
            if fell:
                break
        assert silenced[:, row].tolist() == [int((gates[:6] == 0).sum()), int((gates[6:] == 0).sum())]
        assert bool(wrong[row]) == fell


def test_units_of_images_are_channels():
    network = byrote.SmallCNN(width=4).build((1, 8, 8), 3).eval()
    layers = ["0", "1", "4", "5", "9"]
    gated = Gated(network, layers, torch.zeros(2, 1, 8, 8))
    assert gated.sizes[:3] == [4, 4, 8]
    inputs = torch.randn(3, 1, 8, 8)
    ones = torch.ones(3, sum(gated.sizes))
    torch.testing.assert_close(gated.logits(inputs, ones), network(inputs))


@pytest.mark.slow
def test_a_run_is_searched(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=20)
    run = small_audit(tmp_path / "run", dataset=blobs(120, noise=0.2), recipe=recipe, keep_weights_at="last")
    run = probe(run, "unit_search,budget=5")
    assert run.load("unit_search.layer", [0]).tolist() == ["1"]
    right = run.load("outputs.correct", range(6))
    np.testing.assert_array_equal(run.load("unit_search.right", range(6)), right)
    silenced, flipped = (run.load(f"unit_search.{name}", range(6)) for name in ("silenced", "flipped"))
    assert not silenced[:, 0][~right].any()
    assert silenced.max() <= 5
    assert (silenced.sum(1)[flipped] >= 1).all()
    assert flipped.any()
    for key in ("units_to_flip", "units_to_flip[beyond_margin]"):
        run.measure(key)
    assert verify(run) == []


def test_what_cannot_be_searched_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="must be at least 1"):
        UnitSearchProbe(budget=0)
    recipe = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=()))
    run = small_audit(tmp_path / "run", recipe=recipe, keep_weights_at="last")
    with pytest.raises(BadInput, match="the network has one layer"):
        probe(run, "unit_search")

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, inputs):
            return nn.functional.linear(self.first(inputs), self.second.weight)

    with pytest.raises(BadInput, match="a layer is not called as a module"):
        Gated(Twice(), ["first", "second"], torch.zeros(1, 2))

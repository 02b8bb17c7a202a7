"""EL2N, input gradients and weight gradients at checkpoints against closed forms and slow loops."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import byrote
from byrote.engine.resources import disk_a_model, memory_a_process
from byrote.probes.el2n import El2nProbe
from byrote.probes.input_gradients import InputGradientsProbe
from byrote.probes.last_layer import LastLayerProbe
from byrote.probes.variance_of_gradients import VarianceOfGradientsProbe
from byrote.probes.weight_gradients import WeightGradientsProbe
from engine.toys import job
from probes.moments import few, one_by_one, small, watched
from small import RECIPE, shards, small_audit

VALUES = {
    "loss": lambda z, y: F.cross_entropy(z[None], torch.tensor([y])),
    "probability": lambda z, y: z.softmax(-1)[y],
    "logit": lambda z, y: z[y],
    "margin": lambda z, y: z[y] - torch.cat([z[:y], z[y + 1 :]]).max(),
}
EVERY = (El2nProbe, InputGradientsProbe, WeightGradientsProbe, VarianceOfGradientsProbe)


def test_softmax_regression_has_its_closed_forms() -> None:
    """grad_x = W'(p - e_y), grad_w = (p - e_y) (x, 1)', and EL2N = |p - e_y|."""
    torch.manual_seed(0)
    network, (inputs, targets) = nn.Linear(6, 3), few()
    off = (network(inputs).softmax(-1) - F.one_hot(targets, 3)).detach()
    steep = off @ network.weight.detach()
    error, weights = off.norm(dim=1), off.norm(dim=1) * (inputs.square().sum(1) + 1).sqrt()
    (found,) = watched(InputGradientsProbe(), [lambda: [network]], inputs, targets)
    np.testing.assert_allclose(found["norm"][0], steep.norm(dim=1), rtol=1e-5)
    np.testing.assert_allclose(found["norm_1"][0], steep.abs().sum(1), rtol=1e-5)
    (found,) = watched(WeightGradientsProbe(), [lambda: [network]], inputs, targets)
    np.testing.assert_allclose(found["norm"][0], weights, rtol=1e-5)
    (found,) = watched(El2nProbe(), [lambda: [network]], inputs, targets)
    np.testing.assert_allclose(found["error"][0], error, rtol=1e-5)


def test_the_last_layer_pulls_as_el2n_says() -> None:
    """|grad of the last layer| = EL2N sqrt(|h|^2 + 1)."""
    network, (inputs, targets) = small(1), few(12)
    (found,) = watched(El2nProbe(), [lambda: [network]], inputs, targets)
    features = network[:3](inputs).detach()
    expected = LastLayerProbe().read(network, inputs, targets, 0)["gradient_norm"]
    np.testing.assert_allclose(found["error"][0] * (features.square().sum(1) + 1).sqrt().numpy(), expected, rtol=1e-5)


def test_gradients_of_examples_add_up_to_that_of_the_batch() -> None:
    network, (inputs, targets) = small(2), few()
    each = one_by_one(network, inputs, targets, VALUES["loss"])
    given = inputs.clone().requires_grad_(True)
    (together,) = torch.autograd.grad(F.cross_entropy(network(given), targets, reduction="sum"), given)
    torch.testing.assert_close(each, together)  # an example's input has a gradient of its own loss alone
    (found,) = watched(InputGradientsProbe(), [lambda: [network]], inputs, targets)
    np.testing.assert_allclose(found["norm"][0], each.norm(dim=1), rtol=1e-5)
    np.testing.assert_allclose(found["norm_1"][0], each.abs().sum(1), rtol=1e-5)


def slow_spread(maps: np.ndarray) -> np.ndarray:
    """`[example]` of `maps[time, example, pixel]`, in a plain loop from the formula."""
    times, examples, pixels = maps.shape
    found = np.zeros(examples)
    for i in range(examples):
        for p in range(pixels):
            mean = sum(maps[t, i, p] for t in range(times)) / times
            found[i] += np.sqrt(sum((maps[t, i, p] - mean) ** 2 for t in range(times)) / times) / pixels
    return found


@pytest.mark.parametrize("of", VALUES)
def test_variance_agrees_with_a_slow_loop(of: str) -> None:
    inputs, targets = few()
    networks = [small(seed) for seed in range(7)]  # windows of 3, 2 and 2 checkpoints
    probe = VarianceOfGradientsProbe(of=of)
    (found,) = watched(probe, [lambda net=net: [net] for net in networks], inputs, targets)
    maps = np.stack([one_by_one(net, inputs, targets, VALUES[of]).numpy() for net in networks])
    for window, places in enumerate(([0, 1, 2], [3, 4], [5, 6])):
        np.testing.assert_allclose(found["spread"][window], slow_spread(maps[places]), rtol=1e-4, atol=1e-6)
    assert next(probe.shards()).coordinates == {"window": ["0-4", "6-8", "10-12"]}


def test_channels_of_images_are_averaged_first_and_a_short_window_is_undefined() -> None:
    inputs, targets = few(5, (2, 3, 3))
    networks = [small(seed, (2, 3, 3)) for seed in range(4)]  # windows of 2, 1 and 1 checkpoints
    (found,) = watched(VarianceOfGradientsProbe(), [lambda net=net: [net] for net in networks], inputs, targets)
    maps = np.stack([one_by_one(net, inputs, targets, VALUES["loss"]).mean(1).flatten(1).numpy() for net in networks])
    np.testing.assert_allclose(found["spread"][0], slow_spread(maps[:2]), rtol=1e-4)
    assert np.isnan(found["spread"][1:]).all()


def test_what_is_summed_up_counts_as_memory(tmp_path: Path) -> None:
    """Two numbers of 4 bytes for each example and input; 40 examples of 6 inputs, 3 models."""
    plain, looked = (job(tmp_path, probes=names) for names in ((), ("variance_of_gradients,of=loss;logit",)))
    more = memory_a_process(looked, 3, 0) - memory_a_process(plain, 3, 0)
    written = 3 * (disk_a_model(looked, 3) - disk_a_model(plain, 3))
    assert more - written == 3 * 2 * 2 * 4 * 40 * 6
    assert VarianceOfGradientsProbe().memory((10, 3, 4, 4)) == 2 * 4 * 10 * 16  # channels are averaged


@pytest.mark.parametrize("kind", EVERY)
def test_stacks_batches_and_orders_change_nothing(kind: type) -> None:
    inputs, targets = few(13)
    networks = [lambda first=first: [small(first + model).eval() for model in range(3)] for first in range(0, 18, 3)]
    usual = watched(kind(), networks, inputs, targets)
    others = [
        watched(kind(), networks, inputs, targets, stacked=True),
        watched(kind(), networks, inputs, targets, batch=1),
        watched(kind(), networks, inputs, targets, stacked=True, batch=4),
    ]
    turned = watched(kind(), networks, inputs.flip(0), targets.flip(0))
    for model, columns in enumerate(usual):
        for name in columns.keys() - {"epochs"}:
            for other in others:
                np.testing.assert_allclose(other[model][name], columns[name], rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(turned[model][name][:, ::-1], columns[name], rtol=1e-4, atol=1e-6)


NAMES = ("el2n", "input_gradients", "variance_of_gradients", "weight_gradients")


@pytest.mark.slow
def test_an_audit_records_them_and_all_else_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    without = small_audit(tmp_path / "without")
    run = small_audit(tmp_path / "with", probes=NAMES, executor=without.manifest.executor)
    theirs = shards(run.folder)
    assert {path: theirs[path] for path in shards(without.folder)} == shards(without.folder)
    models = range(run.design.models)
    norm, total = run.load("input_gradients.norm", models), run.load("input_gradients.norm_1", models)
    assert norm.shape == (8, RECIPE.epochs + 1, 60)
    assert np.all(norm > 0)
    assert np.all((total >= norm * (1 - 1e-6)) & (total <= norm * np.sqrt(2) * (1 + 1e-6)))  # two inputs
    assert np.all(run.load("el2n.error", models) <= np.sqrt(2) + 1e-6)
    loss = run.load("trajectory.loss", models)
    np.testing.assert_allclose(run.load("el2n.error", models) == 0, loss == 0)
    assert np.isfinite(run.load("variance_of_gradients.spread", models)[:, 0]).all()
    np.testing.assert_array_equal(run.load("weight_gradients.epochs", models), run.load("trajectory.epochs", models))


def test_networks_with_dropout_and_running_statistics_train_on_as_before(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, network=byrote.Network(Restless), epochs=3)
    without = small_audit(tmp_path / "without", recipe=recipe, models=4, full=0)
    run = small_audit(
        tmp_path / "with", recipe=recipe, models=4, full=0, probes=NAMES, executor=without.manifest.executor
    )
    theirs = shards(run.folder)
    assert {path: theirs[path] for path in shards(without.folder)} == shards(without.folder)


class Restless(nn.Module):
    """A network that draws in training, and counts running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Dropout(0.4), nn.Linear(9, 3))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.inner(inputs)

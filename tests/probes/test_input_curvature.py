"""Curvature against full Hessians, closed forms and a plain loop of differences."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from byrote.errors import BadInput
from byrote.probes import registry
from byrote.probes.input_curvature import InputCurvatureProbe, _signs, curved
from engine.toys import IMAGE, bound, data
from probes.moments import few, one_by_one, small, watched
from small import longer, shards, small_audit


def smooth(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 9), nn.LayerNorm(9), nn.GELU(), nn.Linear(9, 3))


def hessians(network: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """`[example, input, input]`, one by one."""
    found = []
    for one, target in zip(inputs, targets, strict=True):
        loss = lambda x, target=target: F.cross_entropy(network(x[None]), target[None])  # noqa: E731
        found.append(torch.autograd.functional.hessian(loss, one).reshape(one.numel(), one.numel()))
    return torch.stack(found)


def figures(full: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    return full.diagonal(dim1=1, dim2=2).sum(1).numpy(), full.square().sum((1, 2)).numpy()


@pytest.mark.parametrize("shape", [(6,), (1, 3, 3)])
def test_a_piecewise_linear_network_has_its_full_hessian(shape: tuple[int, ...]) -> None:
    inputs, targets = few(9, shape)
    network = small(4, shape)
    (found,) = watched(InputCurvatureProbe(), [lambda: [network]], inputs, targets)
    trace, squared = figures(hessians(network, inputs, targets))
    np.testing.assert_allclose(found["trace"][0], trace, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["squared"][0], squared, rtol=1e-4, atol=1e-6)
    assert found["draws"].tolist() == [0]
    (other,) = watched(InputCurvatureProbe(), [lambda: [network]], inputs, (targets + 1) % 3)
    np.testing.assert_allclose(other["trace"], found["trace"], rtol=1e-6)  # H holds no label


def test_softmax_regression_has_its_closed_form_and_a_sure_answer_none() -> None:
    torch.manual_seed(0)
    network, (inputs, targets) = nn.Linear(6, 3), few()
    p, w = network(inputs).softmax(-1).detach(), network.weight.detach()
    full = torch.stack([w.T @ (torch.diag(one) - one[:, None] * one) @ w for one in p])
    (found,) = watched(InputCurvatureProbe(), [lambda: [network]], inputs, targets)
    trace, squared = figures(full)
    np.testing.assert_allclose(found["trace"][0], trace, rtol=1e-5)
    np.testing.assert_allclose(found["squared"][0], squared, rtol=1e-5)
    with torch.no_grad():
        network.bias.copy_(torch.tensor([1e4, 0.0, 0.0]))
    (found,) = watched(InputCurvatureProbe(), [lambda: [network]], inputs, targets)
    assert np.all(found["trace"] == 0)


def test_inputs_scaled_by_c_scale_the_trace_by_one_over_c_squared() -> None:
    inputs, targets = few()
    network, wide = small(5), small(5)
    with torch.no_grad():
        wide[1].weight.div_(10)  # the same function of inputs ten times as large
    (found,) = watched(InputCurvatureProbe(), [lambda: [network]], inputs, targets)
    (other,) = watched(InputCurvatureProbe(), [lambda: [wide]], 10 * inputs, targets)
    np.testing.assert_allclose(other["trace"], found["trace"] / 100, rtol=1e-3, atol=1e-8)


def test_smooth_networks_are_drawn_around_the_full_hessian() -> None:
    """100 draws: within 5 standard errors of random signs, of which H^2 without its diagonal is the variance."""
    inputs, targets = few(8)
    network, draws = smooth(1), 100
    (found,) = watched(InputCurvatureProbe(draws=draws), [lambda: [network]], inputs, targets)
    full = hessians(network, inputs, targets)
    trace, squared = figures(full)
    off = full - torch.diag_embed(full.diagonal(dim1=1, dim2=2))
    error = (2 * off.square().sum((1, 2)) / draws).sqrt().numpy()
    assert np.all(np.abs(found["trace"][0] - trace) < 5 * error + 1e-5)
    np.testing.assert_allclose(found["squared"][0], squared, rtol=0.7, atol=1e-3)
    assert found["draws"].tolist() == [draws]


def test_signs_are_signs_and_their_own() -> None:
    rows = torch.arange(2000)
    drawn = torch.stack([_signs(rows, torch.zeros(3, 4), draw, salt) for draw, salt in ((0, 0), (1, 0), (0, 1))])
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    flat = drawn.flatten(2)
    assert float(flat.mean().abs()) < 0.02
    for one, other in ((flat[0], flat[1]), (flat[0], flat[2]), (flat[0, :, 0], flat[0, :, 1])):
        assert float((one * other).mean().abs()) < 0.1
    torch.testing.assert_close(_signs(rows[7:9], torch.zeros(3, 4), 0, 0), drawn[0, 7:9])


@pytest.mark.parametrize("name", ["mlp", "small cnn", "resnet with batch norm", "resnet with group norm"])
def test_what_bends_is_found_out(name: str) -> None:
    shape = (6,) if name == "mlp" else IMAGE
    network, inputs = bound(name).build(0).eval(), torch.from_numpy(data(shape).inputs[:4])
    assert curved(network, inputs) == (name in ("small cnn", "resnet with group norm"))  # both have GroupNorm


def test_the_difference_is_the_mean_norm_of_changes() -> None:
    inputs, targets = few(5)
    network, probe = small(6), InputCurvatureProbe(form="difference", draws=3, step=0.1)
    (found,) = watched(probe, [lambda: [network]], inputs, targets)
    length = 0.1 * float(inputs.std(correction=0))
    value = lambda z, y: F.cross_entropy(z[None], torch.tensor([y]))  # noqa: E731
    here, total = one_by_one(network, inputs, targets, value), torch.zeros(5)
    for draw in range(3):
        away = inputs + length * _signs(torch.arange(5), inputs[0], draw, 0)
        total += (one_by_one(network, away, targets, value) - here).norm(dim=1) / 3
    np.testing.assert_allclose(found["change"][0], total, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["step"], [length], rtol=1e-6)
    (one,) = watched(probe, [lambda: [network]], inputs, targets, batch=1)
    np.testing.assert_allclose(one["change"], found["change"], rtol=1e-4)  # no division by the batch


@pytest.mark.parametrize(
    ("made", "form"),
    [
        (small, "auto"),
        pytest.param(small, "difference", marks=pytest.mark.slow),
        pytest.param(smooth, "auto", marks=pytest.mark.slow),
        (smooth, "difference"),
    ],
)
def test_stacks_and_batches_change_nothing(made, form: str) -> None:
    inputs, targets = few(9)
    networks = [lambda first=first: [made(first + model).eval() for model in range(3)] for first in (0, 3)]
    probe = lambda: InputCurvatureProbe(form=form, draws=2, step=0.01)  # noqa: E731
    usual = watched(probe(), networks, inputs, targets)
    for settings in ({"stacked": True}, {"batch": 1}, {"batch": 4, "stacked": True}):
        for model, columns in enumerate(watched(probe(), networks, inputs, targets, **settings)):
            for name, array in columns.items():
                np.testing.assert_allclose(array, usual[model][name], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_a_few_models_are_looked_at_and_all_by_name(tmp_path: Path) -> None:
    settings = {"models": 10, "recipe": longer(2), "heldout": None}
    without = small_audit(tmp_path / "without", **settings)
    settings |= {"executor": without.manifest.executor}
    name = "input_curvature,checkpoints=2"
    run = small_audit(tmp_path / "few", probes=(name,), **settings)
    theirs = shards(run.folder)
    assert {path: theirs[path] for path in shards(without.folder)} == shards(without.folder)
    there = [model for model in range(12) if run.evidence.has("input_curvature", model, 0)]
    assert there == [*range(8), 10, 11]  # four pairs, and those on all data
    assert run.load("input_curvature.epochs", [0]).tolist() == [0, 2]
    assert run.measure("input_curvature").models == 8
    assert run.measure("input_curvature", role="full").models == 2
    whole_values, without = run.replicates("input_curvature")  # one row for each of five pairs, as of any measure
    assert np.isfinite(whole_values.values).any()
    np.testing.assert_array_equal(without[4], whole_values.values)  # the fifth pair has none to leave out
    assert not np.array_equal(without[0], whole_values.values, equal_nan=True)
    whole = small_audit(tmp_path / "all", probes=(f"{name},models=all",), **settings)
    trace = [one.load("input_curvature.trace", there) for one in (run, whole)]
    np.testing.assert_allclose(trace[0], trace[1], rtol=1e-3, atol=1e-5)
    assert whole.measure("input_curvature").models == 10
    again = small_audit(tmp_path / "few", probes=(name,), **settings)
    assert shards(again.folder) == theirs  # it is complete, and nothing is trained again


def test_settings_that_make_no_sense_are_refused() -> None:
    for text in ("form=exact", "draws=0", "step=-1.0"):
        with pytest.raises(BadInput, match="settings of input_curvature"):
            registry.made(f"input_curvature,{text}")

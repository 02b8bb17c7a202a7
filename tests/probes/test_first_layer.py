"""Alignment of the first layer against closed forms, and its null."""

import numpy as np
import pytest
import torch
from torch import nn

from byrote.errors import BadInput
from byrote.probes import registry
from byrote.probes.first_layer import FirstLayerProbe, best_basis, components_of, first_of, misalignment, rotation
from engine.toys import bound
from probes.moments import few, watched
from small import longer, small_audit


def test_diagonal_moments_are_aligned_and_correlated_ones_have_their_closed_form() -> None:
    """Of [[1, r], [r, 1]] both products are 1 / (1 - r^2)."""
    assert misalignment(np.diag([3.0, 1.0, 0.1]), np.eye(3)) == 0
    r = 0.6
    assert misalignment(np.array([[1, r], [r, 1]]), np.eye(2)) == pytest.approx(np.sqrt(2 / np.sqrt(1 - r**2) - 2))
    turned = rotation(np.random.default_rng(0), 3)
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)
    moments = turned @ np.diag([3.0, 1.0, 0.1]) @ turned.T
    assert misalignment(moments, turned) == pytest.approx(0, abs=1e-6)
    assert misalignment(moments, np.eye(3)) > 0.1
    assert misalignment(moments, best_basis(np.ones(3), moments)) == pytest.approx(0, abs=1e-6)  # one eigenvalue


@pytest.mark.parametrize(
    ("draws", "most"), [(50, 6), pytest.param(200, 16, marks=pytest.mark.slow)], ids=["quarter", "whole"]
)
def test_a_random_layer_lies_no_other_way_than_rotated_ones(draws: int, most: int) -> None:
    """Gaussian weights, 256 units of 12 inputs: one time in 20 the components score least of 20 bases."""
    below = 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        weights = rng.normal(size=(256, 12))
        moments = weights.T @ weights / 256
        drawn = [misalignment(moments, rotation(rng, 12)) for _ in range(19)]
        below += misalignment(moments, np.eye(12)) < min(drawn)
    assert (4 if draws == 200 else 1) <= below <= most


def test_weights_along_the_components_score_below_rotated_ones() -> None:
    inputs, targets = few(400, (5,))
    inputs = inputs * torch.tensor([5.0, 3.0, 2.0, 1.0, 0.5])
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 400), nn.ReLU(), nn.Linear(400, 3))
    _, vectors = components_of(*first_of(network, inputs))
    with torch.no_grad():
        scale = torch.tensor([4.0, 2.0, 1.0, 0.5, 0.25])
        network[0].weight.copy_((torch.randn(400, 5) * scale) @ torch.from_numpy(vectors.T.copy()).float())
    (found,) = watched(FirstLayerProbe(), [lambda: [network]], inputs, targets)
    assert found["misalignment"][0] < 0.5 * found["rotated_least"][0]
    narrow = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    (found,) = watched(FirstLayerProbe(), [lambda: [narrow]], inputs, targets)
    assert np.isnan(found["misalignment"]).all()  # no more units than components


def test_filters_are_read_with_their_patches() -> None:
    inputs, targets = few(30, (1, 6, 6))
    network = nn.Sequential(nn.Conv2d(1, 20, 3), nn.ReLU(), nn.Flatten(), nn.Linear(320, 3))
    (found,) = watched(FirstLayerProbe(rotations=3), [lambda: [network]], inputs, targets)
    patches = torch.nn.functional.unfold(inputs, 3).mT.reshape(-1, 9).double().numpy()
    values, vectors = np.linalg.eigh(np.cov(patches, rowvar=False))
    weights = network[0].weight.detach().flatten(1).double().numpy() @ vectors[:, ::-1]
    moments = weights.T @ weights / 20
    np.testing.assert_allclose(
        found["misalignment"][0], misalignment(moments, best_basis(values[::-1], moments)), rtol=1e-3
    )


def test_an_audit_has_it_and_a_network_without_layers_is_refused(tmp_path) -> None:
    run = small_audit(tmp_path / "run", recipe=longer(2), probes=("first_layer,rotations=4",))
    curve = run.measure("first_layer_misalignment")
    assert curve.groups[0] == "principal components"
    assert np.isfinite(curve.values).all()
    inputs, targets = few(2)
    with pytest.raises(BadInput, match="needs a linear or convolutional layer"):
        registry.made("first_layer").check(bound("mlp"), nn.Flatten(), inputs, targets)
    with pytest.raises(BadInput, match="must be at least 1"):
        registry.made("first_layer,rotations=0")

"""The probe of dimension against the features of trained networks, by hand."""

import numpy as np
import pytest

from byrote.stats.two_nn import two_nn
from probes.layered import final, hidden, layered


@pytest.mark.parametrize(("layer", "parts"), [(0, 1), (2, 5), (3, 6)])
def test_the_dimension_at_the_end_is_that_of_the_trained_network(layer, parts):
    run, model = layered(), 3
    assert run.dataset is not None
    mine = run.design.member[model] == 1
    cloud = hidden(final(run, model), run.dataset.inputs, parts)[mine]
    found = run.load("intrinsic_dimension.dimension", [model])[0, -1, layer]
    assert found == pytest.approx(two_nn(cloud), rel=5e-3)
    assert run.load("intrinsic_dimension.points", [model])[0, -1, layer] == len(np.unique(cloud, axis=0))


def test_the_inputs_keep_their_dimension_and_the_untrained_network_stands_beside():
    curve = layered().measure("intrinsic_dimension")
    assert curve.at[0] == 0
    np.testing.assert_allclose(curve.values[0], curve.values[0, 0])
    assert curve.groups[0] == "inputs"
    assert (curve.values[:, 0] > 1).all()

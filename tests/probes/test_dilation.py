"""The probe of dilation against the features of trained networks, by hand."""

import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.stats.neural_collapse import dilation
from probes.layered import clouds, final, hidden, layered
from small import small_audit


@pytest.mark.parametrize("model", [0, 4])
def test_distances_at_the_end_are_those_of_the_trained_network(model):
    run = layered()
    assert run.dataset is not None
    assert run.heldout is not None
    network = final(run, model)
    features, held = (hidden(network, data.inputs, -1) for data in (run.dataset, run.heldout))
    expected = dilation(features, run.load("data.true_label", [model]), held, np.array(run.heldout.targets), 3)
    np.testing.assert_allclose(run.load("dilation.distance", [model])[0, -1], expected.distance, rtol=1e-3)
    np.testing.assert_allclose(run.load("dilation.spread", [model])[0, -1], expected.spread, rtol=1e-3)


def test_mislabelled_members_are_farther_from_their_true_class_than_clean_ones():
    curve = layered().measure("memorization_dilation")
    noisy, clean, _ = curve.values
    assert noisy[-1] > clean[-1]
    assert noisy[0] == pytest.approx(clean[0], abs=0.15), "before training a label has moved nothing"
    assert curve.counts.tolist() == [60, 240, 0]


def test_without_held_out_examples_it_says_what_to_do(tmp_path):
    with pytest.raises(BadInput, match="The probe 'dilation' needs held-out examples") as told:
        small_audit(tmp_path / "run", dataset=clouds(60, seed=0), heldout=None, probes=("dilation",))
    assert "heldout=…" in told.value.hint

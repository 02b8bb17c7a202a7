"""Classifiers by layer against slow ones, on trained networks."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from byrote.errors import BadInput, MissingEvidence
from byrote.probes.layer_probes import LayerProbesProbe
from byrote.stats.ridge import ridge
from probes.layered import clouds, final, hidden, layered
from small import small_audit

#: How many of the first parts of the network make what a layer hands on.
PARTS = {"inputs": 1, "1": 3, "3": 5, "5": 6}


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["inputs", "3"])
def test_neighbours_at_the_end_are_those_of_the_trained_network(layer):
    run, model = layered(), 2
    assert run.dataset is not None
    assert run.heldout is not None
    network = final(run, model)
    names = run.load("layer_probes.layer", [model]).tolist()
    assert names == list(PARTS)
    x, held = (hidden(network, data.inputs, PARTS[layer]) for data in (run.dataset, run.heldout))
    mine = np.flatnonzero(run.design.member[model] == 1)
    given, true = run.load("data.label", [model]), run.load("data.true_label", [model])
    found = {
        name: run.load(f"layer_probes.{name}", [model])[0, -1, names.index(layer)]
        for name in ("neighbours_given", "neighbours_true", "heldout_neighbours", "ridge_given")
    }
    apart, queries = cdist(x, x[mine], "cosine"), cdist(held, x[mine], "cosine")
    for example in range(0, 300, 7):
        near = [n for n in np.argsort(apart[example], kind="stable") if mine[n] != example][:5]
        for kind, labels in (("given", given), ("true", true)):
            votes = np.bincount(labels[mine[near]], minlength=3)
            if (votes == votes.max()).sum() == 1:
                assert found[f"neighbours_{kind}"][example] == votes.argmax()
    for query in range(0, 90, 7):
        votes = np.bincount(true[mine[np.argsort(queries[query])[:5]]], minlength=3)
        if (votes == votes.max()).sum() == 1:
            assert found["heldout_neighbours"][query] == votes.argmax()
    fitted = ridge(x[mine], np.eye(3)[given[mine]], x)
    expected = fitted.others.argmax(1)
    expected[mine] = fitted.left_out.argmax(1)
    assert (found["ridge_given"] == expected).mean() > 0.99


def test_the_inputs_show_the_same_at_every_checkpoint():
    run = layered()
    votes = run.load("layer_probes.neighbours_true", range(4))[:, :, 0]
    assert (votes == votes[:, :1]).all()


def test_wrong_labels_are_not_read_off_by_a_probe_that_leaves_the_example_out():
    """Labels drawn at random say nothing, so that no untrained layer shows them more often than chance."""
    run = layered()
    noisy = run.controls.mask(run.ids, "label_noise")
    for name in ("neighbours_given", "ridge_given"):
        answers = run.load(f"layer_probes.{name}", range(4))[:, 0][..., noisy]
        wrong = (answers == run.load("data.label", [0])[noisy]).mean()
        assert wrong < 1 / 3, name


def test_measures_of_it_are_shares_of_members():
    run = layered()
    answers, member = run.load("layer_probes.ridge_true", range(4)), run.design.member[:4] == 1
    true = run.load("data.true_label", [0])
    shares = [(answers[k, -1, 2, member[k]] == true[member[k]]).mean() for k in range(4)]
    curve = run.measure("layer_probe[ridge]")
    assert curve.groups == ("inputs", "1", "3", "5")
    assert curve.values[2, -1] == pytest.approx(np.mean(shares))
    on_given, on_true = (run.measure(key).values[0, 0] for key in ("layer_probe[given]", "layer_probe"))
    assert on_given < on_true - 0.1, "the inputs show true labels, and not those that were planted"


def test_settings_and_few_members_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(BadInput, match=r"must be at least 1\. Got 0") as told:
        LayerProbesProbe(neighbours=0)
    assert "neighbours=5" in told.value.hint
    few = clouds(12, seed=0, noise=0.0)
    with pytest.raises(BadInput, match="of which some model has 6") as told:
        small_audit(tmp_path / "few", dataset=few, heldout=None, full=0, probes=("layer_probes",))
    assert "neighbours=1" in told.value.hint
    run = small_audit(tmp_path / "one", dataset=few, heldout=None, full=0, probes=("layer_probes,neighbours=1",))
    with pytest.raises(MissingEvidence, match="the audit had no held-out examples"):
        run.load("layer_probes.heldout_ridge", [0])

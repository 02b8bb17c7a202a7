"""The geometry of layers against features by hand, and the classes that count."""

import dataclasses

import numpy as np
import pytest

import byrote
from byrote.engine.afterwards import probe
from byrote.errors import BadInput
from byrote.probes.manifolds import ManifoldsProbe, _by_class, enough
from byrote.report.verify import verify
from byrote.stats.manifold import geometry
from small import RECIPE, blobs, small_audit


def test_classes_with_enough_of_every_sort_count() -> None:
    label, true = np.repeat([0, 1, 2], 20), np.repeat([0, 1], [22, 38])
    few = np.zeros(60, bool)
    few[10:33] = True
    sorts = {"given": (few, label), "true": (few, true)}
    chosen, points = enough(sorts, 12)
    assert chosen.tolist() == [0, 1]
    assert points == 10  # of given label 0 there are ten
    assert enough({"given": (few[:15], label[:15])}, 12)[0].tolist() == []
    rows = _by_class(few, label, chosen, points, np.random.default_rng(0))
    assert [len(one) for one in rows] == [10, 10]
    assert all(few[one].all() and (label[one] == k).all() for k, one in enumerate(rows))


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> byrote.Run:
    folder = tmp_path_factory.mktemp("manifolds")
    recipe = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=(8,)), epochs=3)
    how = {"recipe": recipe, "models": 4, "full": 0, "keep_weights_at": "0,last", "heldout": None}
    return probe(small_audit(folder / "run", dataset=blobs(160, noise=0.4), **how), "manifolds,points=8,draws=20")


@pytest.mark.slow
def test_the_inputs_of_the_last_layer_by_hand(read: byrote.Run) -> None:
    assert read.dataset is not None
    assert read.load("manifolds.layer", [0]).tolist() == ["1", "3"]
    points, classes = (read.load(f"manifolds.{name}", range(4)) for name in ("points", "classes"))
    assert (points == 8).all()
    assert (classes >= 2).any()
    kept, model = read.evidence.block("weights_at", 0, 0), 0
    member = read.design.member[model] == 1
    rng = np.random.default_rng([int(read.manifest.identity["seed"]), 7, 16, model])
    clean = member & ~read.controls.mask(read.ids, "label_noise")
    counts = [np.bincount(read.labels[rows], minlength=3) for rows in (clean, member & ~clean)]
    chosen = np.flatnonzero(np.min([*counts, np.bincount(_true(read)[member & ~clean], minlength=3)], axis=0) >= 8)
    rows = _by_class(clean, read.labels, chosen, 8, rng)
    inputs = read.dataset.inputs.reshape(160, -1)
    hidden = np.maximum(inputs @ kept["1.weight"][1].T + kept["1.bias"][1], 0)
    again = np.random.default_rng([int(read.manifest.identity["seed"]), 7, 17, model, 1, 0])
    expected = geometry([hidden[one] for one in rows], again, 20)
    for figure in ("capacity", "radius", "dimension"):
        found = read.load(f"manifolds.{figure}_clean", [model])[0, 1, 0]
        assert found == pytest.approx(getattr(expected, figure), rel=1e-3)


def _true(run: byrote.Run) -> np.ndarray:
    return run.controls.true_labels(run.ids, run.labels, run.class_names)


@pytest.mark.slow
def test_measures_have_a_line_for_each_layer_and_sort(read: byrote.Run) -> None:
    for key in ("manifold_capacity", "manifold_capacity[radius]", "manifold_capacity[dimension]"):
        curve = read.measure(key)
        assert curve.groups[:2] == ("1: clean", "1: clean, shuffled")
        assert curve.values.shape == (10, 2)
    assert read.measure("manifold_capacity").values[0, 1] > read.measure("manifold_capacity").values[1, 1]
    assert verify(read) == []


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadInput, match="'points' setting of manifolds must be at least 8"):
        ManifoldsProbe(points=7)
    with pytest.raises(BadInput, match="'draws' setting"):
        ManifoldsProbe(draws=1)

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import norm

from byrote.analyses import lab as lab_module
from byrote.analyses.onion import privacy_onion
from byrote.errors import BadInput, TooFewModels
from byrote.results import PerExample
from byrote.runs.imported import import_arrays
from measures.evidence import half_subset_pairs
from small import RECIPE, blobs, small_audit

EXAMPLES, LAYER = 100, 0.2


def answered(folder, ids, apart, seed, models=32):
    """A run whose members' log-odds lie `apart[example]` standard deviations above the others'."""
    rng = np.random.default_rng(seed)
    member, pair = half_subset_pairs(rng, models, len(ids))
    log_odds = rng.normal(size=member.shape) + apart * (member == 1) + rng.normal(0, 0.5, (models, 1))
    return import_arrays(
        folder,
        labels=np.arange(len(ids)) % 3,
        member=member,
        evidence={"outputs.log_odds": log_odds.astype(np.float32)},
        ids=list(ids),
        pair=pair,
        class_names=("a", "b", "c"),
    )


def peeled(monkeypatch, folder, *, exposed, seed):
    """An onion whose next layer, rows 20 to 40, moves `exposed` further apart once most of the first are gone."""
    dataset = blobs(EXAMPLES)
    sizes = [20, 20, 60]
    apart = np.repeat([5.0, 1.0, 0.0], sizes)
    run = answered(folder / "run", dataset.ids, apart, seed)

    def audit(dataset, recipe, *, models, out, seed, **_):
        rows = dataset_rows(dataset)
        gone = np.isin(np.arange(20), rows).sum() < 10
        moved = apart + exposed * gone * np.repeat([0.0, 1.0, 0.0], sizes)
        return answered(out, dataset.ids, moved[rows], seed, models)

    def dataset_rows(child):
        return dataset.index_of(child.ids)

    monkeypatch.setattr(lab_module, "audit_dataset", audit)
    return privacy_onion(
        dataclasses.replace(run, dataset=dataset, recipe=RECIPE), share=LAYER, seed=seed + 1, progress=False
    )


@pytest.mark.slow
def test_an_exposed_layer_is_shown_with_its_true_size(monkeypatch, tmp_path):
    found = []
    for seed in range(8):
        onion = peeled(monkeypatch, tmp_path / str(seed), exposed=4.0, seed=seed)
        assert onion.shown
        found.append(onion.layers[0].over_plain.value)
    # some of the layer below are others, chosen by chance
    most = norm.cdf(5 / np.sqrt(2)) - norm.cdf(1 / np.sqrt(2))
    assert 0.4 * most < np.mean(found) < most


@pytest.mark.slow
def test_where_nothing_is_exposed_nothing_is_shown(monkeypatch, tmp_path):
    shown = [peeled(monkeypatch, tmp_path / str(seed), exposed=0.0, seed=seed).shown for seed in range(20)]
    assert sum(shown) <= 2


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = small_audit(tmp_path_factory.mktemp("runs") / "blobs", models=24, full=0)
    return run, privacy_onion(run, share=LAYER, workers=1, progress=False)


def test_the_riskiest_are_removed_and_as_many_at_random(trained):
    run, onion = trained
    assert len(onion.removed) == len(onion.removed_at_random) == 12
    assert not set(onion.removed) & set(onion.removed_at_random)
    chooser = run.measured_on("membership_risk", run.models()[:12])
    assert isinstance(chooser, PerExample)
    risk = dict(zip(run.ids, chooser.values, strict=True))
    assert min(risk[i] for i in onion.removed) >= max(v for i, v in risk.items() if i not in set(onion.removed))
    assert set(run.ids) - set(onion.runs["riskiest"].ids) == set(onion.removed)
    assert set(run.ids) - set(onion.runs["random"].ids) == set(onion.removed_at_random)
    assert set(onion.runs["plain"].ids) == set(run.ids)


def test_differences_are_those_of_the_arms(trained):
    for layer in trained[1].layers:
        assert layer.over_plain.value == pytest.approx(layer.riskiest.value - layer.plain.value)
        assert layer.over_random.value == pytest.approx(layer.riskiest.value - layer.random.value)


def test_the_models_that_choose_do_not_measure(trained):
    run, onion = trained
    layer = onion.layers[1]
    left = ~np.isin(run.ids, [*onion.removed, *onion.removed_at_random])
    measured = run.measured_on("membership_risk", run.models()[12:])
    assert isinstance(measured, PerExample)
    assert layer.before.value == pytest.approx(np.nanmean(measured.values[left]))


@pytest.mark.slow
def test_the_same_call_goes_on_from_what_is_there(tmp_path):
    run = small_audit(tmp_path / "blobs", models=24, full=0)
    first = privacy_onion(run, share=LAYER, workers=1, progress=False)
    again = privacy_onion(run, share=LAYER, workers=1, progress=False)
    assert [layer.riskiest.value for layer in first.layers] == [layer.riskiest.value for layer in again.layers]


def test_bad_input(tmp_path):
    run = small_audit(tmp_path / "few")
    with pytest.raises(BadInput, match=r"share.*must lie in \(0, .25\]"):
        privacy_onion(run, share=0.5)
    with pytest.raises(BadInput, match="without its data and recipe"):
        privacy_onion(dataclasses.replace(run, dataset=None))
    with pytest.raises(TooFewModels, match="at least 24 models in pairs"):
        privacy_onion(run, progress=False)

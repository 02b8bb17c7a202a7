from __future__ import annotations

import json

import numpy as np
import pytest

import byrote
import byrote.analyses.calibration as calibrating
from byrote.analyses.calibration import Calibration, as_table, calibrate, estimate, highest, monotone, shown
from byrote.changes.change import Context
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data.dataset import Dataset
from byrote.designs.full_data import full_data
from byrote.errors import BadInput, MissingEvidence, TooFewModels
from small import longer, small_audit

EXAMPLES = 450
FITS = byrote.Recipe(network=byrote.MLP(hidden=(64,)), epochs=12, batch_size=32, optimizer=byrote.SGD(lr=0.1))


def clouds() -> Dataset:
    """Three classes in thirty dimensions, a fifth of the labels wrong: there is room to memorize them."""
    rng = np.random.default_rng(0)
    targets = np.arange(EXAMPLES) % 3
    inputs = rng.normal(size=(EXAMPLES, 30)) + 2 * np.eye(3, 30)[targets]
    dataset = byrote.from_arrays(inputs.astype(np.float32), targets, name="clouds", class_names=("a", "b", "c"))
    return SymmetricLabelNoise(0.2).apply(dataset, Context(dataset=dataset, rng=rng))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_audit(
        tmp_path_factory.mktemp("runs") / "ensemble",
        models=12,
        dataset=clouds(),
        recipe=FITS,
        heldout=None,
        full=1,
    )


def drawn(examples, seed, *, spread=0.1):
    """Proxy, and a yardstick that rises with it and whose noise is three times as wide at the top."""
    rng = np.random.default_rng(seed)
    proxy = rng.random(examples)
    yardstick = proxy**2 + rng.normal(0, spread, examples) * np.where(proxy > 0.8, 3, 1)
    return proxy, yardstick


def made_of(monkeypatch, run, proxy, yardstick):
    monkeypatch.setattr(calibrating, "_pairs", lambda *_: (proxy, yardstick))
    return calibrate(run)


def test_monotone_is_the_best_monotone_fit():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 8, 60).astype(float), rng.normal(size=60)
    knots, levels = monotone(x, y)
    assert (np.diff(levels) >= 0).all()
    error = ((np.interp(x, knots, levels) - y) ** 2).sum()
    for _ in range(300):
        other = np.sort(levels + rng.normal(0, 0.2, len(levels)))
        assert ((np.interp(x, knots, other) - y) ** 2).sum() > error


def test_the_band_covers_in_every_stratum(monkeypatch, run):
    covered = []
    for seed in range(20):
        calibration = made_of(monkeypatch, run, *drawn(1_000, seed))
        proxy, yardstick = drawn(4_000, seed + 100)
        found = calibration.apply(proxy)
        known = np.isfinite(found.values)
        inside = (found.low <= yardstick) & (yardstick <= found.high)
        inside |= np.abs(yardstick) > 1  # bands end at the bounds of label memorization
        strata = found.counts["stratum"]
        covered.append([inside[known & (strata == stratum)].mean() for stratum in range(5)])
    mean = np.mean(covered, axis=0)
    assert (mean > 0.93).all()
    assert (mean < 0.98).all()


def test_held_out_coverage_is_that_of_the_band(monkeypatch, run):
    calibration = made_of(monkeypatch, run, *drawn(2_000, 0))
    assert calibration.coverage == pytest.approx(np.full(5, 0.95), abs=0.03)


def test_undefined_and_beyond_the_calibrated_values(monkeypatch, run):
    calibration = made_of(monkeypatch, run, *drawn(1_000, 0))
    found = calibration.apply(np.array([np.nan, 2.0, -1.0, 0.5]))
    assert np.isnan(found.values[:3]).all()
    assert "is undefined" in found.reason(0)
    assert found.reason(1) == found.reason(2) == "its cumulative_sample_loss lies outside of all calibrated values"
    assert found.values[3] == pytest.approx(0.25, abs=0.05)
    assert np.isnan(found.stderr).all()


def test_tied_proxies_join_strata(monkeypatch, run):
    proxy = np.repeat([0.0, 1.0, 2.0], [900, 95, 5])
    calibration = made_of(monkeypatch, run, proxy, proxy / 4 + np.random.default_rng(0).normal(0, 0.05, 1_000))
    counts = np.bincount(calibration.apply(proxy).counts["stratum"])
    assert len(calibration.below) == len(calibration.coverage) == len(counts)
    assert counts.min() >= 44


def test_a_run_of_one_training_is_estimated(run, tmp_path):
    calibration = calibrate(run)
    single = small_audit(
        tmp_path / "single",
        dataset=clouds(),
        design=full_data(EXAMPLES, 1),
        recipe=FITS,
        heldout=None,
        seed=5,
        full=0,
    )
    found = estimate(single, calibration)
    measured = run.measure("label_memorization").values
    known = np.isfinite(found.values)
    assert np.corrcoef(found.values[known], measured[known])[0, 1] > 0.5
    assert "recipe" not in found.note
    assert "distributed otherwise" not in found.note


def test_another_recipe_is_told(run, tmp_path):
    calibration = calibrate(run)
    other = small_audit(
        tmp_path / "other",
        dataset=clouds(),
        design=full_data(EXAMPLES, 1),
        recipe=longer(2),
        heldout=None,
        full=0,
    )
    note = estimate(other, calibration).note
    assert "the recipe is not the one calibrated on" in note
    assert "distributed otherwise" in note


def test_an_ensemble_needs_no_estimate(run, tmp_path):
    with pytest.raises(TooFewModels, match="this one is an ensemble"):
        estimate(small_audit(tmp_path / "run", full=0), calibrate(run))


@pytest.mark.slow
def test_what_cannot_be_calibrated(run, tmp_path):
    with pytest.raises(BadInput, match="cannot be a proxy"):
        calibrate(run, "influence")
    with pytest.raises(MissingEvidence, match="no network trained on all data"):
        calibrate(small_audit(tmp_path / "no-full", full=0))
    with pytest.raises(TooFewModels, match="takes 390 examples"):
        calibrate(small_audit(tmp_path / "few"))


def test_it_is_kept_as_json(run, tmp_path):
    calibration = calibrate(run)
    calibration.save(tmp_path / "calibration.json")
    again = Calibration.load(tmp_path / "calibration.json")
    proxy = np.linspace(calibration.edges[0], calibration.edges[-1], 50)
    np.testing.assert_array_equal(again.apply(proxy).values, calibration.apply(proxy).values)
    assert again.about == calibration.about


@pytest.mark.parametrize("content", ["no json", "{}", "[1]", json.dumps({"proxy": "x"})])
def test_a_file_that_is_no_calibration(tmp_path, content):
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(BadInput, match="is not a calibration"):
        Calibration.load(tmp_path / "c.json")


def test_the_section_says_what_the_score_was_set_against(monkeypatch, run):
    found = made_of(monkeypatch, run, *drawn(1_000, 3))
    words, bands = shown(as_table(found))
    assert words.text == f"{found.proxy} was set against label memorization on 1000 examples and {found.models} models."
    assert bands.columns == ("stratum of the score", "band below", "band above", "held-out coverage")
    assert [row[3] for row in bands.rows] == found.coverage.tolist()


def test_the_highest_estimates_stand_first_and_the_unknown_last(monkeypatch, run):
    found = made_of(monkeypatch, run, *drawn(1_000, 3))
    scores = np.quantile(found.proxy_sample, [0.1, 0.9])
    estimated = found.apply(np.array([scores[0], np.nan, scores[1]]))
    block, words = highest(estimated, np.array(["low", "none", "high"]), top=3)
    assert [row[0] for row in block.rows] == ["high", "low", "none"]
    assert words.text == f"Estimated from {found.proxy} of one training, with a 95% prediction interval."

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.data.controls import LABEL_NOISE, planted
from byrote.measures.catalog import catalog
from byrote.report.facts import MEMORIZED, Facts, facts
from byrote.results import PerExample
from byrote.run import Run
from byrote.stats.ranking import auroc, average_precision
from report.made import make_run
from small import small_audit


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_audit(tmp_path_factory.mktemp("facts") / "run")


@pytest.fixture(scope="module")
def found(run: Run) -> Facts:
    return facts(run)


def test_means_are_those_of_the_values(run: Run, found: Facts) -> None:
    values, noisy = found.memorization.values, run.controls.mask(run.ids, "label_noise")
    assert noisy.sum() == 6
    assert found.mean_memorization.keys() == {"label_noise", "clean"}
    assert found.mean_memorization["label_noise"].value == pytest.approx(values[noisy].mean())
    assert found.mean_memorization["clean"].value == pytest.approx(values[~noisy].mean())
    assert [found.mean_memorization[name].examples for name in ("label_noise", "clean")] == [6, 54]
    assert found.memorized.value == pytest.approx((values >= MEMORIZED).mean())


def test_accuracies_are_those_of_the_answers(run: Run, found: Facts) -> None:
    correct, member = run.load("outputs.correct", run.models()), run.design.member[run.models()]
    for figure, side in ((found.member_accuracy, 1), (found.nonmember_accuracy, 0)):
        assert figure.value == pytest.approx(
            np.mean([c[m == side].mean() for c, m in zip(correct, member, strict=True)])
        )
    for figure, role in ((found.heldout_accuracy, "reference"), (found.full_accuracy, "full")):
        assert figure is not None
        assert figure.value == pytest.approx(run.load("heldout.correct", run.models(role)).mean())
    assert found.interpolates == (found.member_accuracy.value >= 0.98)


def test_every_measure_by_example_is_judged_against_the_controls(run: Run, found: Facts) -> None:
    assert {d.measure.key for d in found.detections} == {k for k, entry in catalog().items() if entry.by_example}
    noisy = run.controls.mask(run.ids, "label_noise")
    for detection in found.detections:
        result = run.measure(detection.measure.key)
        assert isinstance(result, PerExample)
        assert detection.auroc.value == pytest.approx(auroc(result.values, noisy))
        assert detection.average_precision.value == pytest.approx(average_precision(result.values, noisy))
        assert detection.auroc.examples == 60
        assert (run.folder / "results" / f"{detection.measure.key}.parquet").is_file()
    shown = [d.average_precision.value for d in found.detections]
    assert shown == sorted(shown, reverse=True)
    assert found.curves.keys() == {"noisy_label_memorization"}
    assert found.notes == ()


def test_undefined_scores_are_not_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    member = np.repeat([[1] * 12, [0] * 12], 4, axis=0)
    member[:, 0] = 1  # planted, and in every model
    member[:, 11] = 0  # clean, and in none
    correct = (member == 1) | (rng.random((8, 12)) < 0.5)
    ids = [f"x{i}" for i in range(12)]
    run = byrote.import_arrays(
        tmp_path / "run",
        labels=np.arange(12) % 2,
        member=member,
        evidence={"outputs.correct": correct},
        ids=ids,
        controls=planted(LABEL_NOISE, ids[:3], ["1"] * 3),
    )
    found = facts(run)
    expected = np.array([np.nan, *(1 - correct[4:, 1:11].mean(0)), np.nan])
    np.testing.assert_allclose(found.memorization.values, expected)
    assert found.mean_memorization["label_noise"].value == pytest.approx(expected[1:3].mean())
    assert found.mean_memorization["clean"].value == pytest.approx(expected[3:11].mean())
    assert found.memorized.value == pytest.approx((expected[1:11] >= MEMORIZED).mean())
    assert found.memorized.examples == 10
    (detection,) = found.detections
    assert detection.auroc.examples == 10
    assert detection.auroc.value == pytest.approx(auroc(expected[1:11], np.arange(1, 11) < 3))


def test_what_was_not_recorded_joins_the_notes(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trajectories=False)
    found = facts(run)
    assert {d.measure.key for d in found.detections} == {"label_memorization", "label_memorization[probability]"}
    assert found.curves == {}
    assert found.heldout_accuracy is None
    assert found.full_accuracy is None
    named = [note for note in found.notes if ": not measured, because " in note]
    assert named
    keys = {key for note in named for key in note.partition(": not measured")[0].split(", ")}
    assert keys == set(catalog()) - {"label_memorization", "label_memorization[probability]", "influence"}
    assert any("cumulative_sample_loss" in note and "'trajectory.loss' is not recorded" in note for note in named)


def test_without_controls_nothing_is_detected(tmp_path: Path) -> None:
    found = facts(make_run(tmp_path / "run", controls=False))
    assert found.detections == ()
    assert found.mean_memorization.keys() == {"clean"}
    assert found.mean_memorization["clean"].value == pytest.approx(found.memorization.values.mean())

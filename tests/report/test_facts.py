from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.analyses.memorized_share import MEMORIZED
from byrote.data.controls import LABEL_NOISE, planted
from byrote.evidence.schema import kind_of
from byrote.measures.catalog import catalog
from byrote.report.facts import Facts, belongs, facts
from byrote.report.headline import headline
from byrote.report.summary import sentences
from byrote.results import PerExample
from byrote.runs.imported import import_arrays
from byrote.runs.run import Run
from byrote.stats.extrapolated_share import extrapolated_share
from byrote.stats.ranking import auroc, average_precision
from measures.evidence import half_subset_pairs
from report.made import make_run
from small import small_audit


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_audit(tmp_path_factory.mktemp("facts") / "run")


@pytest.fixture(scope="module")
def found(run: Run) -> Facts:
    return facts(run)


def by_example() -> set[str]:
    """Those of the design at hand, from which nothing is withdrawn, and of what all of its models have."""
    return {
        key
        for key, entry in catalog().items()
        if entry.by_example
        and entry.suits("classes")
        and not entry.of_text
        and "design.withdrawn" not in entry.needs
        and not any(kind_of(f"{name}.x").sampled for name in entry.kinds)
    }


def unmeasured(found: Facts) -> set[str]:
    """The measures that the notes give a reason for; of those whose probes were not asked for, by the probes."""
    named = [note.partition(": not measured, because ") for note in found.notes]
    probes = {name for note in found.notes for name in note.partition("--probe: ")[2].rstrip(".").split(", ")}
    unasked = {key for key, entry in catalog().items() if entry.unasked(()) and entry.unasked(()) <= probes}
    return unasked | {key for keys, because, _ in named if because for key in keys.split(", ")}


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
    assert {d.measure.key for d in found.detections} | unmeasured(found) >= by_example()
    assert {"label_memorization", "cumulative_sample_loss"} <= {d.measure.key for d in found.detections}
    noisy = run.controls.mask(run.ids, "label_noise")
    for detection in found.detections:
        result = run.measure(detection.measure.key)
        assert isinstance(result, PerExample)
        known = result.reason_code == 0
        values, positive = result.values[known], noisy[known]
        assert detection.auroc.value == pytest.approx(auroc(values, positive), nan_ok=True)
        assert detection.average_precision.value == pytest.approx(average_precision(values, positive), nan_ok=True)
        assert detection.auroc.examples == known.sum()
        assert (run.folder / "results" / f"{detection.measure.key}.parquet").is_file()
    shown = [np.nan_to_num(d.average_precision.value) for d in found.detections]
    assert shown == sorted(shown, reverse=True)
    assert "noisy_label_memorization" in found.curves
    (probes,) = (note for note in found.notes if "--probe" in note)
    unasked = [entry for entry in catalog().values() if belongs(run, entry) and entry.unasked(run.manifest.evidence)]
    assert probes.startswith(f"{len(unasked)} measures were not computed, because their probes were not requested.")
    assert all(probes.count(f" {name}") == 1 for entry in unasked for name in entry.unasked(()))
    others = [note for note in found.notes if note != probes]
    assert all(": not measured, because " in note or ": undefined for " in note for note in others)


def test_undefined_scores_are_not_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    member = np.add.outer(np.arange(8), np.arange(12)) % 2
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
    outside = [1 - correct[member[:, i] == 0, i].mean() for i in range(1, 11)]
    expected = np.array([np.nan, *outside, np.nan])
    np.testing.assert_allclose(found.memorization.values, expected)
    assert found.mean_memorization["label_noise"].value == pytest.approx(expected[1:3].mean())
    assert found.mean_memorization["clean"].value == pytest.approx(expected[3:11].mean())
    assert found.memorized.value == pytest.approx((expected[1:11] >= MEMORIZED).mean())
    assert found.memorized.examples == 10
    (detection,) = [d for d in found.detections if d.measure.key == "label_memorization"]
    assert detection.auroc.examples == 10
    assert detection.auroc.value == pytest.approx(auroc(expected[1:11], np.arange(1, 11) < 3))


def test_what_was_not_recorded_joins_the_notes(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trajectories=False)
    found = facts(run)
    measured = {d.measure.key for d in found.detections}
    assert {"label_memorization", "label_memorization[probability]"} <= measured
    assert "noisy_label_memorization" not in found.curves
    assert found.heldout_accuracy is None
    assert found.full_accuracy is None
    assert not unmeasured(found) & measured
    assert unmeasured(found) | measured >= by_example() | {"noisy_label_memorization"}
    assert any("cumulative_sample_loss" in note and "'trajectory.loss' is not recorded" in note for note in found.notes)


def test_without_controls_nothing_is_detected(tmp_path: Path) -> None:
    found = facts(make_run(tmp_path / "run", controls=False))
    assert found.detections == ()
    assert found.mean_memorization.keys() == {"clean"}
    assert found.mean_memorization["clean"].value == pytest.approx(found.memorization.values.mean())


def test_the_share_of_memorized_examples_is_corrected_where_there_are_models_for_it(tmp_path: Path) -> None:
    few = facts(make_run(tmp_path / "few", models=30))
    assert few.memorized_corrected is None
    assert few.share_memorized is few.memorized
    assert "It takes 32 models" in few.uncorrected
    run = scattered(tmp_path / "many", models=32)
    found = facts(run)
    assert found.memorized_corrected is not None
    models = run.models()
    correct, member = run.load("outputs.correct", models), run.design.member[models]
    right = np.stack([(correct & (member == side)).sum(0) for side in (0, 1)])
    trials = np.stack([(member == side).sum(0) for side in (0, 1)])
    assert found.memorized_corrected.value == extrapolated_share(right, trials, MEMORIZED)
    assert found.memorized_corrected.value < found.memorized.value
    assert len(found.memorized_corrected.replicates) == 16
    assert not found.uncorrected
    assert found.share_memorized is found.memorized_corrected


def scattered(folder: Path, models: int) -> Run:
    """Nobody memorizes anything, and the models are right on an example by chance."""
    rng = np.random.default_rng(3)
    member = np.tile([[1] * 200, [0] * 200], (models // 2, 1))
    flipped = rng.random((models // 2, 200)) < 0.5
    member = np.where(np.repeat(flipped, 2, axis=0), 1 - member, member)
    correct = rng.random((models, 200)) < rng.random(200)
    pair = np.repeat(np.arange(models // 2), 2)
    labels = np.arange(200) % 2
    return byrote.import_arrays(folder, labels=labels, member=member, evidence={"outputs.correct": correct}, pair=pair)


def test_shares_and_areas_have_intervals_within_their_bounds(found: Facts) -> None:
    for detection in found.detections:
        for figure in (detection.auroc, detection.average_precision):
            assert not figure.low < 0
            assert not figure.high > 1
    assert any(detection.auroc.high == 1 for detection in found.detections)
    for figure in (found.memorized, found.member_accuracy, found.nonmember_accuracy):
        assert 0 <= figure.low <= figure.high <= 1


def test_the_score_named_beforehand_and_the_best_are_told_apart(found: Facts) -> None:
    named, best, scores = found.judged("label_noise")
    assert named is not None
    assert best is not None
    assert named.measure.key == "cumulative_sample_loss"
    known = [d.average_precision.value for d in found.detections if not np.isnan(d.average_precision.value)]
    assert best.average_precision.value == max(known)
    assert scores == len(known)
    assert found.judged("near_duplicate") == (None, None, 0)


def test_tells_what_share_is_done(run: Run) -> None:
    heard: list[float] = []
    facts(Run.open(run.folder), heard.append)
    asked = [key for key in by_example() if not catalog()[key].unasked(run.manifest.evidence)]
    assert len(heard) > 2 * len(asked)
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(1.0)
    assert max(after - before for before, after in pairwise(heard)) < 0.2


def test_a_share_of_all_has_the_error_of_one_example(tmp_path: Path) -> None:
    """Every example but the last is memorized beyond doubt, so that leaving pairs out changes next to nothing."""
    found = facts(make_run(tmp_path / "run", models=32, trajectories=False)).memorized_corrected
    assert found is not None
    assert found.stderr >= 1 / 40
    assert found.low <= found.value - found.stderr or found.low == 0
    assert found.high >= found.value + found.stderr or found.high == 1


def test_a_model_that_did_not_train_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", models=16, trajectories=False, controls=False)
    assert facts(run).collapsed == ()
    margin = run.load("outputs.log_odds", run.models())
    margin[3] = -1.0
    broken = byrote.import_arrays(
        tmp_path / "broken",
        labels=run.labels,
        member=run.design.member,
        evidence={"outputs.log_odds": margin, "outputs.logit_margin": margin},
        pair=run.design.pair,
    )
    found = facts(broken)
    assert found.collapsed == ((3, 0.0),)
    assert "model 3 (0.0%)" in found.collapsed_words
    assert "model 3 (0.0%)" in headline(broken, found).warning
    assert any("model 3 (0.0%)" in sentence for sentence in sentences(found))


def test_where_classes_are_of_other_sizes_the_mean_over_them_is_told(tmp_path: Path) -> None:
    even = make_run(tmp_path / "even", trajectories=False, controls=False)
    assert facts(even).nonmember_balanced is None
    labels = (np.arange(40) < 5).astype(np.int64)  # the rare class is what models without it get wrong
    rare = byrote.import_arrays(
        tmp_path / "rare",
        labels=labels,
        member=even.design.member,
        evidence={name: even.load(name, even.models()) for name in ("outputs.log_odds", "outputs.logit_margin")},
        pair=even.design.pair,
    )
    found = facts(rare)
    assert found.nonmember_balanced is not None
    assert found.nonmember_balanced.value == pytest.approx(0.5, abs=0.02)
    assert found.nonmember_accuracy.value > 0.8
    assert "as the mean over classes" in dict(headline(rare, found).answers)["How accurate are the models?"]


def test_answers_that_are_not_finite_are_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    member, pair = half_subset_pairs(rng, 16, 20)
    logits = rng.normal(size=(16, 20, 2)).astype(np.float32)
    logits[3, 7] = np.nan
    broken = import_arrays(
        tmp_path / "run", labels=np.arange(20) % 2, member=member, evidence={"outputs.logits": logits}, pair=pair
    )
    notes = facts(broken).notes
    assert "Models' answers on 1 example are not finite numbers. No result includes it." in notes

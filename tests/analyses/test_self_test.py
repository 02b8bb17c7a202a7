from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

import byrote
from byrote.analyses.catalog import ask, kept_table
from byrote.analyses.issues import LABEL_ERROR, PROBABILITY, as_table, issues, judged
from byrote.analyses.label_errors import label_errors, probabilities, self_tested, untested
from byrote.analyses.self_test import planted
from byrote.errors import BadInput
from byrote.evidence.tables import read_table
from byrote.measures.label_error_probability import log_odds_of_labels
from byrote.report.findings import findings
from byrote.report.first_look import first_look
from byrote.report.verify import examine
from byrote.runs.run import Run
from small import blobs, longer, shards, small_audit


def spoiled(examples=60):
    """The blobs with three labels that are wrong without anybody's knowing."""
    dataset = blobs(examples)
    targets = dataset.targets.copy()
    targets[:3] = (targets[:3] + 1) % 3
    return dataset.replace(targets=targets)


@pytest.fixture(scope="module")
def before_and_after(tmp_path_factory):
    """A run's shards before its self-test, and the run after it, with the table."""
    run = small_audit(tmp_path_factory.mktemp("tested") / "run", dataset=spoiled(), recipe=longer(30), full=0)
    before = shards(run.folder)
    return before, run, ask(run, "self_test", lab=byrote.Lab(workers=1, progress=False))


def test_labels_are_made_wrong_beside_the_run_and_counted(before_and_after):
    _, run, table = before_and_after
    share = table.figures["flagged"][0]
    assert share.examples == len(table.arrays["example"]) == 6  # a tenth of 60
    assert share.models == 4
    assert share.value == np.mean(table.arrays["score"] > 0.5) > 0.5
    assert 0 < share.low < share.value <= share.high <= 1
    given = dict(zip(run.ids.tolist(), run.labels.tolist(), strict=True))
    for example, was, made in zip(*(table.arrays[name].tolist() for name in ("example", "was", "made")), strict=True):
        assert was == run.class_names[given[example]] != made


def test_the_evidence_is_byte_for_byte_what_it_was(before_and_after):
    before, run, _ = before_and_after
    assert shards(run.folder) == before
    assert len(run.controls) == 0


def test_few_labels_of_many_examples_are_made_wrong():
    assert [int(planted(blobs(n), 0)[1].sum()) for n in (9, 90, 300, 900)] == [1, 9, 20, 45]


def test_once_tested_the_numbers_of_label_errors_are_probabilities_and_the_flags_stay(before_and_after, tmp_path):
    _, run, _ = before_and_after
    score = run.measure("label_error_probability")
    found = issues(run)
    errors = [one for one in found.found if one.issue == LABEL_ERROR]
    assert {one.example for one in errors} <= set(np.flatnonzero(score.values > 0.5))
    assert {0, 1, 2} <= {one.example for one in errors}
    sure = label_errors(run).sure
    assert [one.score for one in errors] == [sure.values[one.example] for one in errors]
    assert not np.allclose(sure.values, score.values)
    order = np.argsort(score.values)
    assert (np.diff(sure.values[order]) >= 0).all()
    of_curve = probabilities(run, replace(score, low=score.values, high=score.values))
    assert (of_curve.low < of_curve.values).all()
    assert (of_curve.values < of_curve.high).all()
    assert "should be wrong" in " ".join(found.notes)
    kept = as_table(found)
    assert set(kept.arrays["score_is"][kept.arrays["issue"] == LABEL_ERROR]) == {PROBABILITY}


def test_a_flagged_label_that_is_certainly_more_likely_right_is_no_label_error(before_and_after):
    _, run, _ = before_and_after
    errors = label_errors(run)
    row = int(np.flatnonzero(errors.flagged)[0])
    assert errors.named[row]
    high = np.where(np.arange(len(run.ids)) == row, 0.4, errors.sure.high)
    doubted = replace(errors, sure=replace(errors.sure, high=high))
    assert not doubted.named[row]
    assert replace(doubted, calibrated=False).named[row]
    np.testing.assert_array_equal(np.delete(doubted.named, row), np.delete(errors.named, row))


def test_the_page_says_what_was_caught_and_verify_agrees(before_and_after):
    _, run, table = before_and_after
    look = first_look(run, findings(run).facts, issues(run))
    tested = look.verdict[-1]
    hits = round(table.figures["flagged"][0].value * 6)
    assert tested.what == "Tested"
    assert f"were given 6 wrong labels, and find {hits} of them (95 % interval" in tested.why
    assert look.number == PROBABILITY
    ask(run, "issues")
    kept = read_table(run.folder / "results" / "issues.parquet")
    assert judged(run, kept) == ""
    assert not examine(run).faults


def test_a_probability_that_was_altered_is_told(before_and_after):
    _, run, _ = before_and_after
    ask(run, "issues")
    kept = read_table(run.folder / "results" / "issues.parquet")
    score = np.where(np.array(kept["issue"].to_pylist()) == LABEL_ERROR, 0.9, kept["score"].to_numpy())
    altered = kept.set_column(kept.column_names.index("score"), "score", [score])
    assert "does not follow" in judged(run, altered)


def test_scores_of_labels_are_those_of_the_measure_and_of_others_by_the_same_models(before_and_after):
    _, run, _ = before_and_after
    models = run.models()
    asked = np.stack([run.labels, (run.labels + 1) % 3])
    own, other = log_odds_of_labels(run.load("outputs.logits", models), run.labels, run.member[models], asked)
    score = run.measure("label_error_probability").values
    assert expit(own) == pytest.approx(score, abs=1e-9)
    assert np.median(other) > 0 > np.median(own)


def test_of_two_classes_the_score_stays_a_score(tmp_path):
    dataset = blobs(60)
    two = dataset.replace(targets=dataset.targets % 2, class_names=("a", "b"))
    run = small_audit(tmp_path / "run", dataset=two, heldout=None, models=4, full=0)
    score = run.measure("label_error_probability")
    ask(run, "self_test", lab=byrote.Lab(workers=1, progress=False))
    found = label_errors(run)
    assert found.tested is not None
    assert not found.calibrated
    np.testing.assert_array_equal(found.sure.values, score.values)
    assert PROBABILITY not in as_table(issues(run)).arrays["score_is"]


def test_of_many_labels_drawn_the_expected_number_is_that_of_the_wrong_ones(tmp_path):
    """Twelve of 240 labels are wrong, and drawn as the test draws them."""
    dataset = blobs(240)
    rng = np.random.default_rng(5)
    rows = rng.choice(240, 12, replace=False)
    targets = dataset.targets.copy()
    targets[rows] = (targets[rows] + rng.integers(1, 3, 12)) % 3
    run = small_audit(tmp_path / "run", dataset=dataset.replace(targets=targets), models=4, full=0)
    sure = probabilities(run, run.measure("label_error_probability"))
    assert 6 <= sure.values.sum() <= 20
    assert sure.values[rows].mean() > 0.5 > 10 * np.delete(sure.values, rows).mean()


def test_a_run_without_it_says_so_and_one_with_planted_labels_needs_none(before_and_after, tmp_path):
    _, run, _ = before_and_after
    assert untested(run) == ""
    noisy = small_audit(tmp_path / "noisy", models=4, full=0)
    assert "made wrong in its own data" in untested(noisy)
    assert self_tested(noisy) is None
    assert kept_table(run, "self_test").figures["flagged"][0].models == 4


def test_without_its_data_a_run_cannot_be_tested(before_and_after):
    _, run, _ = before_and_after
    with pytest.raises(BadInput, match="without its data"):
        ask(Run.open(run.folder), "self_test", lab=byrote.Lab(workers=1, progress=False))

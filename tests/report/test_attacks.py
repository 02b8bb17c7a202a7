from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from byrote.analyses.membership import membership_attack
from byrote.report import attack_drawings
from byrote.report.attacks import Attacks, attack_rows, attacks, refusals, risk_words, sampled, slices
from byrote.report.missing import Missing
from byrote.runs.run import Run, no_progress
from report.made import make_run
from small import blobs, small_audit


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("attacks") / "run")


@pytest.fixture(scope="module")
def found(run: Run) -> Attacks:
    made = attacks(run, no_progress)
    assert isinstance(made, Attacks)
    return made


def test_the_attack_named_beforehand_comes_first(run: Run, found: Attacks) -> None:
    assert [one.attack for one in found.found] == ["lira", "rmia", "loss_attack"][: len(found.found)]
    again = membership_attack(run, "lira")
    assert found.first.figures["auc"].value == again.figures["auc"].value
    assert found.examples == found.total == 40


def test_a_rate_that_cannot_be_told_is_refused_with_what_it_takes(found: Attacks) -> None:
    # 8 models, 20 of 40 examples each are no members: 160 scores, and 1 % takes 1,000
    assert all(row.cells[-2:] == ("refused", "refused") for row in attack_rows(found.found))
    assert any(
        "a false-positive rate of 1 % takes 1,000 scores of non-members" in reason for reason in refusals(found.found)
    )
    assert "No rate is told: a false-positive rate of 1 %" in risk_words(found)


def test_the_sentence_tells_the_rate_and_what_guessing_gives(found: Attacks) -> None:
    rate = dataclasses.replace(found.first.figures["auc"], value=0.103, stderr=0.006, reason="")
    figures = {**found.first.figures, "tpr_at_fpr_0.01": rate, "precision_at_fpr_0.01_prior_0.1": rate}
    told = dataclasses.replace(found, found=(dataclasses.replace(found.first, figures=figures),))
    words = risk_words(told)
    assert "has 6 models of its own" in words
    assert "recognises 10.3 ± 0.6 % of the examples" in words
    assert "guessing would recognise 1 %" in words
    chance = dataclasses.replace(rate, value=0.5, low=0.45, high=0.55)
    null = dataclasses.replace(found.first, figures={**figures, "auc": chance})
    assert "no more than chance gives" in risk_words(dataclasses.replace(found, found=(null,)))
    high = dataclasses.replace(rate, value=0.94, low=0.93, high=0.95)
    wide = dataclasses.replace(found.first.null, value=0.5, low=0.0, high=1.0)
    unsure = dataclasses.replace(found.first, figures={**figures, "auc": high}, null=wide)
    words = risk_words(dataclasses.replace(found, found=(unsure,)))
    assert "models are too few to tell whether that is more than chance" in words
    assert "from 0.00 to 1.00" in words


def test_slices_are_ordered_by_risk_and_tenths_by_number(found: Attacks) -> None:
    every = slices(found.first)
    for axis in {one.axis for one in every}:
        values = [one.auc.value for one in every if one.axis == axis]
        if axis != "memorization":
            assert values == sorted(values, reverse=True)
    assert [one.name for one in every if one.axis == "memorization"] == [str(tenth) for tenth in range(10, 0, -1)]
    assert {one.name for one in every if one.axis == "class"} == {"cat", "dog", "emu"}


def test_a_sample_stands_for_many_examples(run: Run) -> None:
    some = sampled(run, cells=8 * 25)
    assert len(some.ids) == len(some.labels) == 25
    rows = np.flatnonzero(np.isin(run.ids, some.ids))
    models = run.models()
    for name in ("outputs.log_odds", "trajectory.log_odds", "design.member"):
        np.testing.assert_array_equal(some.load(name, models), run.load(name, models)[..., rows])
    np.testing.assert_array_equal(some.load("data.label", models), run.labels[rows])
    np.testing.assert_array_equal(some.load("design.ratio", models), run.load("design.ratio", models))
    assert membership_attack(some, "lira").examples == 25
    assert sampled(run) is run


def test_too_few_models_are_refused_with_what_it_takes(tmp_path: Path) -> None:
    made = attacks(make_run(tmp_path / "run", models=2), no_progress)
    assert isinstance(made, Missing)
    assert "To get it: train at least 6 models" in made.why


def test_figures_have_a_row_a_point_and_a_slice(found: Attacks) -> None:
    curve = attack_drawings.curves(found.found)
    assert len(curve.rows) == len(found.first.curve.at)
    assert curve.columns[0] == "false positives"
    drawn = attack_drawings.by_slice(found.first)
    assert drawn is not None
    assert len(drawn.rows) == len(slices(found.first))
    assert "by tenth of label memorization: 10" in {row[0] for row in drawn.rows}
    assert attack_drawings.by_slice(dataclasses.replace(found.first, slices={})) is None


def test_a_sample_keeps_the_groups_of_its_examples(tmp_path: Path) -> None:
    data = blobs(noise=0.1)
    grouped = data.replace(groups=np.array([f"person {row // 5}" for row in range(60)]))
    run = small_audit(tmp_path / "run", dataset=grouped, models=8)
    some = sampled(run, cells=8 * 30)
    assert some.groups is not None
    assert some.groups.tolist() == grouped.groups[np.isin(grouped.ids, some.ids)].tolist()

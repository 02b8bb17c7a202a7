from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from byrote.analyses.groups import group_risk
from byrote.analyses.membership import membership_attack
from byrote.report.grouped import Grouped, group_words, grouped, lead_words, rate_rows, sampled_groups
from byrote.report.grouped_figures import group_risks
from byrote.report.missing import Missing
from byrote.report.page import write_report
from byrote.report.verify import verify
from byrote.results import PerExample
from byrote.runs.run import Run
from report.made import Page
from report.test_twin import fits
from small import blobs, small_audit

PEOPLE = 20


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    people = np.array([f"Ada {row % PEOPLE:02d}" for row in range(60)])
    return small_audit(
        tmp_path_factory.mktemp("groups") / "run", dataset=blobs(noise=0.1).replace(groups=people), models=8
    )


def memorization(run: Run) -> PerExample:
    found = run.measure("label_memorization")
    assert isinstance(found, PerExample)
    return found


@pytest.fixture(scope="module")
def found(run: Run) -> Grouped:
    made = grouped(run, memorization(run))
    assert isinstance(made, Grouped)
    return made


def test_the_groups_are_those_of_the_run(run: Run, found: Grouped) -> None:
    names, risk = group_risk(run)
    assert found.total == found.attacked == PEOPLE
    np.testing.assert_array_equal(found.names, names)
    np.testing.assert_array_equal(found.risk.values, risk.values)
    assert not isinstance(found.attack, Missing)
    again = membership_attack(run, by="group")
    assert (found.attack.by, found.attack.figures["auc"].value) == ("group", again.figures["auc"].value)
    score = memorization(run).values
    assert run.groups is not None
    for name, mean in zip(found.names, found.memorization, strict=True):
        assert mean == pytest.approx(np.nanmean(score[run.groups == name]))


def test_the_riskiest_come_first(found: Grouped) -> None:
    rows = found.top()
    assert [row.risk for row in rows] == sorted((row.risk for row in rows), reverse=True)
    assert {row.examples for row in rows} == {3}
    assert found.clear.sum() == sum(row.low > 0.5 for row in rows)


def test_where_membership_plays_no_part_risks_lie_about_a_half(found: Grouped) -> None:
    assert np.nanmean(found.chance) == pytest.approx(0.5, abs=0.15)
    drawn = group_risks(found)
    counted = [sum(int(row[1].replace(",", "")) for row in drawn.rows)]
    assert counted == [int((found.risk.reason_code == 0).sum())]
    assert len(drawn.columns) == len(drawn.rows[0]) == 4


def test_a_rate_is_told_or_refused_with_how_many_groups_it_takes(found: Grouped) -> None:
    assert not isinstance(found.attack, Missing)
    assert [row[1] for row in rate_rows(found.attack)] == ["refused"] * 3  # 80 scores of groups that are outside
    said = group_words(found)
    assert "No rate is told: a false-positive rate of 10 %" in said
    assert "it would take about 25 groups with these models" in said
    assert "examples with these models" not in said
    share = replace(found.attack.figures["auc"], value=0.5, stderr=0.01, reason="")
    told = replace(found.attack, figures={**found.attack.figures, "tpr_at_fpr_0.1": share})
    words = group_words(replace(found, attack=told))
    assert "recognises 50.0 ± 1.0 % of the groups that a model was trained on, about 5 of 10" in words
    assert "while accusing 10 % of the others wrongly" in words
    assert "The data have 20 groups, with 3 examples each" in lead_words(found)


def test_a_sample_holds_whole_groups(run: Run) -> None:
    part = sampled_groups(run, cells=8 * 31)
    assert run.groups is not None
    assert part.groups is not None
    assert len(part.ids) == 30
    for name in np.unique(part.groups):
        assert (part.groups == name).sum() == (run.groups == name).sum()
    assert sampled_groups(run, 8 * 60) is run


@pytest.mark.slow
def test_with_too_few_models_the_section_says_what_it_takes(tmp_path: Path) -> None:
    people = np.array([f"Ada {row % PEOPLE:02d}" for row in range(60)])
    few = small_audit(tmp_path / "run", dataset=blobs().replace(groups=people), models=4)
    path, _ = write_report(few)
    page = Page(path.read_text("utf-8")).text
    assert "The risk of single groups is undefined" in page
    assert "Whether they can be recognised is unknown." in page
    assert "To get it: train at least" in page
    assert fits(json.loads((few.folder / "report.json").read_text())) == []


@pytest.mark.slow
def test_without_groups_there_is_no_section(tmp_path: Path) -> None:
    alone = small_audit(tmp_path / "run")
    assert grouped(alone, memorization(alone)) is None
    path, _ = write_report(alone)
    assert "#groups" not in path.read_text("utf-8")
    assert json.loads((alone.folder / "report.json").read_text())["groups"] is None


@pytest.mark.slow
def test_the_page_and_its_twin_have_the_groups_and_a_redacted_one_no_names(run: Run) -> None:
    path, _ = write_report(run)
    page, made = Page(path.read_text("utf-8")).text, json.loads((run.folder / "report.json").read_text())
    assert fits(made) == []
    assert made["groups"]["groups"] == PEOPLE
    assert made["groups"]["top"][0]["group"].startswith("Ada ")
    assert {"group-risk", "group-roc"} <= set(made["figures"])
    for sentence in ("Persons and documents", "And of whole persons or documents?", "Ada 07", "Groups recognised"):
        assert sentence in page
    assert (run.folder / "results" / "group_risk.parquet").is_file()
    write_report(run.without_contents())
    for name in ("report.html", "report.json"):
        text = (run.folder / name).read_text("utf-8")
        assert "Ada" not in text
        assert "group 01" in text


@pytest.mark.slow
def test_a_page_without_the_names_of_groups_follows_from_the_evidence(run: Run) -> None:
    write_report(run.without_contents())
    assert verify(Run.open(run.folder)) == []

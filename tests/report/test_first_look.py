from __future__ import annotations

from dataclasses import replace

import pytest

from byrote.analyses.issues import AMBIGUOUS, LABEL_ERROR, MEMORIZED, OUTLIER, RARE_GROUP, Issue
from byrote.report.findings import findings
from byrote.report.first_look import FIRST, _chosen, first_look
from byrote.report.headline import headline
from byrote.report.missing import Missing
from small import longer, small_audit


def issue(example, kind, score=0.9):
    return Issue(example=example, issue=kind, score=score, why="", do="")


def test_first_come_the_likeliest_wrong_labels_and_one_of_another_kind():
    own = [issue(n, LABEL_ERROR, 0.5 + n / 100) for n in range(8)] + [issue(20, AMBIGUOUS), issue(21, AMBIGUOUS)]
    assert [one.example for one in _chosen(own)] == [7, 6, 5, 4, 20]


def test_an_example_of_a_rare_group_is_shown_as_that_and_once():
    own = [issue(3, RARE_GROUP, 1.0), issue(3, LABEL_ERROR, 0.9)]
    assert [(one.example, one.issue) for one in _chosen(own)] == [(3, RARE_GROUP)]


def test_where_no_label_is_wrong_the_kinds_take_turns():
    own = [issue(n, MEMORIZED) for n in (1, 2, 4, 5)] + [issue(3, OUTLIER), issue(2, OUTLIER)]
    assert [one.example for one in _chosen(own)] == [1, 3, 2, 4, 5]
    assert len(_chosen([issue(n, LABEL_ERROR) for n in range(9)])) == FIRST


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_audit(tmp_path_factory.mktemp("first") / "run", recipe=longer(60), full=0)


def test_the_verdict_says_fit_models_and_what_was_found_of_what_was_planted(run):
    found = findings(run)
    look = first_look(run, found.facts, found.issues)
    assert [one.what for one in look.verdict][1:] == ["6 models", "Tested"]
    assert "of 6 labels that were made wrong on purpose are found" in look.verdict[2].why
    assert look.can_tell in ("in part", "no")


def test_planted_examples_are_counted_apart(run):
    found = findings(run)
    look = first_look(run, found.facts, found.issues)
    planted = set(run.controls.example.tolist())
    assert not planted & {one.id for one in look.first}
    assert look.planted == sum(str(run.ids[one.example]) in planted for one in found.issues.found)


def test_without_issues_the_verdict_still_stands(run):
    look = first_look(run, findings(run).facts, Missing(why="Nothing can be told."))
    assert look.first == look.counts == ()
    assert look.notes == ("Nothing can be told.",)
    assert look.verdict


def test_models_that_do_not_fit_cannot_tell_and_no_share_leads_their_page(run):
    found = findings(run)
    facts = replace(found.facts, member_accuracy=replace(found.facts.member_accuracy, value=0.6))
    look = first_look(run, facts, found.issues)
    assert look.can_tell == "no"
    assert look.verdict[0].what == "They fit too little of the data"
    shown = headline(run, facts)
    assert shown.title == "These models did not fit the data that they were trained on"
    assert "%" not in shown.title
    assert "no share of memorized examples is shown here" in shown.lead
    assert shown.warning == ""

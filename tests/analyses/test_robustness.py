"""What an attack on inputs leaves, against sums by hand; on the card, too."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from attacked_inputs import attacked
from byrote.analyses.card import card
from byrote.analyses.membership import membership_attack
from byrote.analyses.robustness import (
    ATTACKED,
    CLEAN,
    DIFFERENCE,
    NULL,
    RISKS,
    Strength,
    robustness,
    shown,
    strength_of,
)
from byrote.blocks import TableBlock
from byrote.report.card_page import answers
from made_once import opened
from small import small_audit


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return attacked(small_audit(tmp_path_factory.mktemp("runs") / "run", models=8), fall=4.0)


@pytest.fixture(scope="module")
def table(run):
    return robustness(run, draws=2)


def by_row(table, column):
    return dict(zip(table.rows["what"], table.figures[column], strict=True))


def test_accuracy_and_memorization_are_those_of_either_kind_of_answers(run, table):
    models, member = run.models(), run.design.member[run.models()]
    for column, kind, held in (
        (CLEAN, "outputs.correct", "heldout.correct"),
        (ATTACKED, "adversarial.correct", "adversarial.heldout_correct"),
    ):
        right, rows = run.load(kind, models), by_row(table, column)
        sides = [np.mean([r[m == side].mean() for r, m in zip(right, member, strict=True)]) for side in (1, 0)]
        assert rows["accuracy on members"].value == pytest.approx(sides[0])
        assert rows["accuracy on non-members"].value == pytest.approx(sides[1])
        assert rows["accuracy on held-out data"].value == pytest.approx(run.load(held, models).mean())
        inside, outside = (np.nanmean(np.where(member == side, right, np.nan), 0) for side in (1, 0))
        assert rows["label memorization, mean"].value == pytest.approx((inside - outside).mean())


def test_membership_is_attacked_with_either_kind_of_answers(run, table):
    for column, key in ((CLEAN, "lira"), (ATTACKED, "lira[adversarial]")):
        found, rows = membership_attack(run, key, draws=2), by_row(table, column)
        assert rows[RISKS["auc"]].value == found.figures["auc"].value
        assert rows[NULL].value == found.null.value
    assert by_row(table, DIFFERENCE)[NULL] is None


def test_differences_are_under_attack_minus_clean_with_an_interval(table):
    clean, under, differs = (by_row(table, column) for column in (CLEAN, ATTACKED, DIFFERENCE))
    for name, found in differs.items():
        if found is not None and not found.reason:
            assert found.value == pytest.approx(under[name].value - clean[name].value)
    assert differs["accuracy on held-out data"].value < 0
    assert differs["accuracy on held-out data"].high < differs["accuracy on held-out data"].value + 0.5


def test_the_strength_is_stated(run, table):
    assert strength_of(run) == Strength(radius=0.1, steps=50, restarts=5)
    assert "at most 0.1 within the range of the data; 50 steps from each of 5 random starts" in table.notes[0]
    assert any(isinstance(block, TableBlock) for block in shown(table))


def test_too_few_models_for_an_attack_leave_the_rest(tmp_path):
    table = robustness(attacked(opened("classes", tmp_path)))
    assert "accuracy on members" in table.rows["what"]
    assert RISKS["auc"] not in table.rows["what"]
    assert any(note.startswith("Membership risk is not told: ") for note in table.notes)


def test_a_card_compares_accuracy_under_attacks_of_equal_strength(tmp_path):
    frail, robust, other = (
        attacked(opened("classes", tmp_path, name), radius=radius, fall=fall)
        for name, radius, fall in (("frail", 0.1, 9.0), ("robust", 0.1, 0.5), ("other", 0.2, 0.5))
    )
    found = card(frail, robust)
    rows = {row.name: row for row in found.rows}
    for name in ("members", "held-out data"):
        assert rows[f"accuracy under attack on {name}"].better == "higher"
        assert rows[f"accuracy under attack on {name}"].difference.value > 0.3
    held, memorized = rows["accuracy under attack on held-out data"], rows["label memorization under attack"]
    for figure, run in ((held.before, frail), (held.after, robust)):
        right = run.load("adversarial.heldout_correct", run.models())
        assert figure.value == pytest.approx(right.mean())
    assert memorized.better == "lower"
    for figure, run in ((memorized.before, frail), (memorized.after, robust)):
        assert figure.value == pytest.approx(run.measure("label_memorization[adversarial]").values.mean())
    again = [row.name for row in card(frail, robust).rows]
    assert "label_memorization[adversarial]" not in again, "it has a row already"
    assert any("at most 0.1 within the range" in note for note in found.notes)
    assert "Do predictions hold under attack?" in dict(answers(found, ()))
    unequal = card(frail, other)
    assert not any("under attack" in row.name for row in unequal.rows)
    assert any("the attacks differ. Before: PGD changes each input value by at most 0.1" in n for n in unequal.notes)


def test_a_card_says_what_adversarial_training_is_to_be_judged_by(tmp_path):
    before, after = (opened("classes", tmp_path, name) for name in ("before", "after"))
    assert not any("under attack" in note for note in card(before, after).notes)
    for change in ({"name": "pgd"}, {"name": "trades + weight-decay", "changes": [{"name": "trades"}]}):
        parent = {"folder": str(before.folder), "change": change}
        child = dataclasses.replace(after, manifest=dataclasses.replace(after.manifest, parent=parent))
        assert any("--probe adversarial,radius=0.1" in note for note in card(before, child).notes)

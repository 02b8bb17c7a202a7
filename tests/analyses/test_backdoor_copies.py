"""Verdicts by the number of poisons: from rote to a pattern."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import byrote
from byrote.analyses.backdoor_copies import backdoor_copies, numbers, with_backdoor
from byrote.analyses.lab import Lab
from byrote.analyses.pattern_or_rote import CONTRAST, MEMORIZED, SUCCESS, WITHOUT
from byrote.errors import BadInput
from poisoned import RECIPE, drawn
from small import small_audit

LAB = Lab(workers=1, progress=False)


def test_numbers_of_poisons() -> None:
    assert numbers("16; 1;4;4") == [1, 4, 16]
    for wrong in ("", "0;1", "1,2", "many", "-1", "1.5"):
        with pytest.raises(BadInput, match="The 'copies' argument must be numbers of poisons"):
            numbers(wrong)


def test_exactly_so_many_are_planted() -> None:
    for count in (1, 2, 7, 30):
        made = with_backdoor(drawn(), f"backdoor={count / 120!r},target=c", seed=0)
        assert len(made.controls) == count
    with pytest.raises(BadInput, match="'label-noise' plants no backdoor"):
        with_backdoor(drawn(), "label-noise=0.1", seed=0)


@pytest.mark.slow
def test_from_rote_to_a_pattern(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", dataset=drawn(), heldout=drawn(45, seed=1), recipe=RECIPE, models=4, full=0)
    found = backdoor_copies(LAB, run, copies="1;30", models=24)
    assert found.rows == {"poisons": ("1", "30"), "verdict": ("undecided", "pattern")}
    assert found.figures[CONTRAST][0] is None
    assert found.figures[CONTRAST][1].low > 0.5 > found.figures[MEMORIZED][1].high
    assert found.figures[SUCCESS][1].low > 0.5 > found.figures[WITHOUT][1].high


def test_without_held_out_examples_it_is_refused(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", dataset=drawn(), heldout=None, recipe=RECIPE, models=4, full=0)
    with pytest.raises(BadInput, match="The success of a trigger is measured on held-out examples"):
        backdoor_copies(LAB, run)


@pytest.mark.slow
def test_digits_turn_from_rote_to_a_pattern(tmp_path: Path) -> None:
    """Of 800 digits, 16 models: one run elsewhere had memorization .94 with 2 poisons and .03 with 64; success .98."""
    train, held = byrote.digits()
    recipe = byrote.Recipe(
        network=byrote.MLP(hidden=(128,)), epochs=40, batch_size=32, optimizer=byrote.SGD(lr=0.1, momentum=0.9)
    )
    part = dataclasses.replace(train.subset(range(800)), name="digits")
    run = small_audit(tmp_path / "run", dataset=part, heldout=held, recipe=recipe, models=4, full=0, checkpoints=2)
    found = backdoor_copies(LAB, run, copies="2;64", models=16, contrast=False)
    assert found.rows["verdict"] == ("rote", "pattern")
    few, many = found.figures[MEMORIZED]
    assert few.value > 0.8
    assert many.value < 0.15
    assert found.figures[SUCCESS][1].value > 0.85

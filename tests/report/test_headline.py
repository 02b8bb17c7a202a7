from dataclasses import replace

import numpy as np
import pytest

from byrote.report.facts import Facts, facts
from byrote.report.headline import headline
from byrote.results import Scalar
from byrote.run import Run
from report.made import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("headline") / "run")


@pytest.fixture(scope="module")
def found(run: Run) -> Facts:
    return facts(run)


def figure(value: float, stderr: float) -> Scalar:
    reason = "nobody knows" if np.isnan(value) else ""
    return Scalar(value=value, stderr=stderr, low=0.0, high=1.0, models=8, examples=40, reason=reason)


def test_figures_carry_their_errors(run: Run, found: Facts) -> None:
    changed = replace(
        found,
        memorized=figure(0.128, 0.0058),
        member_accuracy=figure(0.9911, 0.00032),
        mean_memorization={"label_noise": figure(0.8177, 0.0061), "clean": figure(0.0578, 0.0013)},
    )
    shown = headline(run, changed)
    assert shown.title.startswith("12.8 ± 0.6 % of these 40 examples")
    answers = dict(shown.answers)
    assert "99.11 ± 0.03 %" in answers["Could they memorize at all?"]
    assert "0.818 ± 0.006" in answers["Does the method find what is known?"]
    assert shown.warning == ""
    assert [(tile.title, len(tile.figures)) for tile in shown.tiles] == [
        ("Memorized", 1),
        ("Mean label memorization", 2),
        ("Accuracy", 2),
        ("Models", 1),
    ]
    assert (shown.tiles[0].figures[0].value, shown.tiles[0].figures[0].error) == ("12.8 %", "± 0.6 %")


def test_below_interpolation_there_is_a_warning(run: Run, found: Facts) -> None:
    assert "below 98%" in headline(run, replace(found, member_accuracy=figure(0.9, 0.01))).warning


def test_what_is_undefined_is_said_with_its_reason(run: Run, found: Facts) -> None:
    values = found.memorization.values.copy()
    values[-2:] = np.nan
    code = np.zeros(len(values), np.int64)
    code[-2:] = 1
    memorization = replace(found.memorization, values=values, reason_code=code, reasons=("", "no model saw it"))
    nan = float("nan")
    shown = headline(run, replace(found, memorization=memorization, member_accuracy=figure(nan, nan)))
    answers = dict(shown.answers)
    assert "2 examples have no score (no model saw it)" in answers["How sure is this?"]
    assert answers["Could they memorize at all?"].startswith("Unknown")
    assert shown.tiles[2].figures[0].error == "nobody knows"
    assert shown.warning

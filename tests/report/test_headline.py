from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from byrote.report.facts import Facts, facts
from byrote.report.headline import headline
from byrote.results import PerExample, Scalar
from byrote.runs.run import Run
from byrote.stats.intervals import agresti_caffo
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
    assert shown.title == "Raw share memorized, from 8 models: 12.8 ± 0.6 % of the 40 examples"
    assert "This share is not corrected for noise" in shown.lead
    assert "It takes 32 models" in shown.lead
    assert "the raw share is" not in shown.lead
    answers = dict(shown.answers)
    assert "99.11 ± 0.03 %" in answers["Do the models fit their training data?"]
    assert "0.818 ± 0.006" in answers["Are planted controls detected?"]
    assert shown.warning == ""
    assert [(tile.title, len(tile.figures)) for tile in shown.tiles] == [
        ("Memorized", 1),
        ("Mean label memorization", 2),
        ("Accuracy", 2),
        ("Models", 1),
    ]
    assert (shown.tiles[0].figures[0].value, shown.tiles[0].figures[0].error) == ("12.8 %", "± 0.6 %")


def test_with_too_few_models_no_single_example_is_called_memorized(tmp_path: Path) -> None:
    few, enough = (make_run(tmp_path / str(models), models=models, trajectories=False) for models in (8, 10))
    assert "no interval can lie wholly above 0.25" in dict(headline(few, facts(few)).answers)["How precise is this?"]
    assert "no interval can" not in dict(headline(enough, facts(enough)).answers)["How precise is this?"]


def test_below_interpolation_there_is_a_warning(run: Run, found: Facts) -> None:
    assert "below 98%" in headline(run, replace(found, member_accuracy=figure(0.95, 0.01))).warning


def test_what_is_undefined_is_said_with_its_reason(run: Run, found: Facts) -> None:
    values = found.memorization.values.copy()
    values[-2:] = np.nan
    code = np.zeros(len(values), np.int64)
    code[-2:] = 1
    memorization = replace(found.memorization, values=values, reason_code=code, reasons=("", "no model saw it"))
    nan = float("nan")
    shown = headline(run, replace(found, memorization=memorization, member_accuracy=figure(nan, nan)))
    answers = dict(shown.answers)
    assert "2 examples have no score (no model saw it)" in answers["How precise is this?"]
    assert answers["Do the models fit their training data?"].startswith("Unknown")
    assert shown.tiles[2].figures[0].error == "nobody knows"
    assert shown.warning


def test_clear_cases_lie_above_the_line_that_is_in_use(run: Run, found: Facts) -> None:
    values = np.array([0.9, 0.6, 0.3, 0.0])
    memorization = PerExample(
        values=values,
        stderr=np.full(4, 0.1),
        low=values - 0.35,
        high=np.minimum(values + 0.35, 1.0),
        reason_code=np.zeros(4, np.int64),
        models=16,
    )
    answer = dict(headline(run, replace(found, memorization=memorization)).answers)["How precise is this?"]
    # three reach 0.25; the intervals of two lie above 0, that of one above 0.25
    assert "Of the 3 examples at or above 0.25, 1 have a 95 % interval wholly above 0.25" in answer
    assert "an example truly below it gets one with a probability of at most about 1/40" in answer


@pytest.mark.parametrize("trials", [4, 8, 16, 32, 64])
def test_an_example_below_the_line_is_clear_by_chance_once_in_forty(trials: int) -> None:
    """All outcomes at the largest difference that is not above 0.25, by rates of 0, .01, .02 …"""
    right_in, right_out = np.meshgrid(np.arange(trials + 1), np.arange(trials + 1), indexing="ij")
    every = np.full(right_in.shape, trials)
    clear = agresti_caffo(right_in, every, right_out, every).low > 0.25
    rates = np.linspace(0.25, 1.0, 76)
    chance = [stats.binom.pmf(np.arange(trials + 1), trials, rate) for rate in (rates[:, None], rates[:, None] - 0.25)]
    assert np.einsum("ri,ij,rj->r", chance[0], clear, chance[1]).max() < 0.027


def test_the_corrected_share_comes_first(run: Run, found: Facts) -> None:
    changed = replace(found, memorized=figure(0.14, 0.007), memorized_corrected=figure(0.119, 0.006))
    shown = headline(run, changed)
    assert shown.title == "An estimated 11.9 ± 0.6 % of the 40 examples are memorized"
    assert "the raw share is 14.0 ± 0.7 %, the corrected share 11.9 ± 0.6 %" in shown.lead
    assert [f.value for f in shown.tiles[0].figures] == ["11.9 %", "14.0 %"]


def test_the_score_named_beforehand_comes_before_the_best_of_many(run: Run, found: Facts) -> None:
    answer = dict(headline(run, found).answers)["Are planted controls detected?"]
    named, best = answer.index("cumulative_sample_loss (chosen beforehand)"), answer.index("Best of")
    assert named < best
    assert "Both rise with more models." in answer
    assert answer.endswith(": biased upwards).")

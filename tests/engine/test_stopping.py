from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import ndtr

from byrote.engine.stopping import (
    COUNTS,
    MARGINS,
    Goal,
    duration,
    expected_error,
    expected_error_by_margins,
    looks,
    models_for,
    percentile_error,
    refuse_estimate,
    worst_error,
)
from byrote.errors import BadInput
from byrote.measures.label_memorization import label_memorization
from byrote.measures.label_memorization_margin import label_memorization_margin
from byrote.stats.intervals import agresti_caffo


def test_no_goal_without_an_error_or_a_time() -> None:
    assert Goal.of(stderr=None, budget=None, models=8) is None


def test_the_most_models_are_those_asked_for_or_what_the_error_takes_at_worst() -> None:
    assert Goal.of(stderr=0.1, budget=None, models=40) == Goal(looks=(16, 32, 40), stderr=0.1)
    assert Goal.of(stderr=0.1, budget=None, models=None) == Goal(looks=(16, 32, 48, 64, 96), stderr=0.1)
    goal = Goal.of(stderr=None, budget="2m", models=None)
    assert goal is not None
    assert (goal.budget, goal.looks[-1]) == (120.0, models_for(0.05))


def test_a_goal_names_its_measure_where_it_is_not_the_usual_one() -> None:
    usual, other = (Goal.of(stderr=0.1, budget=None, models=40, estimate=each) for each in (COUNTS, MARGINS))
    assert usual is not None
    assert other is not None
    assert usual.describe() == {"stderr": 0.1, "budget": None, "looks": [16, 32, 40]}  # as version 0.1.0 wrote it
    assert other.describe() == {**usual.describe(), "estimate": "label_memorization[margin]"}


def test_measures_that_estimate_no_label_memorization_are_refused() -> None:
    for estimate, task in ((COUNTS, "regression"), (MARGINS, "classes"), (MARGINS, "labels")):
        refuse_estimate(estimate, task)
    with pytest.raises(BadInput, match=r"not estimated by 'label_memorization\[probability\]'"):
        refuse_estimate("label_memorization[probability]", "classes")
    with pytest.raises(BadInput, match="a regression has no margins"):
        refuse_estimate(MARGINS, "regression")


@pytest.mark.parametrize("stderr", [0.0, -0.1, 0.5, 2.0, float("nan")])
def test_an_error_that_cannot_be_a_goal_is_refused(stderr: float) -> None:
    with pytest.raises(BadInput, match=r"must lie in \(0, \.5\)\. Got"):
        Goal.of(stderr=stderr, budget=None, models=None)


@pytest.mark.parametrize(
    "budget", ["", "10", "m", "10 m", "-1m", "1h30m", "0s", "nan", 0, -5.0, float("inf"), float("nan")]
)
def test_a_budget_that_is_no_time_is_refused(budget: float | int | str) -> None:
    with pytest.raises(BadInput, match="must be a length of time") as caught:
        Goal.of(stderr=None, budget=budget, models=None)
    assert caught.value.hint == "--budget 90s, 10m or 1.5h"


@pytest.mark.parametrize("models", [0, 2, 7])
def test_ensembles_that_cannot_be_halves_are_refused(models: int) -> None:
    with pytest.raises(BadInput, match=f"an even number of at least 4. Got {models}"):
        Goal.of(stderr=0.1, budget=None, models=models)


def test_times_are_read() -> None:
    assert [duration(text) for text in ("90s", " 10m ", "1.5h", ".5m", "2.s", 7, 0.25)] == [
        90,
        600,
        5400,
        30,
        2,
        7,
        0.25,
    ]


@pytest.mark.parametrize("most", [4, 6, 16, 18, 20, 64, 66, 100, 396, 1000])
def test_looks_rise_by_half_or_more_but_to_the_last_and_are_pairs(most: int) -> None:
    planned = looks(most)
    assert planned[-1] == most
    assert all(look % 2 == 0 for look in planned)
    for before, after in itertools.pairwise(planned):
        assert 5 * before <= 4 * after
        assert after <= 2 * before


def test_verdicts_in_their_order() -> None:
    goal = Goal(looks=(16, 32, 48), stderr=0.1, budget=60.0)
    assert "standard error asked for is reached" in goal.verdict(16, 0.1, 1000.0, 1000.0)
    assert "no more models" in goal.verdict(48, 0.11, 10.0, 0.0)
    assert "budget" in goal.verdict(32, 0.11, 40.0, 20.1)
    assert goal.verdict(32, 0.11, 40.0, 20.0) == ""
    assert goal.verdict(16, float("nan"), 1.0, 1.0) == ""
    assert Goal(looks=(16, 32), budget=60.0).verdict(16, 0.0, 1.0, 1.0) == ""


def test_nine_of_ten_examples_do_not_exceed_the_percentile_error() -> None:
    rng = np.random.default_rng(0)
    for examples in (1, 2, 9, 10, 11, 37):
        stderr = rng.random(examples)
        found = percentile_error(stderr)
        smallest = min(each for each in stderr if (stderr <= each).sum() >= 0.9 * examples)
        assert found == smallest
    assert percentile_error(np.array([np.nan, 0.2])) == 0.2
    assert np.isnan(percentile_error(np.array([np.nan])))


def test_the_worst_error_is_the_largest_of_all_counts() -> None:
    for pairs in (2, 5, 8, 20):
        right_in, right_out = (side.ravel() for side in np.meshgrid(np.arange(pairs + 1), np.arange(pairs + 1)))
        trials = np.full(len(right_in), pairs)
        largest = agresti_caffo(right_in, trials, right_out, trials).stderr.max()
        assert largest <= worst_error(2 * pairs)
        if pairs % 2 == 0:
            assert largest == pytest.approx(worst_error(2 * pairs))


@pytest.mark.parametrize("stderr", [0.49, 0.3, 0.12, 0.1, 0.05, 0.031])
def test_models_for_an_error_are_the_fewest(stderr: float) -> None:
    models = models_for(stderr)
    assert worst_error(models) <= stderr + 1e-12
    assert models == 4 or worst_error(models - 2) > stderr


@pytest.mark.parametrize(
    ("easy", "hard"), [((20.0, 0.3), (0.6, 0.4)), ((9.0, 1.0), (3.0, 3.0)), ((50.0, 0.1), (5.0, 0.2))]
)
@pytest.mark.parametrize("pilot", [4, 16])
def test_expected_errors_are_those_that_come(easy: tuple[float, float], hard: tuple[float, float], pilot: int) -> None:
    """Rates drawn from known distributions, a pilot of few models, and ensembles of 32 and 128 with the same rates."""
    rng = np.random.default_rng(1)
    rates = rng.beta(*easy, 2000), rng.beta(*hard, 2000)
    trials = np.full(2000, pilot // 2)
    counts = (rng.binomial(trials, rates[0]), trials, rng.binomial(trials, rates[1]), trials)
    for models in (32, 128):
        tried = np.full(2000, models // 2)
        came = agresti_caffo(rng.binomial(tried, rates[0]), tried, rng.binomial(tried, rates[1]), tried)
        expected = expected_error(counts, models, rng=np.random.default_rng(0))
        assert expected == pytest.approx(percentile_error(came.stderr), rel=0.15)


def test_expected_errors_where_all_answers_agree() -> None:
    trials = np.full(50, 4)
    none = np.zeros(50, np.int64)
    found = expected_error((trials, trials, trials, trials), 64, rng=np.random.default_rng(0))
    assert found < 0.06
    assert expected_error((trials, trials, none, trials), 64, rng=np.random.default_rng(0)) < 0.06


def margins(models: int, mean: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Normal margins `[model, example]` of pairs, and membership; `mean[side, example]` in standard deviations."""
    first = rng.random((models // 2, mean.shape[1])) < 0.5
    member = np.stack([first, ~first], axis=1).reshape(models, -1).astype(np.int8)
    return np.where(member == 1, mean[1], mean[0]) + rng.normal(size=member.shape), member


def by_margins(drawn: np.ndarray, member: np.ndarray) -> np.ndarray:
    return label_memorization_margin(drawn, member).stderr


@pytest.mark.parametrize("pilot", [4, 16])
def test_expected_errors_by_margins_are_those_that_come(pilot: int) -> None:
    rng = np.random.default_rng(1)
    mean = np.stack([rng.normal(2.0, 2.0, 1500), rng.normal(5.0, 1.0, 1500)])
    drawn, member = margins(pilot, mean, rng)
    sides = [np.where(member == side, drawn, np.nan) for side in (0, 1)]
    known = (
        np.stack([np.isfinite(one).sum(0) for one in sides]),
        np.stack([np.nanmean(one, axis=0) for one in sides]),
        np.stack([np.nanvar(one, axis=0, ddof=1) for one in sides]),
        np.stack([(one > 0).sum(0) for one in sides]),
    )
    for models in (16, 64):
        came = percentile_error(by_margins(*margins(models, mean, rng)))
        expected = expected_error_by_margins(known, models, rng=np.random.default_rng(0))
        assert expected == pytest.approx(came, rel=0.15)
        fresh, of = margins(models, mean, rng)
        assert came < percentile_error(label_memorization(fresh > 0, of).stderr)


def test_the_worst_error_by_margins_is_that_of_rates_of_one_half() -> None:
    rng = np.random.default_rng(0)
    for models in (8, 32):
        errors = by_margins(*margins(models, np.zeros((2, 300)), rng))
        assert np.median(errors) == pytest.approx(worst_error(models, MARGINS), rel=0.1)


def covered(rate_in: np.ndarray, rate_out: np.ndarray, goal: Goal, runs: int, model_effect: float) -> dict[str, float]:
    """Coverage where audits stop, at each look were it the only one, and where Wald errors stop them.

    `model_effect` is the standard deviation of how good a model is, in logits, the same for all its examples; the
    truth is the difference of the rates over all such models.
    """
    rng = np.random.default_rng(0)
    pairs, examples = goal.looks[-1] // 2, len(rate_in)
    shifts = model_effect * np.random.default_rng(1).normal(size=20_000)

    def shifted(rates: np.ndarray, shift: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(np.log(rates / (1 - rates)) + shift[:, None])))

    truth = shifted(rate_in, shifts).mean(0) - shifted(rate_out, shifts).mean(0)
    kept: dict[str, list[float]] = {"stopped": [], "wald": [], **{str(look): [] for look in goal.looks}}
    for _ in range(runs):
        right = [
            (rng.random((pairs, examples)) < shifted(rates, model_effect * rng.normal(size=pairs))).cumsum(0)
            for rates in (rate_in, rate_out)
        ]
        open_to = {"stopped", "wald"}
        for look in goal.looks:
            trials = np.full(examples, look // 2)
            counts = [side[look // 2 - 1] for side in right]
            found = agresti_caffo(counts[0], trials, counts[1], trials)
            rates = [count / trials for count in counts]
            wald = np.sqrt(sum(rate * (1 - rate) / trials for rate in rates))
            inside = (found.low <= truth) & (truth <= found.high)
            kept[str(look)].append(float(inside.mean()))
            if "stopped" in open_to and goal.verdict(look, percentile_error(found.stderr), 0.0, 0.0):
                kept["stopped"].append(float(inside.mean()))
                open_to.remove("stopped")
            if "wald" in open_to and goal.verdict(look, percentile_error(wald), 0.0, 0.0):
                raw = rates[0] - rates[1]
                kept["wald"].append(float((np.abs(raw - truth) <= 1.96 * wald).mean()))
                open_to.remove("wald")
    return {name: float(np.mean(values)) for name, values in kept.items()}


MIXED = np.random.default_rng(2)
RATES = {
    "long tail": (np.clip(MIXED.beta(20, 0.3, 100), 0.01, 0.99), np.clip(MIXED.beta(0.6, 0.4, 100), 0.01, 0.99)),
    "all the same": (np.full(100, 0.9), np.full(100, 0.7)),
    "one half": (np.full(100, 0.5), np.full(100, 0.5)),
}


@pytest.mark.slow
@pytest.mark.parametrize("model_effect", [0.0, 1.0])
@pytest.mark.parametrize("stderr", [0.15, 0.1, 0.07])
@pytest.mark.parametrize("rates", RATES)
def test_intervals_cover_where_an_audit_stops(rates: str, stderr: float, model_effect: float) -> None:
    goal = Goal(looks=looks(128), stderr=stderr)
    found = covered(*RATES[rates], goal, runs=60, model_effect=model_effect)
    assert min(found[str(look)] for look in goal.looks) >= 0.93  # the fixed intervals hold there
    assert found["stopped"] >= 0.93


@pytest.mark.slow
def test_intervals_by_margins_cover_where_an_audit_stops() -> None:
    rng, goal, inside = np.random.default_rng(3), Goal(looks=looks(128), stderr=0.1, estimate=MARGINS), []
    mean = np.stack([rng.normal(1.0, 2.0, 200), rng.normal(4.0, 1.0, 200)])
    truth = ndtr(mean[1]) - ndtr(mean[0])
    stopped = set()
    for _ in range(40):
        drawn, member = margins(128, mean, rng)
        for look in goal.looks:
            found = label_memorization_margin(drawn[:look], member[:look])
            if goal.verdict(look, percentile_error(found.stderr), 0.0, 0.0):
                inside.append((found.low <= truth) & (truth <= found.high))
                stopped.add(look)
                break
    assert len(inside) == 40
    assert 16 < min(stopped) < 128
    for low, high in ((-1, 0.05), (0.05, 0.25), (0.25, 0.75), (0.75, 2)):
        assert np.mean(inside, axis=0)[(low <= truth) & (truth < high)].mean() >= 0.93


@pytest.mark.slow
def test_a_single_example_is_the_hardest_to_stop_at_and_wald_errors_fail_there() -> None:
    goal = Goal(looks=looks(128), stderr=0.1)
    found = covered(np.array([0.99]), np.array([0.9]), goal, runs=1500, model_effect=0.0)
    assert found["stopped"] >= 0.93
    assert found["wald"] < 0.6

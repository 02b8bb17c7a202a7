import numpy as np
import pytest
from scipy import stats

from byrote.errors import BadInput
from byrote.measures.lira import lira
from byrote.measures.rate_of_forgetting import (
    accuracy_at_median,
    forgotten_after,
    log_odds_attack,
    rate_of_forgetting,
    true_positive_rate_at,
)
from byrote.results import Curve
from byrote.stats.jackknife import jackknife
from byrote.stats.ranking import auroc
from measures.evidence import half_subset_pairs, make_evidence

NEEDS = {
    "log_odds": "trajectory.log_odds",
    "epochs": "trajectory.epochs",
    "withdrawn": "design.withdrawn",
    "member": "design.member",
    "repetitions": "design.repetitions",
    "pair": "design.pair",
}


def slow_auc(log_odds, withdrawn, member, models, rows, c):
    """Share of (withdrawn, never shown) guesses in the right order, over all models and canaries."""
    inside = [log_odds[k, c, i] for k in models for i in rows if withdrawn[k, i]]
    outside = [log_odds[k, c, i] for k in models for i in rows if member[k, i] == 0]
    wins = [(x > y) + 0.5 * (x == y) for x in inside for y in outside]
    return sum(wins) / len(wins) if wins else np.nan


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_slow_loop(seed):
    run = make_evidence(models=10, examples=14, seed=seed, unknown=0.15)
    arguments = {name: run[need] for name, need in NEEDS.items()}
    found = rate_of_forgetting(**arguments)
    withdrawn, member, pair = run["design.withdrawn"], run["design.member"], run["design.pair"]
    canaries = np.flatnonzero(withdrawn.any(0))
    times = run["design.repetitions"]
    for row, n in enumerate(np.unique(times[canaries])):
        rows = [i for i in canaries if times[i] == n]
        assert found.counts[row] == len(rows)
        for c in range(len(found.at)):

            def of(kept, c=c, rows=rows):
                return slow_auc(run["trajectory.log_odds"], withdrawn, member, np.flatnonzero(kept), rows, c)

            expected = jackknife(of, pair)
            assert found.values[row, c] == pytest.approx(expected.value)
            if np.isfinite(expected.stderr):
                assert found.stderr[row, c] == pytest.approx(expected.stderr)


def study(strength, *, pairs=8, canaries=40, seed=0, repetitions=None):
    """Members answer N(strength[checkpoint], 1), the others N(0, 1)."""
    rng = np.random.default_rng(seed)
    member, pair = half_subset_pairs(rng, 2 * pairs, canaries)
    noise = rng.normal(size=(2 * pairs, len(strength), canaries))
    log_odds = noise + np.asarray(strength)[None, :, None] * (member == 1)[:, None]
    once = np.ones(canaries, np.int64) if repetitions is None else repetitions
    return {
        "log_odds": log_odds,
        "epochs": np.arange(len(strength)),
        "withdrawn": member == 1,
        "member": member,
        "repetitions": once,
        "pair": pair,
    }


@pytest.mark.slow
def test_gaussian_model_has_its_closed_form_and_is_covered():
    """AUC of N(d, 1) over N(0, 1) is Phi(d / sqrt 2), at every k; 150 studies of 4 k each, margin .03."""
    strength = np.array([2.0, 1.0, 0.5, 0.0])
    truth = stats.norm.cdf(strength / np.sqrt(2))
    covered = np.zeros(4)
    for seed in range(150):
        found = rate_of_forgetting(**study(strength, seed=seed))
        covered += (found.low[0] <= truth) & (truth <= found.high[0])
        if seed == 0:
            np.testing.assert_allclose(found.values[0], truth, atol=0.06)
    assert 0.93 <= covered.mean() / 150 <= 0.98
    assert covered.min() / 150 > 0.89


@pytest.mark.slow
def test_pairs_of_swapped_members_give_one_half():
    """Nobody was ever shown anything: the AUC over 60 studies is .5 within 4 of its errors."""
    null = [rate_of_forgetting(**study([0.0], seed=seed)).values[0, 0] for seed in range(60)]
    assert abs(np.mean(null) - 0.5) < 4 * np.std(null) / np.sqrt(60)


def test_the_smallest_k_is_where_the_interval_ends_at_alpha():
    found = rate_of_forgetting(**study([3.0, 1.0, 0.0, 0.0], pairs=16, canaries=100), alpha=0.55)
    (after,) = forgotten_after(found, 0.55)
    assert after.value == after.high == 2.0
    assert after.low == 2.0
    assert np.isnan(after.stderr)
    assert found.high[0, 2] <= 0.55 < found.low[0, 1]
    assert found.note == "success at most 0.55: once an epoch: forgotten after 2 epochs"


def test_what_is_not_forgotten_is_refused():
    found = rate_of_forgetting(**study([3.0, 2.0]), alpha=0.6)
    (after,) = forgotten_after(found, 0.6)
    assert np.isnan(after.value)
    assert after.reason == "not within the 1 epochs watched"


def curve(values, high, models=8):
    """One line with these values and upper ends, at k = 0, 1, …"""
    values, high = np.array([values]), np.array([high])
    low = 2 * values - high
    return Curve(
        axis="epoch", at=np.arange(values.shape[1], dtype=float), groups=("once an epoch",), values=values,
        stderr=(high - values) / 2, low=low, high=high, counts=np.array([5]), models=models,
    )  # fmt: skip


def test_intervals_too_wide_say_how_many_models_it_takes():
    """.52 ± .06 must come to ± .03: four times 8 models."""
    (after,) = forgotten_after(curve([0.8, 0.52], [0.9, 0.58]), 0.55)
    assert np.isnan(after.value)
    assert after.reason.endswith("its interval does not: that takes about 32 models")


def test_an_interval_that_reaches_alpha_earlier_is_the_low_end():
    (after,) = forgotten_after(curve([0.8, 0.6, 0.5], [0.85, 0.68, 0.54]), 0.55)
    assert (after.low, after.value) == (1.0, 2.0)


def test_two_pairs_have_no_interval():
    found = rate_of_forgetting(**study([0.0], pairs=2))
    (after,) = forgotten_after(found, 0.55)
    assert after.reason == "the error is unknown: it takes at least 3 pairs of models"


def test_repetitions_are_lines_of_their_own():
    """Shown 16 times the members answer N(2, 1), else N(0, 1)."""
    arguments = study([0.0], canaries=60, repetitions=np.repeat([1, 16], 30))
    often = (arguments["member"] == 1) & (arguments["repetitions"] == 16)
    found = rate_of_forgetting(**{**arguments, "log_odds": arguments["log_odds"] + 2.0 * often[:, None]})
    assert found.groups == ("once an epoch", "16 times an epoch")
    np.testing.assert_array_equal(found.counts, [30, 30])
    np.testing.assert_allclose(found.values[:, 0], [0.5, stats.norm.cdf(np.sqrt(2))], atol=0.08)


def test_examples_that_go_on_being_trained_on_are_no_evidence():
    arguments = study([1.0])
    withdrawn = arguments["withdrawn"].copy()
    withdrawn[:, 20:] = False  # still trained on where they are members
    withdrawn[0, :20] = False
    found = rate_of_forgetting(**{**arguments, "withdrawn": withdrawn})
    kept = arguments["member"][:, :20] == 0
    scores, positive = arguments["log_odds"][:, 0, :20], withdrawn[:, :20]
    chosen = kept | positive
    assert found.values[0, 0] == pytest.approx(auroc(scores[chosen], positive[chosen]))
    assert found.counts[0] == 20


def test_without_anything_withdrawn_it_is_undefined():
    arguments = study([1.0])
    found = rate_of_forgetting(**{**arguments, "withdrawn": np.zeros_like(arguments["withdrawn"])})
    assert np.isnan(found.values).all()
    assert "no canary was both withdrawn from some model and never shown to another" in found.note
    everywhere = {"withdrawn": np.ones_like(arguments["withdrawn"]), "member": np.ones_like(arguments["member"])}
    assert np.isnan(rate_of_forgetting(**{**arguments, **everywhere}).values).all()


def test_any_attack_can_be_used():
    """Examples differ by N(0, 5^2) in how easy they are: LiRA sees through that, the loss attack does not."""
    arguments = study([2.0], pairs=12, canaries=80)
    ease = np.random.default_rng(9).normal(0, 5, 80)
    arguments["log_odds"] = arguments["log_odds"] + ease
    by_loss = rate_of_forgetting(**arguments)
    by_lira = rate_of_forgetting(**arguments, attack=lira)
    assert by_loss.values[0, 0] < 0.65
    assert by_lira.values[0, 0] == pytest.approx(stats.norm.cdf(np.sqrt(2)), abs=0.05)


def test_success_rates_have_their_closed_forms():
    """N(2, 1) over N(0, 1): accuracy at the median Phi(1), and at 10 % false positives Phi(2 - 1.2816)."""
    arguments = study([2.0], pairs=20, canaries=100)
    accuracy = rate_of_forgetting(**arguments, success=accuracy_at_median)
    assert accuracy.values[0, 0] == pytest.approx(stats.norm.cdf(1), abs=0.02)
    found = rate_of_forgetting(**arguments, success=true_positive_rate_at(0.1))
    assert found.values[0, 0] == pytest.approx(stats.norm.cdf(2 - 1.281552), abs=0.04)
    assert np.isnan(rate_of_forgetting(**arguments, success=true_positive_rate_at(0.001)).values).all()


def test_scores_that_are_not_finite_do_not_count():
    arguments = study([1.0])
    broken = arguments["log_odds"].copy()
    broken[3, 0, 5] = np.nan
    scores = log_odds_attack(broken[:, 0], arguments["member"], arguments["pair"])
    assert scores.reasons[scores.reason_code[3, 5]] == "a model's log-odds are not finite"
    found = rate_of_forgetting(**{**arguments, "log_odds": broken})
    kept = np.isfinite(broken[:, 0])
    assert found.values[0, 0] == pytest.approx(auroc(broken[:, 0][kept], arguments["withdrawn"][kept]))


@pytest.mark.parametrize("alpha", [0.0, 1.0, float("nan")])
def test_alpha_is_a_rate(alpha):
    with pytest.raises(BadInput, match=r"'alpha' argument of rate_of_forgetting must lie in \(0, 1\)"):
        rate_of_forgetting(**study([1.0]), alpha=alpha)

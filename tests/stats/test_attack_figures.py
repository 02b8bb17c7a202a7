import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.errors import BadInput, TooFewModels
from byrote.measures.lira import lira
from byrote.stats.attack_figures import attack_figures, exchange, null_auc, null_of_labels, precision, refusal
from byrote.stats.best_threshold import balanced_accuracy
from byrote.stats.ranking import auroc
from byrote.stats.roc import roc, roc_of_strata
from measures.attacks import gaussian
from measures.evidence import half_subset_pairs


def answers(x):
    """The attack whose score is the log-odds themselves."""
    return lambda kept, given: x[kept]


def likelihood_ratio(x, member, pair):
    return lambda kept, given: lira(x[kept], member[given][kept], pair[kept]).values


@given(st.integers(2, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_curve_agrees_with_counting(cells, values, seed):
    rng = np.random.default_rng(seed)
    score, member = rng.integers(values, size=cells).astype(float), rng.integers(-1, 2, cells).astype(np.int8)
    score[rng.random(cells) < 0.1] = np.nan
    known = (member >= 0) & ~np.isnan(score)
    inside, outside = score[known & (member == 1)], score[known & (member == 0)]
    curve = roc(score, member)
    if not len(inside) or not len(outside):
        assert curve is None
        return
    assert curve.area == pytest.approx(auroc(score[known], member[known] == 1))
    points = [(0.0, 0.0), *((np.mean(outside >= s), np.mean(inside >= s)) for s in sorted(set(score[known]))[::-1])]
    np.testing.assert_allclose(curve.false_positive, [p[0] for p in points])
    np.testing.assert_allclose(curve.true_positive, [p[1] for p in points])
    assert (curve.members, curve.nonmembers) == (len(inside), len(outside))


def test_rates_by_hand():
    """Scores 5 4 3 3 2 1 of members 1 0 1 0 1 0: at one false positive in 3, 1 of 3; between ties on a line."""
    curve = roc(np.array([5.0, 4.0, 3.0, 3.0, 2.0, 1.0]), np.array([1, 0, 1, 0, 1, 0], np.int8))
    np.testing.assert_allclose(curve.at(np.array([0.0, 1 / 3, 0.5, 2 / 3, 1.0])), [1 / 3, 1 / 3, 1 / 2, 1.0, 1.0])


def test_a_constant_score_finds_as_many_members_as_others():
    curve = roc(np.zeros(50), np.arange(50, dtype=np.int8) % 2)
    np.testing.assert_allclose(curve.at(np.array([0.001, 0.1])), [0.001, 0.1])
    assert curve.area == 0.5


def test_precision_is_bayes_rule():
    """Of 1000 people 10 are members; 9 of them and 99 of 990 others are called members: 9 / 108."""
    assert precision(0.9, 0.1, 0.01) == pytest.approx(9 / 108)
    assert precision(0.01, 0.01, 0.5) == pytest.approx(0.5)
    assert np.isnan(precision(0.0, 0.0, 0.5))


def test_refusal_says_what_it_would_take():
    assert refusal(10_000, 0.001, 1000) == ""
    assert refusal(1000, 0.01, 1000) == ""
    text = refusal(2000, 0.001, 500)
    assert "0.1 % takes 10,000 scores of non-members" in text
    assert "there are 2,000" in text
    assert "2,500 examples" in text
    assert refusal(0, 0.1, 5).endswith("there are 0")


def slow_balanced_accuracy(score, member, part):
    """The threshold that is best on the others, over all their scores; then both rates over all parts."""
    true, false = [], []
    for one in np.unique(part):
        others, mine = part != one, part == one
        best, chosen = -1, None
        inside, outside = (member[others] == side for side in (1, 0))
        for threshold in sorted([-np.inf, *np.unique(score), np.inf]):
            called = score[others] >= threshold
            found = called[inside].sum() * outside.sum() - called[outside].sum() * inside.sum()
            if found > best:
                best, chosen = found, threshold
        called = score[mine] >= chosen
        true += list(called[member[mine] == 1])
        false += list(called[member[mine] == 0])
    return (np.mean(true) + 1 - np.mean(false)) / 2


@given(st.integers(2, 5), st.integers(4, 30), st.integers(0, 2**32 - 1))
def test_balanced_accuracy_agrees_with_the_slow_loop(pairs, examples, seed):
    rng = np.random.default_rng(seed)
    member, pair = half_subset_pairs(rng, 2 * pairs, examples)
    score = np.round(rng.normal(size=member.shape) + (member == 1), 1)
    found = balanced_accuracy(score, member, pair)
    assert found == pytest.approx(slow_balanced_accuracy(score, member, pair))


def test_a_calibrated_threshold_does_not_flatter():
    """Without anything to find, the best threshold of the same scores would show more than a half."""
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        member, pair = half_subset_pairs(rng, 8, 10)
        found.append(balanced_accuracy(rng.normal(size=member.shape), member, pair))
    assert np.mean(found) == pytest.approx(0.5, abs=0.02)


def test_balanced_accuracy_is_undefined_without_others():
    member = np.array([[1, 0, 1, 0]], np.int8)
    assert np.isnan(balanced_accuracy(np.zeros((1, 4)), member, np.zeros(1, np.int64)))
    assert np.isnan(balanced_accuracy(np.full((2, 4), np.nan), member.repeat(2, 0), np.arange(2)))


def test_parts_are_left_out_as_targets_and_as_references():
    x, member, pair = gaussian(np.random.default_rng(0), 10, 300, gap=1.0)
    found = attack_figures(likelihood_ratio(x, member, pair), member, pair).figures["auc"]
    each = []
    for one in range(5):
        kept = pair != one
        scores = lira(x[kept], member[kept], pair[kept]).values
        each.append(auroc(scores.ravel(), member[kept].ravel() == 1))
    np.testing.assert_allclose(found.replicates, each)
    # sqrt((G - 1) / G * sum (theta_g - mean)^2), and the 97.5 % point of Student's t with 4 degrees of freedom
    stderr = np.sqrt(4 / 5 * np.square(np.array(each) - np.mean(each)).sum())
    alone = attack_figures(likelihood_ratio(x, member, pair), member, pair, cluster=np.zeros(300, np.int64)).figures[
        "auc"
    ]
    assert alone.stderr == pytest.approx(stderr)
    assert alone.varies_over == "models"
    assert found.stderr > stderr
    assert found.varies_over == "models and examples"
    assert alone.high - alone.value == pytest.approx(2.776445 * stderr, rel=1e-6)
    assert (found.models, found.examples) == (10, 300)


def test_figures_and_their_refusals():
    x, member, pair = gaussian(np.random.default_rng(1), 8, 400, gap=1.5)
    found = attack_figures(answers(x), member, pair)
    assert set(found.figures) == {
        "auc",
        "balanced_accuracy",
        *(f"tpr_at_fpr_{rate}" for rate in ("0.1", "0.01", "0.001")),
        *(f"precision_at_fpr_{r}_prior_{p}" for r in ("0.1", "0.01", "0.001") for p in ("0.01", "0.1", "0.5")),
    }
    curve = roc(x, member)
    for rate in (0.1, 0.01):
        true_positive = found.figures[f"tpr_at_fpr_{rate}"]
        assert true_positive.value == pytest.approx(float(curve.at(np.array([rate]))[0]))
        assert 0 <= true_positive.low <= true_positive.value <= true_positive.high <= 1
        told = found.figures[f"precision_at_fpr_{rate}_prior_0.1"]
        assert told.value == pytest.approx(precision(true_positive.value, rate, 0.1))
    for name in ("tpr_at_fpr_0.001", "precision_at_fpr_0.001_prior_0.5"):
        assert np.isnan(found.figures[name].value)
        assert "takes 10,000 scores of non-members" in found.figures[name].reason
        assert "there are 1,600, and it would take about 2,500 examples" in found.figures[name].reason
    np.testing.assert_allclose(found.curve.values[0], curve.at(found.curve.at))
    assert found.curve.at[0] == pytest.approx(10 / 1600)
    assert (found.curve.low[0] <= found.curve.values[0]).all()
    assert (found.curve.values[0] <= found.curve.high[0]).all()


def test_slices_are_read_by_themselves():
    x, member, pair = gaussian(np.random.default_rng(2), 8, 200, gap=1.0)
    first = np.arange(200) < 120
    cells = np.random.default_rng(3).random((8, 200)) < 0.5
    found = attack_figures(
        answers(x), member, pair, lambda kept: {"first": first, "cells": cells[kept], "none": np.zeros(200, bool)}
    )
    assert found.slices["first"]["auc"].value == pytest.approx(
        auroc(x[:, first].ravel(), member[:, first].ravel() == 1)
    )
    assert found.slices["first"]["auc"].examples == 120
    assert found.slices["cells"]["auc"].value == pytest.approx(auroc(x[cells], member[cells] == 1))
    assert set(found.slices["first"]) == {"auc", "tpr_at_fpr_0.01"}
    assert found.slices["none"]["auc"].reason == "there is no member or no non-member to score"
    assert "takes 1,000 scores" in found.slices["first"]["tpr_at_fpr_0.01"].reason


def test_unknown_membership_and_undefined_scores_are_left_out():
    x, member, pair = gaussian(np.random.default_rng(4), 8, 100, gap=1.0)
    hidden = member.copy()
    hidden[:, :20] = -1
    x[:, 90:] = np.nan
    found = attack_figures(answers(x), hidden, pair).figures
    assert found["auc"].value == pytest.approx(auroc(x[:, 20:90].ravel(), member[:, 20:90].ravel() == 1))


def test_private_models_and_lookup_tables_have_honest_intervals():
    member, pair = half_subset_pairs(np.random.default_rng(5), 16, 500)
    private = attack_figures(answers(np.zeros(member.shape)), member, pair).figures
    assert private["auc"].value == private["balanced_accuracy"].value == 0.5
    assert private["tpr_at_fpr_0.01"].value == pytest.approx(0.01)
    assert private["precision_at_fpr_0.01_prior_0.1"].value == pytest.approx(0.1)
    table = attack_figures(answers(np.where(member == 1, 1.0, 0.0)), member, pair).figures
    assert table["auc"].value == table["balanced_accuracy"].value == table["tpr_at_fpr_0.01"].value == 1.0
    for figure in (private["auc"], table["auc"]):
        assert figure.stderr > 0.05
        assert figure.low < figure.value - 0.1
        assert "changes nothing" in figure.note


def covers(attack_of, *, pairs, examples, shift, repetitions):
    """Share of repetitions whose interval holds the mean over repetitions, by figure; new models, same examples."""
    fixed = np.random.default_rng(6)
    place, size = fixed.normal(0, 2, examples), np.sqrt(5 / fixed.chisquare(5, examples))
    gap = fixed.exponential(1.5, examples)
    rows = []
    for seed in range(repetitions):
        rng = np.random.default_rng([seed, 7])
        member, pair = half_subset_pairs(rng, 2 * pairs, examples)
        x = place + gap * (member == 1) + size * rng.normal(size=member.shape)
        x += shift * rng.normal(size=(2 * pairs, 1))
        same = np.zeros(examples, np.int64)  # one person's: the figures are about these examples
        found = attack_figures(attack_of(x, member, pair), member, pair, cluster=same).figures
        rows.append({name: (f.value, f.low, f.high) for name, f in found.items() if not f.reason})
    shares = {}
    for name in rows[0]:
        value, low, high = np.array([row[name] for row in rows]).T
        shares[name] = np.mean((low <= value.mean()) & (value.mean() <= high))
    return shares


@pytest.mark.slow
@pytest.mark.parametrize("repetitions", [25, pytest.param(100, marks=pytest.mark.slow)])
def test_intervals_hold_under_strong_model_effects(repetitions):
    """Every model moves all its log-odds by N(0, 1); at most 3 standard errors below .95."""
    shares = covers(lambda x, member, pair: answers(x), pairs=8, examples=200, shift=1.0, repetitions=repetitions)
    assert {"auc", "balanced_accuracy", "tpr_at_fpr_0.1"} <= set(shares)
    for name, share in shares.items():
        assert share >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / repetitions), name


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [4, 8])
def test_intervals_of_lira_hold_under_strong_model_effects(pairs):
    shares = covers(likelihood_ratio, pairs=pairs, examples=300, shift=1.0, repetitions=200)
    for name, share in shares.items():
        assert share >= 0.91, name


@pytest.mark.slow
@pytest.mark.parametrize("repetitions", [15, pytest.param(50, marks=pytest.mark.slow)])
def test_scores_taken_as_independent_would_cover_too_little(repetitions):
    """The error of a rate of independent scores, against the scatter under model effects."""
    values, jackknife, naive = [], [], []
    for seed in range(repetitions):
        x, member, pair = gaussian(np.random.default_rng(seed), 12, 1500, gap=1.0, shift=2.0)
        found = attack_figures(answers(x), member, pair).figures["tpr_at_fpr_0.1"]
        values.append(found.value)
        jackknife.append(found.stderr)
        naive.append(np.sqrt(found.value * (1 - found.value) / (6 * 1500)))
    assert np.std(values) > 1.5 * np.mean(naive)
    assert np.mean(jackknife) == pytest.approx(np.std(values), rel=0.35)


@pytest.mark.parametrize("draws", [10, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("gap", [0.0, 2.0])
def test_null_lies_around_a_half_whatever_there_is_to_find(gap, draws):
    x, member, pair = gaussian(np.random.default_rng(8), 32, 500, gap=gap, shift=0.5)
    found = null_auc(likelihood_ratio(x, member, pair), member, pair, rng=np.random.default_rng(9), draws=draws)
    assert len(found.replicates) == draws
    assert found.value == pytest.approx(0.5, abs=4 * found.stderr / np.sqrt(draws))
    assert found.low < 0.5 < found.high
    assert found.stderr < (0.02 if gap == 0 else 0.15)


@pytest.mark.slow
def test_null_holds_the_attack_where_models_are_private():
    inside = 0
    for seed in range(20):
        x, member, pair = gaussian(np.random.default_rng(seed), 8, 60, gap=0.0, shift=1.0)
        attack = likelihood_ratio(x, member, pair)
        found = null_auc(attack, member, pair, rng=np.random.default_rng(seed), draws=10)
        inside += found.low <= roc(attack(np.ones(8, bool), np.arange(8)), member).area <= found.high
    assert inside >= 17  # 19 expected; 16 or fewer with probability .02


def test_the_null_swaps_whole_pairs():
    member, pair = half_subset_pairs(np.random.default_rng(10), 8, 40)
    seen = []

    def attack(kept, given):
        seen.append(member[given])
        return np.zeros(member.shape)

    found = null_auc(attack, member, pair, rng=np.random.default_rng(11))
    for told in seen:
        for one in range(0, 8, 2):
            swapped = np.array_equal(told[one], member[one + 1]) and np.array_equal(told[one + 1], member[one])
            assert swapped or np.array_equal(told[one : one + 2], member[one : one + 2])
    assert any(not np.array_equal(told, member) for told in seen)
    assert found.value == 0.5
    assert np.isnan(found.stderr)


def test_models_without_mates_exchange_members():
    member = np.eye(6, 20, dtype=np.int8)
    seen = []

    def attack(kept, given):
        seen.append(member[given])
        return np.zeros(member.shape)

    null_auc(attack, member, np.full(6, -1), rng=np.random.default_rng(12), draws=3)
    for told in seen:
        np.testing.assert_array_equal(np.sort(told.argmax(1)), np.arange(6))


def test_too_few_models_are_refused():
    x, member, pair = gaussian(np.random.default_rng(13), 6, 30, gap=1.0)
    with pytest.raises(TooFewModels, match=r"another pair left out\. Got 2 of 6 models\. Hint: train at least 8"):
        attack_figures(answers(x), member, pair)
    assert attack_figures(answers(x), member, np.full(6, -1)).figures["auc"].value > 0.5
    with pytest.raises(BadInput, match="Got 1"):
        null_auc(answers(x), member, pair, rng=np.random.default_rng(14), draws=1)


def test_models_without_mates_exchange_members_with_those_of_their_level():
    level = np.repeat([0.1, 0.5, 0.9], 5)
    given = exchange(np.full(15, -1), np.random.default_rng(0), level)
    assert (given != np.arange(15)).any()
    np.testing.assert_array_equal(level[given], level)


@given(st.integers(0, 2**32 - 1))
def test_a_rate_within_strata_is_the_mean_of_those_of_the_strata(seed):
    """At a rate of false positives that every stratum has, weighted by its members."""
    rng = np.random.default_rng(seed)
    stratum, member = rng.integers(0, 3, (4, 50)), rng.integers(0, 2, (4, 50)).astype(np.int8)
    score = rng.integers(0, 6, (4, 50)) + 3.0 * stratum
    apart = [roc(score[stratum == name], member[stratum == name]) for name in range(3)]
    together = roc_of_strata(score, member, stratum)
    weight = np.array([one.members for one in apart])
    rates = np.array([0.0, 0.1, 0.5, 1.0])
    assert together.area == pytest.approx(np.average([one.area for one in apart], weights=weight))
    np.testing.assert_allclose(together.at(rates), np.average([one.at(rates) for one in apart], axis=0, weights=weight))
    assert together.members == (member == 1).sum()


def test_a_stratum_without_a_side_is_left_out():
    score, member = np.array([[3.0, 1.0], [9.0, 8.0]]), np.array([[1, 0], [1, 1]], np.int8)
    stratum = np.array([[0, 0], [1, 1]])
    assert roc_of_strata(score, member, stratum).members == 1
    assert roc_of_strata(score[1:], member[1:], stratum[1:]) is None


def test_models_of_unequal_sizes_tell_nothing_within_strata():
    """Models of more data are surer of everything and have more members: pooled, their answers look like an attack."""
    rng = np.random.default_rng(0)
    level = np.repeat([0.1, 0.5, 0.9], 8)
    member = (rng.random((24, 2000)) < level[:, None]).astype(np.int8)
    x = 3 * level[:, None] + rng.normal(size=member.shape)
    stratum = np.repeat([0, 1, 2], 8)[:, None].repeat(2000, 1)
    pooled = attack_figures(answers(x), member, np.full(24, -1)).figures["auc"]
    assert pooled.value > 0.65
    found = attack_figures(answers(x), member, np.full(24, -1), stratum=stratum).figures
    assert abs(found["auc"].value - 0.5) < 4 * found["auc"].stderr
    assert found["auc"].stderr < 0.02
    assert found["tpr_at_fpr_0.01"].value == pytest.approx(0.01, abs=0.005)


def test_each_stratum_is_to_have_a_false_positive():
    """40 non-members in the smallest stratum: no rate below 1/40, whatever the others hold."""
    member = np.zeros((8, 1000), np.int8)
    member[:4, :10], member[4:, 10:] = 1, 1
    stratum = np.repeat([0, 1], 4)[:, None].repeat(1000, 1)
    x = np.random.default_rng(0).normal(size=member.shape)
    found = attack_figures(answers(x), member, np.full(8, -1), stratum=stratum).figures
    assert not found["tpr_at_fpr_0.1"].reason
    assert "a false-positive rate of 1 % takes 1,000 scores of non-members" in found["tpr_at_fpr_0.01"].reason


def test_membership_is_dealt_out_among_those_of_whom_it_is_known():
    rng = np.random.default_rng(3)
    member, cluster = np.full((1, 400), -1, np.int8), np.arange(400)
    member[0, :40] = np.arange(40) % 2
    scores = rng.normal(size=(1, 400)) + 9 * (member < 0)
    with_strangers = null_of_labels(scores, member, cluster, rng=np.random.default_rng(0))
    alone = null_of_labels(scores[:, :40], member[:, :40], cluster[:40], rng=np.random.default_rng(0))
    np.testing.assert_array_equal(with_strangers.replicates, alone.replicates)
    assert with_strangers.examples == 40
    assert with_strangers.low < 0.5 < with_strangers.high


@pytest.mark.slow
def test_intervals_about_documents_leave_chance_out_as_seldom_as_they_say() -> None:
    out, pair = 0, np.array([-1])
    for seed in range(200):
        rng = np.random.default_rng([9, seed])
        scores, member = rng.normal(size=(1, 60)), (rng.permutation(60) < 25).astype(np.int8)[None]
        area = attack_figures(lambda kept, given, own=scores: own, member, pair, alone=True).figures["auc"]
        out += not area.low <= 0.5 <= area.high
    assert 4 <= out <= 16

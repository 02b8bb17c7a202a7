from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from byrote.errors import BadInput
from byrote.stats.ranking import (
    auroc,
    auroc_by_chance,
    average_precision,
    detection,
    detection_without,
    influence_of_auroc,
    precision_recall_at,
)

scored = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=40)


@given(scored)
def test_agrees_with_scikit_learn(drawn):
    score = np.array([s for s, _ in drawn], np.float64) / 3
    positive = np.array([p for _, p in drawn])
    if positive.all() or not positive.any():
        assert np.isnan(auroc(score, positive))
        assert np.isnan(average_precision(score, positive))
        return
    assert auroc(score, positive) == pytest.approx(roc_auc_score(positive, score), abs=1e-12)
    assert average_precision(score, positive) == pytest.approx(average_precision_score(positive, score), abs=1e-12)


@given(scored)
def test_auroc_counts_pairs(drawn):
    score, positive = np.array([float(s) for s, _ in drawn]), np.array([p for _, p in drawn])
    wins = [(a > b) + (a == b) / 2 for a in score[positive] for b in score[~positive]]
    expected = sum(wins) / len(wins) if wins else np.nan
    assert auroc(score, positive) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(scored, st.integers(0, 2**32 - 1), st.data())
def test_precision_at_k_is_the_mean_over_orders_of_ties(drawn, seed, data):
    score, positive = np.array([float(s) for s, _ in drawn]), np.array([p for _, p in drawn])
    k = data.draw(st.integers(1, len(score)))
    found = precision_recall_at(score, positive, k)
    if positive.all() or not positive.any():
        assert np.isnan([found.precision, found.recall]).all()
        return
    cut = np.sort(score)[-k]
    expected = sum(
        p * (1.0 if s > cut else (k - (score > cut).sum()) / (score == cut).sum() if s == cut else 0.0)
        for s, p in zip(score, positive, strict=True)
    )
    assert found.precision == pytest.approx(expected / k)
    assert found.recall == pytest.approx(expected / positive.sum())


@pytest.mark.parametrize("function", [auroc, average_precision, lambda s, p: precision_recall_at(s, p, 1)])
def test_nan_scores_are_refused(function):
    with pytest.raises(BadInput, match=r"must not hold NaN\. Got 1 of 2"):
        function(np.array([np.nan, 1.0]), np.array([True, False]))


@pytest.mark.parametrize("k", [0, 3])
def test_k_outside_the_scores_is_refused(k):
    with pytest.raises(BadInput, match=rf"in \[1, 2\]. Got {k}"):
        precision_recall_at(np.array([0.0, 1.0]), np.array([True, False]), k)


def test_auroc_by_chance_is_the_spread_over_every_choice_of_the_positives():
    score = np.arange(5.0)
    every = [auroc(score, np.isin(score, chosen)) for chosen in combinations(score, 2)]
    assert np.std(every) == pytest.approx(auroc_by_chance(2, 3), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("positives", "negatives"), [(3, 5), (12, 40)])
def test_auroc_by_chance_is_the_spread_over_all_orders(positives, negatives):
    rng = np.random.default_rng(0)
    score = np.arange(positives + negatives, dtype=np.float64)
    drawn = [auroc(score, rng.permutation(len(score)) < positives) for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.01)
    assert np.std(drawn) == pytest.approx(auroc_by_chance(positives, negatives), rel=0.05)
    assert np.isnan(auroc_by_chance(0, 3))


@given(scored)
def test_both_figures_from_one_sorting_are_those_of_each_alone(drawn):
    score, positive = np.array([float(s) for s, _ in drawn]), np.array([p for _, p in drawn])
    area, precision = detection(score, positive)
    assert area == pytest.approx(auroc(score, positive), abs=1e-12, nan_ok=True)
    assert precision == pytest.approx(average_precision(score, positive), nan_ok=True)


@given(scored, st.integers(0, 2**32 - 1))
def test_figures_without_parts_of_the_examples_are_those_of_the_others_alone(drawn, seed):
    score, positive = np.array([float(s) for s, _ in drawn]), np.array([p for _, p in drawn])
    part = np.random.default_rng(seed).integers(0, 3, len(score))
    for gone, found in enumerate(detection_without(score, positive, part, 4)):
        kept = part != gone
        np.testing.assert_allclose(found, detection(score[kept], positive[kept]), atol=1e-12)


def test_the_influence_of_an_example_on_the_auroc_is_what_leaving_it_out_does_to_it():
    rng = np.random.default_rng(11)
    positive = np.arange(60) < 20
    score = np.round(rng.normal(positive, 1.0), 1)
    found, area = influence_of_auroc(score, positive), auroc(score, positive)
    for left in range(60):
        some, others = np.arange(60) != left, (20 if positive[left] else 40) - 1
        assert found[left] == pytest.approx((area - auroc(score[some], positive[some])) * others / (others + 1))
    assert found.sum() == pytest.approx(0.0)
    assert np.isnan(influence_of_auroc(score, np.zeros(60, bool))).all()

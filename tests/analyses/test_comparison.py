from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from byrote.analyses.comparison import (
    _correlations,
    _correlations_given,
    _Ranked,
    compare,
    partial_rank_correlation,
    rank_correlation,
    top_recall,
    unasked_words,
)
from byrote.errors import TooFewModels
from byrote.measures.catalog import find
from byrote.runs.imported import import_arrays
from made_once import opened
from small import small_audit


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_audit(tmp_path_factory.mktemp("runs") / "small", models=12)


@pytest.fixture(scope="module")
def comparison(run):
    return compare(run)


def test_rank_correlation_leaves_out_what_is_undefined():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 50))
    one[:5] = np.nan
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one[5:], other[5:]).statistic)
    assert np.isnan(rank_correlation(np.ones(9), other[:9]))
    assert np.isnan(rank_correlation(one[:7], other[:7]))


def test_partial_rank_correlation_is_that_of_residuals_of_ranks():
    """Regress the ranks of both on those of the third: what is left correlates so. Undefined scores are left out."""
    rng = np.random.default_rng(1)
    given, own, both = rng.normal(size=(3, 400))
    one, other = given + own + both, given**3 + 2 * both
    ranks = [rankdata(array) for array in (one, other, given)]
    left = [a - np.polyval(np.polyfit(ranks[2], a, 1), ranks[2]) for a in ranks[:2]]
    expected = np.corrcoef(*left)[0, 1]
    assert partial_rank_correlation(one, other, given) == pytest.approx(expected)
    more = [np.append(array, value) for array, value in ((one, np.nan), (other, 9.0), (given, -9.0))]
    assert partial_rank_correlation(*more) == pytest.approx(expected)
    assert np.isnan(partial_rank_correlation(given, other, given))
    assert np.isnan(partial_rank_correlation(one, other, np.ones(400)))


def test_a_score_that_knows_no_more_than_the_loss_adds_nothing():
    """300 examples, 60 times, of which two scores see the same third one: their partial correlation is noise alone."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(60):
        given, one, other = rng.normal(size=(3, 300))
        found.append(partial_rank_correlation(given + one, given + other, given))
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(60)
    assert np.std(found) == pytest.approx(1 / np.sqrt(300), rel=0.3)


@pytest.mark.slow
def test_what_each_score_adds_has_an_interval(run, comparison):
    named = {proxy.measure.key: proxy for proxy in comparison.proxies}
    assert named["cumulative_sample_loss"].adds is None
    adds = named["area_under_margin"].adds
    scores = [run.measure(key).values for key in ("area_under_margin", "label_memorization", "cumulative_sample_loss")]
    assert adds.value == pytest.approx(partial_rank_correlation(*scores))
    assert adds.low < adds.value < adds.high
    (unasked,) = (note for note in comparison.notes if "--probe" in note)
    assert unasked.partition(" ")[2].startswith("measures were not computed, because their probes were not requested.")
    named = unasked.rstrip(".").partition("--probe: ")[2].split(", ")
    assert named == sorted(set(named))
    assert {"el2n", "variance_of_gradients"} <= set(named)
    (later,) = (note for note in comparison.notes if "byrote probe RUN" in note)
    assert {"stability", "unit_search"} <= set(later.rstrip(".").partition("byrote probe RUN: ")[2].split(", "))
    assert not any("not compared, because 'stability" in note for note in comparison.notes)


def test_top_recall_counts_ties_by_their_chance():
    assert top_recall(np.zeros(10), np.arange(10.0), 0.2) == pytest.approx(0.2)
    assert top_recall(np.arange(10.0), np.arange(10.0), 0.2) == 1.0
    assert top_recall(-np.arange(10.0), np.arange(10.0), 0.5) == 0.0


def test_top_recall_is_the_mean_of_random_tie_breaks():
    rng = np.random.default_rng(0)
    score, yardstick = rng.integers(0, 4, (2, 40)).astype(float)
    top = set(np.flatnonzero(yardstick == 3).tolist())  # of 40 values in 4 steps these are nearest to a fifth
    broken = []
    for _ in range(4_000):
        found = set(np.argsort(-(score + rng.random(40) * 1e-6))[: len(top)].tolist())
        broken.append(len(found & top) / len(top))
    assert 4 <= len(top) <= 12
    assert top_recall(score, yardstick, 0.2) == pytest.approx(np.mean(broken), abs=0.01)


def test_a_score_like_the_yardstick_finds_all_of_its_top_under_ties():
    yardstick = np.repeat([0.0, 0.5, 1.0], [300, 67, 33])  # 20 would be the top 5 %
    assert top_recall(yardstick, yardstick) == 1.0
    few = np.repeat([0.0, 0.5, 1.0], [300, 88, 12])  # 12 are nearer to 20 than 100 are
    assert top_recall(few + (few == 1.0), few) == 1.0
    assert np.isnan(top_recall(yardstick, np.zeros(400)))


def test_every_score_stands_beside_label_memorization(run, comparison):
    named = {proxy.measure.key: proxy for proxy in comparison.proxies}
    assert "label_memorization" not in named
    assert {"cumulative_sample_loss", "area_under_margin", "label_memorization[probability]"} <= set(named)
    loss = named["cumulative_sample_loss"]
    whole = run.measure("cumulative_sample_loss").values, run.measure("label_memorization").values
    assert loss.rank_correlation.value == pytest.approx(rank_correlation(*whole))
    assert loss.rank_correlation.low < loss.rank_correlation.value < loss.rank_correlation.high
    assert set(loss.average_precision) == {"label_noise"}
    assert loss.average_precision["label_noise"].value > 0.5


def test_best_agreement_comes_first(comparison):
    values = [proxy.rank_correlation.value for proxy in comparison.proxies]
    known = [value for value in values if not np.isnan(value)]
    assert known == sorted(known, reverse=True)
    assert values[: len(known)] == known


def test_one_training_is_that_of_single_networks(run, comparison):
    named = {proxy.measure.key: proxy for proxy in comparison.proxies}
    assert named["label_memorization[probability]"].one_training is None  # it takes an ensemble
    yardstick = run.measure("label_memorization").values
    each = [
        rank_correlation(run.measured_on("cumulative_sample_loss", np.array([m])).values, yardstick)
        for m in run.models("full")
    ]
    assert named["cumulative_sample_loss"].one_training.value == pytest.approx(np.mean(each))


def test_a_run_without_full_models_has_no_single_training(tmp_path):
    found = compare(small_audit(tmp_path / "run", full=0))
    assert all(proxy.one_training is None for proxy in found.proxies)


def test_reliability_is_below_one_and_said(comparison):
    assert 0 < comparison.reliability < 1
    assert any(f"reliability of {comparison.reliability:.2f}" in note for note in comparison.notes)


def answered(out, correct, member, pair):
    """A run of answers that were right or wrong."""
    labels = np.zeros(correct.shape[1], np.int64)
    evidence = {"outputs.correct": correct}
    return import_arrays(out, labels=labels, member=member, evidence=evidence, pair=np.array(pair))


def test_a_single_pair_has_no_halves_to_compare(tmp_path):
    member = np.array([[1, 0] * 10, [0, 1] * 10])
    correct = np.random.default_rng(0).random((2, 20)) < 0.5
    found = compare(answered(tmp_path / "run", correct, member, [0, 0]))
    assert np.isnan(found.reliability)
    assert any("takes two pairs to compare" in note for note in found.notes)
    assert not any("nan" in note for note in found.notes)


def test_halves_that_disagree_wholly_have_a_reliability_of_nothing(tmp_path):
    member = np.array([[1, 0] * 10, [0, 1] * 10] * 2)
    high = np.arange(20) < 10
    correct = (member[:2] == 1) == high  # of the first pair the model with the example is right where it is high
    found = compare(answered(tmp_path / "run", np.concatenate([correct, ~correct]), member, [0, 0, 1, 1]))
    assert found.reliability == 0.0


def test_no_models_measure_nothing(run):
    with pytest.raises(TooFewModels, match="asked of no models"):
        run.measured_on("label_memorization", np.empty(0, np.int64))


def test_probes_that_can_read_kept_weights_are_not_told_to_train_again(tmp_path):
    measures = [find(key) for key in ("el2n", "units_to_flip")]
    (later,) = unasked_words(opened("weights", tmp_path), measures)
    assert later.startswith("2 measures were not computed")
    assert later.endswith("To record them, use byrote probe RUN: el2n, unit_search.")
    again, kept = unasked_words(opened("classes", tmp_path, "other"), measures)
    assert again.endswith("audit into another folder with --probe: el2n.")
    assert kept.endswith("keep weights, and then use byrote probe RUN: unit_search.")


def test_ranks_that_are_taken_once_give_what_each_statistic_gives_alone():
    """Three scores on all examples, one of which has no value of some, in five rows; a constant row has no rank."""
    rng = np.random.default_rng(5)
    found = []
    for missing in (0, 0, 6):
        values = np.round(rng.normal(size=(5, 60)), 1)
        values[:, :missing] = np.nan
        found.append(values)
    found[0][3] = 1.0
    one, other, lacking = (_Ranked.from_rows(values, models=4) for values in found)
    for first, second in ((one, other), (one, lacking)):
        expected = [rank_correlation(*rows) for rows in zip(first.values, second.values, strict=True)]
        np.testing.assert_allclose(list(_correlations(first, second)), expected, atol=1e-12)
    for given in (other, lacking):
        expected = [
            partial_rank_correlation(*rows) for rows in zip(one.values, lacking.values, given.values, strict=True)
        ]
        np.testing.assert_allclose(list(_correlations_given(one, lacking, given)), expected, atol=1e-12)
    assert np.isnan(list(_correlations(one, other))[3])

from __future__ import annotations

import numpy as np
import pytest

from byrote.stats.attack_figures import attack_figures
from byrote.stats.attack_influence import (
    Cells,
    influence_of_area,
    influence_of_balanced_accuracy,
    influence_of_rate,
)
from byrote.stats.best_threshold import balanced_accuracy, thresholds
from byrote.stats.over_examples import of_examples
from byrote.stats.roc import roc, roc_of_strata


def world(rng, models, examples, *, persons=0, of_both=1.0, of_models=0.3):
    """Scores, membership and persons: a fifth of the examples, or of the persons, is memorized."""
    owner = np.arange(examples) % (persons or examples)
    memorized = (rng.random(owner.max() + 1) < 0.2)[owner]
    usual = rng.normal(size=owner.max() + 1)[owner]
    member = np.zeros((models, examples), np.int8)
    for pair in range(0, models, 2):
        member[pair, rng.permutation(examples)[: examples // 2]] = 1
        member[pair + 1] = 1 - member[pair]
    noise = of_models * rng.normal(size=(models, 1)) + of_both * rng.normal(size=member.shape)
    return usual + 2 * memorized * member + noise, member, owner


def bootstrap(score, member, cluster, figure, rng, draws=400):
    """The variance of a figure over draws of whole clusters."""
    names = [np.flatnonzero(cluster == one) for one in np.unique(cluster)]
    found = []
    for _ in range(draws):
        rows = np.concatenate([names[one] for one in rng.integers(0, len(names), len(names))])
        found.append(figure(score[:, rows], member[:, rows]))
    return np.var(found)


@pytest.mark.parametrize("persons", [0, 60])
def test_variances_are_those_of_a_bootstrap_of_examples_or_persons(persons):
    rng = np.random.default_rng(0)
    score, member, cluster = world(rng, 6, 240, persons=persons)
    part, curve = np.repeat(np.arange(3), 2), roc(score, member)
    cells = Cells.of(score, member, part, cluster, np.ones(score.shape, bool))
    slope = float(np.diff(curve.at(np.array([0.05, 0.15])))[0] / 0.1)
    threshold = thresholds(score, member, part)[:, None]

    called = (score >= threshold).ravel()[np.argsort(score.ravel())]  # cells are in ascending order

    def balanced(s, m):
        called = s >= threshold
        return (called[m == 1].mean() + 1 - called[m == 0].mean()) / 2

    assert balanced(score, member) == pytest.approx(balanced_accuracy(score, member, part))
    figures = {
        "area": (influence_of_area(cells), lambda s, m: roc(s, m).area, 0.25),
        "rate": (influence_of_rate(cells, 0.1, slope), lambda s, m: roc(s, m).at(np.array([0.1]))[0], 0.35),
        "balanced": (influence_of_balanced_accuracy(cells, called), balanced, 0.25),
    }
    for influence, figure, near in figures.values():
        expected = bootstrap(score, member, cluster, figure, rng)
        assert of_examples(influence).source.variance == pytest.approx(expected, rel=near)


def test_the_area_moves_as_without_each_cell():
    rng = np.random.default_rng(1)
    score = rng.integers(0, 6, (2, 12)).astype(np.float64)
    member = np.tile(np.arange(12) % 2, (2, 1)).astype(np.int8)
    cells = Cells.of(score, member, np.arange(2), np.arange(12), np.ones(score.shape, bool))
    found, whole = influence_of_area(cells), roc(score, member).area
    for target in range(2):
        for example in range(12):
            some = member.copy()
            some[target, example] = -1
            others = int((member == member[target, example]).sum()) - 1
            assert found[target, example] == pytest.approx((whole - roc(score, some).area) * others / (others + 1))


def test_unknown_scores_and_slices_are_left_out():
    score = np.array([[1.0, 2.0, np.nan, 4.0]])
    member = np.array([[1, 0, 1, -1]], np.int8)
    cells = Cells.of(score, member, np.zeros(1, np.int64), np.array([0, 0, 1, 2]), np.ones((1, 4), bool))
    assert cells.score.tolist() == [1.0, 2.0]
    assert cells.place.tolist() == [0, 0]
    assert cells.shape == (1, 3)


@pytest.mark.slow
@pytest.mark.parametrize("repetitions", [20, pytest.param(150, marks=pytest.mark.slow)])
@pytest.mark.parametrize("persons", [0, 50])
def test_intervals_hold_for_new_models_and_new_examples(repetitions, persons):
    """The true coverage is .92 to .97; 20 repetitions of .92 give less than 15 once in 100."""
    whole = roc(*world(np.random.default_rng(2), 300, 3000, of_both=0.5)[:2]).area
    rng, covered, narrow = np.random.default_rng(3), 0, 0
    for _ in range(repetitions):
        score, member, cluster = world(rng, 16, 250, persons=persons, of_both=0.5)
        pair = np.repeat(np.arange(8), 2)
        found = attack_figures(lambda kept, given: score[kept], member, pair, cluster=cluster).figures["auc"]  # noqa: B023
        covered += found.low <= whole <= found.high
        narrow += found.stderr < 0.01
    assert covered >= (15 if repetitions == 20 else 0.89 * repetitions)
    assert narrow == 0


def test_a_slice_of_few_persons_is_about_these():
    score, member, cluster = world(np.random.default_rng(4), 8, 200, persons=40)
    slices = {"group:0": cluster == 0, "class:a": np.arange(200) < 100}
    pair = np.repeat(np.arange(4), 2)
    found = attack_figures(lambda kept, given: score[kept], member, pair, lambda kept: slices, cluster=cluster)
    assert found.slices["group:0"]["auc"].varies_over == "models"
    assert found.slices["class:a"]["auc"].varies_over == "models and examples"


def test_of_several_strata_the_variance_is_that_of_their_mean():
    rng = np.random.default_rng(5)
    score, member, cluster = world(rng, 8, 240)
    stratum = np.repeat(np.array([[0], [0], [1], [1], [1], [1], [1], [1]]), 240, axis=1)
    score[2:] += 5.0
    found = attack_figures(
        lambda kept, given: score[kept], member, np.repeat(np.arange(4), 2), None, "examples", stratum
    )
    expected = bootstrap(score, member, cluster, lambda s, m: roc_of_strata(s, m, stratum).area, rng, draws=300)
    assert of_examples(found.figures["auc"].influence).source.variance == pytest.approx(expected, rel=0.3)

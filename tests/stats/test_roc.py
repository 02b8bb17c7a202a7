"""Curves and figures from scores that are sorted once are those of every slice and part sorted by itself."""

from __future__ import annotations

import numpy as np
import pytest

from byrote.measures.lira import lira
from byrote.stats.attack_figures import attack_figures
from byrote.stats.best_threshold import best
from byrote.stats.jackknife import parts
from byrote.stats.roc import Ordered
from byrote.stats.tagged import ranked, tagged
from measures.evidence import half_subset_pairs
from stats.slow_attacks import area_moves, curve, read


def world(seed, *, ties=False, unknown=0.0, undefined=False, strata=1, models=12, examples=36):
    """Scores, membership, strata, and slices that overlap, by example and by cell."""
    rng = np.random.default_rng(seed)
    member, pair = half_subset_pairs(rng, models, examples)
    score = rng.normal(size=member.shape) + member * (rng.random(examples) < 0.4)
    score = np.round(score) if ties else score
    score[:, 5:7] = np.nan if undefined else score[:, 5:7]
    member = np.where(rng.random(member.shape) < unknown, np.int8(-1), member)
    stratum = np.broadcast_to((pair % strata)[:, None], member.shape).astype(np.int16)
    tenth = rng.integers(0, 3, member.shape)
    masks = {f"class:{name}": np.arange(examples) % 3 == name for name in range(3)}
    masks |= {"group:a": rng.random(examples) < 0.5, "group:none": np.zeros(examples, bool)}
    masks |= {f"memorization:{name}": tenth == name for name in range(3)}
    return score, member, pair, stratum, masks


WORLDS = {
    "plain": {},
    "ties": {"ties": True},
    "unknown": {"unknown": 0.1, "undefined": True},
    "strata": {"strata": 2, "ties": True},
}


@pytest.mark.parametrize("name", ["plain", "unknown", "strata", pytest.param("ties", marks=pytest.mark.slow)])
@pytest.mark.parametrize("own", [True, False], ids=["of the target alone", "of its references"])
def test_figures_and_their_replicates_are_those_of_every_part_by_itself(name, own):
    score, member, pair, stratum, masks = world(1, **WORLDS[name])

    def attack(kept, given):
        return score[kept] if own else np.round(score[kept] - score[kept].mean(0), 3)

    def slices(kept):
        return {one: mask if mask.ndim == 1 else mask[kept] for one, mask in masks.items()}

    found = attack_figures(attack, member, pair, slices, "examples", stratum)
    part = parts(pair, groups=20)
    lots = {"": np.ones(member.shape[1], bool), **masks}
    for slice_name, mask in lots.items():
        figures = found.figures if not slice_name else found.slices[slice_name]
        for number, kept in enumerate([part >= 0, *(part != one for one in range(part.max() + 1))]):
            cells = np.broadcast_to(mask, member.shape)[kept]
            expected = read(attack(kept, None), member[kept], stratum[kept], cells, 0.01)
            for figure, value in zip(("auc", "tpr_at_fpr_0.01"), expected, strict=True):
                one = figures[figure]
                if one.reason:  # too few non-members for a rate, or none: no part is told either
                    continue
                told = one.replicates[number - 1] if number else one.value
                np.testing.assert_allclose(told, value, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("ties", [True, False])
def test_the_influence_of_persons_is_that_of_all_comparisons(ties):
    score, member, pair, _, _ = world(2, ties=ties, unknown=0.1)
    cluster = np.arange(member.shape[1]) // 3
    found = attack_figures(lambda kept, given: score[kept], member, pair, cluster=cluster)
    expected = area_moves(score, member, parts(pair, groups=20), cluster)
    np.testing.assert_allclose(found.figures["auc"].influence, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", WORLDS)
def test_scores_that_are_ranked_with_their_tags_are_those_that_are_ranked_alone(name):
    score, member, pair, _, _ = world(3, **WORLDS[name])
    one, other = ranked(tagged(score, member, pair)), Ordered.of(score, member).of_parts(pair)
    np.testing.assert_allclose(one.score, other.score, rtol=2**-46)
    cells = [sorted(zip(each.score.round(9), each.inside, each.part, strict=True)) for each in (one, other)]
    assert cells[0] == cells[1]
    assert one.roc().area == pytest.approx(other.roc().area, rel=1e-12)
    rates = np.array([0.0, 0.013, 0.1, 1 / 3, 0.5, 1.0])
    np.testing.assert_allclose(one.roc().at(rates), other.roc().at(rates), atol=1e-12)
    assert best(one).accuracy == best(other).accuracy


def test_scores_without_an_end_are_ranked_as_the_last():
    score = np.array([[np.inf, 0.0, -np.inf, -0.0, np.nan, 3.0]])
    found = ranked(tagged(score, np.array([[1, 0, 1, 1, 1, -1]], np.int8), np.array([31])))
    assert found.inside.tolist()[0] is True
    assert found.inside.tolist()[-1] is True
    assert found.part.tolist() == [31] * 4
    assert found.roc().area == (0 + 0.5 + 1) / 3


def test_the_curve_is_that_of_every_threshold():
    score, member, _, _, _ = world(4, ties=True)
    false, true, members = curve(score, member)
    found = Ordered.of(score, member).roc()
    assert found.members == members
    np.testing.assert_allclose(found.false_positive, false)
    np.testing.assert_allclose(found.true_positive, true)


def test_mates_share_their_references_and_have_the_scores_of_their_own():
    score, member, pair, stratum, _ = world(5, models=12)
    together = lira(score, member, pair).values
    strange = np.array([11, 0, 7, 3, 9, 1, 5, 2, 10, 8, 4, 6])  # the models in another order, mates far apart
    again = lira(score[strange], member[strange], pair[strange], stratum[strange]).values
    np.testing.assert_allclose(again, together[strange], rtol=1e-9)

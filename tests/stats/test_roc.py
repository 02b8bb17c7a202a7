"""Curves and figures from scores that are sorted once are those of every slice and part sorted by itself."""

from __future__ import annotations

import numpy as np
import pytest

from byrote.measures.lira import lira
from byrote.stats.attack_figures import attack_figures
from byrote.stats.jackknife import parts
from byrote.stats.roc import Ordered
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


def test_scores_of_fewer_targets_are_those_sorted_by_themselves():
    score, member, _, _, _ = world(3, ties=True, unknown=0.2)
    kept = np.arange(len(score)) % 3 > 0
    one, other = Ordered.of(score, member).of_targets(kept), Ordered.of(score[kept], member[kept])
    assert np.array_equal(one.score, other.score)
    for figure in ("false_positive", "true_positive"):
        assert np.array_equal(getattr(one.roc(), figure), getattr(other.roc(), figure))
    cells = list(zip(one.row.tolist(), one.column.tolist(), strict=True))
    assert [score[kept][cell] for cell in cells] == one.score.tolist()


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

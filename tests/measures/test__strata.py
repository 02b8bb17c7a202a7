"""Measures that compare models with and without an example do so within strata, and agree with slow loops."""

import numpy as np
import pytest
from scipy.special import ndtri

from byrote.analyses.membership import membership_attack
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.designs.ratio_grid import ratio_grid
from byrote.designs.strata import strata
from byrote.errors import TooFewModels
from byrote.measures.counterfactual_memorization import counterfactual_memorization_squared_error
from byrote.measures.influence import influence
from byrote.measures.label_memorization import label_memorization, label_memorization_probability
from byrote.measures.lira import lira, lira_offline, lira_pooled
from byrote.measures.membership_risk import membership_risk
from byrote.measures.rmia import rmia
from byrote.measures.stolen_memories import stolen_memories_linear
from byrote.runs.imported import import_arrays

MODELS, EXAMPLES = 24, 7


@pytest.fixture(scope="module")
def made():
    """Membership of half of the models of each of two strata, of 8 and 16; the last example has one stratum."""
    rng = np.random.default_rng(3)
    half = np.arange(MODELS) % 2
    columns = [np.concatenate([rng.permutation(half[:8]), rng.permutation(half[8:])]) for _ in range(EXAMPLES)]
    member = np.stack(columns, axis=1).astype(np.int8)
    stratum = np.zeros((MODELS, EXAMPLES), np.int16)
    stratum[8:, :-1] = 1
    return member, np.arange(MODELS) // 2, stratum, rng


def slow_difference(values, member, stratum, example):
    """Differences within each stratum, weighted by its models; NaN with fewer than 2 on a side of one of several."""
    names = sorted(set(stratum[:, example].tolist()))
    total = 0.0
    for name in names:
        sides = [
            [
                float(values[k, example])
                for k in range(MODELS)
                if member[k, example] == side and stratum[k, example] == name
            ]
            for side in (1, 0)
        ]
        if len(names) > 1 and min(map(len, sides)) < 2:
            return np.nan
        models = len(sides[0]) + len(sides[1])
        total += models / MODELS * (np.mean(sides[0]) - np.mean(sides[1]))
    return total


def test_differences_agree_with_the_slow_loop(made):
    member, pair, stratum, rng = made
    correct, p = rng.random(member.shape) < 0.5, rng.random(member.shape)
    results = {
        "correct": (correct, label_memorization(correct, member, stratum)),
        "probability": (p, label_memorization_probability(p, member, pair, stratum)),
        "squared error": (-p, counterfactual_memorization_squared_error(p, member, pair, stratum)),
    }
    for values, found in results.values():
        expected = [slow_difference(values, member, stratum, i) for i in range(EXAMPLES)]
        np.testing.assert_allclose(found.values, expected, atol=1e-12)
        assert "within strata" in found.note
        assert (found.low <= found.values).all()
        assert (found.values <= found.high).all()


def test_the_strongest_influences_are_those_of_all(made):
    """Examples are in few or in many models, and of some it is not known; what is ranked is what is given."""
    _, _, stratum, rng = made
    member = (rng.random(stratum.shape) < np.linspace(0.35, 0.65, EXAMPLES)).astype(np.int8)
    member[rng.random(member.shape) < 0.1] = -1
    correct = rng.random((MODELS, 40)) < 0.5
    every, found = (influence(correct, member, stratum, top=top) for top in (EXAMPLES, 1))
    largest = [every.values[every.query == query].max() for query in range(40)]
    np.testing.assert_allclose(found.values, largest, atol=1e-6)


def test_influence_agrees_with_the_slow_loop(made):
    member, _, stratum, rng = made
    correct = rng.random((MODELS, 3)) < 0.5
    found = influence(correct, member, stratum, top=EXAMPLES)
    assert len(found.values) == 3 * EXAMPLES
    for query, example, value in zip(found.query, found.example, found.values, strict=True):
        answers = np.repeat(correct[:, query, None], EXAMPLES, 1)
        assert value == pytest.approx(slow_difference(answers, member, stratum, example), abs=1e-12)


def test_attacks_take_references_of_the_targets_stratum(made):
    """With another stratum far away, the scores of a stratum are those that its models have among themselves."""
    member, pair, stratum, rng = made
    x = rng.normal(size=member.shape) + 100.0 * stratum
    own = stratum[:, 0] == 1
    columns = slice(0, EXAMPLES - 1)
    for attack in (lira_pooled, lira, lira_offline, rmia):
        both = attack(x[:, columns], member[:, columns], pair, stratum[:, columns]).values[own]
        alone = attack(x[own, columns], member[own, columns], pair[own]).values
        known = np.isfinite(both)
        assert known.mean() > 0.5
        np.testing.assert_allclose(both[known], alone[known], rtol=1e-9, err_msg=attack.__name__)


def test_linear_stolen_memories_within_strata(made):
    member, pair, stratum, rng = made
    logits = rng.normal(size=(MODELS, EXAMPLES, 2))
    found = stolen_memories_linear(logits, np.zeros(EXAMPLES, np.int64), member, pair, stratum)
    own = (logits[..., 0] - logits[..., 1]) / 2
    for target in range(MODELS):
        others = [k for k in range(MODELS) if pair[k] != pair[target]]
        for i in range(EXAMPLES):
            usual = [own[k, i] for k in others if member[k, i] == 0 and stratum[k, i] == stratum[target, i]]
            if not np.isnan(found.values[target, i]):
                assert found.values[target, i] == pytest.approx(own[target, i] - np.mean(usual))
            else:
                assert len(usual) < 2


def test_risk_counts_comparisons_within_strata(made):
    member, pair, stratum, rng = made
    x = rng.normal(size=member.shape) + 50.0 * stratum
    found = membership_risk(x, member, pair, stratum)
    for i in range(EXAMPLES):
        won = [
            float(x[k, i] > x[j, i])
            for k in range(MODELS)
            for j in range(MODELS)
            if member[k, i] == 1 and member[j, i] == 0 and pair[k] != pair[j] and stratum[k, i] == stratum[j, i]
        ]
        assert found.values[i] == pytest.approx(np.mean(won))


def test_what_it_takes_is_said():
    member = np.array([[1], [0], [1], [0], [1], [0], [0], [0]], np.int8)
    stratum = np.repeat([0, 1], 4).astype(np.int16)[:, None]
    found = label_memorization(np.ones((8, 1), bool), member, stratum)
    assert np.isnan(found.values[0])
    assert "fewer than 2 models a side within a stratum of the design; it takes about" in found.reason(0)
    never = np.array([[1], [0], [1], [0], [0], [0], [0], [0]], np.int8)
    assert "however many models it trains" in label_memorization(np.ones((8, 1), bool), never, stratum).reason(0)


def test_a_recipe_that_memorizes_nothing_in_a_grid_of_ratios():
    """Right with chance .5 + .45 x ratio whatever it was trained on: the truth is 0, and an attack has .5.

    Pooled over the ratios of .1 to .9 the mean is .45 x (E[r^2] / E[r] - E[r (1 - r)] / E[1 - r]) = .12.
    """
    rng = np.random.default_rng(0)
    design = ratio_grid(1000, 30, rng=rng)
    member, level = design.member, design.level
    stratum = strata(level, member)
    correct = rng.random(member.shape) < (0.5 + 0.45 * level)[:, None]
    pooled = label_memorization(correct, member).values
    assert pooled.mean() == pytest.approx(0.12, abs=0.01)
    found = label_memorization(correct, member, stratum)
    known = found.reason_code == 0
    assert known.mean() > 0.6
    # independent models: the mean of some 800 examples with errors of .07 each
    assert abs(np.nanmean(found.values)) < 4 * np.nanmean(found.stderr) / np.sqrt(known.sum())
    covered = (found.low[known] <= 0) & (found.high[known] >= 0)
    assert covered.mean() > 0.93


@pytest.mark.slow
def test_attacks_find_nothing_in_a_grid_of_ratios(tmp_path):
    """The same recipe, members drawn independently: an attack has .5, beside its null; pooled, LiRA had .56."""
    rng = np.random.default_rng(0)
    level = np.repeat([0.2, 0.5, 0.8], 16)
    member = (rng.random((48, 1000)) < level[:, None]).astype(np.int8)
    own = rng.normal(size=member.shape) + ndtri(0.5 + 0.45 * level)[:, None]
    labels = np.arange(1000) % 2
    sign = np.where(labels == 0, 0.5, -0.5)
    logits = np.stack([own * sign, -own * sign], axis=-1).astype(np.float32)
    run = import_arrays(tmp_path / "run", labels=labels, member=member, evidence={"outputs.logits": logits})
    assert len(np.unique(run.design.level)) == 3
    for attack in ("lira", "loss_attack"):
        found = membership_attack(run, attack, draws=4)
        auc = found.figures["auc"]
        assert abs(auc.value - 0.5) < 4 * auc.stderr < 0.06
        assert abs(found.null.value - 0.5) < 0.02
        assert any("within strata" in note for note in found.notes)


def test_turns_within_a_stratum_give_membership_away():
    design = ratio_grid(40, 8, ratios=(0.25, 0.5), rng=np.random.default_rng(0))
    stratum = strata(design.level, design.member)
    x = np.random.default_rng(1).normal(size=design.member.shape)
    with pytest.raises(TooFewModels, match="exactly 2 of 8 models and no pairs are known"):
        lira(x, design.member, design.pair, stratum)


def test_a_large_group_confounds_nobody():
    """400 examples of one group teach the opposite of what holds for 600 others; a linear model memorizes little.

    Its label memorization of the 600, pooled, is mostly the group's absence.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 10))
    y = np.sign(x[:, 0] + rng.normal(0, 1.0, 1000))
    y[:400] *= -1
    groups = np.array(["large"] * 400 + [f"{row}" for row in range(600)])
    design = half_subset_pairs(1000, 64, rng=np.random.default_rng(1), groups=groups)
    correct = np.empty((64, 1000), bool)
    for row, member in zip(correct, design.member == 1, strict=True):
        weights = np.linalg.lstsq(x[member], y[member], rcond=None)[0]
        row[:] = np.sign(x @ weights) == y
    others = slice(400, None)
    pooled = label_memorization(correct, design.member).values[others]
    stratum = strata(design.level, design.member, groups)
    found = label_memorization(correct, design.member, stratum).values[others]
    assert pooled.mean() > 0.15
    assert abs(np.nanmean(found)) < 0.03
    assert np.isfinite(found).mean() > 0.9

import json

import numpy as np
import pytest
from scipy.special import ndtr

import byrote
from byrote.analyses.catalog import keep
from byrote.analyses.groups import group_risk, groups_of, how, keep_risk, shown, size_slices
from byrote.analyses.membership import membership_attack
from byrote.errors import BadInput, MissingEvidence
from byrote.measures._by_group import by_group, member_groups
from byrote.measures.lira import lira
from byrote.measures.rmia import rmia, rmia_of_groups
from byrote.results import Table
from byrote.stats.roc import roc
from measures.attacks import area
from measures.evidence import half_subset_pairs
from small import RECIPE, blobs, small_audit


def gaussian_groups(rng, models, sizes, gap):
    """Log-odds of groups in complementary halves; members of a group have all of its examples `gap` higher."""
    whole, pair = half_subset_pairs(rng, models, len(sizes))
    group = np.repeat(np.arange(len(sizes)), sizes)
    member = whole[:, group]
    return rng.normal(size=member.shape) + gap * member, member, whole, pair, group


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    groups = np.array([f"p{i // 3}" for i in range(60)])
    folder = tmp_path_factory.mktemp("runs") / "grouped"
    return small_audit(folder, dataset=blobs(noise=0.1).replace(groups=groups), models=16)


def test_sums_and_means_by_a_slow_loop():
    rng = np.random.default_rng(0)
    scores, group = rng.normal(size=(3, 9)), np.array([0, 2, 1, 0, 2, 2, 1, 3, 3])
    scores[1, 7:] = scores[0, 0] = np.nan
    for k in range(3):
        for g in range(4):
            mine = [scores[k, i] for i in range(9) if group[i] == g and not np.isnan(scores[k, i])]
            for kind, of in (("sum", np.sum), ("mean", np.mean)):
                value = by_group(scores, group, kind)[k, g]
                assert np.isnan(value) if not mine else value == pytest.approx(of(mine))


def test_a_group_that_is_split_is_refused():
    with pytest.raises(BadInput, match="1 of 2 models were trained on a part of a group"):
        member_groups(np.array([[1, 1, 0], [1, 0, 0]], np.int8), np.array([0, 0, 1]))
    found = member_groups(np.array([[1, 0, 1, 1], [0, -1, 0, 0]], np.int8), np.array([0, 1, 0, 0]))
    assert found.tolist() == [[1, 0], [0, -1]]
    found = member_groups(np.array([[1, 0, -1, 1], [0, 1, -1, 0]], np.int8), np.array([0, 1, 0, 0]))
    assert found.tolist() == [[-1, 0], [-1, 1]], "a group of which a part is unknown is unknown"


def test_the_sum_of_ratios_is_as_strong_as_theory_says():
    """Independent answers, each d apart: a group of m is told with an AUC of Phi(d sqrt(m / 2)), one example of
    Phi(d / sqrt 2)."""
    rng = np.random.default_rng(1)
    gap, size = 0.7, 8
    x, member, whole, pair, group = gaussian_groups(rng, 128, np.full(60, size), gap)
    scores = lira(x, member, pair).values
    mine = area(by_group(scores, group, "sum"), whole)
    truth = ndtr(gap * np.sqrt(size / 2))
    assert mine == pytest.approx(truth, abs=0.01)
    singles = [area(scores[:, [i]], member[:, [i]]) for i in range(len(group))]
    assert mine > np.max(singles)  # even the luckiest of 480
    assert area(scores, member) == pytest.approx(ndtr(gap / np.sqrt(2)), abs=0.02)


def test_a_group_is_at_least_as_strong_as_its_best_example():
    rng = np.random.default_rng(2)
    member, pair = half_subset_pairs(rng, 256, 30)
    gaps = np.tile([1.5, 0.0, 0.0], 30)  # one telling example a group, and two that say nothing
    group = np.repeat(np.arange(30), 3)
    x = rng.normal(size=(256, 90)) + gaps * member[:, group]
    scores = lira(x, member[:, group], pair).values
    best = area(scores[:, ::3], member)
    assert area(by_group(scores, group, "sum"), member) > best - 0.01
    assert area(by_group(scores, group, "mean"), member) > best - 0.01


def test_under_the_null_as_many_false_positives_as_true_ones():
    rng = np.random.default_rng(3)
    x, member, whole, pair, group = gaussian_groups(rng, 64, rng.integers(1, 12, 200), 0.0)
    for scores in (by_group(lira(x, member, pair).values, group, "sum"), rmia_of_groups(x, member, pair, group).values):
        assert area(scores, whole) == pytest.approx(0.5, abs=0.01)
        curve = roc(scores, whole)
        rates = np.array([0.01, 0.1])
        np.testing.assert_allclose(curve.at(rates), rates, atol=0.012)


def test_rmia_of_groups_of_one_is_rmia():
    rng = np.random.default_rng(4)
    x, member, _, pair, group = gaussian_groups(rng, 12, np.ones(20, int), 1.0)
    np.testing.assert_allclose(rmia_of_groups(x, member, pair, group).values, rmia(x, member, pair).values)
    x, member, whole, pair, group = gaussian_groups(rng, 32, np.full(20, 5), 1.0)
    assert area(rmia_of_groups(x, member, pair, group).values, whole) > area(rmia(x, member, pair).values, member)


def test_a_run_is_attacked_by_group(run):
    names, group = groups_of(run)
    assert len(names) == 20
    np.testing.assert_array_equal(names[group], run.groups)
    found = membership_attack(run, "lira", by="group", draws=2)
    assert (found.by, found.examples) == ("group", 20)
    assert "sum of the log likelihood ratios" in found.notes[0]
    assert "± is about other models and other groups" in found.notes[1]
    assert "20 groups" in repr(found)
    models = run.models()
    member, pair = run.load("design.member", models), run.load("design.pair", models)
    scores = lira(run.load("outputs.log_odds", models), member, pair).values
    truth = area(by_group(scores, group, "sum"), member_groups(member, group))
    assert found.figures["auc"].value == pytest.approx(truth)
    path = keep(run, "membership", found)
    assert path.name == "attack-lira-by-group.json"
    assert json.loads(path.read_text())["by"] == "group"
    assert membership_attack(run, "rmia", by="group", draws=2).figures["auc"].value > 0
    assert how("loss_attack") == "mean"


def test_the_risk_of_each_group(run):
    names, risk = group_risk(run)
    assert len(names) == len(risk.values) == 20
    assert (risk.counts["members"] == 8).all()
    assert ((risk.low <= risk.values) & (risk.values <= risk.high)).all()
    keep_risk(run, names, risk)
    assert (run.folder / "results" / "group_risk.parquet").exists()


def test_sizes_have_figures_of_their_own():
    masks = size_slices(np.repeat(np.arange(6), [1, 1, 2, 4, 5, 30]))
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "size:1": 2,
        "size:2 to 4": 2,
        "size:5 to 19": 1,
        "size:20 or more": 1,
    }
    assert size_slices(np.repeat(np.arange(6), 3)) == {}


def test_without_groups(tmp_path):
    with pytest.raises(MissingEvidence, match="has no groups"):
        group_risk(small_audit(tmp_path / "run"))


def test_a_privacy_audit_of_groups(tmp_path):
    dataset = blobs(120).replace(groups=np.array([f"p{i // 3}" for i in range(120)]))
    found = byrote.audit_privacy(dataset, RECIPE, canaries=20, workers=1, out=tmp_path / "run", progress=False)
    target = found.run.models("target")[0]
    member = found.run.design.member[target]
    for name in np.unique(dataset.groups):
        assert len(set(member[dataset.groups == name])) == 1
    assert found.canaries == 20
    assert "all examples of a person or document" in found.notes[0]
    with pytest.raises(BadInput, match="40 groups, each of which is one canary"):
        byrote.audit_privacy(dataset, RECIPE, canaries=60, out=tmp_path / "other", progress=False)


def test_the_section_names_the_riskiest_or_says_why_none_has_a_risk():
    columns = {"group": np.array(["a", "b", "c"]), "examples": np.array([2, 2, 2])}
    value = np.array([0.4, np.nan, 0.9])
    bounds = {"stderr": value, "low": value - 0.1, "high": value + 0.1, "reason": np.array(["", "too few", ""])}
    (found,) = shown(Table(arrays={**columns, "value": value, **bounds}))
    assert [row[0] for row in found.rows] == ["c", "a"]
    assert found.rows[0][1:] == pytest.approx((0.9, 0.8, 1.0))
    nothing = {**bounds, "reason": np.array(["too few", "split", "too few"])}
    (found,) = shown(Table(arrays={**columns, "value": value, **nothing}))
    assert found.text == "The risk of single groups is undefined, most often because: too few."

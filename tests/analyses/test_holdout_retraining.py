"""Holdout retraining: the divergence in closed form, and the excess over both controls."""

import numpy as np
import pytest

import byrote
from byrote.analyses.holdout_retraining import LOSS, NEW, OLD, _table, half_jeffreys, holdout_retraining
from byrote.analyses.lab import Lab
from byrote.errors import BadInput
from byrote.stats.ranking import auroc
from levels import DRAWS, as_promised, missed
from probes.layered import layered

LAB = Lab(workers=1, progress=False)


def test_of_two_classes_the_divergence_is_half_the_change_of_probability_times_that_of_log_odds():
    rng = np.random.default_rng(0)
    before, after = rng.normal(0, 3, (50, 2)), rng.normal(0, 3, (50, 2))
    odds = [one[:, 1] - one[:, 0] for one in (before, after)]
    p, q = (1 / (1 + np.exp(-one)) for one in odds)
    np.testing.assert_allclose(half_jeffreys(before, after), (p - q) * (odds[0] - odds[1]) / 2, atol=1e-12)


def test_it_is_symmetric_never_below_zero_and_zero_of_the_same_answers():
    rng = np.random.default_rng(1)
    before, after = rng.normal(0, 30, (50, 5)), rng.normal(0, 30, (50, 5))
    found = half_jeffreys(before, after)
    np.testing.assert_allclose(half_jeffreys(after, before), found)
    assert (found >= 0).all()
    assert np.isfinite(found).all()
    assert (half_jeffreys(before, before + 7) < 1e-12).all(), "a number added to all logits changes no probability"


@pytest.mark.slow
def test_the_excess_over_both_controls_is_told():
    table = holdout_retraining(LAB, layered(), models=3, epochs=2)
    found = {name: one.value for name, one in zip(table.rows["score"], table.figures["AUROC"], strict=True)}
    assert found[f"excess over {OLD}"] == pytest.approx(found[NEW] - found[OLD])
    assert found[f"excess over {LOSS}"] == pytest.approx(found[NEW] - found[LOSS])
    asked = table.arrays["example"]
    assert len(asked) == 300 - 2 * 60
    noisy = np.isin(asked, layered().ids[layered().controls.mask(layered().ids, "label_noise")])
    assert noisy.sum() == 60, "every wrong label is asked about"
    assert auroc(table.arrays[LOSS], noisy) > 0.6


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(BadInput, match="must leave at least 10 new examples") as told:
        holdout_retraining(LAB, layered(), models=3, share=0.01)
    assert "share=0.2" in told.value.hint
    with pytest.raises(BadInput, match="trains models"):
        byrote.ask(layered(), "holdout_retraining")


def test_figures_and_their_intervals_stay_where_an_auroc_can_be():
    noisy = np.arange(8) < 4
    right, wrong = np.where(noisy, 1.0, 0.0), np.where(noisy, 0.0, 1.0)
    scores = {NEW: np.stack([right, right, wrong]), OLD: np.stack([wrong] * 3), LOSS: np.stack([wrong, wrong, right])}
    table = _table(scores, noisy, np.ones(8, bool), np.arange(8).astype(str), 2)
    found = dict(zip(table.rows["score"], table.figures["AUROC"], strict=True))
    assert {name: one.value for name, one in found.items()} == {
        NEW: pytest.approx(2 / 3),
        OLD: 0.0,
        LOSS: pytest.approx(1 / 3),
        f"excess over {OLD}": pytest.approx(2 / 3),
        f"excess over {LOSS}": pytest.approx(1 / 3),
    }
    assert (found[NEW].low, found[NEW].high) == (0.0, 1.0)
    assert (found[f"excess over {LOSS}"].low, found[f"excess over {LOSS}"].high) == (-1.0, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_scores_that_know_nothing_of_wrong_labels_find_them_in_one_of_twenty(shared):
    """Also where an example has a high score in every model, as then models agree on what is chance.

    The error is too large where models agree on nothing, and of differences, of which it is the larger of two sources.
    """
    rng, tables = np.random.default_rng(6), []
    for _ in range(DRAWS):
        noisy = np.isin(np.arange(200), rng.permutation(200)[:40])
        usual = shared * rng.normal(size=200)
        scores = {name: usual + rng.normal(size=(6, 200)) for name in (NEW, OLD, LOSS)}
        tables.append(_table(scores, noisy, np.ones(200, bool), np.arange(200).astype(str), 50))
    misses = [missed([table.figures["AUROC"][row] for table in tables], 0.0 if row else 0.5) for row in (0, 3, 4)]
    assert max(misses) <= 16, misses
    assert as_promised(misses[0]) or not shared, misses

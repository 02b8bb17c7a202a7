"""When examples are right for good, and how alike models are in that."""

import numpy as np
import pytest
from scipy.stats import spearmanr

import byrote
from byrote.analyses import learning_order as module
from byrote.analyses.learning_order import learned_at, learning_order
from byrote.errors import BadInput
from byrote.report.verify import verify
from levels import DRAWS, as_promised, missed
from small import small_audit


def test_learned_at_against_a_slow_loop():
    correct = np.random.default_rng(0).random((3, 6, 40)) < 0.7
    found = learned_at(correct)
    for model in range(3):
        for example in range(40):
            stays = [at for at in range(6) if correct[model, at:, example].all()]
            assert found[model, example] == (stays[0] if stays else 6)


def test_figures_of_a_group_by_hand():
    rng = np.random.default_rng(1)
    learned, chosen, pair = rng.integers(0, 6, (6, 50)), rng.random((6, 50)) < 0.7, np.array([0, 0, 1, 1, 2, 2])
    correlation, never, tied = module._of_group(learned, chosen, pair, 5)
    each = []
    for one in range(6):
        for other in range(one + 1, 6):
            both = chosen[one] & chosen[other]
            if pair[one] != pair[other]:
                each.append(spearmanr(learned[one, both], learned[other, both]).statistic)
    assert correlation.value == pytest.approx(np.mean(each))
    assert never.value == pytest.approx(np.mean([(learned[k, chosen[k]] == 5).mean() for k in range(6)]))
    values = learned[0, chosen[0]]
    same = np.mean([values[i] == values[j] for i in range(len(values)) for j in range(len(values)) if i != j])
    assert module._ties(values) == pytest.approx(same)
    assert 0 < tied.value < 1


def test_the_same_order_and_orders_that_have_nothing_to_do_with_each_other():
    rng, member, alone = np.random.default_rng(2), np.ones((8, 400), bool), np.full(8, -1)
    same = np.tile(rng.integers(0, 9, 400), (8, 1))
    assert module._of_group(same, member, alone, 9)[0].value == pytest.approx(1.0)
    other = module._of_group(rng.integers(0, 9, (8, 400)), member, alone, 9)[0]
    assert abs(other.value) < 0.03


def test_a_group_that_is_learned_at_once_has_no_order():
    found = module._of_group(np.zeros((4, 30), np.int64), np.ones((4, 30), bool), np.full(4, -1), 5)[0]
    assert np.isnan(found.value)
    assert "all are learned at once" in found.reason


@pytest.mark.slow
def test_of_a_run_it_is_kept_and_verified(tmp_path):
    run = small_audit(tmp_path / "run", models=8)
    found = byrote.ask(run, "learning_order")
    assert found.rows["group"] == ("all", "planted label noise", "clean")
    assert np.isfinite(found.figures["rank correlation"][0].value)
    assert verify(run) == []
    with pytest.raises(BadInput, match="fewer than 2 such models"):
        learning_order(small_audit(tmp_path / "one", models=4, full=1), role="full")


@pytest.mark.slow
@pytest.mark.parametrize("halves", [False, True])
def test_orders_that_have_nothing_in_common_are_told_apart_from_none_in_one_of_twenty(halves):
    """Eight models on all data, or eight pairs on halves."""
    rng, found = np.random.default_rng(5), []
    for _ in range(DRAWS):
        first = rng.random((8, 80)) < 0.5
        member = np.stack([first, ~first], 1).reshape(16, 80) if halves else np.ones((8, 80), bool)
        pair = np.repeat(np.arange(8), 2) if halves else np.full(8, -1)
        found.append(module._of_group(rng.integers(0, 12, member.shape), member, pair, 12)[0])
    assert as_promised(missed(found, 0.0))

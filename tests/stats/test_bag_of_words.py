import numpy as np
import pytest

from byrote.stats.bag_of_words import bags, blind_auc, cross_fitted, within_folds
from measures.evidence import half_subset_pairs


def drawn(rng, documents, shift, tokens=20, vocabulary=30):
    """Documents of random tokens; of the first half the first ten are likelier by a factor of 1 + shift."""
    weights = np.ones((documents, vocabulary))
    weights[: documents // 2, :10] += shift
    token = np.concatenate([rng.choice(vocabulary, tokens, p=row / row.sum()) for row in weights])
    return bags(token, np.arange(0, documents * tokens + 1, tokens))


def test_by_hand_of_two_words():
    """Nine others of either kind say one word each: the own has ten of eleven, the other one of eleven."""
    token, fold = np.tile([0, 1], 10), np.arange(20) // 2
    found = cross_fitted(bags(token, np.arange(21)), token == 0, fold)
    np.testing.assert_allclose(found, np.where(token == 0, np.log(10), -np.log(10)))


def test_pairs_of_one_fold_are_compared():
    scores, inside = np.array([1.0, 0.0, 5.0, 9.0, 9.0]), np.array([True, False, True, False, False])
    area, moved = within_folds(scores, inside, np.array([0, 0, 1, 1, 1]))
    assert area == pytest.approx(1 / 3)
    assert moved.sum() == pytest.approx(0.0)


def test_random_halves_are_told_by_nobody():
    rng = np.random.default_rng(1)
    member, pair = half_subset_pairs(rng, 8, 200)
    found = blind_auc(drawn(rng, 200, 0.0), member, pair, np.arange(200))
    assert found.low < 0.5 < found.high
    assert found.value == pytest.approx(0.5, abs=0.05)
    assert found.models == 4


def test_members_of_another_kind_give_themselves_away():
    rng = np.random.default_rng(2)
    member = (np.arange(200) < 100).astype(np.int8)[None]
    found = blind_auc(drawn(rng, 200, 1.0), member, np.array([-1]), np.arange(200))
    assert found.low > 0.7
    assert found.varies_over == "examples"


def test_copies_are_held_out_with_their_original():
    """Unique texts that stand twice would be known by heart otherwise."""
    rng = np.random.default_rng(3)
    token = np.tile(np.arange(100).repeat(2), 2)  # a text of one word of its own, and its copy
    bag, member = bags(token, np.arange(0, 401, 2)), np.tile(rng.random(100) < 0.5, 2).astype(np.int8)[None]
    whole = blind_auc(bag, member, np.array([-1]), np.tile(np.arange(100), 2))
    apart = blind_auc(bag, member, np.array([-1]), np.arange(200))
    assert whole.value == 0.5
    assert apart.value > 0.9


def test_of_one_kind_alone_nothing_is_known():
    found = blind_auc(bags(np.arange(5), np.arange(6)), np.ones((1, 5), np.int8), np.array([-1]), np.arange(5))
    assert np.isnan(found.value)

import numpy as np
import pytest

from byrote.stats.bag_of_words import TOO_FEW, bags, blind_auc, cross_fitted, influence_within_folds, within_folds
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
    found = cross_fitted(bags(token, np.arange(21)), np.int8(token == 0)[None], fold)
    np.testing.assert_allclose(found, np.where(token == 0, np.log(10), -np.log(10))[None])


def test_documents_that_are_not_known_teach_nothing():
    token, member = np.array([0, 1, 0, 1, 0, 0, 0]), np.array([[1, 0, 1, 0, 1, -1, -1]], np.int8)
    found = cross_fitted(bags(token, np.arange(8)), member, np.array([0, 0, 1, 1, 1, 0, 0]))
    np.testing.assert_allclose(found[0, 0], np.log((3 / 4) / (1 / 3)))  # two say 0; the other kind says 1 once
    np.testing.assert_allclose(found[0, 2], np.log((2 / 3) / (1 / 3)))


def test_pairs_of_one_fold_are_compared():
    scores, member = np.array([1.0, 0.0, 5.0, 9.0, 9.0, 7.0]), np.array([1, 0, 1, 0, 0, -1], np.int8)
    fold = np.array([0, 0, 1, 1, 1, 1])
    assert within_folds(scores[None], member[None], fold)[0] == pytest.approx(1 / 3)
    moved = influence_within_folds(scores, member, fold)
    assert moved[:2].tolist() == [0.0, 0.0]  # the only pair of its fold is right whatever else there is
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
    assert found.value > 0.8
    assert found.low > 0.6
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


@pytest.mark.slow
@pytest.mark.parametrize(("documents", "models"), [(60, 1), (200, 1), (60, 8)])
def test_level_where_chance_decides_who_is_trained_on(documents, models):
    """Of 200 random memberships the interval leaves out .5 in 4 to 16, as folds share what chance makes of words."""
    missed = 0
    for seed in range(200):
        rng = np.random.default_rng([seed, documents, models])
        member, pair = half_subset_pairs(rng, 2 * ((models + 1) // 2), documents)
        member, pair = member[:models], pair[:models]
        found = blind_auc(drawn(rng, documents, 0.0), member, pair, np.arange(documents), seed=seed)
        missed += not found.low < 0.5 < found.high
    assert 4 <= missed <= 16


def test_few_persons_with_words_of_their_own_are_told_by_nobody():
    """Each fold holds several persons, so that their words are compared; too few of them are judged not at all."""
    rng, person = np.random.default_rng(4), np.arange(12).repeat(5)
    token = np.concatenate([rng.choice(rng.choice(30, 4, replace=False), 60) for _ in range(12)])
    bag, (member, pair) = bags(token, np.arange(0, 721, 12)), half_subset_pairs(rng, 8, 12)
    found = blind_auc(bag, member[:, person], pair, person)
    assert found.low < 0.5 < found.high
    assert found.stderr > 0.1
    assert blind_auc(bag, member[:, person], pair, np.arange(60)).value > 0.9
    few = blind_auc(bag[:10], member[:, person[:10]], pair, person[:10])
    assert np.isnan(few.value)
    assert few.reason == TOO_FEW

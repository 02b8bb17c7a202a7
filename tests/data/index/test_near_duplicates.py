from __future__ import annotations

import numpy as np
import pytest

from byrote.data.index.near_duplicates import (
    MINIMA,
    RECALL,
    band_rows,
    exact_duplicates,
    jaccard,
    near_duplicates,
    shingles,
)
from byrote.errors import BadInput

WORDS = [f"w{number}" for number in range(2_000)]


def text_of(rng: np.random.Generator, words: int) -> list[str]:
    return rng.choice(WORDS, words).tolist()


def perturbed(rng: np.random.Generator, words: list[str], changes: int) -> list[str]:
    """The same words, with some replaced, left out, or put in."""
    made = list(words)
    for _ in range(changes):
        at, kind = int(rng.integers(len(made))), int(rng.integers(3))
        new = [f"new{rng.integers(10**6)}"]
        made[at : at + (kind != 2)] = [] if kind == 1 else new
    return made


def test_exact_duplicates_point_to_their_first():
    found = exact_duplicates(["b", "a", "b", "b", "c", "a"])
    assert found.cluster.tolist() == [0, 1, 0, 0, 4, 1]
    assert found.kept.tolist() == [0, 1, 4]
    assert found.removed.tolist() == [2, 3, 5]
    assert repr(found) == "Clusters(6 documents, 3 copies of others, largest cluster 3)"
    assert repr(exact_duplicates([])) == "Clusters(0 documents, 0 copies of others, largest cluster 0)"


def test_shingles_by_hand():
    assert shingles("A b; c", 2) == {"a b", "b c"}
    assert shingles("one", 5) == {"one"}
    assert shingles("...", 5) == frozenset()
    assert shingles("東京 Tower", 2) == {"東 京", "京 tower"}
    assert shingles("\u0915\u093f a", 1) == {"\u0915\u093f", "a"}  # a letter keeps its vowel sign
    assert shingles("\u0e14\u0e35\u0e14\u0e39", 1) == {"\u0e14\u0e35", "\u0e14\u0e39"}
    assert jaccard(shingles("a b c", 1), shingles("b c d", 1)) == 0.5
    assert jaccard(frozenset(), frozenset()) == 0.0


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8, 0.9, 1.0])
def test_bands_are_as_narrow_as_the_promise_allows(similarity):
    def chance(rows: int) -> float:
        return 1 - (1 - similarity**rows) ** (MINIMA // rows)

    rows = band_rows(similarity)
    assert chance(rows) >= RECALL
    assert all(chance(wider) < RECALL for wider in range(rows + 1, MINIMA + 1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_pairs_above_the_similarity_are_found_as_often_as_the_bands_promise(seed):
    pytest.importorskip("rensa", reason="near-duplicates need rensa")
    rng = np.random.default_rng(seed)
    texts, pairs = [], []
    for number in range(600):
        words = text_of(rng, int(rng.integers(60, 200)))
        other = perturbed(rng, words, int(rng.integers(1, 9)))
        texts += [" ".join(words), ", ".join(other).upper()]
        pairs.append((2 * number, 2 * number + 1))
    true = np.array([jaccard(shingles(texts[a]), shingles(texts[b])) for a, b in pairs])
    found = near_duplicates(texts, similarity=0.8, seed=seed)
    together = np.array([found.cluster[a] == found.cluster[b] for a, b in pairs])
    assert 100 < (true >= 0.8).sum() < 500  # the perturbations reach over the threshold on both sides
    assert not together[true < 0.8].any()  # every one is verified
    rows = band_rows(0.8)
    missed = (1 - true[true >= 0.8] ** rows) ** (MINIMA // rows)
    most = missed.sum() + 4 * np.sqrt((missed * (1 - missed)).sum()) + 1
    assert (~together[true >= 0.8]).sum() <= most
    assert len(found.links) == together.sum()
    for (one, other), similarity in zip(found.links.tolist(), found.similarity.tolist(), strict=True):
        assert similarity == jaccard(shingles(texts[one]), shingles(texts[other])) >= 0.8


@pytest.mark.slow
def test_clusters_are_those_of_all_pairs():
    """Chains, several copies of one text, and texts of no word, against every pair compared."""
    pytest.importorskip("rensa", reason="near-duplicates need rensa")
    rng = np.random.default_rng(3)
    texts = ["...", "...", "!!"]
    for _ in range(25):
        words = text_of(rng, 400)
        for _ in range(int(rng.integers(1, 7))):
            words = perturbed(rng, words, 4)
            texts.append(" ".join(words))
    texts = [texts[at] for at in rng.permutation(len(texts))]
    parent = np.arange(len(texts))
    for one in range(len(texts)):
        for other in range(one + 1, len(texts)):
            if texts[one] == texts[other] or jaccard(shingles(texts[one]), shingles(texts[other])) >= 0.8:
                low, high = sorted((parent[one], parent[other]))
                parent[parent == high] = low
    found = near_duplicates(texts, similarity=0.8)
    assert found.cluster.tolist() == parent.tolist()
    assert len(found.links) == len(found.removed)  # as many as a forest has


def test_a_seed_changes_which_pairs_are_looked_at_and_not_what_is_alike():
    pytest.importorskip("rensa", reason="near-duplicates need rensa")
    rng = np.random.default_rng(4)
    words = text_of(rng, 300)
    texts = [" ".join(words), " ".join([*words, "more"]), " ".join(text_of(rng, 300))]
    for seed in (0, 1, 2):
        assert near_duplicates(texts, seed=seed).cluster.tolist() == [0, 0, 2]


def test_edit_similarity_verifies_too():
    pytest.importorskip("rensa", reason="near-duplicates need rensa")
    pytest.importorskip("rapidfuzz", reason="edit similarity needs rapidfuzz")
    words = text_of(np.random.default_rng(5), 120)
    texts = [" ".join(words), " ".join([*words[:118], "quite", "other"]), " ".join(reversed(words))]
    found = near_duplicates(texts, verify="edit")
    assert found.cluster.tolist() == [0, 0, 2]
    assert 0.8 <= found.similarity[0] < 1


@pytest.mark.parametrize("similarity", [0.0, -0.1, 1.5])
def test_a_similarity_that_is_none(similarity):
    with pytest.raises(BadInput, match=r"must lie in \(0, 1\]"):
        near_duplicates(["a"], similarity=similarity)


def test_no_texts_make_no_clusters():
    pytest.importorskip("rensa", reason="near-duplicates need rensa")
    assert near_duplicates([]).cluster.tolist() == []

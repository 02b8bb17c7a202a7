import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from byrote.measures.extraction_strength import extraction_strength
from measures.documents import random_documents, spans
from measures.evidence import slow_member_mean


def slow(hit: np.ndarray, scored: np.ndarray) -> float:
    """1 - k*/L by trying every k."""
    length = len(hit)
    if not scored.any():
        return float("nan")
    for k in range(length):
        if all(hit[t] and scored[t] for t in range(k, length)):
            return 1 - k / length
    return 0.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_equals_a_slow_loop(seed):
    hit, offsets, scored, member = random_documents(seed)
    found = extraction_strength(hit, offsets, scored, member)
    where = spans(offsets)
    np.testing.assert_allclose(
        found.values, slow_member_mean(lambda k, i: slow(hit[k, where[i]], scored[where[i]]), member)
    )


def test_nothing_matching_is_zero_and_all_matching_is_one():
    hit, member = np.array([[False, False, False, True, True]]), np.ones((1, 2), np.int8)
    found = extraction_strength(hit, np.array([0, 3, 5]), np.ones(5, bool), member)
    np.testing.assert_array_equal(found.values, [0.0, 1.0])


def test_a_uniform_table_has_the_mean_of_a_geometric_run():
    """Tokens right with probability q: E[run] = sum_{r=1..L} q^r, over L."""
    rng = np.random.default_rng(1)
    examples, length, rate = 4000, 6, 0.7
    hit = rng.random((1, examples * length)) < rate
    offsets, scored = np.arange(0, examples * length + 1, length), np.ones(examples * length, bool)
    found = extraction_strength(hit, offsets, scored, np.ones((1, examples), np.int8))
    assert abs(found.values.mean() - sum(rate**r for r in range(1, 7)) / 6) < 0.015


def test_a_document_of_one_token_without_bos_is_undefined():
    found = extraction_strength(np.array([[False, True]]), np.array([0, 1, 2]), np.array([False, True]),
                                np.array([[1, 1]], np.int8))  # fmt: skip
    np.testing.assert_array_equal(found.values, [np.nan, 1.0])
    assert found.reason(0) == "no token of it has a prediction"

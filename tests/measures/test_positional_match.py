import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from byrote.measures.positional_match import positional_match
from measures.evidence import slow_member_mean


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 6))
def test_equals_a_slow_loop(seed, models, positions):
    rng = np.random.default_rng(seed)
    said = rng.integers(0, 3, (models, 5, positions)).astype(np.int32)
    truth = rng.integers(0, 3, (5, positions)).astype(np.int32)
    member = rng.integers(-1, 2, (models, 5)).astype(np.int8)
    expected = slow_member_mean(
        lambda k, i: sum(int(said[k, i, p] == truth[i, p]) for p in range(positions)) / positions, member
    )
    np.testing.assert_allclose(positional_match(said, truth, member).values, expected)


def test_a_uniform_speaker_is_right_once_in_the_vocabulary():
    rng = np.random.default_rng(0)
    said, truth = rng.integers(0, 5, (2, 2000, 20, 10)), rng.integers(0, 5, (2000, 10))
    found = positional_match(said[:, :, 0].astype(np.int32), truth.astype(np.int32), np.ones((2, 2000), np.int8))
    assert abs(found.values.mean() - 0.2) < 0.01


def test_short_documents_and_models_that_did_not_see_it():
    said = np.array([[[1, 2], [-1, -1]], [[1, 9], [-1, -1]]], np.int32)
    truth, member = np.array([[1, 2], [-1, -1]], np.int32), np.array([[1, 1], [0, 1]], np.int8)
    found = positional_match(said, truth, member)
    np.testing.assert_array_equal(found.values, [1.0, np.nan])
    assert found.reason(1) == "it is shorter than prefix and suffix"
    assert positional_match(said, truth, member, side=0).values[0] == 0.5

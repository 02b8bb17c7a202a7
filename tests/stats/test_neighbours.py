import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from byrote.stats.neighbours import directions, distinct, nearest, vote


@given(st.integers(0, 10**6), st.integers(8, 30), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_against_a_slow_loop(seed, points, units, count):
    rng = np.random.default_rng(seed)
    references = rng.normal(size=(points, units)) + 1000.0  # far from 0, where fast formulas round
    queries = np.concatenate([references[:4], rng.normal(size=(3, units)) + 1000.0])
    own = np.array([0, 1, 2, 3, -1, -1, -1])
    found = nearest(queries, references, count, own=own)
    for row, query in enumerate(queries):
        apart = [(float(np.linalg.norm(query - r)), n) for n, r in enumerate(references) if n != own[row]]
        expected = sorted(apart)[:count]
        np.testing.assert_allclose(found.distance[row], [d for d, _ in expected], rtol=1e-9, atol=1e-12)
        assert found.index[row].tolist() == [n for _, n in expected]


def test_a_copy_of_a_query_is_its_neighbour_and_the_query_is_not():
    points = np.array([[0.0], [5.0], [0.0], [9.0]])
    assert nearest(points, points, 1, own=np.arange(4)).index[:, 0].tolist() == [2, 3, 0, 1]
    assert distinct(points).tolist() == [True, True, False, True]


def test_of_tied_labels_that_of_the_nearest_wins():
    labels = np.array([[3, 1, 1, 3, 0], [2, 1, 1, 2, 2], [0, 1, 2, 3, 4], [4, 0, 0, 1, 1]])
    assert vote(labels, 5).tolist() == [3, 2, 0, 0]


def test_directions_have_length_one():
    rng = np.random.default_rng(1)
    np.testing.assert_allclose(np.linalg.norm(directions(rng.normal(size=(9, 4))), axis=1), 1.0)

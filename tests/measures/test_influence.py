import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.errors import BadInput
from byrote.measures.influence import influence
from byrote.stats.intervals import agresti_caffo
from measures.evidence import half_subset_pairs


def slow(correct, member, q, i):
    inside = [correct[k, q] for k in range(len(member)) if member[k, i] == 1]
    outside = [correct[k, q] for k in range(len(member)) if member[k, i] == 0]
    if not inside or not outside:
        return None
    return np.mean(inside) - np.mean(outside), (sum(inside), len(inside), sum(outside), len(outside))


@given(
    st.integers(0, 8), st.integers(1, 12), st.integers(1, 5), st.integers(1, 6), st.integers(1, 7),
    st.integers(-1, 0), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_agrees_with_the_slow_loop(models, examples, queries, top, block, lowest, seed):
    rng = np.random.default_rng(seed)
    correct = rng.random((models, queries)) < 0.5
    member = rng.integers(lowest, 2, (models, examples)).astype(np.int8)
    found = influence(correct, member, top=top, example_block=block, query_block=2)
    for q in range(queries):
        every = {i: slow(correct, member, q, i) for i in range(examples)}
        values = sorted((v[0] for v in every.values() if v), reverse=True)
        of_query = found.query == q
        assert found.values[of_query] == pytest.approx(values[:top])
        for i, value, stderr, low, high in zip(
            *(getattr(found, name)[of_query] for name in ("example", "values", "stderr", "low", "high")),
            strict=True,
        ):
            expected, counts = every[i]
            interval = agresti_caffo(*(np.array([int(n)]) for n in counts))
            assert (value, stderr) == pytest.approx((expected, interval.stderr[0]))
            assert (low, high) == pytest.approx((interval.low[0], interval.high[0]))


def test_by_hand():
    """Query 0 is right just when example 1 was in; query 1 is right when example 0 was out."""
    member = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], np.int8)
    correct = np.stack([member[:, 1] == 1, member[:, 0] == 0], axis=1)
    found = influence(correct, member, top=1)
    np.testing.assert_array_equal(found.query, [0, 1])
    np.testing.assert_array_equal(found.example, [1, 1])
    np.testing.assert_array_equal(found.values, [1.0, 0.0])
    assert found.models == 4


def test_examples_in_all_or_none_have_no_pairs():
    found = influence(np.ones((3, 2), bool), np.array([[1, 0, -1]] * 3, np.int8))
    assert len(found.values) == 0
    assert "0 pairs kept" in repr(found)


def test_a_lookup_of_near_twins_is_found():
    """Held-out q is right just when its twin, example 3 q, was trained on: exactly 1, in every block."""
    member, _ = half_subset_pairs(np.random.default_rng(0), 40, 300)
    twins = np.arange(0, 300, 3)
    found = influence(member[:, twins] == 1, member, top=3, example_block=64, query_block=7)
    first = found.query != np.roll(found.query, 1)
    np.testing.assert_array_equal(found.example[first], twins)
    np.testing.assert_array_equal(found.values[first], 1.0)
    assert (found.values[~first] < 1).all()
    assert (found.stderr > 0).all()


def test_a_constant_learner_influences_nothing():
    member, _ = half_subset_pairs(np.random.default_rng(0), 8, 10)
    for answer in (True, False):
        np.testing.assert_array_equal(influence(np.full((8, 4), answer), member).values, 0.0)


@pytest.mark.parametrize("name", ["top", "example_block", "query_block"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(BadInput, match=f"'{name}' argument of influence must be"):
        influence(np.ones((2, 1), bool), np.ones((2, 1), np.int8), **{name: 0})

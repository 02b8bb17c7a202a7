import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.designs.two_splits import two_splits
from byrote.errors import BadInput


@given(st.integers(2, 25), st.integers(2, 8), st.integers(0, 99))
def test_both_ways_round(examples, pairs, seed):
    design = two_splits(examples, 2 * pairs, rng=np.random.default_rng(seed))
    first, second = (phase.count for phase in design.phases)
    np.testing.assert_array_equal(first[0::2], second[1::2])
    np.testing.assert_array_equal(first[1::2], second[0::2])
    idle = examples % 2
    np.testing.assert_array_equal((first + second == 1).sum(1), examples - idle)
    assert (first + second <= 1).all()
    np.testing.assert_array_equal(design.member, first + second)
    np.testing.assert_array_equal(design.pair, np.repeat(np.arange(pairs), 2))


def test_length_of_the_second_phase():
    design = two_splits(6, 4, epochs=7, rng=np.random.default_rng(0))
    assert [(phase.name, phase.epochs) for phase in design.phases] == [("first split", None), ("second split", 7)]
    assert two_splits(6, 4, rng=np.random.default_rng(0)).phases[1].epochs is None


def test_refusals():
    with pytest.raises(BadInput, match=r"'models' argument of two_splits must be at least 4.*Got 2\."):
        two_splits(6, 2, rng=np.random.default_rng(0))
    with pytest.raises(BadInput, match=r"even number of models\. Got 5\."):
        two_splits(6, 5, rng=np.random.default_rng(0))

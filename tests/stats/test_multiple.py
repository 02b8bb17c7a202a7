from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from byrote.errors import BadInput
from byrote.stats.multiple import benjamini_hochberg, corrected, holm

p_values = arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1))


def slow_holm(p, level):
    """Step down: go on from the smallest while it is at most level over the number of those that are left."""
    found = np.zeros(len(p), bool)
    for step, test in enumerate(np.argsort(p, kind="stable")):
        if p[test] > level / (len(p) - step):
            break
        found[test] = True
    return found


def slow_benjamini_hochberg(p, level):
    """Step up: the largest k whose k-th smallest is at most k level / m, and all before it."""
    order = np.argsort(p, kind="stable")
    last = max((k for k in range(1, len(p) + 1) if p[order[k - 1]] <= k * level / len(p)), default=0)
    found = np.zeros(len(p), bool)
    found[order[:last]] = True
    return found


@given(p_values, st.sampled_from([0.013, 0.057, 0.31]))
def test_both_decide_as_their_steps_do(p, level):
    np.testing.assert_array_equal(holm(p) <= level, slow_holm(p, level))
    np.testing.assert_array_equal(benjamini_hochberg(p) <= level, slow_benjamini_hochberg(p, level))


def test_nothing_stays_nothing():
    assert len(holm(np.empty(0))) == len(benjamini_hochberg(np.empty(0))) == 0


def test_an_unknown_correction_is_refused():
    with pytest.raises(BadInput, match="'sidak'"):
        corrected(np.ones(2), "sidak")

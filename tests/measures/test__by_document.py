from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from byrote.measures._by_document import has_scored, mean_of_lowest, mean_of_tokens


def slow(values, offsets, counted, share):
    """The mean of the lowest tokens of each document, in a plain loop."""
    found = np.full((len(values), len(offsets) - 1), np.nan)
    for t, row in enumerate(values):
        for i, (a, b) in enumerate(pairwise(offsets)):
            own = sorted(float(row[j]) for j in range(a, b) if counted[j])
            if own:
                taken = max(1, int(share * len(own)))
                found[t, i] = sum(own[:taken]) / taken
    return found


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.2, 0.5, 1.0]))
def test_agrees_with_the_slow_loop(seed, share):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 6, 5))])
    values, counted = rng.normal(size=(3, offsets[-1])), rng.random(offsets[-1]) < 0.7
    expected = slow(values, offsets, counted, share)
    np.testing.assert_allclose(mean_of_lowest(values, offsets, counted, share), expected, rtol=1e-12)
    np.testing.assert_array_equal(has_scored(offsets, counted), ~np.isnan(expected[0]))
    everything = slow(values, offsets, counted, 1.0)
    np.testing.assert_allclose(mean_of_tokens(values, offsets, counted), everything, rtol=1e-12)

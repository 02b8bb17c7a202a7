import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from byrote.data import blocks


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=4, max_side=6),
        elements=st.floats(-100, 100, width=32) | st.just(np.nan),
    ),
    st.integers(1, 20),
)
def test_blocks_agree_with_the_whole(array, values):
    kept, blocks.VALUES_PER_BLOCK = blocks.VALUES_PER_BLOCK, values
    try:
        assert np.array_equal(np.concatenate([array[rows] for rows in blocks.row_blocks(array)]), array, equal_nan=True)
        assert blocks.finite_rows(array).tolist() == [bool(np.isfinite(row).all()) for row in array]
        zeroed = np.nan_to_num(array)
        np.testing.assert_allclose(blocks.mean_of_rows(zeroed), zeroed.mean(0, dtype=float), atol=1e-9)
        low, high = blocks.range_of_rows(zeroed)
        inner = (0, *range(2, zeroed.ndim))
        assert np.array_equal(low, zeroed.min(inner, keepdims=True)[0])
        assert np.array_equal(high, zeroed.max(inner, keepdims=True)[0])
        np.testing.assert_allclose(blocks.deviation_of_rows(zeroed), zeroed.std(0, dtype=float), atol=1e-9)
    finally:
        blocks.VALUES_PER_BLOCK = kept

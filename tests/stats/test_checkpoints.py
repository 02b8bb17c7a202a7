import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.errors import BadInput
from byrote.stats.checkpoints import epoch_weights


@given(st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True), st.integers(0, 2**32 - 1))
def test_weighted_sum_is_the_sum_of_the_interpolation(epochs, seed):
    epochs = np.array(sorted(epochs))
    values = np.random.default_rng(seed).normal(size=len(epochs))
    every = np.arange(epochs[0], epochs[-1] + 1)
    np.testing.assert_allclose(
        epoch_weights(epochs) @ values, np.interp(every, epochs, values).sum(), rtol=1e-9, atol=1e-9
    )


def test_every_epoch_recorded_weighs_one():
    np.testing.assert_array_equal(epoch_weights(np.arange(3, 9)), np.ones(6))


@pytest.mark.parametrize("epochs", [[], [1, 1], [2, 1]])
def test_epochs_that_do_not_increase_are_refused(epochs):
    with pytest.raises(BadInput, match="increase strictly"):
        epoch_weights(np.array(epochs, np.int64))

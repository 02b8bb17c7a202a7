import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from byrote.stats.rates import rates


@given(st.integers(1, 9), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_agrees_with_the_slow_loop(models, examples, seed):
    rng = np.random.default_rng(seed)
    correct, member = rng.random((models, examples)) < 0.5, rng.integers(-1, 2, (models, examples))
    part = np.r_[0, 1, 2, rng.integers(0, 3, models)][:models]
    stratum = rng.integers(0, 2, (models, 1)).repeat(examples, 1)
    found = rates(correct, member, part, stratum)
    chosen = rng.random(len(found.right)) < 0.7
    together = found.of(chosen)
    for i in range(examples):
        for place, name in enumerate(np.unique(stratum)):
            for side in (0, 1):
                mine = [k for k in range(models) if member[k, i] == side and chosen[part[k]] and stratum[k, i] == name]
                answers = [bool(correct[k, i]) for k in mine]
                counts = together.right[0, place, side, i], together.models[0, place, side, i]
                assert counts == (sum(answers), len(answers))


def test_the_difference_is_label_memorization_and_nan_where_a_side_is_empty():
    correct = np.array([[1, 1], [1, 0], [0, 0], [0, 1]], bool)
    member = np.array([[1, 1], [1, 1], [0, 1], [0, 1]])
    found = rates(iter(correct), member, np.zeros(4, int), np.zeros((4, 2), int))
    np.testing.assert_array_equal(found.difference, [[1.0, np.nan]])

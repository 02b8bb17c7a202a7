import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.data.arrays import from_arrays
from byrote.data.split import Split, balance, few_groups, held_out, split, standardised
from byrote.errors import BadInput


@given(st.integers(0, 999), st.integers(2, 40), st.floats(0, 0.9))
def test_whole_groups_are_held_out_and_no_class_is_lost(seed, groups, share):
    rng = np.random.default_rng(seed)
    names = rng.integers(0, groups, 80).astype(str)
    targets = rng.integers(0, 3, 80)
    held = held_out(targets, names, share=share, seed=seed)
    assert not set(names[held]) & set(names[~held])
    assert held.sum() <= round(share * 80)
    assert set(targets[~held]) == set(targets)


def test_about_the_share_is_held_out():
    rng = np.random.default_rng(0)
    names, targets = rng.integers(0, 200, 1000).astype(str), rng.integers(0, 4, 1000)
    assert held_out(targets, names, share=0.2, seed=0).mean() == pytest.approx(0.2, abs=0.01)
    by_class = held_out(targets, None, share=0.2, seed=0)
    for label in range(4):
        assert by_class[targets == label].mean() == pytest.approx(0.2, abs=0.01)


def test_the_seed_fixes_it():
    names, targets = np.arange(60).astype(str), np.arange(60) % 3
    one, again, other = (held_out(targets, names, share=0.3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@pytest.mark.parametrize("share", [-0.1, 1.0, 7.0, float("nan")])
def test_a_share_that_is_none(share):
    with pytest.raises(BadInput, match=r"'heldout' argument must be a share in \[0, 1\)"):
        held_out(np.array([0, 1]), None, share=share, seed=0)


def test_nothing_held_out_is_said():
    whole = from_arrays([[0.0], [1.0]], ["a", "b"])
    made = split(whole, np.zeros(2, bool), notes=("A note.",))
    assert (made.heldout, made.notes) == (None, ("A note.", "No example is held out."))
    assert "0 held out, 2 notes" in repr(made)


def test_standardised_by_the_training_examples():
    whole = from_arrays(np.array([[0.0, 5], [2, 5], [100, 7]]), ["a", "b", "a"])
    made = standardised(split(whole, np.array([False, False, True])))
    assert isinstance(made, Split)
    np.testing.assert_allclose(made.training.inputs, [[-1, 0], [1, 0]])
    np.testing.assert_allclose(made.heldout.inputs, [[99, 2]])
    assert whole.inputs[2, 0] == 100


def test_imbalance_is_said():
    assert balance(from_arrays([[0.0]] * 10, ["a"] * 8 + ["b"] * 2)) == ()
    (said,) = balance(from_arrays([[0.0]] * 10, ["a"] * 9 + ["b"]))
    assert said.startswith("90 % of the examples are of the class 'a'")


def test_few_groups_are_said():
    def grouped(count):
        return from_arrays(np.zeros((60, 1)), np.arange(60) % 2, groups=(np.arange(60) % count).astype(str))

    assert few_groups(from_arrays([[0.0], [1.0]], ["a", "b"])) == ()
    assert few_groups(grouped(20)) == ()
    assert few_groups(grouped(19))[0].startswith("There are 19 groups")

import numpy as np

from byrote.data import Display, digits


def test_the_digits():
    train, held_out = digits()
    # 1,797 digits in all: the dataset's description in scikit-learn
    assert len(train) + len(held_out) == 1797
    assert abs(len(held_out) - 0.2 * 1797) <= 5
    assert train.inputs.shape[1:] == (1, 8, 8)
    assert train.inputs.dtype == np.float32
    assert (train.inputs.min(), train.inputs.max()) == (0, 1)
    assert train.class_names == tuple("0123456789")
    assert train.display == Display("image", (8, 8))
    assert (train.name, held_out.name) == ("digits", "digits-held-out")
    assert not set(train.ids) & set(held_out.ids)
    assert min(train.ids[0], held_out.ids[0]) == "digits-0000"
    assert max(train.ids[-1], held_out.ids[-1]) == "digits-1796"


def test_the_split_is_by_class_and_fixed():
    train, held_out = digits()
    share = np.bincount(held_out.targets) / (np.bincount(held_out.targets) + np.bincount(train.targets))
    np.testing.assert_allclose(share, 0.2, atol=0.005)
    again = digits()
    assert [part.fingerprint() for part in again] == [train.fingerprint(), held_out.fingerprint()]


def test_ids_are_positions_in_scikit_learn():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    for part in digits():
        positions = [int(one.removeprefix("digits-")) for one in part.ids]
        assert np.array_equal(part.targets, bunch.target[positions])
        assert np.array_equal(part.inputs[:, 0] * 16, bunch.images[positions])

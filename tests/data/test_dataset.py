import pickle

import numpy as np
import pytest

from byrote.data import Dataset, Display, from_arrays, notes
from byrote.data.controls import LABEL_NOISE, planted
from byrote.errors import BadInput


def small(**other):
    facts = {
        "inputs": np.arange(20, dtype=np.float32).reshape(5, 4),
        "targets": np.array([0, 1, 0, 1, 1]),
        "ids": np.array(["a", "b", "c", "d", "e"]),
        "groups": np.array(["g", "g", "h", "h", "h"]),
        "class_names": ("cat", "dog"),
    }
    return Dataset(name="small", **(facts | other))


def changed(array, where, value):
    copy = array.astype("U20") if array.dtype.kind == "U" else array.copy()
    copy[where] = value
    return copy


def test_what_it_says_of_itself():
    assert len(small()) == 5
    assert small().classes == 2
    assert repr(small()) == "Dataset('small', 5 examples of 4, 2 classes)"


def test_arrays_are_read_only_views_and_not_copies():
    inputs = np.zeros((5, 4), np.float32)
    dataset = small(inputs=inputs)
    assert np.shares_memory(dataset.inputs, inputs)
    with pytest.raises(ValueError, match="read-only"):
        dataset.inputs[0, 0] = 1
    inputs[0, 0] = 1  # the user's own array stays writable


def test_fingerprint_is_of_content():
    assert small().fingerprint() == small().fingerprint()
    assert len(small().fingerprint()) == 64
    same = (
        small(ids=small().ids.astype("U9")),
        small(inputs=np.asfortranarray(small().inputs)),
        small(inputs=small().inputs.astype(">f4")),
        small().replace(name="other"),
    )
    for dataset in same:
        assert dataset.fingerprint() == small().fingerprint()


@pytest.mark.parametrize(
    "other",
    [
        {"inputs": changed(small().inputs, (3, 2), 0.5)},
        {"inputs": small().inputs.astype(np.float64)},
        {"inputs": small().inputs.reshape(5, 2, 2)},
        {"targets": changed(small().targets, 0, 1)},
        {"ids": changed(small().ids, 4, "f")},
        {"groups": changed(small().groups, 4, "g")},
        {"groups": None},
        {"class_names": ("cat", "cow")},
        {"class_names": ("cat", "dog", "cow")},
    ],
)
def test_fingerprint_sees_every_change(other):
    assert small(**other).fingerprint() != small().fingerprint()


def test_fingerprint_sees_the_order():
    assert small().subset(np.array([1, 0, 2, 3, 4])).fingerprint() != small().fingerprint()
    assert small().subset(np.arange(5)).fingerprint() == small().fingerprint()


def test_fingerprint_does_not_confuse_neighbouring_texts():
    left = small(ids=np.array(["ab", "c", "x", "y", "z"]))
    assert left.fingerprint() != small(ids=np.array(["a", "bc", "x", "y", "z"])).fingerprint()


def test_fingerprint_is_streamed_in_blocks(monkeypatch):
    whole = small().fingerprint()
    monkeypatch.setattr("byrote.data.blocks.VALUES_PER_BLOCK", 1)
    assert small().fingerprint() == whole


def test_a_subset_takes_everything_along():
    controls = planted(LABEL_NOISE, ["a", "d"], ["dog", "cat"])
    part = small(controls=controls).subset(np.array([3, 1]))
    assert part.ids.tolist() == ["d", "b"]
    assert part.targets.tolist() == [1, 1]
    assert part.groups.tolist() == ["h", "g"]
    assert part.inputs[0].tolist() == [12, 13, 14, 15]
    assert part.controls.example.tolist() == ["d"]


def test_a_subset_by_mask():
    assert small().subset(small().targets == 0).ids.tolist() == ["a", "c"]


def test_a_subset_names_no_example_twice():
    with pytest.raises(BadInput, match=r"must name an example once\. Got 'b' repeatedly\."):
        small().subset(np.array([1, 1]))


def test_index_of_ids():
    shuffled = small().subset(np.array([3, 0, 4, 2, 1]))
    assert shuffled.index_of(["a", "e", "d"]).tolist() == [1, 2, 0]
    assert shuffled.index_of([]).tolist() == []
    with pytest.raises(BadInput, match="2 ids are not in the dataset 'small': 'aa', 'z'"):
        shuffled.index_of(["aa", "b", "z"])


def test_it_survives_pickling():
    again = pickle.loads(pickle.dumps(small()))
    assert again.fingerprint() == small().fingerprint()


def test_pictures_have_channels_last():
    color = np.arange(60).reshape(3, 4, 5)
    assert np.array_equal(Display("image", (4, 5, 3)).picture(color), np.moveaxis(color, 0, -1))
    assert Display("image", (4, 5)).picture(np.zeros((1, 4, 5))).shape == (4, 5)
    assert Display("image", (4, 5)).picture(np.zeros(20)).shape == (4, 5)
    assert Display("row").picture(np.zeros(3)).shape == (3,)


def test_notes_name_singletons_and_empty_classes():
    dataset = small(class_names=("cat", "dog", "cow", "x", "y"), targets=np.array([0, 0, 2, 3, 4]))
    assert notes(dataset) == (
        "3 classes have a single example: 'cow', 'x', 'y'. "
        "They are the long tail that byrote exists for; they are kept.",
        "1 class has no example: 'dog'.",
    )
    assert notes(small()) == ()


def test_a_single_singleton_is_kept():
    dataset = from_arrays(np.zeros((3, 2)), ["x", "x", "y"])
    assert notes(dataset) == (
        "1 class has a single example: 'y'. It is the long tail that byrote exists for; it is kept.",
    )

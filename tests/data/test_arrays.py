import numpy as np
import pytest

from byrote.data import Display, from_arrays
from byrote.data.dataset import notes
from byrote.errors import BadInput

X = np.arange(8, dtype=np.float32).reshape(4, 2)
Y = np.array([0, 1, 1, 0])


def refusal(*arguments, **keywords):
    with pytest.raises(BadInput) as caught:
        from_arrays(*arguments, **keywords)
    return str(caught.value)


def test_a_pair_of_arrays():
    dataset = from_arrays(X, Y)
    assert dataset.ids.tolist() == ["arrays-0000", "arrays-0001", "arrays-0002", "arrays-0003"]
    assert dataset.class_names == ("0", "1")
    assert dataset.targets.dtype == np.int64
    assert dataset.display == Display("row", (2,))
    assert dataset.groups is None
    assert len(dataset.controls) == 0


def test_float32_is_not_copied():
    assert np.shares_memory(from_arrays(X, Y).inputs, X)


def test_memory_mapped_arrays_stay_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 5, 6), np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    inputs = from_arrays(mapped, Y).inputs
    assert inputs.shape == (4, 1, 5, 6)
    assert np.shares_memory(inputs, mapped)


@pytest.mark.parametrize(
    "labels",
    [
        ["dog", "cat", "cat", "dog"],
        np.array(["dog", "cat", "cat", "dog"]),
        np.array(["dog", "cat", "cat", "dog"], object),
        np.array([b"dog", b"cat", b"cat", b"dog"]),
    ],
)
def test_text_labels_become_sorted_class_names(labels):
    dataset = from_arrays(X, labels)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.targets.tolist() == [1, 0, 0, 1]


def test_text_labels_follow_given_class_names():
    assert from_arrays(X, ["dog", "cat", "cat", "dog"], class_names=("dog", "cat")).targets.tolist() == [
        0,
        1,
        1,
        0,
    ]


@pytest.mark.parametrize("labels", [Y.tolist(), Y.astype(float), Y.astype(bool), Y.astype(np.uint8), Y.astype(object)])
def test_whole_labels_of_any_type(labels):
    assert from_arrays(X, labels).targets.tolist() == [0, 1, 1, 0]


def test_ids_and_groups_become_text():
    dataset = from_arrays(X, Y, ids=[10, 11, 12, -1], groups=["p", "p", "q", "q"])
    assert dataset.ids.tolist() == ["10", "11", "12", "-1"]
    assert dataset.groups.tolist() == ["p", "p", "q", "q"]


@pytest.mark.parametrize(
    ("shape", "kept", "shown"),
    [
        ((6, 5), (1, 6, 5), (6, 5)),
        ((1, 6, 5), (1, 6, 5), (6, 5)),
        ((3, 6, 5), (3, 6, 5), (6, 5, 3)),
        ((6, 5, 1), (1, 6, 5), (6, 5)),
        ((6, 5, 3), (3, 6, 5), (6, 5, 3)),
    ],
)
def test_images_become_channel_first(shape, kept, shown):
    inputs = np.random.default_rng(0).random((4, *shape), np.float32)
    dataset = from_arrays(inputs, Y)
    assert dataset.inputs.shape == (4, *kept)
    assert dataset.display == Display("image", shown)
    assert np.array_equal(dataset.display.picture(dataset.inputs[1]).ravel(), _as_seen(inputs[1]).ravel())


def _as_seen(image):
    return np.moveaxis(image, 0, -1) if image.ndim == 3 and image.shape[0] in (1, 3) else image


@pytest.mark.parametrize("shape", [(3,), (3, 5), (2, 6, 5), (3, 3, 3), (2, 4, 4, 4)])
def test_other_shapes_are_rows(shape):
    dataset = from_arrays(np.zeros((4, *shape), np.float32), Y)
    assert dataset.display == Display("row", shape)
    assert dataset.inputs.shape == (4, *shape)


def test_uint8_images_are_scaled_and_rows_are_not():
    image = np.full((4, 5, 5), 255, np.uint8)
    assert from_arrays(image, Y).inputs.max() == 1
    assert from_arrays(np.arange(80, dtype=np.uint8).reshape(4, 20), Y).inputs.max() == 79
    assert from_arrays(image.reshape(4, 25), Y).inputs.max() == 255
    assert from_arrays(image, Y).inputs.dtype == np.float32


@pytest.mark.parametrize(
    ("dtype", "largest", "by"),
    [
        ("int64", 255, 255),
        ("int64", 250, 255),
        ("int32", 16, 31),
        ("uint32", 50_000, 65_535),
        ("uint16", 300, 65_535),
        ("uint8", 3, 255),
        ("int64", 1, 1),
        ("bool", 1, 1),
        ("float64", 255, 1),
    ],
)
def test_images_of_whole_numbers_go_from_0_to_1(dtype, largest, by):
    images = np.zeros((4, 5, 5), dtype)
    images[1, 2, 3] = largest
    made = from_arrays(images, Y)
    assert made.inputs.dtype == np.float32
    assert made.inputs[1, 0, 2, 3] == np.float32(largest) / np.float32(by)
    assert made.inputs.sum() == made.inputs[1, 0, 2, 3]


def test_the_same_picture_is_the_same_in_uint8_and_int64():
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 6))
    assert from_arrays(images, Y).fingerprint() == from_arrays(images.astype(np.uint8), Y).fingerprint()


def test_images_with_numbers_below_0_stay_as_they_are_and_a_note_says_so():
    images = np.full((4, 5, 5), -1000)
    images[0] = 3000
    made = from_arrays(images, Y)
    assert (made.inputs.min(), made.inputs.max()) == (-1000, 3000)
    assert "their numbers go from -1000 to 3000" in notes(made)[0]
    assert not notes(from_arrays(images.astype(np.float32) / 3000, Y))
    assert "from 0 to 0.01" in notes(from_arrays(np.eye(5)[None].repeat(4, 0) / 100, Y))[0]


@pytest.mark.parametrize("labels", [[-1, 1, 1, -1], [-1.0, 1.0, 1.0, -1.0], np.array([-1, 1, 1, -1], np.int8)])
def test_minus_one_and_one_are_two_classes(labels):
    made = from_arrays(X, labels)
    assert made.class_names == ("-1", "1")
    assert made.targets.tolist() == [0, 1, 1, 0]
    assert from_arrays(X, labels, class_names=made.class_names).targets.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(("labels", "names"), [([0, -1, 1, 1], ("a", "b", "c")), ([-1, 1, 1, 1], ("no", "yes"))])
def test_any_other_minus_one_is_missing_and_the_hint_makes_it_a_class(labels, names):
    said = refusal(X, labels, class_names=names)
    assert "1 label is -1, which stands for a missing label (example 'arrays-000" in said
    assert "np.unique(labels, return_inverse=True)[1]" in said
    mended = from_arrays(X, np.unique(labels, return_inverse=True)[1], class_names=names)
    assert mended.targets.tolist() == [sorted(set(labels)).index(label) for label in labels]


def test_lists_of_labels_are_told_how_a_table_is_made():
    lists = [[0, 2], [1], [], [0]]
    assert "then table[example, its_labels] = 1 for each" in refusal(X, lists)
    table = np.zeros((4, 3), int)
    for example, its_labels in enumerate(lists):
        table[example, its_labels] = 1
    assert from_arrays(X, table).task == "labels"


def test_a_given_display_decides():
    flat = np.arange(80, dtype=np.uint8).reshape(4, 20)
    shown = from_arrays(flat, Y, display=Display("image", (4, 5)))
    assert shown.inputs.shape == (4, 20)
    assert shown.inputs[0, 1] == np.float32(1) / np.float32(255)
    rows = from_arrays(np.zeros((4, 6, 5)), Y, display=Display("row"))
    assert rows.inputs.shape == (4, 6, 5)
    tiny = from_arrays(np.zeros((4, 2, 2, 3)), Y, display=Display("image", (2, 2, 3)))
    assert tiny.inputs.shape == (4, 3, 2, 2)


def test_missing_labels():
    for labels in ([0, None, 1, 1], [0, np.nan, 1, 1], np.array([0, np.nan, 1, 1]), np.array([0, -1, 1, 1])):
        what = "-1, which stands for a missing label" if -1 in list(labels) else "missing"
        message = f"The dataset 'arrays' cannot be used: 1 label is {what} (example 'arrays-0001')."
        assert refusal(X, labels).startswith(message)
    for labels in (["a", None, "b", ""], ["a", float("nan"), "b", None]):
        said = "2 labels are missing (examples 'arrays-0001', 'arrays-0003')"
        assert said in refusal(X, labels)


def test_labels_out_of_range():
    message = "1 label is out of range 0 to 1 (7 at example 'arrays-0003')"
    assert message in refusal(X, [0, 1, 1, 7], class_names=("cat", "dog"))
    assert "1 label is out of range 0 to 99999 (-2 at example 'arrays-0000')" in refusal(X, [-2, 1, 1, 0])
    assert "1 label is out of range 0 to 99999" in refusal(X, [10**9, 1, 1, 0])


def test_labels_that_are_not_whole():
    assert "2 labels are not whole numbers (0.5, inf at examples " in refusal(X, [0.5, 1, np.inf, 0])


def test_labels_that_are_no_class_name():
    said = refusal(X, ["cat", "dgo", "dog", "cat"], class_names=("dog", "cat"))
    assert "1 label is none of the class names ('dgo' at example 'arrays-0001')" in said
    assert said.endswith("Hint: the class names are 'cat', 'dog'.")


def test_labels_of_mixed_or_foreign_type():
    assert "must be all whole numbers or all text, and are of type 'int', 'str'" in refusal(X, ["a", 1, "b", 2])
    assert "every example has just one of its labels, and so one class" in refusal(X, np.eye(4))
    assert "targets.argmax(axis=1)" in refusal(X, np.eye(4))
    assert "one target per example, but the targets have the shape (4, 2)" in refusal(X, np.eye(4, 2), task="classes")
    assert "one label per example, but its labels are a 'NoneType'" in refusal(X, None)
    assert "of type 'list'" in refusal(X, [[1], [1, 2], [1], [2]])


def test_fewer_than_two_classes():
    message = "The dataset 'arrays' cannot be used: it needs at least 2 classes, and every label is 'cat'."
    assert refusal(X, ["cat"] * 4).startswith(message)


def test_class_names_must_differ():
    assert "its class names must differ, but 'cat' stands more than once" in refusal(X, Y, class_names=["cat", "cat"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite(bad):
    inputs = np.zeros((4, 2), np.float32)
    inputs[1:3, 1] = bad
    message = "2 examples have NaN or infinite inputs ('arrays-0001', 'arrays-0002')"
    assert message in refusal(inputs, Y)


def test_numbers_too_large_for_float32_are_infinite():
    assert "1 example has NaN or infinite inputs" in refusal(np.array([[1e300], [0], [0], [0]]), Y)


def test_inputs_that_are_no_array_of_numbers():
    assert "not an array of numbers of one shape" in refusal([[1, 2], [3]], [0, 1])
    assert "its inputs must be numbers, and are of type 'str" in refusal([["a"], ["b"]], [0, 1])
    assert "their shape is (4,). Hint: a single feature is inputs[:, None]." in refusal(np.zeros(4), Y)
    assert "their shape is (4, 0)" in refusal(np.zeros((4, 0)), Y)


def test_rows_that_do_not_match():
    message = "its arrays must have one row per example, but there are 4 inputs, 3 labels, 5 ids."
    assert message in refusal(X, Y[:3], ids=list("abcde"))


def test_an_empty_dataset():
    for inputs in (np.zeros((0, 2)), []):
        assert refusal(inputs, []).startswith("The dataset 'arrays' cannot be used: it is empty.")


def test_ids_that_are_repeated_or_missing():
    assert "ids must be unique, but 1 is repeated ('a')" in refusal(X, Y, ids=["a", "b", "a", "c"])
    assert "1 id is missing (rows from 0: 1)" in refusal(X, Y, ids=["a", None, "b", "c"])
    assert "1 group is missing (rows from 0: 0)" in refusal(X, Y, groups=["", "g", "g", "g"])


def test_a_display_that_does_not_fit():
    assert "images of shape (3, 3) cannot be shown" in refusal(X, Y, display=Display("image", (3, 3)))
    assert "1 feature names do not fit 2 features" in refusal(X, Y, display=Display("row", (2,), ("height",)))


def test_all_problems_are_said_together():
    inputs = X.copy()
    inputs[0, 0] = np.nan
    assert refusal(inputs, [0, None, 0.5, 1], ids=["a", "b", "b", "c"], name="mine") == (
        "The dataset 'mine' cannot be used: ids must be unique, but 1 is repeated ('b'); "
        "1 example has NaN or infinite inputs ('a'); 1 label is missing (example 'b'); "
        "1 label is not a whole number (0.5 at example 'b'). "
        "Hint: without ids the examples are numbered; what belongs to one person or document is a group, and may "
        "repeat; leave them out, or put a number in their "
        "place; leave these examples out; of numbers that are to be predicted say task='regression'."
    )


def test_the_user_s_arrays_are_left_alone():
    inputs, targets = X.copy(), Y.copy()
    from_arrays(inputs, targets)
    assert np.array_equal(inputs, X)
    assert np.array_equal(targets, Y)
    assert inputs.flags.writeable


def test_texts_that_no_file_can_hold_are_refused() -> None:
    with pytest.raises(BadInput, match="1 class name is no valid text"):
        from_arrays(np.zeros((4, 2)), np.array(["a", "b", "\ud800", "a"]))
    with pytest.raises(BadInput, match="1 id is no valid text"):
        from_arrays(np.zeros((2, 2)), np.array([0, 1]), ids=["a", "\udfff"])

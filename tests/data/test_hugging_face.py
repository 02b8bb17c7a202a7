import numpy as np
import pytest

from byrote.data import Display, from_hugging_face
from byrote.errors import BadInput

datasets = pytest.importorskip("datasets", reason="the extra byrote[huggingface] is not installed")


@pytest.fixture
def rows():
    features = datasets.Features(
        {
            "x": datasets.List(datasets.Value("float32")),
            "y": datasets.ClassLabel(names=["cat", "dog"]),
            "key": datasets.Value("string"),
            "person": datasets.Value("string"),
        }
    )
    content = {
        "x": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
        "y": [1, 0, 1],
        "key": list("abc"),
        "person": list("ppq"),
    }
    return datasets.Dataset.from_dict(content, features=features)


def refusal(dataset, **keywords):
    with pytest.raises(BadInput) as caught:
        from_hugging_face(dataset, **({"input": "x", "target": "y"} | keywords))
    return str(caught.value)


@pytest.mark.parametrize("format", [None, "numpy", "torch"])
def test_columns(rows, format):
    dataset = from_hugging_face(rows.with_format(format), input="x", target="y", id="key", group="person", name="hf")
    assert dataset.inputs.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert dataset.targets.tolist() == [1, 0, 1]
    assert dataset.class_names == ("cat", "dog")
    assert dataset.ids.tolist() == ["a", "b", "c"]
    assert dataset.groups.tolist() == ["p", "p", "q"]


def test_ids_by_position(rows):
    assert from_hugging_face(rows, input="x", target="y").ids[0] == "hugging-face-0000"


def test_text_targets(rows):
    assert from_hugging_face(rows, input="x", target="person").class_names == ("p", "q")


def test_images():
    from PIL import Image

    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    rows = datasets.Dataset.from_dict({"image": [Image.fromarray(pixels)] * 2, "label": [0, 1]}, features=features)
    dataset = from_hugging_face(rows, input="image", target="label")
    assert dataset.inputs.shape == (2, 3, 4, 5)
    assert dataset.display == Display("image", (4, 5, 3))
    np.testing.assert_array_equal(dataset.inputs[1, 2], pixels[:, :, 2].astype(np.float32) / np.float32(255))


def test_arrays():
    features = datasets.Features({"x": datasets.Array2D((4, 5), "float32"), "y": datasets.Value("int64")})
    rows = datasets.Dataset.from_dict({"x": np.ones((2, 4, 5)).tolist(), "y": [0, 1]}, features=features)
    assert from_hugging_face(rows, input="x", target="y").inputs.shape == (2, 1, 4, 5)


def lists_of(labels, names=("n", "p", "q"), **more):
    column = datasets.List(datasets.ClassLabel(names=list(names)), **more)
    features = datasets.Features({"x": datasets.List(datasets.Value("float32")), "y": column})
    rows = {"x": np.eye(len(labels)).tolist(), "y": labels}
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.mark.parametrize("format", [None, "numpy", "torch"])
def test_lists_of_class_labels_are_several_labels_an_example(format):
    made = from_hugging_face(lists_of([[0, 2], [1], [], [2]]).with_format(format), input="x", target="y")
    assert (made.task, made.class_names) == ("labels", ("n", "p", "q"))
    assert made.targets.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_lists_that_are_no_sets_of_labels():
    said = refusal(lists_of([[0, 2], [1, 1], []]))
    assert "Example 1 of 'hugging-face', counted from 0, has the labels [1, 1]" in said
    flags = lists_of([[0, 1], [1, 1], [0, 0]], ("no", "yes"))
    assert "has the labels [1, 1]" in refusal(flags)
    mended = flags.cast_column("y", datasets.List(datasets.Value("int64")))
    assert from_hugging_face(mended, input="x", target="y").targets.tolist() == [[0, 1], [1, 1], [0, 0]]


def test_grey_pictures_among_coloured_ones():
    from PIL import Image

    grey = Image.new("L", (5, 4))
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    rows = datasets.Dataset.from_dict({"image": [grey, grey.convert("RGB")], "label": [0, 1]}, features=features)
    assert "datasets.Image(mode='RGB')" in refusal(rows, input="image", target="label")
    mended = rows.cast_column("image", datasets.Image(mode="RGB"))
    assert from_hugging_face(mended, input="image", target="label").inputs.shape == (2, 3, 4, 5)


def test_a_row_that_cannot_be_decoded_is_named():
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    broken = [{"bytes": b"no image", "path": None}] * 2
    rows = datasets.Dataset.from_dict({"image": broken, "label": [0, 1]}, features=features)
    assert refusal(rows, input="image", target="label").startswith("Item 0 of 'hugging-face', counted from 0, cannot")


def test_a_wrong_column(rows):
    assert refusal(rows, target="label") == (
        "The 'target' argument of from_hugging_face must name a column. Got 'label'. "
        "Hint: the columns are 'key', 'person', 'x', 'y'."
    )


def test_splits_and_streams(rows):
    said = refusal(datasets.DatasetDict({"train": rows, "test": rows}))
    assert (
        said == "The dataset 'hugging-face' has several splits. Hint: choose one of 'test', 'train', as dataset[split]."
    )
    assert "must have columns and a length" in refusal(rows.to_iterable_dataset())


def test_text_is_no_input(rows):
    assert "Inputs must be arrays of numbers. Example 0 of 'hugging-face' is a 'str'." in refusal(rows, input="key")


def test_missing_labels(rows):
    content = {"x": [[1.0], [2.0], [3.0]], "y": [0, None, 1]}
    assert "1 label is missing (example 'hugging-face-0001')" in refusal(datasets.Dataset.from_dict(content))


def test_an_empty_dataset(rows):
    assert refusal(rows.select([])).startswith("The dataset 'hugging-face' cannot be used: it is empty.")
